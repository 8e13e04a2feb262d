"""Fixtures of the tests that run the real Pulumi engine."""

from pathlib import Path

import pytest

from tests.engine.builds import building  # noqa: F401  a fixture of the tests that build
from tests.engine.conformance import wire, wired  # noqa: F401  fixtures of the tests of conformance
from tests.engine.planes import api, plane, stack  # noqa: F401  fixtures of the Kubernetes plugin's tests
from tests.engine.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one empty stack, of this test alone. Several tests may share one by `make_project`."""
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The PROGRAM of a file of tests, up; shared by those that only look."""
    return _brought_up(make_project(tmp_path_factory.mktemp("made")), request)


@pytest.fixture
def changing(request: pytest.FixtureRequest, project: Project) -> Project:
    """The same for one test that changes something."""
    return _brought_up(project, request)


def _brought_up(project: Project, request: pytest.FixtureRequest) -> Project:
    project.write(request.module.PROGRAM, {})
    project.up()
    return project
