"""Process 1 of the local cloud's containers: starts programs, restarts those that end, collects orphans.

Usage: supervise.py PROGRAMS.json, where the file maps a name to the program's argument list. Standard library only: it
runs on the Python of the container. Programs start all at once; each waits for what it needs by itself or ends, and is
started again after a second, then two, four, eight.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

RESTART_AFTER = 1.0
RESTART_AFTER_AT_MOST = 8.0
STEADY_AFTER = 60.0  # a program that ran so long begins with one second again
STOP_WITHIN = 8.0  # docker kills after ten


class StoppedError(Exception):
    """The container is being stopped."""


def stop(_signal: int, _frame: FrameType | None) -> None:
    raise StoppedError


def say(text: str) -> None:
    os.write(1, f"supervise: {text}\n".encode())


def start(name: str, command: list[str]) -> int:
    say(f"starting {name}")
    return os.posix_spawnp(command[0], command, os.environ, setsigmask=[])


def wait_for_child(timeout: float) -> None:
    """Wait until a child ends or the time is over. SIGCHLD is blocked, so none is missed between two waits."""
    signal.sigtimedwait([signal.SIGCHLD], timeout)


def ended() -> dict[int, int]:
    """Process ids and exit codes of all children that ended, adopted ones included."""
    found: dict[int, int] = {}
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return found
            found[pid] = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return found


def supervise(programs: dict[str, list[str]]) -> None:
    running: dict[int, str] = {}
    started: dict[str, float] = {}
    pause = dict.fromkeys(programs, RESTART_AFTER)
    due = dict.fromkeys(programs, 0.0)
    try:
        while True:
            now = time.monotonic()
            for name in [name for name, when in due.items() if when <= now]:
                del due[name]
                started[name] = now
                running[start(name, programs[name])] = name
            wait_for_child(min([when - now for when in due.values()], default=60.0))
            for pid, code in ended().items():
                if pid in running:
                    name = running.pop(pid)
                    say(f"{name} ended with {code}")
                    now = time.monotonic()
                    if now - started[name] > STEADY_AFTER:
                        pause[name] = RESTART_AFTER
                    due[name] = now + pause[name]
                    pause[name] = min(2 * pause[name], RESTART_AFTER_AT_MOST)
    except StoppedError:
        terminate(running)


def terminate(running: dict[int, str]) -> None:
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN
    while running and (left := deadline - time.monotonic()) > 0:
        wait_for_child(left)
        for pid in ended():
            running.pop(pid, None)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGTERM, stop)
    supervise(json.loads(Path(sys.argv[1]).read_text()))
