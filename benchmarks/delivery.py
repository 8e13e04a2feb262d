"""How long a release takes from the command to healthy pods: `deploy.sh`, beside `kubectl apply -k` and `helm upgrade`
of the same objects on the same cluster.

The stack is the developer's under other namespaces, made for the measuring and removed afterwards. Two releases of it
take turns. They differ as releases do that bring no new code: the application and the WebSocket service are told
another version, and are rolled out. Each is delivered, and what it put into the cluster is rendered (`make render`);
kubectl then applies the one and Helm the other, with a chart whose templates are these files as they are. All are
waited for until every workload is rolled out. Images, Secrets and whatever is no object of the cluster are there
already: kubectl and Helm make none. They show nothing, ask no rule, test nothing and take nothing back, so the parts of
a delivery are told one by one.
"""

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands import CHECKOUT, run, seconds
from benchmarks.program import local_environment
from localcloud import toolchain
from localcloud.cluster import layout
from localcloud.pulumi import ensure_stack, recover
from operations.delivery.target import FILE

STACK = "measured"
RELEASES = ("measured-a", "measured-b")
ROUNDS = 3
_PORT, _NODE_PORT = 8445, 30445  # beside the developer's and the tests' (localcloud/cluster/layout.py)
_ROLLED = ("DaemonSet", "Deployment", "StatefulSet")
_PATIENCE = "--timeout=600s"
# What deploy.sh says when a step has ended (operations/delivery/deploy.py); the last ends with the command.
_STEPS = {
    "commands, cluster and rights": "Cluster: ",
    "lock, preview by the engine, rules": "Update: ",
    "update, until every pod is healthy": "Tests of what runs",
    "tests of what runs": r"\d+ tests passed",
    "record": "",
}
_HEALTHY = "update, until every pod is healthy"


def measure(rounds: int = ROUNDS) -> Iterator[tuple[str, str, str]]:
    """What is measured, how long it takes, the target."""
    delivered, applied, upgraded = [], [], []
    with _stack() as (folder, local_cloud):
        charts = {release: folder / release / "chart" for release in RELEASES}
        overlays = {release: folder / release / "overlays" / STACK for release in RELEASES}
        for release in RELEASES:
            _deliver(release, local_cloud)
            words = ["render", "--tag", release, "--to", str(folder / release)]
            run(["./scripts/deploy.sh", STACK, *words], CHECKOUT, local_cloud)
            _write(charts[release], overlays[release], local_cloud)
        _upgrade(charts[RELEASES[1]], local_cloud)  # takes the objects over, as no later turn does
        for turn in range(rounds):
            release, other = RELEASES[turn % 2], RELEASES[1 - turn % 2]
            delivered.append(_deliver(release, local_cloud))
            applied.append(_apply(overlays[other], local_cloud))
            upgraded.append(_upgrade(charts[release], local_cloud))
            took = f"{sum(delivered[-1].values()):.1f} s, {applied[-1]:.1f} s, {upgraded[-1]:.1f} s"
            print(f"turn {turn + 1}: deploy.sh, kubectl, helm: {took}", file=sys.stderr)  # noqa: T201
        objects = len(_objects(overlays[RELEASES[0]], local_cloud))
    before = list(_STEPS)[: list(_STEPS).index(_HEALTHY) + 1]
    yield "deploy.sh deploy, until healthy", _told([sum(each[step] for step in before) for each in delivered]), ""
    yield "deploy.sh deploy, until tested and on record", _told([sum(each.values()) for each in delivered]), ""
    for step in _STEPS:
        yield f"  of it {step}", _told([each[step] for each in delivered]), ""
    yield f"kubectl apply -k of the same {objects} objects, until healthy", _told(applied), ""
    yield "helm upgrade of them, until healthy", _told(upgraded), ""


def _told(taken: Sequence[float]) -> str:
    return f"{statistics.median(taken):.1f} s ({min(taken):.1f} to {max(taken):.1f}, {len(taken)} times)"


