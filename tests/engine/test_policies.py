"""The policy pack on the real engine: what it finds stops previews and updates, what it adds is in both, and its
answers need no login."""

import json
import os
import sys
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud import paths, pulumi
from localcloud.problem import Problem
from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery.preview import Preview
from operations.delivery.target import Target
from tests.engine.planes import Api
from tests.engine.project import STACK, Project
from tests.unit.parts import settings

pytestmark = pytest.mark.engine

PACK = str(paths.CHECKOUT / "policies")
# A ConfigMap with a password in it, or none.
PROGRAM = """
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    provider = k8s.Provider("cluster", kubeconfig=config.require("kubeconfig"))
    labels = {"app.kubernetes.io/part-of": "x", "app.kubernetes.io/managed-by": "pulumi"}
    k8s.core.v1.ConfigMap(
        "settings",
        metadata={"name": "settings", "namespace": config.require("namespace"), "labels": labels},
        data={"url": config.require("url")},
        opts=pulumi.ResourceOptions(provider=provider),
    )
"""
CLEAN = "postgres://database/app"
IN_CLEAR = "postgres://app:hunter22@database/app"


# A namespace that denies nothing, in a cluster that a first preview can't know.
BEFORE_THE_CLUSTER = """
    import pulumi
    import pulumi_kubernetes as k8s
    import pulumi_random as random

    config = pulumi.Config()
    later = random.RandomPet("later").id.apply(lambda _: config.require("kubeconfig"))
    cluster = k8s.Provider("cluster", kubeconfig=later)
    labels = {"app.kubernetes.io/part-of": "x", "app.kubernetes.io/managed-by": "pulumi"}
    secure = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    k8s.core.v1.Namespace(
        "bare",
        metadata={"name": config.require("namespace"), "labels": {**labels, **secure}},
        opts=pulumi.ResourceOptions(provider=cluster, protect=True),
    )
"""

# A job whose author has forgotten what can be known, and a secret with no labels.
FORGETFUL = """
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    at_work = pulumi.ResourceOptions(provider=k8s.Provider("cluster", kubeconfig=config.require("kubeconfig")))
    namespace, password = config.require("namespace"), pulumi.Output.secret("hunter22")
    least = {"cpu": "10m", "memory": "16Mi"}
    k8s.core.v1.ServiceAccount("worker", metadata={"name": "worker", "namespace": namespace}, opts=at_work)
    k8s.core.v1.Secret(
        "password", metadata={"name": "password", "namespace": namespace}, string_data={"a": password}, opts=at_work
    )
    container = {
        "name": "main",
        "image": f"docker.io/library/redis@sha256:{'0' * 64}",
        "resources": {"requests": least, "limits": least},
        "securityContext": {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
    }
    if config.get("escalates"):
        container["securityContext"]["allowPrivilegeEscalation"] = True
    pod = {
        "serviceAccountName": "worker",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True},
        "containers": [container],
    }
    k8s.batch.v1.CronJob(
        "work",
        metadata={"name": "work", "namespace": namespace},
        spec={"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
        opts=at_work,
    )
"""
ADDED = [
    "account-no-token: worker",
    "pod-no-escalation: work",
    "pod-seccomp: work",
    "standard-labels: password",
    "standard-labels: work",
    "standard-labels: worker",
]


@pytest.fixture
def configured(project: Project, plane: ControlPlane, api: Api) -> Project:
    """The program with nothing secret in its ConfigMap."""
    project.write(PROGRAM, settings_of(plane, api, CLEAN))
    return project


def settings_of(plane: ControlPlane, api: Api, url: str) -> dict[str, str]:
    return {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace, "url": url}


