"""What drills do to the machines of the local cloud, and to processes on them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcloud.cluster import layout
from localcloud.docker import docker
from tests.cluster.stack import Stack


@contextmanager
def cut_off(container: str) -> Iterator[None]:
    """Nobody reaches one of the local cloud's machines meanwhile, nor it anybody."""
    number = docker("exec", container, "cat", "/sys/class/net/eth0/iflink").strip()
    wire = next(
        file.parent.name for file in Path("/sys/class/net").glob("*/ifindex") if file.read_text().strip() == number
    )
    subprocess.run(["ip", "link", "set", "dev", wire, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", "dev", wire, "up"], check=True)


@contextmanager
def frozen(container: str) -> Iterator[None]:
    """One of them answers nothing meanwhile.

    Its processes stand still and its wire is cut: the kernel, which it shares with us, would go on confirming packets.
    """
    with cut_off(container):
        docker("pause", container)
        try:
            yield
        finally:
            docker("unpause", container)


def take_pods() -> None:
    """Have all nodes take pods, also after a drill that was broken off before it let them again."""
    subprocess.run(["kubectl", "uncordon", *(node.name for node in layout.NODES)], capture_output=True, check=True)


def first_process(stack: Stack, area: str, pod: str, container: str) -> int:
    """The number that this machine has for a container's first process."""
    (described,) = (one for one in stack.objects(area, "pods") if one["metadata"]["name"] == pod)
    (status,) = (one for one in described["status"]["containerStatuses"] if one["name"] == container)
    name = status["containerID"].rpartition("/")[2]
    found = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and name in _cgroup(entry) and _inner_number(entry) == "1"
    ]
    assert len(found) == 1, f"{found} are first processes of {name}"
    return found[0]


def _cgroup(process: Path) -> str:
    try:
        return (process / "cgroup").read_text()
    except OSError:  # it has ended
        return ""


def _inner_number(process: Path) -> str:
    """The number that a process has in its own container."""
    lines = (process / "status").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("NSpid:"))
