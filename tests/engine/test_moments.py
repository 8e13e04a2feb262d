"""When a stack was delivered to and looked at, told by who may, on a real engine and a real API server (S8.1)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from components.moments import ALL, CHECKED, DELIVERED, UNCHANGED
from localcloud import paths
from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery import command, moments
from operations.delivery.preview import Preview
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target
from tests.engine.kubelet import client_of
from tests.engine.planes import Api, namespace_for
from tests.engine.project import Project, make_project

pytestmark = pytest.mark.engine

# Who looks is in the cluster under this name.
LOOKER = "looker"
PROGRAM = f"""
    import sys

    sys.path.insert(0, {str(paths.CHECKOUT)!r})
    import pulumi
    import pulumi_kubernetes as k8s

    from components.cluster import Cluster, ClusterArgs
    from components.inspection import Inspection, InspectionArgs
    from components.kubernetes import Namespace
    from components.monitoring.moments import Moments, MomentsArgs

    config = pulumi.Config()
    where = ClusterArgs(
        context=config.require("context"), kubeconfig=config.require("kubeconfig"), identifier="the tests' own"
    )
    inside = pulumi.ResourceOptions(providers=[Cluster("cluster", where).provider])
    name = pulumi.Output.from_input(config.require("namespace"))
    user = f"system:serviceaccount:{{config.require('namespace')}}:{LOOKER}"
    monitoring = Namespace(name=name, guards=[])
    Moments("moments", MomentsArgs(namespace=monitoring, users=[user]), inside)
    Inspection("inspection", InspectionArgs(namespaces={{"monitoring": monitoring}}, users=[user]), inside)
    settings = {{"name": "settings", "namespace": name}}
    k8s.core.v1.ConfigMap("settings", metadata=settings, data={{"colour": "blue"}}, opts=inside)
"""


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    """A namespace, which is that of a stack's monitoring."""
    client = client_of(str(plane.kubeconfig))
    with namespace_for(client) as found:
        name = f"{found.namespace}-monitoring"
        client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        yield Api(client, name)
        client.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane, api: Api) -> Project:
    project = make_project(tmp_path_factory.mktemp("moments"))
    where = {"kubeconfig": str(plane.kubeconfig), "context": plane.config["current-context"]}
    project.write(PROGRAM, {**where, "namespace": api.namespace})
    return project


