"""BuildKit in a container of its own, and builds by it.

The daemon shares this machine's network, because a build reaches the package registries the way the machine does. What
it has built is kept in the cache, so a rebuild with nothing changed runs no step even after `make down`.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud import buildctl, paths, toolchain
from localcloud.alone import alone
from localcloud.cluster import containers, image, layout
from localcloud.cluster.containers import Container
from localcloud.cluster.settings import write_folder
from localcloud.docker import docker, ensure_engine
from localcloud.images import registry
from localcloud.problem import Problem

CONTAINER = "vision-week-buildkit"
START_TIME = 60  # seconds; it takes one on an idle machine

# On top of what the cluster's containers have: BuildKit fetches contexts that are Git repositories by it.
_PACKAGES = ("git",)

# Below this the cache is kept whatever its age: all stand-ins and our own images take 2 GiB.
_KEPT = 4 * 1024**3
_MOST = 8 * 1024**3
_LEFT_FREE = 2 * 1024**3

# Quick to make and readable by every engine; the images travel over a bridge of this machine only.
_COMPRESSION = "compression=gzip,compression-level=1"


@dataclass(frozen=True, kw_only=True)
class Build:
    """One image to be built.

    dockerfile: its Dockerfile.
    context: the folder that COPY and ADD read; the Dockerfile's own if None.
    names: where it is pushed; an address that is not in the local registry is refused.
    contexts: images that replace a stage or an image of the Dockerfile, as `docker-image://…`.
    target: the stage that is wanted; the last if empty.
    """

    dockerfile: Path
    names: Sequence[str]
    context: Path | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build gave: the image's digest and the steps that really ran, nothing of which came from the cache."""

    digest: str
    steps_run: tuple[str, ...]


def socket() -> Path:
    """Where the daemon listens."""
    return paths.state() / "buildkit" / "buildkitd.sock"


def _cache() -> Path:
    return paths.cache() / "buildkit"


def environment() -> dict[str, str]:
    """What buildctl and whoever calls it need: the daemon, and the credentials of the local registry."""
    return {"BUILDKIT_HOST": f"unix://{socket()}", "DOCKER_CONFIG": str(layout.credentials())}


def buildkit_up(progress: Callable[[str], None]) -> None:
    """Have the daemon run: as it is, if it was started from the same things and answers."""
    programs = toolchain.build(["buildctl", "buildkitd"], progress)
    ensure_engine(progress)
    with alone(paths.LOCKS / "buildkit", lambda: progress("waiting for another run that starts BuildKit")):
        wanted = _container(programs["buildkitd"], image.ensure(progress, *_PACKAGES))
        if _started(wanted, progress):
            return
        # A machine that was switched off in the middle of a build can leave a cache that no daemon opens.
        progress("making BuildKit's cache anew, as BuildKit doesn't start on the old one")
        buildkit_down()
        shutil.rmtree(_cache())
        if not _started(wanted, progress):
            said = docker("logs", "--tail", "5", CONTAINER) or "it says nothing"
            raise Problem(
                f"BuildKit ends as soon as it is started: {said}",
                f"Read `docker logs {CONTAINER}`, mend what it names, then run `make up` again.",
            )


def buildkit_down() -> None:
    """Remove the daemon's container; what it has built stays in the cache."""
    containers.remove([CONTAINER])
    socket().unlink(missing_ok=True)


def _started(wanted: Container, progress: Callable[[str], None]) -> bool:
    """Have the container run and wait until the daemon answers; false if it ended instead."""
    for folder in (socket().parent, _cache()):
        folder.mkdir(parents=True, exist_ok=True)
    containers.converge(wanted, containers.found(), progress)
    deadline = time.monotonic() + START_TIME
    while not _answers():
        if docker("inspect", "--format", "{{.State.Running}}", CONTAINER) != "true":
            return False
        if time.monotonic() > deadline:
            raise Problem(
                f"BuildKit doesn't answer after {START_TIME} s.",
                f"Read `docker logs {CONTAINER}`; if the machine is only busy, run the same command again.",
            )
        time.sleep(0.1)
    return True


def build(request: Build, progress: Callable[[str], None]) -> Built:
    """Build one image and push it to the local registry."""
    for name in request.names:
        registry.require_local(name)
    with tempfile.TemporaryDirectory() as scratch:
        metadata = Path(scratch) / "metadata.json"
        steps = _run(_command(request, metadata), request.dockerfile, progress)
        digest = json.loads(metadata.read_text())["containerimage.digest"]
    return Built(digest=digest, steps_run=steps)


