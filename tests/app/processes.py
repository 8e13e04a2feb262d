"""Programs that a test starts and stops: as an ordinary user, on free loopback ports, everything in one folder."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.waiting import wait_for

PACKAGES = Path(__file__).parent / "packages.txt"

# The images' own user. Root, which tests may run as, is not what the platform runs anything as.
USER = 1000

# Debian keeps these off the PATH.
_FOLDERS = f"{os.environ['PATH']}:/usr/sbin:/usr/lib/postgresql/15/bin"


def program(name: str) -> str:
    """The path of a program from one of `packages.txt`'s packages."""
    path = shutil.which(name, path=_FOLDERS)
    if path is None:
        packages = " ".join(PACKAGES.read_text().split())
        raise FileNotFoundError(f"{name} is not installed. Run: apt-get install --no-install-recommends {packages}")
    return path


_given: set[int] = set()


def free_port() -> int:
    """A loopback port that nobody has, and that nobody else will be given before it is used: neither a connection going
    out nor who asks here again."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def as_user(user: str | int) -> dict[str, str | int | list[str | int]]:
    """Arguments of subprocess that make it somebody other than root; none where we aren't root."""
    return {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}


class Process:
    """A running program whose output goes to a file."""

    def __init__(
        self, command: Sequence[str], *, log: Path, environment: Mapping[str, str], user: str | int | None = USER
    ) -> None:
        """user: None stays who we are."""
        self.log = log
        # Opened again by name through /proc by nginx and PHP-FPM, so it must be the user's, as a container's output is.
        log.touch()
        if user is not None:
            give(log, user)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                [program(command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": _FOLDERS, "LANG": "C.UTF-8", **environment},
                **({} if user is None else as_user(user)),
            )

    @property
    def pid(self) -> int:
        pid: int = self._process.pid
        return pid

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """As the function, but a program that ended meanwhile is reported with what it said."""

        def alive_and_ready() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"{what}: ended with {self._process.returncode}\n{self.log.read_text()}")
            return condition()

        wait_for(alive_and_ready, what)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        code: int = self._process.wait(seconds)
        return code

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def give(path: Path, user: str | int) -> None:
    """Make a file or folder the user's, where we may."""
    if os.geteuid() == 0:
        shutil.chown(path, user, user)