def delivered(project: Project, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The project as a delivery has it."""
    for name, value in {**project.environment, "PATH": f"{project.home / 'bin'}:{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    return Target(STACK, project.directory / f"Pulumi.{STACK}.yaml", settings(), project.directory)


def pod_of(cron_job: Mapping[str, Any]) -> Any:
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_a_fault_stops_the_update_and_nothing_is_made(configured: Project, api: Api) -> None:
    done = configured.up("--policy-pack", PACK, f"--config=tried:url={IN_CLEAR}", succeeds=False)
    assert "no-secret-literal" in done.said
    assert "data.url has a password in a URL in it" in done.said
    assert "What to do: Put it into a Secret" in done.said
    assert "settings" not in [one["metadata"]["name"] for one in api.get("configmaps")["items"]]


def test_a_delivery_s_preview_says_which_rule_is_broken_by_what_and_what_to_do(
    configured: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = delivered(configured, monkeypatch)
    (error,) = Preview.of_stack(target, "--policy-pack", PACK, f"--config=tried:url={IN_CLEAR}").errors
    assert error.startswith("no-secret-literal: settings data.url has a password in a URL in it")
    assert "What to do: Put it into a Secret" in error


def test_what_rules_add_is_in_the_preview_and_is_what_is_made(
    project: Project, plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(FORGETFUL, settings_of(plane, api, CLEAN))
    reviewed = Preview.of_stack(delivered(project, monkeypatch), "--policy-pack", PACK)
    assert (reviewed.errors, sorted(reviewed.mended)) == ([], ADDED)
    planned = {one.name: one.props for one in reviewed.after}
    project.up("--policy-pack", PACK)
    for name in ("worker", "work", "password"):
        made = project.resource(name)["inputs"]
        assert made["metadata"]["labels"] == {
            "app.kubernetes.io/part-of": "tried",
            "app.kubernetes.io/managed-by": "pulumi",
        }
        assert {**made, "stringData": None} == {**planned[name], "stringData": None}
    there = pod_of(api.get("cronjobs.batch")["items"][0])
    assert there["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert there["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
    assert "hunter22" not in json.dumps(project.deployment())
    assert [b64decode(one["data"]["a"]) for one in api.get("secrets")["items"]] == [b"hunter22"]
    project.preview("--expect-no-changes", "--policy-pack", PACK)


def test_a_value_that_somebody_wrote_is_refused_and_not_mended(project: Project, plane: ControlPlane, api: Api) -> None:
    project.write(FORGETFUL, {**settings_of(plane, api, CLEAN), "escalates": "yes"})
    assert "pod-no-escalation" in project.up("--policy-pack", PACK, succeeds=False).said
    assert api.get("cronjobs.batch")["items"] == []


def test_a_rollback_keeps_what_rules_added_and_is_not_stopped_by_what_they_find(
    project: Project, plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what was added Pod Security would not admit the pods that ran before."""
    project.write(FORGETFUL, settings_of(plane, api, CLEAN))
    project.up("--policy-pack", PACK)
    (project.directory / "policies").symlink_to(PACK)
    (project.directory / ".venv").symlink_to(sys.prefix)
    target = delivered(project, monkeypatch)
    same = Preview.of_stack(target, *target.advice)
    assert (same.errors, same.changes, sorted(same.mended)) == ([], [], ADDED)
    project.write(FORGETFUL, {**settings_of(plane, api, CLEAN), "escalates": "yes"})
    warned = Preview.of_stack(target, *target.advice)
    assert (warned.errors, [one.name for one in warned.changes]) == ([], ["work"])
    assert "[advisory]" in project.up(*target.advice).said


def test_a_stack_without_faults_is_made_and_its_state_passes_without_a_login(configured: Project) -> None:
    said = configured.up("--policy-pack", PACK).said
    assert "vision-week@v1.0.0" in said
    state = configured.directory / "state.json"
    state.write_text(configured.pulumi("stack", "export", f"--stack={STACK}").output)
    configured.environment["PULUMI_BACKEND_URL"] = "file:///nowhere"
    configured.pulumi("policy", "analyze", "--file", str(state), "--policy-pack", PACK)
    exported = json.loads(state.read_text())
    for resource in exported["deployment"]["resources"]:
        if resource["urn"].endswith("::settings"):
            resource["inputs"]["data"]["url"] = IN_CLEAR
    state.write_text(json.dumps(exported))
    assert (
        "no-secret-literal"
        in configured.pulumi("policy", "analyze", "--file", str(state), "--policy-pack", PACK, succeeds=False).said
    )


def test_what_is_not_known_before_there_is_a_cluster_breaks_no_rule_and_the_update_tells(
    project: Project, plane: ControlPlane, api: Api
) -> None:
    """The first preview of a stack on Google Cloud said of every namespace that nothing is denied there, and failed."""
    project.write(BEFORE_THE_CLUSTER, {"kubeconfig": str(plane.kubeconfig), "namespace": f"{api.namespace}-first"})
    project.preview("--policy-pack", PACK)
    assert "namespace-default-deny" in project.up("--policy-pack", PACK, succeeds=False).said
    project.destroy("--ignore-protect")


def test_make_up_looks_at_the_project_s_pack(project: Project, plane: ControlPlane, api: Api) -> None:
    pack = project.directory / "policies"
    pack.mkdir()
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"name": "vision-week", "runtime": runtime}))
    (pack / "__main__.py").write_text(f"import runpy\nrunpy.run_path({str(Path(PACK, '__main__.py'))!r})\n")
    project.write(PROGRAM, settings_of(plane, api, IN_CLEAR))
    assert pulumi.policies(project.directory) == [f"--policy-pack={pack}"]
    with pytest.raises(Problem, match="no-secret-literal"):
        project.make_up()
