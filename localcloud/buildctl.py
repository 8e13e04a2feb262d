"""Builds by `buildctl`: what a build may know of this machine, and what it tells of itself.

Both who builds stand-ins and the docker-build plugin run it; how they describe a build is theirs.
"""

import base64
import json
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

# BuildKit hands these to every step without the Dockerfile declaring them, and keeps them out of image and cache key.
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# A step of the Dockerfile, `[builder 2/4] RUN …`, as opposed to `[internal] …`.
_STEP: Final = re.compile(r"^\[(?!internal\])[^\]]*\] ")
# One that does something: taking the base is none.
_RUN: Final = re.compile(r"^\[[^\]]*\d+/\d+\] (?!FROM )")
_KEPT_LINES: Final = 30
# What tools say when a network is missing, from BuildKit's own resolver to apt and pip.
_NO_NETWORK: Final = re.compile(
    r"no such host|network is unreachable|connection refused|could not connect|could not resolve|i/o timeout"
    r"|connection timed out|temporary failure|TLS handshake timeout|proxyconnect|no route to host",
    re.IGNORECASE,
)


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies of an environment as build arguments, without what they ask of their users.

    They are arguments of a command: everyone on the machine can read these.
    """
    return {f"build-arg:{name}": _without_user(environment[name]) for name in _PROXIES if environment.get(name)}


def hides_proxy_user(environment: Mapping[str, str]) -> bool:
    """Whether a proxy of this environment asks for a user, which no build is told."""
    return any(_without_user(environment[name]) != environment[name] for name in _PROXIES if environment.get(name))


def _without_user(proxy: str) -> str:
    try:
        location = urlsplit(proxy).netloc or proxy
    except ValueError:
        location = proxy
    user, at, _ = location.rpartition("@")
    return proxy.replace(f"{user}@", "", 1) if at else proxy


class Report:
    """What a build tells line by line (`--progress=rawjson`), kept as far as its caller or an error needs it.

    tell: hears the name of each step when it starts.
    steps_run: the steps that really ran, nothing of which came from the cache.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.steps_run: list[str] = []
        self._tell = tell
        self._names: dict[str, str] = {}
        self._output: dict[str, deque[str]] = {}
        self._failed: tuple[str, str] | None = None
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)

    def hear(self, lines: Iterable[str]) -> None:
        """Lines of it: a status as JSON, or plain words when buildctl itself fails."""
        for line in lines:
            try:
                status = json.loads(line)
            except ValueError:
                if line.strip():
                    self._said.append(line.rstrip())
                continue
            for vertex in status.get("vertexes") or ():
                self._hear_step(vertex)
            for log in status.get("logs") or ():
                kept = self._output.setdefault(log["vertex"], deque(maxlen=_KEPT_LINES))
                kept.extend(base64.b64decode(log["data"]).decode(errors="replace").splitlines())

    def _hear_step(self, vertex: Mapping[str, Any]) -> None:
        digest, name = vertex["digest"], vertex.get("name", "")
        self._names[digest] = name
        if error := vertex.get("error"):
            # The first is the cause; others are cancelled because of it.
            if self._failed is None or "context canceled" in self._failed[1]:
                self._failed = (digest, error)
        elif not vertex.get("started") or vertex.get("cached"):
            return
        elif not vertex.get("completed"):
            if _STEP.match(name) or name == "exporting to image":
                self._tell(name)
        elif _RUN.match(name) and name not in self.steps_run:
            self.steps_run.append(name)

    @property
    def failure(self) -> str:
        """Why the build failed: `at <step>`, what that wrote last and its error, or what buildctl itself said."""
        if self._failed is None:
            return "\n".join(self._said) or "buildctl gives no reason"
        digest, error = self._failed
        output = (f"  {line}" for line in self._output.get(digest, ()))
        return "\n".join([f"at {self._names[digest]}", *output, error])

    @property
    def lacks_network(self) -> bool:
        """Whether it failed for want of a network."""
        return _NO_NETWORK.search(self.failure) is not None


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    report: Report,
    cancelled: threading.Event | None = None,
    timeout: float = 0,
) -> int:
    """Run a build to its end and give its exit code; below 0 if it was stopped: cancelled, or not done in time."""
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        done = threading.Event()
        guard = threading.Thread(target=_stop_early, args=(process, cancelled, done, timeout), daemon=True)
        guard.start()
        assert process.stderr is not None  # noqa: S101  PIPE gives one
        try:
            report.hear(process.stderr)
            process.wait()
        finally:
            done.set()
    return process.returncode


def _stop_early(
    process: subprocess.Popen[str], cancelled: threading.Event | None, done: threading.Event, timeout: float
) -> None:
    """Stop a build that nobody wants any more or that has had its time."""
    waited = 0.0
    while not done.wait(0.2):
        waited += 0.2
        if (cancelled and cancelled.is_set()) or (timeout and waited > timeout):
            process.terminate()
            return
