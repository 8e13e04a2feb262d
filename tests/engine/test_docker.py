"""What the local docker plugin refuses. What it does is in `test_docker_conformance.py`."""

import pytest

from tests.engine.project import Project

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("name", ["redis:7.4", "ghcr.io/cirruslabs/flutter:3.24.5", "localhost.example.org/x:1"])
def test_other_registries_are_not_asked(project: Project, name: str) -> None:
    """Quarantine: a stand-in's answer must not be taken for the world's."""
    project.write(f"import pulumi_docker as docker\ndocker.get_registry_image(name={name!r})\n", {})
    assert "asks no registry but this machine's" in project.preview(succeeds=False).said


def test_another_machines_engine_is_not_asked(project: Project) -> None:
    """Quarantine."""
    project.environment["DOCKER_HOST"] = "ssh://engine.example.org"
    project.write("import pulumi_docker as docker\ndocker.get_remote_image(name='redis:7.4')\n", {})
    assert "is no Docker engine of this machine" in project.preview(succeeds=False).said


def test_resources_are_refused_in_the_preview(project: Project) -> None:
    project.write("import pulumi_docker as docker\ndocker.Network('it')\n", {})
    assert "it only looks images up" in project.preview(succeeds=False).said
