"""Measures the local cloud and the program, and prints a table with the targets beside.

    make bench                    what leaves everything as it is: a few minutes
    make bench ARGUMENTS=--fresh  also `make up` from a second checkout after `make down`
    make bench ARGUMENTS=--cold   also `make up` with every cache empty: half an hour

The last two take the local cloud down first. The machine should be doing nothing else.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    audit,
    data,
    delivery,
    mixed,
    mocks,
    monitoring,
    policies,
    production,
    program,
    reload,
    rules,
    web,
)
from benchmarks.commands import CHECKOUT, run, seconds

RUNS = 5
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
    again = statistics.median(seconds(["make", "up"]) for _ in range(RUNS))
    table.add_row("make up, already running", _seconds(again), "20 s")
    for compared in (*program.compare(RUNS), *production.measure(RUNS)):
        times = f"{compared.stack / compared.floor:.2f} x the floor of {_seconds(compared.floor)}"
        table.add_row(compared.operation, f"{_seconds(compared.stack)} ({times})", "1.5 x")
    for what, taken, target in (*mocks.measure(RUNS), *policies.measure(RUNS), *rules.measure(RUNS)):
        table.add_row(what, f"{taken * 1000:.0f} ms", target)
    for what, measured, target in (
        *audit.measure(RUNS),
        *reload.measure(RUNS),
        *mixed.measure(RUNS),
        *web.measure(),
        *data.measure(),
        *monitoring.measure(RUNS),
        *delivery.measure(),
    ):
        table.add_row(what, measured, target)
    Console().print(table)


def _add(table: Table, what: str, measured: tuple[float, Sequence[tuple[str, str]]], target: str) -> None:
    total, steps = measured
    table.add_row(what, _minutes(total), target)
    for title, taken in steps:
        table.add_row(f"  {title}", taken, TARGETS.get(title, ""))


def _second_checkout(environment: Mapping[str, str]) -> tuple[float, Sequence[tuple[str, str]]]:
    """Seconds of `make up` in a fresh clone on a machine where nothing runs, and the steps that it tells of."""
    run(["make", "down"])
    with tempfile.TemporaryDirectory(prefix="vision-week-clone-") as folder:
        clone = Path(folder) / "vision-week"
        run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)])
        started = time.monotonic()
        told = run(["make", "up"], clone, environment, told=True)
        taken = time.monotonic() - started
        if environment:
            run(["make", "down"], clone, environment)
            run(["make", "up"])
        return taken, re.findall(r"^✓ (.+) (\S+ s)$", told, re.MULTILINE)


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _minutes(value: float) -> str:
    return f"{value / 60:.1f} min"


if __name__ == "__main__":
    main()
