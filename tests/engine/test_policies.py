"""The policy pack on the real engine: what it finds stops previews and updates, and its answers need no login."""

import json
import os
import sys
from pathlib import Path

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


@pytest.fixture
def configured(project: Project, plane: ControlPlane, api: Api) -> Project:
    """The program with nothing secret in its ConfigMap."""
    project.write(PROGRAM, settings_of(plane, api, CLEAN))
    return project


def settings_of(plane: ControlPlane, api: Api, url: str) -> dict[str, str]:
    return {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace, "url": url}


def test_a_fault_stops_the_update_and_nothing_is_made(configured: Project, api: Api) -> None:
    done = configured.up("--policy-pack", PACK, f"--config=tried:url={IN_CLEAR}", succeeds=False)
    assert "no-secret-literal" in done.said
    assert "data.url has a password in a URL in it" in done.said
    assert "What to do: Put it into a Secret" in done.said
    assert "settings" not in [one["metadata"]["name"] for one in api.get("configmaps")["items"]]


def test_a_delivery_s_preview_says_which_rule_is_broken_by_what_and_what_to_do(
    configured: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**configured.environment, "PATH": f"{configured.home / 'bin'}:{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    file = configured.directory / f"Pulumi.{STACK}.yaml"
    target = Target(STACK, file, settings(), configured.directory)
    (error,) = Preview.of_stack(target, "--policy-pack", PACK, f"--config=tried:url={IN_CLEAR}").errors
    assert error.startswith("no-secret-literal: settings data.url has a password in a URL in it")
    assert "What to do: Put it into a Secret" in error


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
