"""`up` makes a healthy cluster of whatever it finds, and leaves a healthy one alone."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import cluster
from localcloud.cluster import layout
from localcloud.docker import docker
from localcloud.problem import Problem
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

NODE = layout.NODES[1]


@pytest.fixture(autouse=True)
def repaired() -> Iterator[None]:
    """Whatever a test breaks and doesn't mend is mended before the next."""
    yield
    cluster.up(lambda _: None)


def problems() -> dict[str, str]:
    return {part.name: part.problem for part in cluster.status().parts if part.problem and part.name != "metrics"}


def machines() -> list[str]:
    """The containers with the moment each was started."""
    names = (layout.CONTROL_PLANE, layout.REGISTRY, *(node.container for node in layout.NODES))
    return docker("inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", *names).splitlines()


def versions(pods: Pods) -> dict[str, str]:
    """What is in kube-system, with the version of each object."""
    objects: list[Any] = [
        *pods.core.list_namespaced_config_map("kube-system").items,
        *pods.core.list_namespaced_secret("kube-system").items,
        *pods.core.list_namespaced_service("kube-system").items,
        *pods.core.list_namespaced_pod("kube-system").items,
    ]
    return {each.metadata.name: each.metadata.resource_version for each in objects}


def test_a_healthy_cluster_is_left_alone(pods: Pods) -> None:
    cluster.up(lambda _: None)
    wait_for(lambda: cluster.status().healthy, "a healthy cluster")
    before = machines(), versions(pods)
    told: list[str] = []
    cluster.up(told.append)
    assert (machines(), versions(pods)) == before
    assert told == []


def test_a_killed_node_is_brought_back_with_its_pods(pods: Pods) -> None:
    pods.start("survivor", node=NODE.name)
    docker("kill", NODE.container)
    assert problems()[NODE.container] == "is exited"

    cluster.up(lambda _: None)

    assert problems() == {}
    wait_for(lambda: pods.python("survivor", "print('here')") == "here", "the pod to answer again")


def test_a_frozen_node_is_woken() -> None:
    docker("pause", NODE.container)
    assert problems()[NODE.container] == "is paused"
    cluster.up(lambda _: None)
    assert problems() == {}


def test_a_node_that_was_removed_is_made_anew() -> None:
    docker("rm", "--force", NODE.container)
    assert problems()[NODE.container] == "isn't there"
    cluster.up(lambda _: None)
    assert problems() == {}


def test_a_node_that_was_cut_off_is_made_anew() -> None:
    docker("network", "disconnect", "--force", layout.NETWORK, NODE.container)
    cluster.up(lambda _: None)
    assert problems() == {}


def test_what_the_api_server_knew_outlives_the_control_planes_container(pods: Pods) -> None:
    pods.core.create_namespaced_secret(pods.namespace, {"metadata": {"name": "kept"}, "stringData": {"x": "y"}})
    docker("rm", "--force", layout.CONTROL_PLANE)
    assert problems()[layout.CONTROL_PLANE] == "isn't there"
    assert problems()["API server"] == "isn't ready"

    cluster.up(lambda _: None)

    assert pods.core.read_namespaced_secret("kept", pods.namespace).data == {"x": "eQ=="}
    assert problems() == {}


def test_a_lost_route_is_found_and_set_again() -> None:
    subprocess.run(["ip", "route", "del", NODE.pods], check=True)
    assert problems()["routes to pods"] == f"are missing on this machine: to {NODE.name}"
    cluster.up(lambda _: None)
    assert problems() == {}


def test_a_program_of_the_control_plane_that_dies_is_started_again() -> None:
    def scheduler() -> str:
        listed = docker("top", layout.CONTROL_PLANE, "-eo", "pid,args").splitlines()
        return next((line.split()[0] for line in listed if " kube-scheduler " in line), "")

    before = scheduler()
    os.kill(int(before), signal.SIGKILL)
    assert wait_for(lambda: scheduler() not in ("", before), "another scheduler")


def test_a_port_that_is_taken_is_named_with_who_has_it() -> None:
    docker("rm", "--force", layout.CONTROL_PLANE)
    holder = f"Port {layout.API_PORT} of 127.0.0.1 is taken by .*process {os.getpid()}"
    with socket.create_server(("127.0.0.1", layout.API_PORT)), pytest.raises(Problem, match=holder):
        cluster.up(lambda _: None)


def test_a_cluster_of_another_user_is_not_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = machines()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(Problem, match="belongs to"):
        cluster.up(lambda _: None)
    with pytest.raises(Problem, match="belongs to"):
        cluster.down(lambda _: None)
    monkeypatch.undo()
    assert machines() == before
