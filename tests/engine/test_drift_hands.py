"""Who changed by hand what a look for drift finds, and when: from the objects of a real API server, and from its audit
log (S12.2)."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery.audit_log import FileLog, Log
from operations.delivery.hands import report
from operations.delivery.preview import Preview
from operations.delivery.target import Target
from tests.engine.kubelet import client_of
from tests.engine.planes import THERE, Api, namespace_for
from tests.engine.project import Project, make_project
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

PROGRAM = (
    THERE
    + """
    k8s.core.v1.ConfigMap("settings", metadata={"name": "settings"}, data={"colour": "blue", "size": "1"}, opts=there)
    pod = {"containers": [{"name": name, "image": "none"} for name in ("first", "second")]}
    k8s.apps.v1.Deployment(
        "web",
        metadata={"name": "web", "annotations": {"pulumi.com/skipAwait": "true"}},
        spec={
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        },
        opts=there,
    )
"""
)
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    with namespace_for(client_of(str(plane.kubeconfig))) as found:
        yield found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane, api: Api) -> Project:
    project = make_project(tmp_path_factory.mktemp("hands"))
    project.write(PROGRAM, {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace, "force": "true"})
    return project


@pytest.fixture
def target(made: Project, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The stack, as the program has it, whatever the test before has done."""
    made.up("--refresh")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    found = Target.named("development")
    (context,) = plane.config["contexts"]
    cluster = {"context": context["name"], "kubeconfig": str(plane.kubeconfig), "flavour": "existing"}
    settings = found.settings.model_copy(update={"cluster": found.settings.cluster.model_validate(cluster)})
    file = made.directory / "Pulumi.test.yaml"
    return replace(found, stack="test", file=file, settings=settings, checkout=made.directory)


class Person:
    """Somebody with a login of their own who may edit what is in the namespace."""

    def __init__(self, name: str, plane: ControlPlane, api: Api, folder: Path) -> None:
        self.user = f"system:serviceaccount:{api.namespace}:{name}"
        self._namespace = api.namespace
        self._kubeconfig = plane.kubeconfig
        self.kubectl("create", "serviceaccount", name)
        self.kubectl("create", "rolebinding", name, "--clusterrole=edit", f"--serviceaccount={api.namespace}:{name}")
        config: dict[str, Any] = plane.config
        config["users"][0]["user"] = {"token": self.kubectl("create", "token", name).strip()}
        self._kubeconfig = folder / name
        self._kubeconfig.write_text(yaml.safe_dump(config))

    def kubectl(self, *arguments: str) -> str:
        words = ["kubectl", f"--kubeconfig={self._kubeconfig}", f"--namespace={self._namespace}", *arguments]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def person(plane: ControlPlane, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Person:
    found = Person("ada", plane, api, tmp_path_factory.mktemp("ada"))
    # The role is put together of others by a controller.
    wait_for(lambda: found.kubectl("auth", "can-i", "update", "deployments.apps/scale").strip() == "yes", "her rights")
    return found


def told(target: Target, log: Log | None) -> Sequence[str]:
    found = Preview.of_stack(target, "--refresh")
    assert not found.errors
    assert found.changes
    return list(report(target, found.changes, log))


def test_where_nothing_was_changed_nobody_is_asked(target: Target) -> None:
    assert not Preview.of_stack(target, "--refresh").changes


def test_a_changed_field_is_told_with_who_when_and_by_what(target: Target, person: Person, plane: ControlPlane) -> None:
    person.kubectl("patch", "configmap", "settings", "-p", '{"data": {"colour": "red"}}')
    (line,) = told(target, FileLog(plane.audit))
    who = f"changed by {person.user} with kubectl-patch"
    assert re.fullmatch(rf"ConfigMap settings: data\.colour: {who}, {MOMENT}", line), line
    # Each object says of itself what it can.
    (line,) = told(target, None)
    assert re.fullmatch(
        rf"ConfigMap settings: data\.colour: changed by an unknown user with kubectl-patch, {MOMENT}", line
    ), line


def test_two_who_changed_one_object_are_told_apart(
    target: Target, person: Person, plane: ControlPlane, api: Api
) -> None:
    person.kubectl("patch", "configmap", "settings", "-p", '{"data": {"colour": "red"}}')
    api.patch("configmaps/settings", {"data": {"size": "2"}}, manager="somebody-else")
    lines = sorted(told(target, FileLog(plane.audit)))
    assert [line.partition(", ")[0].split(": ")[1:] for line in lines] == [
        ["data.colour", f"changed by {person.user} with kubectl-patch"],
        ["data.size", "changed by admin with somebody-else"],
    ]


def test_more_replicas_and_one_container_of_several_are_told(
    target: Target, person: Person, plane: ControlPlane
) -> None:
    """`kubectl scale` writes by another door than the object's own; a container is one of a list."""
    person.kubectl("scale", "deployment", "web", "--replicas=2")
    person.kubectl("set", "image", "deployment/web", "second=other")
    lines = sorted(told(target, FileLog(plane.audit)))
    assert len(lines) == 2
    assert re.fullmatch(rf"Deployment web: spec\.replicas: changed by {person.user} with kubectl, {MOMENT}", lines[0])
    where = r"spec\.template\.spec\.containers\[1\]\.image"
    assert re.fullmatch(rf"Deployment web: {where}: changed by {person.user} with kubectl-set, {MOMENT}", lines[1])


def test_of_what_was_taken_away_the_log_has_the_last_that_wrote(
    target: Target, person: Person, plane: ControlPlane
) -> None:
    person.kubectl("patch", "configmap", "settings", "-p", '{"data": {"colour": null}}')
    (line,) = told(target, FileLog(plane.audit))
    last = f"the last known write is a patch by {person.user} with kubectl"
    assert re.fullmatch(rf"ConfigMap settings: data\.colour: not known for sure; {last}, {MOMENT}", line), line
    assert told(target, None) == ["ConfigMap settings: data.colour: who and when is not known"]


def test_of_what_is_gone_the_log_alone_knows(target: Target, person: Person, plane: ControlPlane) -> None:
    person.kubectl("delete", "configmap", "settings")
    (line,) = told(target, FileLog(plane.audit))
    last = f"the last known write is a delete by {person.user} with kubectl"
    assert re.fullmatch(rf"ConfigMap settings: not known for sure; {last}, {MOMENT}", line), line
    assert told(target, None) == ["ConfigMap settings: who and when is not known"]


def test_a_log_that_can_not_be_read_is_said_once_and_the_rest_is_told(
    target: Target, person: Person, tmp_path: Path
) -> None:
    person.kubectl("patch", "configmap", "settings", "-p", '{"data": {"colour": "red"}}')
    person.kubectl("scale", "deployment", "web", "--replicas=2")
    lines = told(target, FileLog(tmp_path / "nowhere"))
    assert [line for line in lines if "The audit log can't be read" in line] == lines[:1]
    assert [line.partition(",")[0] for line in lines[1:]] == [
        "ConfigMap settings: data.colour: changed by an unknown user with kubectl-patch",
        "Deployment web: spec.replicas: changed by an unknown user with kubectl",
    ]
