"""The development stack's `pulumi preview` and `pulumi up` without changes, beside the floor.

The floor is what the engine itself costs: a program that registers as many resources and as many components, and does
nothing else (`benchmarks/floor`). All its resources are of one provider, the stack's are of several: that each provider
is a process which the engine starts is a cost of the stack, not of the engine, so it isn't in the floor.

Both are measured in turns, so that whatever else the machine does falls on both.
"""

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import CHECKOUT, run, seconds
from localcloud.pulumi.recovery import recover

_FLOOR = CHECKOUT / "benchmarks" / "floor"
_STACK = "floor"


@dataclass(frozen=True)
class Compared:
    """One operation: the medians of the stack's and of the floor's seconds."""

    operation: str
    stack: float
    floor: float


def compare(runs: int) -> Sequence[Compared]:
    """Preview, and up without changes."""
    local_cloud = local_environment()
    exported = run(_pulumi("stack", "export", stack="development", folder=CHECKOUT), CHECKOUT, local_cloud)
    resources, components = _count(json.loads(exported)["deployment"]["resources"])
    compared = []
    with _floor(resources, components, local_cloud) as folder:
        for operation in (("preview",), ("up", "--yes", "--skip-preview")):
            of_stack, of_floor = [], []
            for _ in range(runs):
                of_stack.append(
                    seconds(_pulumi(*operation, stack="development", folder=CHECKOUT), CHECKOUT, local_cloud)
                )
                of_floor.append(seconds(_pulumi(*operation, stack=_STACK, folder=folder), folder, local_cloud))
            name = f"pulumi {operation[0]}, no changes, {resources} resources in {components} components"
            compared.append(Compared(name, statistics.median(of_stack), statistics.median(of_floor)))
    return compared


def _count(state: Sequence[Mapping[str, str]]) -> tuple[int, int]:
    """How many resources a stack has, its providers among them, and how many components."""
    resources = sum(1 for entry in state if entry.get("custom"))
    return resources, len(state) - resources - 1  # one is the stack itself


@contextmanager
def _floor(resources: int, components: int, local_cloud: Mapping[str, str]) -> Iterator[Path]:
    """The floor's project, up; gone afterwards. What a killed run left of it is taken over."""
    folder = Path(tempfile.mkdtemp(prefix="vision-week-floor-"))
    try:
        (folder / "Pulumi.yaml").write_text((_FLOOR / "Pulumi.yaml").read_text().replace("../../.venv", sys.prefix))
        shutil.copy(_FLOOR / "__main__.py", folder)
        recover(_STACK, local_cloud, directory=folder)
        for arguments in (
            ("stack", "select", "--create"),
            ("config", "set", "resources", str(resources)),
            ("config", "set", "components", str(components)),
            ("up", "--yes", "--skip-preview"),
        ):
            run(_pulumi(*arguments, stack=_STACK, folder=folder), folder, local_cloud)
        try:
            yield folder
        finally:
            destroy = _pulumi("destroy", "--yes", "--skip-preview", "--remove", stack=_STACK, folder=folder)
            run(destroy, folder, local_cloud)
    finally:
        shutil.rmtree(folder)


def _pulumi(*arguments: str, stack: str, folder: Path) -> list[str]:
    return ["pulumi", *arguments, "--stack", stack, "--cwd", str(folder)]


def local_environment() -> dict[str, str]:
    """The environment in which plain `pulumi` works, as a person gets it."""
    shell = run(["bash", "-c", 'eval "$(make -s env)" && env -0'])
    return dict(entry.split("=", 1) for entry in shell.split("\0") if entry)
