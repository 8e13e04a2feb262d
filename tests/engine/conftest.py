"""Fixtures of the tests that run the real Pulumi engine."""

from pathlib import Path

import pytest

from tests.engine.planes import api, plane, stack  # noqa: F401  fixtures of the Kubernetes plugin's tests
from tests.engine.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one empty stack, of this test alone. Several tests may share one by `make_project`."""
    return make_project(tmp_path)
