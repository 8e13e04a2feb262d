"""What runs is looked at as it was brought: a delivery names its release, and the checkout goes on (S9, S12.2)."""

import os
from dataclasses import replace

import pytest

from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery import deploy
from operations.delivery.history import Good, history, last_of_all, message_of
from operations.delivery.preview import Preview
from operations.delivery.release import as_it_was_brought, released, released_or_running
from operations.delivery.target import CHECKOUT, Target
from tests.cluster.releases import change, commit, git
from tests.engine.planes import Api
from tests.engine.project import STACK, Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import os

    import pulumi
    import pulumi_kubernetes as k8s

    cluster = k8s.Provider(
        "cluster",
        kubeconfig=os.environ["PLANE"],
        namespace=os.environ["PLACE"],
        cluster_identifier="plane",
        enable_config_map_mutable=True,
        enable_patch_force=True,
    )
    k8s.core.v1.ConfigMap(
        "settings",
        metadata={"name": "settings"},
        data={"release": pulumi.Config("vision-week").require("release"), "colour": "blue"},
        opts=pulumi.ResourceOptions(provider=cluster),
    )
"""


@pytest.fixture
def target(project: Project, plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Release v1 is brought and on record. Since then the checkout's program has gone on, and its file never knew."""
    for name, value in {**project.environment, "PLANE": str(plane.kubeconfig), "PLACE": api.namespace}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{project.home}/bin:{CHECKOUT / '.venv' / 'bin'}:{os.environ['PATH']}")
    project.write(PROGRAM)
    file = project.directory / f"Pulumi.{STACK}.yaml"
    file.write_text((CHECKOUT / "Pulumi.development.yaml").read_text())
    (project.directory / "requirements.txt").write_text("")
    commit(project.directory, "v1")
    monkeypatch.setattr(deploy, "keep", lambda _: None)  # there is one delivery
    target = replace(Target.named("development"), stack=STACK, file=file, checkout=project.directory)
    with released(target, "v1") as wanted:
        deploy._bring(wanted, len(history(target)), "brought")
        program = git(project.directory, "rev-parse", "HEAD")
        wanted.pulumi(*deploy._RECORD, "--message", message_of(Good(release="v1", program=program, images={})))
    change(project.directory / "__main__.py", "blue", "green")
    commit(project.directory, "v2")
    return target


def changes(of: Target, *options: str) -> set[str]:
    found = Preview.of_stack(of, *options)
    assert not found.errors
    return {each.path for change in found.changes for each in change.differences}


def test_what_is_as_it_was_brought_has_not_drifted_though_the_checkout_is_another(target: Target) -> None:
    with as_it_was_brought(target, last_of_all(history(target))) as brought:
        assert changes(brought, "--refresh") == set()


def test_what_was_changed_by_hand_is_drift_and_what_the_checkout_would_change_is_not(target: Target, api: Api) -> None:
    api.patch("configmaps/settings", {"data": {"colour": "red"}})
    with as_it_was_brought(target, last_of_all(history(target))) as brought:
        assert changes(brought, "--refresh") == {"data.colour"}


def test_a_preview_without_a_tag_is_of_the_release_that_runs(target: Target) -> None:
    with released_or_running(target, None) as wanted:
        assert wanted.settings.release == "v1"
        assert changes(wanted) == {"data.colour"}
    with released_or_running(target, "v2") as wanted:
        assert changes(wanted) == {"data.colour", "data.release"}


def test_before_the_first_update_the_stacks_file_names_the_release(target: Target, project: Project) -> None:
    project.destroy()
    with released_or_running(target, None) as wanted:
        assert wanted.settings.release == "development"
