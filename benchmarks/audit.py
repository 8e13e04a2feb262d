"""How long an auditor waits: the HTML report on a long history, and how much memory it takes."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import CHECKOUT
from tests.unit.histories import SEALED, STACK, add, resource

UPDATES, RESOURCES = 1000, 200
# As in a real state: one in ten holds a secret, which each update encrypts anew; five change in an update.
SECRET_EACH, CHANGES = 10, 5
_FIELDS = {f"field-{number}": f"value-{number}" * 4 for number in range(60)}  # 2.5 kB, twice in each resource


def measure(runs: int) -> Iterator[tuple[str, str, str]]:
    """What is measured, how long it takes and the most memory at a time, the target."""
    with tempfile.TemporaryDirectory(prefix="vision-week-history-") as folder:
        history = Path(folder) / "history"
        for number in range(UPDATES):
            add(history, number, [_resource(index, number) for index in range(RESOURCES)])
        size = sum(file.stat().st_size for file in history.iterdir()) / 2**30
        taken, most = zip(*(_run(history) for _ in range(runs)), strict=True)
    what = f"audit of {UPDATES} updates of {RESOURCES} resources, {size:.1f} GiB"
    yield what, f"{statistics.median(taken):.1f} s, at most {max(most) // 1024} MiB of memory", "10 s"


def _resource(index: int, update: int) -> dict[str, Any]:
    inputs: dict[str, Any] = {"metadata": {"name": f"r{index}"}, "data": _FIELDS}
    if index % SECRET_EACH == 0:
        inputs["secret"] = {**SEALED, "ciphertext": f"v1:{update}"}
    inputs["changed"] = (update - index % (RESOURCES // CHANGES)) // (RESOURCES // CHANGES)
    return {**resource(f"r{index}", **inputs), "outputs": inputs}


def _run(history: Path) -> tuple[float, int]:
    """Seconds, and KiB of memory at most."""
    command = [sys.executable, "-m", "operations.audit", "report", STACK, "--history", str(history), "--format", "html"]
    begun = time.monotonic()
    running = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return time.monotonic() - begun, used.ru_maxrss


if __name__ == "__main__":
    for row in measure(3):
        sys.stdout.write(": ".join(row) + "\n")
