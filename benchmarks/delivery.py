"""How long a release takes from the command to healthy pods: `deploy.sh`, beside `kubectl apply -k` and `helm upgrade`
of the same objects on the same cluster.

Two releases of the development stack take turns. They differ as releases do that bring no new code: the application and
the WebSocket service are told another version, and are rolled out. Each is delivered, and what it put into the cluster
is rendered (`make render`); kubectl then applies the one and the other, Helm does so with a chart whose templates are
these files as they are. All are waited for until every workload is rolled out. Images, Secrets and whatever is no
object of the cluster are there already: kubectl and Helm make none. They show nothing, ask no rule, test nothing and
take nothing back, so the parts of a delivery are told one by one.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands import CHECKOUT, run, seconds
from benchmarks.program import local_environment
from localcloud import toolchain

STACK = "development"
RELEASES = ("measured-a", "measured-b")
ROUNDS = 3
_CHART = "measured"
_ROLLED = ("DaemonSet", "Deployment", "StatefulSet")
_PATIENCE = "--timeout=600s"
# What deploy.sh says when it begins with the update, and when all pods are healthy (operations/delivery/deploy.py).
_BEGUN, _HEALTHY = "Update: ", "Tests of what runs"


def measure(rounds: int = ROUNDS) -> Iterator[tuple[str, str, str]]:
    """What is measured, how long it takes, the target."""
    whole, before, update, applied, upgraded = [], [], [], [], []
    with _local_cloud() as (folder, local_cloud):
        charts = {release: folder / release / "chart" for release in RELEASES}
        overlays = {release: folder / release / "overlays" / STACK for release in RELEASES}
        for release in RELEASES:
            _deliver(release, local_cloud)
            run(["./scripts/deploy.sh", STACK, "render", "--to", str(folder / release)], CHECKOUT, local_cloud)
            _write(charts[release], overlays[release], local_cloud)
        _upgrade(charts[RELEASES[1]], local_cloud)  # takes the objects over, as no later turn does
        for turn in range(rounds):
            other, release = RELEASES[1 - turn % 2], RELEASES[turn % 2]
            ended, begun, healthy = _deliver(release, local_cloud)
            whole.append(ended)
            before.append(begun)
            update.append(healthy - begun)
            for each in (other, release):
                applied.append(_apply(overlays[each], local_cloud))
            for each in (other, release):
                upgraded.append(_upgrade(charts[each], local_cloud))
    yield "deploy.sh deploy, until it is tested and on record", _told(whole), ""
    yield "  of it until the update: checks, rules, preview", _told(before), ""
    yield "  of it the update, until every pod is healthy", _told(update), ""
    yield "kubectl apply -k of the same objects, until healthy", _told(applied), ""
    yield "helm upgrade of the same objects, until healthy", _told(upgraded), ""


def _told(taken: Sequence[float]) -> str:
    return f"{statistics.median(taken):.1f} s ({min(taken):.1f} to {max(taken):.1f}, {len(taken)} times)"


@contextmanager
def _local_cloud() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A folder, and the environment. The stack is as its file has it afterwards."""
    local_cloud = local_environment()
    local_cloud["PATH"] = f"{toolchain.binary('helm').parent}:{local_cloud['PATH']}"
    folder = Path(tempfile.mkdtemp(prefix="vision-week-delivery-"))
    try:
        yield folder, local_cloud
    finally:
        # `helm uninstall` would remove the stack, which is Helm's by now: it forgets it instead.
        forget = ["kubectl", "--namespace=default", "delete", "secret", f"--selector=owner=helm,name={_CHART}"]
        run(forget, CHECKOUT, local_cloud)
        run(["pulumi", "up", "--yes", "--skip-preview", "--stack", STACK], CHECKOUT, local_cloud)
        shutil.rmtree(folder)


def _deliver(release: str, local_cloud: Mapping[str, str]) -> tuple[float, float, float]:
    """Seconds until the delivery has ended; until its update begins, and until that has ended."""
    words = ["./scripts/deploy.sh", STACK, "deploy", "--tag", release, "--yes"]
    print(f"… {' '.join(words)}", file=sys.stderr)  # noqa: T201  the measuring takes minutes
    seen: dict[str, float] = {}
    said, started = [], time.monotonic()
    with subprocess.Popen(
        words,
        cwd=CHECKOUT,
        env={**os.environ, **local_cloud},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as delivery:
        for line in delivery.stdout or ():
            said.append(line)
            for mark in (_BEGUN, _HEALTHY):
                if line.startswith(mark):
                    seen[mark] = time.monotonic() - started
    if delivery.returncode != 0:
        sys.exit(f"{' '.join(words)} exits with {delivery.returncode}:\n{''.join(said)}")
    return time.monotonic() - started, seen[_BEGUN], seen[_HEALTHY]


def _apply(overlay: Path, local_cloud: Mapping[str, str]) -> float:
    """By the server: the files leave out what autoscalers and Patroni own (docs/delivery.md)."""
    spaces = {str(one["metadata"]["namespace"]) for one in _objects(overlay, local_cloud) if one["kind"] in _ROLLED}
    apply = ["kubectl", "apply", "--server-side", "--force-conflicts", "-k", str(overlay)]
    taken = seconds(apply, CHECKOUT, local_cloud)
    for namespace in sorted(spaces):
        rolled = ["kubectl", "rollout", "status", ",".join(_ROLLED).lower(), f"--namespace={namespace}", _PATIENCE]
        taken += seconds(rolled, CHECKOUT, local_cloud)
    return taken


def _upgrade(chart: Path, local_cloud: Mapping[str, str]) -> float:
    words = ["helm", "upgrade", "--install", _CHART, str(chart), "--namespace=default", "--take-ownership"]
    return seconds([*words, "--wait", "--wait-for-jobs", _PATIENCE], CHECKOUT, local_cloud)


def _objects(overlay: Path, local_cloud: Mapping[str, str]) -> list[dict[str, Any]]:
    built = run(["kubectl", "kustomize", str(overlay)], CHECKOUT, local_cloud)
    return list(yaml.load_all(built, yaml.CSafeLoader))


def _write(chart: Path, overlay: Path, local_cloud: Mapping[str, str]) -> None:
    """A chart of what the overlay builds. What looks like a template in it, as alerts' texts do, is none."""
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": _CHART, "version": "1.0.0"}))
    built = run(["kubectl", "kustomize", str(overlay)], CHECKOUT, local_cloud)
    (chart / "templates" / "objects.yaml").write_text(built.replace("{{", '{{ "{{" }}'))


if __name__ == "__main__":
    for row in measure():
        sys.stdout.write(": ".join(row) + "\n")
