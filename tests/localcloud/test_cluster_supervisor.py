"""Process 1 of the cluster's containers keeps programs running and lets go of them when told to."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localcloud.cluster.control_plane import INSIDE

PREAMBLE = "import os, signal, sys, time, pathlib; log = pathlib.Path(sys.argv[1])\n"


@contextmanager
def supervised(folder: Path, **programs: str) -> Iterator[subprocess.Popen[str]]:
    """The supervisor with Python programs, each of which gets a file of its name to write to."""
    commands = {name: [sys.executable, "-c", PREAMBLE + text, str(folder / name)] for name, text in programs.items()}
    file = folder / "programs.json"
    file.write_text(json.dumps(commands))
    command = [sys.executable, str(INSIDE / "supervise.py"), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def heard(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    """The first line that the supervisor says which is wanted."""
    assert process.stdout
    return next(line for line in process.stdout if wanted(line))


def test_a_program_that_ends_is_started_again(tmp_path: Path) -> None:
    with supervised(tmp_path, brief="sys.exit(3)") as process:
        assert "brief ended with 3" in heard(process, lambda line: "ended" in line)
        assert "starting brief" in heard(process, lambda line: "starting" in line)


def test_one_programs_end_leaves_the_others_alone(tmp_path: Path) -> None:
    steady = "f = log.open('a'); f.write(f'{os.getpid()}\\n'); f.flush(); signal.pause()"
    with supervised(tmp_path, brief="sys.exit(3)", steady=steady) as process:
        for _ in range(2):
            heard(process, lambda line: "brief ended" in line)
        assert len((tmp_path / "steady").read_text().splitlines()) == 1


def test_programs_end_with_their_supervisor(tmp_path: Path) -> None:
    polite = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(log.write_text('bye') and 0)); print('up'); "
    polite += "sys.stdout.flush(); signal.pause()"
    with supervised(tmp_path, polite=polite) as process:
        heard(process, lambda line: line == "up\n")
        process.terminate()
        assert process.wait(timeout=8) == 0
    assert (tmp_path / "polite").read_text() == "bye"


def test_programs_are_not_deaf_to_signals(tmp_path: Path) -> None:
    """A signal that is blocked in the supervisor would stay so in its programs, and in every container they start."""
    blocked = "print(signal.pthread_sigmask(signal.SIG_BLOCK, [])); sys.stdout.flush(); signal.pause()"
    with supervised(tmp_path, listening=blocked) as process:
        assert heard(process, lambda line: line.startswith(("set", "{"))) == "set()\n"


def test_a_program_that_is_killed_is_reported_as_such(tmp_path: Path) -> None:
    with supervised(tmp_path, victim="print(os.getpid()); sys.stdout.flush(); signal.pause()") as process:
        os.kill(int(heard(process, lambda line: line.strip().isdigit())), signal.SIGKILL)
        assert "victim ended with -9" in heard(process, lambda line: "ended" in line)
