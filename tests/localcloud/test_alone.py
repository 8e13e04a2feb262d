"""One at a time: the next run waits, says so, and gets its turn however the one before it ended."""

import subprocess
import sys
from pathlib import Path

from localcloud import paths

HOLD = """
import pathlib, sys
from localcloud.alone import alone
with alone(pathlib.Path(sys.argv[1]), lambda: print("waits", flush=True)):
    print("has it", flush=True)
    input()
"""


def run(lock: Path) -> subprocess.Popen[str]:
    """A run that holds the lock until it is told to go on."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        cwd=paths.CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_the_second_run_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    with run(tmp_path / "locks" / "one") as first:
        assert heard(first) == "has it"
        with run(tmp_path / "locks" / "one") as second:
            assert heard(second) == "waits"
            first.communicate("\n")
            assert heard(second) == "has it"
            second.communicate("\n")


def test_a_run_that_was_killed_locks_nobody_out(tmp_path: Path) -> None:
    with run(tmp_path / "one") as first:
        assert heard(first) == "has it"
        first.kill()
        first.wait()
    with run(tmp_path / "one") as second:
        assert heard(second) == "has it"
        second.communicate("\n")
