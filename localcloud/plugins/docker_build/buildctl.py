"""Builds by `buildctl`, and what it tells of them."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from localcloud.plugins.docker_build.context import is_remote
from localcloud.plugins.provider import Failed

_KEPT_LINES: Final = 30
_STEP: Final = re.compile(r"^\[(?!internal\])[^\]]*\] ")
# BuildKit hands these to every step without the Dockerfile declaring them, and keeps them out of image and cache key.
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build: `dockerfile` is its path or address, `inline` its content; the rest is in buildctl's words."""

    context: str
    dockerfile: str = ""
    inline: str = ""
    named: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    cache_from: Sequence[str] = ()
    cache_to: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    ssh: Sequence[str] = ()
    allow: Sequence[str] = ()
    no_cache: bool = False


def build(
    request: Build,
    tell: Callable[[str], None],
    cancelled: threading.Event,
    timeout: float,
    credentials: Mapping[str, Mapping[str, str]],
) -> str:
    """Run the build; gives the image's digest, empty if it made none. Raises `Failed` with the step that failed."""
    program = shutil.which("buildctl")
    if program is None or "BUILDKIT_HOST" not in os.environ:
        missing = "BUILDKIT_HOST is not set" if program else "there is no buildctl on PATH"
        raise Failed(f'no image can be built: {missing}. `make up` starts the builder; by hand: eval "$(make -s env)"')
    with tempfile.TemporaryDirectory(prefix="docker-build-") as folder, _docker_config(credentials, folder) as config:
        metadata = Path(folder, "metadata.json")
        # Values of secrets go by the environment: arguments can be read by everyone on the machine.
        variables = {f"BUILD_SECRET_{number}": name for number, name in enumerate(request.secrets)}
        command = [program, "build", "--progress=rawjson", f"--metadata-file={metadata}", *_words(request, folder)]
        command += [f"--secret=id={name},env={variable}" for variable, name in variables.items()]
        environment = {**os.environ, **config}
        environment |= {variable: request.secrets[name] for variable, name in variables.items()}
        _run(command, environment, tell, cancelled, timeout)
        told: Mapping[str, Any] = json.loads(metadata.read_text()) if metadata.exists() else {}
    return str(told.get("containerimage.digest", ""))


def _words(request: Build, folder: str) -> Iterator[str]:
    options = dict(request.options)
    for name in _PROXIES:
        if name in os.environ:
            options.setdefault(f"build-arg:{name}", os.environ[name])
    yield "--frontend=dockerfile.v0"
    if is_remote(request.context):
        options["context"] = request.context
    else:
        yield f"--local=context={request.context}"
    if request.inline:
        Path(folder, "Dockerfile").write_text(request.inline)
        yield f"--local=dockerfile={folder}"
    elif request.dockerfile and not is_remote(request.context):
        file = Path(request.dockerfile)
        options["filename"] = file.name
        yield f"--local=dockerfile={file.parent}"
    elif request.dockerfile:
        options["filename"] = request.dockerfile
    for name, place in request.named.items():
        if Path(place).is_dir():
            yield f"--local={name}={place}"
            options[f"context:{name}"] = f"local:{name}"
        else:
            options[f"context:{name}"] = place
    yield from (f"--opt={name}={value}" for name, value in options.items())
    yield from (f"--output={output}" for output in request.outputs)
    yield from (f"--import-cache={entry}" for entry in request.cache_from)
    yield from (f"--export-cache={entry}" for entry in request.cache_to)
    yield from (f"--ssh={entry}" for entry in request.ssh)
    yield from (f"--allow={entitlement}" for entitlement in request.allow)
    if request.no_cache:
        yield "--no-cache"


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    tell: Callable[[str], None],
    cancelled: threading.Event,
    timeout: float,
) -> None:
    report = _Report(tell)
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        done = threading.Event()
        guard = threading.Thread(target=_stop_early, args=(process, cancelled, done, timeout), daemon=True)
        guard.start()
        stream = process.stderr
        assert stream is not None  # noqa: S101  PIPE gives one
        for line in stream:
            report.hear(line)
        process.wait()
        done.set()
    if process.returncode != 0:
        if cancelled.is_set():
            raise Failed("the build was cancelled")
        if process.returncode < 0:
            raise Failed(f"the build was stopped after {timeout:.0f} s\n{report.failure()}")
        raise Failed(report.failure())


def _stop_early(
    process: subprocess.Popen[str], cancelled: threading.Event, done: threading.Event, timeout: float
) -> None:
    """Stop a build that nobody wants any more or that has had its time."""
    waited = 0.0
    while not done.wait(0.2):
        waited += 0.2
        if cancelled.is_set() or (timeout and waited > timeout):
            process.terminate()
            return


class _Report:
    """What buildctl says line by line, kept as far as an error needs it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._names: dict[str, str] = {}
        self._output: dict[str, deque[str]] = {}
        self._failed: tuple[str, str] | None = None
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)

    def hear(self, line: str) -> None:
        """One line: a status as JSON, or plain words when buildctl itself fails."""
        try:
            status = json.loads(line)
        except ValueError:
            if line.strip():
                self._said.append(line.rstrip())
            return
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
        elif vertex.get("started") and not vertex.get("completed") and not vertex.get("cached") and _STEP.match(name):
            self._tell(name)

    def failure(self) -> str:
        """The failing step, what it wrote last, and why it failed."""
        if self._failed is None:
            return "the build failed: " + ("\n".join(self._said) or "buildctl gives no reason")
        digest, error = self._failed
        output = [f"  {line}" for line in self._output.get(digest, ())]
        return "\n".join([f"the build failed at: {self._names[digest]}", *output, error])


@contextmanager
def _docker_config(credentials: Mapping[str, Mapping[str, str]], folder: str) -> Iterator[dict[str, str]]:
    """DOCKER_CONFIG with the image's own credentials beside the machine's, for as long as the build takes."""
    if not credentials:
        yield {}
        return
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    content = json.loads(own.read_text()) if own.exists() else {}
    content["auths"] = {**content.get("auths", {}), **credentials}
    place = Path(folder, "docker")
    place.mkdir(mode=0o700)
    with _private(place / "config.json") as file:
        json.dump(content, file)
    yield {"DOCKER_CONFIG": str(place)}


def _private(file: Path) -> IO[str]:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
