"""An engine is killed while it makes an object with a made-up name: the next update finds the object and carries on."""

import json
import os
import signal
import subprocess
import sys

import pytest

from localcloud import paths
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import THERE, Api
from tests.engine.project import STACK, Project
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

PROGRAM = (
    THERE
    + """
    labels = {"app": "app"}
    app = k8s.apps.v1.Deployment(
        "app",
        metadata={"annotations": {"pulumi.com/skipAwait": config.require("skip")}},
        spec={
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": config.require("image")}]},
            },
        },
        opts=there,
    )
    pulumi.export("name", app.metadata.name)
"""
)


@pytest.fixture
def settings(plane: ControlPlane, api: Api) -> dict[str, str]:
    return {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace, "skip": "false", "image": "none"}


def names(api: Api) -> list[str]:
    return [item["metadata"]["name"] for item in api.get("deployments.apps")["items"]]


def kill_while_waiting(project: Project, api: Api, expected: int) -> None:
    with project.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        wait_for(lambda: len(names(api)) == expected, "the object to be made")
        update.kill()
    assert project.deployment()["pending_operations"]


def test_the_object_is_taken_over_and_not_made_twice(project: Project, settings: dict[str, str], api: Api) -> None:
    project.write(PROGRAM, settings)
    kill_while_waiting(project, api, expected=1)
    (made,) = names(api)
    project.write(PROGRAM, {**settings, "skip": "true"})
    assert "created" not in project.make_up()
    assert names(api) == [made]
    assert project.outputs()["name"] == made
    project.preview("--expect-no-changes")


def test_an_object_that_has_gone_meanwhile_is_made_again(project: Project, settings: dict[str, str], api: Api) -> None:
    project.write(PROGRAM, settings)
    kill_while_waiting(project, api, expected=1)
    (made,) = names(api)
    api.delete(f"deployments.apps/{made}")
    wait_for(lambda: not names(api), "the object to go")
    project.write(PROGRAM, {**settings, "skip": "true"})
    project.make_up()
    assert len(names(api)) == 1
    project.preview("--expect-no-changes")


def test_the_successor_that_was_half_made_leaves_no_orphan(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    """A replacement is made beside its predecessor; killed then, neither may be lost from sight."""
    project.write(PROGRAM, {**settings, "skip": "true"})
    project.up()
    replaced = PROGRAM.replace('labels = {"app": "app"}', 'labels = {"app": "other"}')
    project.write(replaced, settings)
    kill_while_waiting(project, api, expected=2)
    project.write(replaced, {**settings, "skip": "true"})
    project.make_up()
    wait_for(lambda: len(names(api)) == 1, "the others to go")
    assert names(api) == [project.outputs()["name"]]
    project.preview("--expect-no-changes")


def test_a_recovery_that_is_killed_leaves_no_stack_behind(project: Project, settings: dict[str, str], api: Api) -> None:
    """The state that it was about to import lay among the stacks, and was one from then on."""
    project.write(PROGRAM, settings)
    kill_while_waiting(project, api, expected=1)
    code = (
        "import json, sys; from pathlib import Path; from localcloud import pulumi; "
        "pulumi.recover(sys.argv[1], json.loads(sys.argv[2]), print, Path(sys.argv[3]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, STACK, json.dumps(project.environment), str(project.directory)],
        cwd=paths.CHECKOUT,
        env={**os.environ, "XDG_STATE_HOME": str(project.state.parent)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as recovery:
        wait_for(lambda: list(project.state.glob("pulumi/settled-*.json")), "the settled state", every=0.005)
        os.killpg(recovery.pid, signal.SIGKILL)
    assert project.deployment()["pending_operations"]
    listed = json.loads(project.pulumi("stack", "ls", "--json").output)
    assert [stack["name"].rpartition("/")[2] for stack in listed] == [STACK]
    project.write(PROGRAM, {**settings, "skip": "true"})
    assert "created" not in project.make_up()
    assert list(project.state.glob("pulumi/settled-*.json")) == []
