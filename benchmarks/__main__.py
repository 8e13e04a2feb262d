"""Measures the local cloud and the program, and prints a table with the targets beside.

    make bench                    what leaves everything as it is: a few minutes
    make bench ARGUMENTS=--fresh  also `make up` from a second checkout after `make down`
    make bench ARGUMENTS=--cold   also `make up` with every cache empty: half an hour

The last two take the local cloud down first. The machine should be doing nothing else.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

CHECKOUT = Path(__file__).resolve().parent.parent
FLOOR = CHECKOUT / "benchmarks" / "floor"
RUNS = 3
TARGETS = {"Kubernetes cluster": "60 s"}  # of single steps of `make up`


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fresh", action="store_true", help="take the local cloud down, make up in a second checkout")
    parser.add_argument("--cold", action="store_true", help="the same with empty caches")
    arguments = parser.parse_args()
    table = Table("what", "measured", "target", title=f"{os.cpu_count()} cores, median of {RUNS} where a run is short")
    if arguments.cold:
        with tempfile.TemporaryDirectory(prefix="vision-week-cold-") as caches:
            names = ("XDG_CACHE_HOME", "GOCACHE", "GOMODCACHE")
            bare = _second_checkout({name: f"{caches}/{name.lower()}" for name in names})
        _add(table, "make up, bare machine", bare, "25 min")
    if arguments.fresh:
        _add(table, "make up, second checkout, caches warm", _second_checkout({}), "2 min")
    table.add_row("make up, already running", _seconds(_median(["make", "up"], CHECKOUT)), "20 s")
    for operation, seconds, floor in _program():
        table.add_row(
            operation, f"{_seconds(seconds)} ({seconds / floor:.2f} x the floor of {_seconds(floor)})", "1.5 x"
        )
    Console().print(table)


def _add(table: Table, what: str, measured: tuple[float, Sequence[tuple[str, str]]], target: str) -> None:
    seconds, steps = measured
    table.add_row(what, _minutes(seconds), target)
    for title, taken in steps:
        table.add_row(f"  {title}", taken, TARGETS.get(title, ""))


def _second_checkout(environment: Mapping[str, str]) -> tuple[float, Sequence[tuple[str, str]]]:
    """Seconds of `make up` in a fresh clone on a machine where nothing runs, and the steps that it tells of."""
    _run(["make", "down"], CHECKOUT)
    with tempfile.TemporaryDirectory(prefix="vision-week-clone-") as folder:
        clone = Path(folder) / "vision-week"
        _run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], CHECKOUT)
        started = time.monotonic()
        told = _run(["make", "up"], clone, environment, told=True)
        taken = time.monotonic() - started
        if environment:
            _run(["make", "down"], clone, environment)
            _run(["make", "up"], CHECKOUT)
        return taken, re.findall(r"^✓ (.+) (\S+ s)$", told, re.MULTILINE)


def _program() -> Sequence[tuple[str, float, float]]:
    """Preview and no-op up of the development stack, each with the seconds of the floor beside it."""
    local_cloud = _local_cloud()

    def pulumi(*arguments: str, stack: str, folder: Path) -> list[str]:
        return ["pulumi", *arguments, "--stack", stack, "--cwd", str(folder)]

    exported = json.loads(_run(pulumi("stack", "export", stack="development", folder=CHECKOUT), CHECKOUT, local_cloud))
    resources = [entry for entry in exported["deployment"]["resources"] if entry.get("custom")]
    folder = Path(tempfile.mkdtemp(prefix="vision-week-floor-"))
    rows = []
    try:
        (folder / "Pulumi.yaml").write_text((FLOOR / "Pulumi.yaml").read_text().replace("../../.venv", sys.prefix))
        shutil.copy(FLOOR / "__main__.py", folder)
        for arguments in (
            ("stack", "init", "--no-select"),
            ("config", "set", "resources", str(len(resources))),
            ("up", "--yes", "--skip-preview"),
        ):
            _run(pulumi(*arguments, stack="floor", folder=folder), folder, local_cloud)
        for operation in (("preview",), ("up", "--yes", "--skip-preview")):
            platform = _median(pulumi(*operation, stack="development", folder=CHECKOUT), CHECKOUT, local_cloud)
            floor = _median(pulumi(*operation, stack="floor", folder=folder), folder, local_cloud)
            rows.append((f"pulumi {operation[0]}, no changes, {len(resources)} resources", platform, floor))
    finally:
        destroy = pulumi("destroy", "--yes", "--skip-preview", "--remove", stack="floor", folder=folder)
        _run(destroy, folder, local_cloud)
        shutil.rmtree(folder)
    return rows


def _median(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> float:
    taken = []
    for _ in range(RUNS):
        started = time.monotonic()
        _run(command, folder, environment)
        taken.append(time.monotonic() - started)
    return statistics.median(taken)


def _local_cloud() -> dict[str, str]:
    """The environment in which plain `pulumi` works, as a person gets it."""
    shell = _run(["bash", "-c", 'eval "$(make -s env)" && env -0'], CHECKOUT)
    return dict(entry.split("=", 1) for entry in shell.split("\0") if entry)


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, *, told: bool = False
) -> str:
    """What a command prints, or with `told` what it tells of its progress on stderr."""
    print(f"… {' '.join(command)}", file=sys.stderr)
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exits with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stderr if told else done.stdout


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _minutes(value: float) -> str:
    return f"{value / 60:.1f} min"


if __name__ == "__main__":
    main()
