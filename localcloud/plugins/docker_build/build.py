"""One build: the words for `buildctl` and the credentials that it gets, none of them among its arguments."""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from localcloud import buildctl
from localcloud.plugins.docker_build.context import is_remote
from localcloud.plugins.provider import Failed
from localcloud.plugins.quarantine import is_local


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
    require_local("BUILDKIT_HOST", os.environ["BUILDKIT_HOST"])
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


def require_local(setting: str, builder: str) -> None:
    """Refuse a builder that isn't this machine's: what it builds could go anywhere."""
    address = urlsplit(builder)
    if address.scheme != "unix" and not (address.scheme == "tcp" and is_local(address.netloc)):
        raise Failed(
            f"{setting}={builder} is no builder of this machine, and the local docker-build plugin uses no other: "
            'eval "$(make -s env)" names the local one'
        )


def _words(request: Build, folder: str) -> Iterator[str]:
    options = {**buildctl.proxies(os.environ), **request.options}
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
    report = buildctl.Report(tell)
    code = buildctl.run(command, environment, report, cancelled, timeout)
    if code != 0 and cancelled.is_set():
        raise Failed("the build was cancelled")
    if code < 0:
        raise Failed(f"the build was stopped after {timeout:.0f} s: {report.failure}")
    if code != 0:
        hidden = report.lacks_network and buildctl.hides_proxy_user(environment)
        hint = "\na proxy's user and password are not handed to builds: use one that asks for none" if hidden else ""
        raise Failed(f"the build failed: {report.failure}{hint}")


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