@contextmanager
def _stack() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A folder, and the environment in which the stack is reached. What a killed run left of it is taken over; nothing
    is left of it afterwards, whatever happened."""
    folder = Path(tempfile.mkdtemp(prefix="vision-week-delivery-"))
    file = folder / f"Pulumi.{STACK}.yaml"
    file.write_text(yaml.safe_dump(_settings()))
    local_cloud = local_environment()
    local_cloud["PATH"] = f"{toolchain.binary('helm').parent}:{local_cloud['PATH']}"
    ensure_stack(STACK, local_cloud)
    local_cloud[FILE] = str(file)
    recover(STACK, local_cloud)
    try:
        with _published():
            yield folder, local_cloud
    finally:
        # `helm uninstall` would remove the stack's objects behind the engine's back: Helm forgets them instead.
        forget = ["kubectl", "--namespace=default", "delete", "secret", f"--selector=owner=helm,name={STACK}"]
        run(forget, CHECKOUT, local_cloud)
        recover(STACK, local_cloud)  # from an update that was killed
        run(["pulumi", "destroy", "--yes", "--skip-preview", "--remove", "--stack", STACK], CHECKOUT, local_cloud)
        shutil.rmtree(folder)


def _settings() -> dict[str, Any]:
    """The development stack's, under other names."""
    settings: dict[str, Any] = yaml.safe_load((CHECKOUT / "Pulumi.development.yaml").read_text())
    config = settings["config"]
    config["vision-week:namespace_prefix"] = f"vision-week-{STACK}"
    config["vision-week:storage"]["class_name"] = f"fast-ssd-{STACK}"
    config["vision-week:edge"] |= {"url": f"https://vision-week.localhost:{_PORT}", "node_port": _NODE_PORT}
    return settings


@contextmanager
def _published() -> Iterator[None]:
    """The edge's port on this machine, as the cluster publishes those of other stacks."""
    with socket.create_server(("127.0.0.1", _PORT)) as listener:

        def accept() -> None:
            with suppress(OSError):  # of the listener that was closed
                while True:
                    here, _ = listener.accept()
                    try:
                        there = socket.create_connection((layout.NODES[0].address, _NODE_PORT), timeout=10)
                    except OSError:
                        here.close()
                        continue
                    there.settimeout(None)
                    for one, other in ((here, there), (there, here)):
                        threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _deliver(release: str, local_cloud: Mapping[str, str]) -> Mapping[str, float]:
    """The seconds that each step of the delivery takes."""
    words = ["./scripts/deploy.sh", STACK, "deploy", "--tag", release, "--yes"]
    print(f"… {' '.join(words)}", file=sys.stderr)  # noqa: T201  the measuring takes minutes
    taken: dict[str, float] = {}
    said, waiting, began = [], list(_STEPS), time.monotonic()
    with subprocess.Popen(
        words,
        cwd=CHECKOUT,
        env={**os.environ, **local_cloud},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as delivery:
        try:
            for line in delivery.stdout or ():
                said.append(line)
                if (mark := _STEPS[waiting[0]]) and re.match(mark, line):
                    taken[waiting.pop(0)], began = time.monotonic() - began, time.monotonic()
        except KeyboardInterrupt:
            os.killpg(delivery.pid, signal.SIGINT)  # it ends in good order, and what it has made can be removed
            delivery.wait()
            raise
    taken[waiting.pop(0)] = time.monotonic() - began
    if delivery.returncode != 0 or waiting:
        sys.exit(f"{' '.join(words)} exits with {delivery.returncode}:\n{''.join(said)}")
    return taken


def _apply(overlay: Path, local_cloud: Mapping[str, str]) -> float:
    """By the server: the files leave out what autoscalers and Patroni own (docs/delivery.md)."""
    rolled = sorted({one["metadata"]["namespace"] for one in _objects(overlay, local_cloud) if one["kind"] in _ROLLED})
    apply = ["kubectl", "apply", "--server-side", "--force-conflicts", "-k", str(overlay)]
    taken = seconds(apply, CHECKOUT, local_cloud)
    for namespace in rolled:
        status = ["kubectl", "rollout", "status", ",".join(_ROLLED).lower(), f"--namespace={namespace}", _PATIENCE]
        taken += seconds(status, CHECKOUT, local_cloud)
    return taken


def _upgrade(chart: Path, local_cloud: Mapping[str, str]) -> float:
    words = ["helm", "upgrade", "--install", STACK, str(chart), "--namespace=default", "--take-ownership"]
    return seconds([*words, "--wait", "--wait-for-jobs", _PATIENCE], CHECKOUT, local_cloud)


def _objects(overlay: Path, local_cloud: Mapping[str, str]) -> list[dict[str, Any]]:
    built = run(["kubectl", "kustomize", str(overlay)], CHECKOUT, local_cloud)
    return list(yaml.load_all(built, yaml.CSafeLoader))


def _write(chart: Path, overlay: Path, local_cloud: Mapping[str, str]) -> None:
    """A chart of what the overlay builds. What looks like a template in it, as alerts' texts do, is none."""
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": STACK, "version": "1.0.0"}))
    built = run(["kubectl", "kustomize", str(overlay)], CHECKOUT, local_cloud)
    (chart / "templates" / "objects.yaml").write_text(built.replace("{{", '{{ "{{" }}'))


if __name__ == "__main__":
    for row in measure():
        sys.stdout.write(": ".join(row) + "\n")
