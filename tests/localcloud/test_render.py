"""What `deploy.sh ENV render` writes of the three environments, as Kustomize and the API server take it."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud import cluster, toolchain
from operations.delivery.render import Object, Rendered, write
from tests.localcloud.pods import Pods
from tests.unit.previews import preview_of
from tests.unit.recording import run_stack
from tests.unit.stacks import STACKS, buildable

# Kinds of others, which this cluster has only once somebody brings them.
ELSEWHERE = {
    "GCPBackendPolicy",
    "GCPGatewayPolicy",
    "HealthCheckPolicy",
    "VerticalPodAutoscaler",
    "VolumeSnapshotClass",
}


def kubectl(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [toolchain.binary("kubectl"), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def in_order(objects: Sequence[Object]) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in objects)


@pytest.fixture(scope="module")
def rendered() -> dict[str, Rendered]:
    return {stack: Rendered.of(preview_of(run_stack(buildable(stack)))) for stack in STACKS}


def test_kustomize_builds_each_overlay_from_what_all_have_alike(rendered: dict[str, Rendered], tmp_path: Path) -> None:
    for stack, one in rendered.items():
        write(tmp_path, stack, one)
    assert list((tmp_path / "base").glob("*/*.yaml"))
    for stack, one in rendered.items():
        built = kubectl("kustomize", tmp_path / "overlays" / stack)
        assert (built.returncode, built.stderr) == (0, "")
        assert in_order(list(yaml.load_all(built.stdout, yaml.CSafeLoader))) == in_order(one.objects)


def test_a_text_that_looks_like_a_number_reaches_kubernetes_as_a_text(tmp_path: Path) -> None:
    """Kustomize reads another YAML than Python does."""
    words = ["1e3", "0x1f", "0o17", "010", "1_000", "+1", ".5", "y", "on", "null", "~", "", "12:30:45", "2026-01-01"]
    lines = [
        " indented\nlines\n",
        "trailing \nblank",
        "\ttab",
        "\n",
        "a\n\n\n",
        "# no comment",
        "ü ✓",
        "a: b",
        "\u2028",
    ]
    data = {f"key-{number}": text for number, text in enumerate([*words, *lines])}
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "y"}, "data": data}
    write(tmp_path, "staging", Rendered([one], [], {}))
    built = tmp_path / "built.yaml"
    done = kubectl("kustomize", "--output", built, tmp_path / "overlays" / "staging")
    assert done.returncode == 0, done.stderr
    read = kubectl("label", "--local", "--output=json", "--filename", built, "a=b")
    assert json.loads(read.stdout)["data"] == data, read.stderr


@pytest.mark.cluster
@pytest.mark.parametrize("stack", ["staging", "production"])
def test_the_api_server_takes_every_object(rendered: dict[str, Rendered], pods: Pods, stack: str) -> None:
    """By a dry run, in a namespace of the test's own. Of `development` the stack that is up is proof."""
    tried = [in_namespace(one, pods.namespace) for one in rendered[stack].objects if one["kind"] not in ELSEWHERE]
    answer = kubectl(
        *("--kubeconfig", cluster.kubeconfig(), "apply", "--server-side", "--dry-run=server", "--validate=strict"),
        *("-o", "name", "-f", "-"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": tried}),
    )
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.split()) == len(tried) > 90


def in_namespace(one: Object, namespace: str) -> dict[str, Any]:
    """The object there, or under a name of its own where it is in none."""
    about = dict(one["metadata"])
    about |= {"namespace": namespace} if "namespace" in about else {"name": f"{namespace}-{about['name']}"}
    return {**one, "metadata": about}