@pytest.fixture
def target(made: Project, plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The stack, as the program has it, and nobody has looked at it or delivered to it."""
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    found = as_user(plane.kubeconfig, api)
    found.kubectl("-n", api.namespace, "delete", "leases", "--all")
    made.up("--refresh")
    return replace(found, stack="test", file=made.directory / "Pulumi.test.yaml", checkout=made.directory)


def as_user(kubeconfig: Path, api: Api) -> Target:
    found = Target.named("development")
    (context,) = yaml.safe_load(kubeconfig.read_text())["contexts"]
    cluster = {"context": context["name"], "kubeconfig": str(kubeconfig), "flavour": "existing"}
    changed = {
        "cluster": found.settings.cluster.model_validate(cluster),
        "namespace_prefix": api.namespace.removesuffix("-monitoring"),
    }
    return replace(found, settings=found.settings.model_copy(update=changed))


def seen_by(name: str, target: Target, plane: ControlPlane, api: Api, folder: Path) -> Target:
    """The same stack for somebody with a login of their own, who reaches it by kubectl with that."""
    words = ("-n", api.namespace, "create")
    if name not in target.kubectl("-n", api.namespace, "get", "serviceaccounts", "-o", "name"):
        target.kubectl(*words, "serviceaccount", name)
    config: dict[str, Any] = plane.config
    config["users"][0]["user"] = {"token": target.kubectl(*words, "token", name).strip()}
    kubeconfig = folder / name
    kubeconfig.write_text(yaml.safe_dump(config))
    return replace(target, settings=as_user(kubeconfig, api).settings)


def told(target: Target) -> Mapping[str, datetime]:
    """When each was last; those that never were are left out."""
    found = json.loads(target.kubectl("-n", target.namespaces["monitoring"], "get", "leases", "-o", "json"))["items"]
    return {
        each["metadata"]["name"]: datetime.fromisoformat(each["spec"]["renewTime"])
        for each in found
        if "renewTime" in each["spec"]
    }


def looked(target: Target, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Exit]:
    """`deploy.sh test drift`, of this stack: what it said, and how it ended."""
    monkeypatch.setattr(command, "target_of", lambda _: target)
    done = CliRunner().invoke(command.app, ["test", "drift"])
    if done.exception:
        assert isinstance(done.exception, DeliveryError), done.output
        return done.output, done.exception.code
    return done.output, Exit.DONE


def test_before_anybody_has_delivered_or_looked_no_time_is_told(target: Target) -> None:
    assert told(target) == {}


def test_a_look_that_finds_nothing_and_one_that_finds_something_are_told_apart(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked(target, monkeypatch)[1] == Exit.DONE
    first = told(target)
    assert set(first) == {CHECKED, UNCHANGED}
    assert first[CHECKED] == first[UNCHANGED]
    there = ("-n", target.namespaces["monitoring"], "configmap", "settings")
    target.kubectl("patch", *there, "--type=merge", "-p", '{"data": {"colour": "red"}}')
    assert looked(target, monkeypatch)[1] == Exit.TESTS
    second = told(target)
    assert second[CHECKED] > second[UNCHANGED] == first[UNCHANGED]


def test_what_was_told_is_no_drift_and_stays_through_updates(target: Target, made: Project) -> None:
    moments.renew(target, print, *ALL)
    before = told(target)
    assert set(before) == set(ALL)
    assert not Preview.of_stack(target, "--refresh").changes
    made.up("--refresh", "--expect-no-changes")
    assert told(target) == before


def test_who_looks_may_tell_of_it_with_no_other_right_to_leases(
    target: Target, plane: ControlPlane, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looker = seen_by(LOOKER, target, plane, api, tmp_path)
    said, end = looked(looker, monkeypatch)
    assert (end, set(told(target))) == (Exit.DONE, {CHECKED, UNCHANGED})
    assert "is not told" not in said
    for words in (("get", "leases"), ("delete", "lease", CHECKED), ("get", "configmap", "settings")):
        with pytest.raises(DeliveryError, match="forbidden"):
            looker.kubectl("-n", api.namespace, *words)


def test_who_looks_may_read_secrets_and_run_commands_there_and_nowhere_else(
    target: Target, plane: ControlPlane, api: Api, tmp_path: Path
) -> None:
    looker = seen_by(LOOKER, target, plane, api, tmp_path)
    rights = (("get", "secrets"), ("create", "pods/exec"), ("get", "pods/exec"))
    assert [may(looker, api.namespace, *right) for right in rights] == [True, True, True]
    assert [may(looker, "default", *right) for right in rights] == [False, False, False]
    more = (("list", "secrets"), ("patch", "secrets"), ("create", "pods"), ("create", "pods/attach"))
    assert [may(looker, api.namespace, *right) for right in more] == [False, False, False, False]


def may(who: Target, namespace: str, verb: str, what: str) -> bool:
    """What the API server says of it."""
    resource, _, subresource = what.partition("/")
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": namespace,
                "verb": verb,
                "resource": resource,
                "subresource": subresource,
            }
        },
    }
    words = ("create", "--validate=false", "-f", "-", "-o", "json")  # else kubectl asks for kinds that it may not see
    told = json.loads(who.kubectl(*words, stdin=json.dumps(asked)))
    return bool(told["status"]["allowed"])


def test_who_has_not_the_right_is_told_so_and_ends_as_ever(
    target: Target, plane: ControlPlane, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, end = looked(seen_by("somebody", target, plane, api, tmp_path), monkeypatch)
    assert (end, told(target)) == (Exit.DONE, {})
    assert f"Monitoring is not told of {CHECKED}" in said
    assert "forbidden" in said


def test_a_stack_that_the_program_has_given_no_moments_yet_is_delivered_to_all_the_same(
    target: Target,
) -> None:
    target.kubectl("-n", target.namespaces["monitoring"], "delete", "lease", DELIVERED)
    said: list[str] = []
    moments.renew(target, said.append, DELIVERED)
    (line,) = said
    assert "NotFound" in line


def test_a_stack_that_nobody_watches_is_told_nothing(target: Target) -> None:
    monitoring = target.settings.monitoring.model_copy(update={"enabled": False})
    said: list[str] = []
    unwatched = replace(target, settings=target.settings.model_copy(update={"monitoring": monitoring}))
    moments.renew(unwatched, said.append, *ALL)
    assert (said, told(target)) == ([], {})
