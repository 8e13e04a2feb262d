"""What somebody changed by hand is put right or named by the next update, which looks closer only where that is so."""

from collections.abc import Iterator

import pytest

from localcloud.problem import Problem
from localcloud.pulumi import drift
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.kubelet import client_of
from tests.engine.planes import THERE, Api, namespace_for
from tests.engine.project import Project, make_project

pytestmark = pytest.mark.engine

PROGRAM = (
    THERE
    + """
    import pulumi_random as random

    word = random.RandomPassword("word", length=9)
    settings = k8s.core.v1.ConfigMap("settings", metadata={"name": "settings"}, data={"colour": "blue"}, opts=there)
    secret = k8s.core.v1.Secret("secret", metadata={"name": "secret"}, string_data={"word": word.result}, opts=there)
    service = k8s.core.v1.Service(
        "service", metadata={"name": "service"}, spec={"ports": [{"port": 80}], "clusterIP": "None"}, opts=there
    )
"""
)


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    with namespace_for(client_of(str(plane.kubeconfig))) as found:
        yield found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane, api: Api) -> Project:
    project = make_project(tmp_path_factory.mktemp("drift"))
    project.write(PROGRAM, {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace})
    project.make_up()
    return project


@pytest.fixture
def project(made: Project) -> Project:
    """The program, up, whatever the test before has done."""
    made.make_up()
    return made


def test_what_is_as_it_was_left_needs_no_refresh(project: Project, api: Api) -> None:
    assert drift.as_recorded(project.state_file)
    # Somebody else's own field on an object of ours is none of our business.
    api.patch("configmaps/settings", {"metadata": {"annotations": {"example.org/seen": "yes"}}})
    assert drift.as_recorded(project.state_file)
    assert project.make_up() == "nothing to change"


@pytest.mark.parametrize("name", ["configmaps/settings", "secrets/secret", "services/service"])
def test_what_was_deleted_by_hand_comes_back(project: Project, api: Api, name: str) -> None:
    api.delete(name)
    assert not drift.as_recorded(project.state_file)
    assert project.make_up() == "1 created"
    assert api.get(name)
    assert drift.as_recorded(project.state_file)


def test_what_was_taken_away_by_hand_comes_back(project: Project, api: Api) -> None:
    api.patch("configmaps/settings", {"data": {"colour": None}})
    assert not drift.as_recorded(project.state_file)
    assert project.make_up() == "1 updated"
    assert api.get("configmaps/settings")["data"] == {"colour": "blue"}
    assert drift.as_recorded(project.state_file)


def test_what_was_given_another_value_by_hand_is_said(project: Project, api: Api) -> None:
    """Server-side apply leaves a field to whoever gave it its value, until they give it up."""
    api.patch("configmaps/settings", {"data": {"colour": "red"}}, manager="kubectl-edit")
    assert not drift.as_recorded(project.state_file)
    with pytest.raises(Problem, match=r'conflict with "kubectl-edit" using v1: \.data\.colour'):
        project.make_up()
    api.delete("configmaps/settings")
    assert project.make_up() == "1 created"


def test_another_object_of_the_same_name_is_not_taken_for_ours(project: Project, api: Api) -> None:
    api.delete("configmaps/settings")
    api.post("configmaps", {"metadata": {"name": "settings"}, "data": {"colour": "blue"}})
    assert not drift.as_recorded(project.state_file)


def test_a_cluster_that_does_not_answer_is_not_taken_for_unchanged(project: Project) -> None:
    text = project.state_file.read_text()
    (line,) = {word for word in text.split('"') if word.endswith("kubeconfig") and "/" in word}
    project.state_file.write_text(text.replace(line, "/nowhere/kubeconfig"))
    try:
        assert not drift.as_recorded(project.state_file)
    finally:
        project.state_file.write_text(text)
