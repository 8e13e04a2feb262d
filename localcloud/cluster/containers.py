"""The cluster's containers, and how what is there becomes what should be there.

A container is described whole (image, options, command, the settings it mounts), and labelled with the digest of that
description. So "is it right?" is one comparison, and a container that was made by another version, or from settings
that changed since, is made anew. What a container must not lose lives on disks outside it.

A second label says whose state a container belongs to. What doesn't have ours isn't touched: a name proves nothing.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localcloud import paths
from localcloud.cluster import layout, ports
from localcloud.docker import LABEL_STATE, DockerFailed, docker
from localcloud.problem import Problem

State = Literal["running", "paused", "stopped", "missing", "outdated"]

# Docker's log driver keeps everything by default; two files of these are days of a cluster's life.
LOG_OPTIONS = ("--log-opt", "max-size=20m", "--log-opt", "max-file=2")

GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of the cluster.

    options: of `docker run`, apart from name, labels, image and settings.
    command: what it runs.
    settings: folder mounted read-only at /etc/vision-week; its content is part of what the container is made from.
    """

    name: str
    image: str
    options: tuple[str, ...]
    command: tuple[str, ...]
    settings: Path

    @property
    def digest(self) -> str:
        described = json.dumps([self.image, self.options, self.command, _content(self.settings)])
        return hashlib.sha256(described.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A container as the engine has it; without an owner it isn't a local cloud's."""

    status: str
    digest: str
    owner: str
    networks: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        return self.owner == str(paths.state())


def found() -> dict[str, Found]:
    """The engine's containers, by name."""
    columns = "{{.Names}}\t{{.Label %s}}\t{{.Label %s}}\t{{.Networks}}\t{{.State}}"
    labels = (json.dumps(LABEL_STATE), json.dumps(layout.LABEL_SPEC))
    listing = docker("ps", "--all", "--no-trunc", "--format", columns % labels)
    containers: dict[str, Found] = {}
    for line in listing.splitlines():
        name, owner, digest, networks, status = line.split("\t")
        containers[name] = Found(status=status, digest=digest, owner=owner, networks=tuple(networks.split(",")))
    return containers


def state(container: Container, there: Mapping[str, Found]) -> State:
    """How the container stands, compared with what it should be."""
    existing = there.get(container.name)
    if existing is None:
        return "missing"
    cut_off = f"--network={layout.NETWORK}" in container.options and layout.NETWORK not in existing.networks
    if existing.digest != container.digest or cut_off:
        return "outdated"
    if existing.status == "running":
        return "running"
    return "paused" if existing.status == "paused" else "stopped"


def converge(container: Container, there: Mapping[str, Found], progress: Callable[[str], None]) -> State:
    """Make the container run as described; say what it was found as."""
    was = state(container, there)
    match was:
        case "running":
            pass
        case "paused":
            progress(f"waking {container.name}")
            docker("unpause", container.name)
        case "stopped":
            progress(f"starting {container.name} again")
            try:
                docker("start", container.name)
            except DockerFailed:
                # Half-made, or left over from an engine that died: what must last isn't in it.
                create(container, progress)
        case "outdated" | "missing":
            create(container, progress)
    return was


def create(container: Container, progress: Callable[[str], None]) -> None:
    """Make the container from nothing, in place of one of that name."""
    remove([container.name])
    progress(f"making {container.name}")
    try:
        docker(
            "run",
            "--detach",
            "--name",
            container.name,
            "--label",
            f"{layout.LABEL_SPEC}={container.digest}",
            "--label",
            f"{LABEL_STATE}={paths.state()}",
            *LOG_OPTIONS,
            "--volume",
            f"{container.settings}:/etc/vision-week:ro",
            *container.options,
            container.image,
            *container.command,
        )
    except DockerFailed as failure:
        remove([container.name])
        raise _explained(container, failure) from failure


def remove(names: Sequence[str]) -> None:
    """Remove containers of ours, running or not; those that aren't there are no matter."""
    for name in names:
        for attempt in range(5):
            ours = ("--filter", f"name=^{name}$", "--filter", f"label={LABEL_STATE}={paths.state()}")
            identity = docker("ps", "--all", "--quiet", "--no-trunc", *ours)
            if not identity:
                break
            try:
                docker("rm", "--force", "--volumes", identity)
            except DockerFailed as failure:
                if attempt == 4 and "No such container" not in failure.message:
                    raise
                time.sleep(1)  # "removal in progress", or a mount that is still being let go
            _remove_groups(identity)


def _remove_groups(identity: str) -> None:
    """Remove the control groups of a container that is gone: left behind where it was killed with its engine."""
    for pattern in (f"docker/{identity}", f"*/docker/{identity}"):
        for group in GROUPS.glob(pattern):
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()


def refuse_strangers(there: Mapping[str, Found]) -> None:
    """Refuse to touch the cluster of another user of this machine, whose state is somewhere else."""
    for name, container in there.items():
        if container.owner and not container.is_ours:
            raise Problem(
                f"The local cluster of this machine belongs to {container.owner} ({name}), not {paths.state()}.",
                "Use it with that home (`HOME`, `XDG_STATE_HOME`), or run `make down` there first: a machine has one.",
            )


def _explained(container: Container, failure: DockerFailed) -> Problem:
    said = failure.message
    if "is already in use by container" in said:
        return Problem(
            f"A container that isn't the local cloud's has the name {container.name}, which it needs.",
            f"Rename it (`docker rename {container.name} another-name`) or remove it, then run `make up` again.",
        )
    if "address already in use" in said or "port is already allocated" in said:
        port = re.search(r"127\.0\.0\.1:(\d+)", said)
        return ports.taken(int(port[1]), container.name) if port else failure
    if "Address already in use" in said:
        return Problem(
            f"{container.name} can't be started, another container has its address: {said}",
            f"Find it with `docker network inspect {layout.NETWORK}`, remove it, then run `make up` again.",
        )
    if "no space left" in said:
        return Problem(
            f"{container.name} can't be started, the disk is full: {said}",
            "Free some space (`docker system df`, `du -sh ~/.cache/vision-week`), then run `make up` again.",
        )
    return failure


def _content(folder: Path) -> list[tuple[str, str]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [(str(file.relative_to(folder)), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