def _command(request: Build, metadata: Path) -> list[str]:
    names = ",".join(request.names)
    options = {
        "filename": request.dockerfile.name,
        **({"target": request.target} if request.target else {}),
        **{f"build-arg:{name}": value for name, value in request.arguments.items()},
        **buildctl.proxies(os.environ),
        **{f"label:{name}": value for name, value in request.labels.items()},
        **{f"context:{name}": value for name, value in request.contexts.items()},
    }
    return [
        str(toolchain.binary("buildctl")),
        "build",
        "--progress=rawjson",
        "--frontend=dockerfile.v0",
        f"--local=context={request.context or request.dockerfile.parent}",
        f"--local=dockerfile={request.dockerfile.parent}",
        *(f"--opt={name}={value}" for name, value in options.items()),
        f'--output=type=image,"name={names}",push=true,{_COMPRESSION}',
        f"--metadata-file={metadata}",
    ]


def _run(command: Sequence[str], dockerfile: Path, progress: Callable[[str], None]) -> tuple[str, ...]:
    report = buildctl.Report(lambda step: progress(_short(step)))
    if buildctl.run(command, {**os.environ, **environment()}, report) == 0:
        return tuple(report.steps_run)
    failed = f"{dockerfile.parent.name}/{dockerfile.name} does not build: {report.failure}"
    if not report.lacks_network:
        raise Problem(failed, "Mend what it names, then run the same command again.")
    hint = "The build reaches nothing outside: check this machine's network and its proxy settings (`http_proxy`, …)"
    if buildctl.hides_proxy_user(os.environ):
        hint += "; a proxy's user and password are not handed to builds, so use one that asks for none"
    raise Problem(failed, f"{hint}. Then run the same command again: what was built is kept.")


def _short(step: str) -> str:
    """`[builder 2/4] RUN …` is `step builder 2/4`."""
    return f"step {step[1:].partition(']')[0]}" if step.startswith("[") else "pushing"


def _container(buildkitd: Path, machine: str) -> Container:
    """The daemon's container, with every capability but CAP_SYS_RESOURCE, which some machines don't have to give."""
    return Container(
        name=CONTAINER,
        image=machine,
        options=(
            "--network=host",
            "--init",
            "--cap-add=ALL",
            "--cap-drop=SYS_RESOURCE",
            "--security-opt=seccomp=unconfined",
            "--security-opt=apparmor=unconfined",
            "--security-opt=systempaths=unconfined",
            "--device-cgroup-rule=a *:* rwm",
            "--tmpfs=/tmp:exec",
            "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
            f"--volume={buildkitd}:/usr/local/bin/buildkitd:ro",
            f"--volume={_cache()}:/var/lib/buildkit",
            f"--volume={socket().parent}:/run/buildkit",
        ),
        # What it says of a failed start is read back from the container's standard output.
        command=("sh", "-c", "exec buildkitd --config /etc/vision-week/buildkitd.toml 2>&1"),
        settings=write_folder(layout.home() / "buildkit", {"buildkitd.toml": _configuration()}),
    )


def _configuration() -> str:
    """buildkitd.toml. The mirrors are read as the nodes read them, by the address that needs no credentials."""
    inside = layout.REGISTRY_INSIDE.removeprefix("http://")
    return "\n".join(
        [
            'root = "/var/lib/buildkit"',
            "[grpc]",
            'address = ["unix:///run/buildkit/buildkitd.sock"]',
            "[worker.containerd]",
            "enabled = false",
            "[worker.oci]",
            "enabled = true",
            f"max-parallelism = {(os.cpu_count() or 1) + 1}",
            "[[worker.oci.gcpolicy]]",
            "all = true",
            f"reservedSpace = {_KEPT}",
            f"maxUsedSpace = {_MOST}",
            f"minFreeSpace = {_LEFT_FREE}",
            *_registries(inside),
            "",
        ]
    )


def _registries(inside: str) -> Iterable[str]:
    for host in layout.MIRRORED:
        yield f'[registry."{host}"]'
        yield f'mirrors = ["{inside}/mirror/{host}"]'
    for address in (inside, registry.ADDRESS):
        yield f'[registry."{address}"]'
        yield "http = true"


def _answers() -> bool:
    command = [str(toolchain.binary("buildctl")), "debug", "workers"]
    environ = {**os.environ, **environment()}
    return subprocess.run(command, env=environ, capture_output=True, timeout=20, check=False).returncode == 0
