"""Three hundred mixed objects on the local cluster: the kubernetes plugin beside `kubectl apply` and `kubectl diff`.

Both get the same objects (`benchmarks/objects/manifests.py`), each in a namespace of its own, in one run and in turns.
The memory is that of all processes that a command starts, at its highest, looked at five times a second.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import CHECKOUT, run
from benchmarks.objects.manifests import manifests
from benchmarks.program import local_environment
from localcloud import cluster, toolchain

_COUNT = 300
_PROGRAM = CHECKOUT / "benchmarks" / "objects"
_PULUMI, _KUBECTL = "benchmark-pulumi", "benchmark-kubectl"  # namespaces
_LOOK = 0.2  # seconds
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Taken:
    """What a command took: seconds, and MiB at the highest."""

    seconds: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.memory:.0f} MiB"


def measure(runs: int) -> Iterator[tuple[str, str, str]]:
    """Rows of a table: the operation, what it took beside kubectl's, the target."""
    with _both() as (pulumi, kubectl):
        made, applied = pulumi("up", "--yes", "--skip-preview"), kubectl("apply", "--server-side")
        yield f"up of {_COUNT} objects", f"{made}; kubectl apply --server-side: {applied}", ""
        previews, ups, diffs = [], [], []
        for _ in range(runs):
            previews.append(pulumi("preview", "--expect-no-changes"))
            ups.append(pulumi("up", "--yes", "--skip-preview", "--expect-no-changes"))
            diffs.append(kubectl("diff", "--server-side"))
        preview, up, diff = (_median(taken) for taken in (previews, ups, diffs))
        yield f"preview, no changes, {_COUNT} objects", str(preview), ""
        ratio = f"{up.seconds / diff.seconds:.2f} x"
        yield f"up, no changes, {_COUNT} objects", f"{up}; {ratio} kubectl diff: {diff}", "2 x"
        destroyed, deleted = pulumi("destroy", "--yes", "--skip-preview"), kubectl("delete")
        yield f"destroy of {_COUNT} objects", f"{destroyed}; kubectl delete: {deleted}", ""


@contextmanager
def _both() -> Iterator[tuple["_Command", "_Command"]]:
    """Pulumi with the objects' program and kubectl with their manifests; the namespaces are gone afterwards."""
    environment = {**local_environment(), "KUBECONFIG": str(cluster.kubeconfig())}
    kubectl = str(toolchain.binary("kubectl"))
    folder = Path(tempfile.mkdtemp(prefix="vision-week-objects-"))
    stack = ("--stack", "objects", "--cwd", str(folder))
    try:
        for file in _PROGRAM.glob("*.py"):
            shutil.copy(file, folder)
        (folder / "Pulumi.yaml").write_text((_PROGRAM / "Pulumi.yaml").read_text().replace("../../.venv", sys.prefix))
        items = list(manifests(_COUNT, _KUBECTL))
        (folder / "manifests.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        for namespace in (_PULUMI, _KUBECTL):
            run([kubectl, "create", "namespace", namespace], folder, environment)
        for arguments in (
            ("stack", "init"),
            ("config", "set", "count", str(_COUNT)),
            ("config", "set", "namespace", _PULUMI),
        ):
            run(["pulumi", *arguments, *stack], folder, environment)
        try:
            yield (
                _Command(["pulumi"], stack, environment, folder),
                _Command([kubectl], ("-f", str(folder / "manifests.json")), environment, folder),
            )
        finally:
            run(["pulumi", "destroy", "--yes", "--skip-preview", "--remove", *stack], folder, environment)
    finally:
        run([kubectl, "delete", "namespace", "--ignore-not-found", _PULUMI, _KUBECTL], folder, environment)
        shutil.rmtree(folder)


@dataclass(frozen=True)
class _Command:
    """A program that is run with different arguments, and what comes behind them each time."""

    program: Sequence[str]
    behind: Sequence[str]
    environment: Mapping[str, str]
    folder: Path

    def __call__(self, *arguments: str) -> Taken:
        command = [*self.program, *arguments, *self.behind]
        print(f"… {' '.join(command)}", file=sys.stderr)  # noqa: T201  as the other commands are told
        started = time.monotonic()
        with (self.folder / "said").open("w+") as said:
            process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **self.environment}, stdout=said, stderr=said
            )
            highest = 0
            while process.poll() is None:
                highest = max(highest, sum(_resident(one) for one in _family(process.pid)))
                try:
                    process.wait(_LOOK)
                except subprocess.TimeoutExpired:
                    continue
            if process.returncode != 0:
                said.seek(0)
                sys.exit(f"{' '.join(command)} exits with {process.returncode}:\n{said.read()}")
        return Taken(time.monotonic() - started, highest / 2**20)


def _family(parent: int) -> list[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(above, []).append(int(folder.name))
    found = [parent]
    for one in found:
        found += children.get(one, [])
    return found


def _resident(process: int) -> int:
    """The bytes of a process in memory; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _median(taken: Sequence[Taken]) -> Taken:
    return Taken(statistics.median(one.seconds for one in taken), max(one.memory for one in taken))
