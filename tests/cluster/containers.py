"""Containers of the test stack's pods as what they are on this machine: processes."""

from pathlib import Path

from tests.cluster.stack import Stack


def first_process(stack: Stack, area: str, pod: str, container: str) -> int:
    """The number that this machine has for a container's first process."""
    (found,) = (one for one in stack.objects(area, "pods") if one["metadata"]["name"] == pod)
    (status,) = (one for one in found["status"]["containerStatuses"] if one["name"] == container)
    known = status["containerID"].rpartition("/")[2]
    processes = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and known in _cgroup(entry) and _inner_number(entry) == "1"
    ]
    assert len(processes) == 1, f"{processes} are first processes of {known}"
    return processes[0]


def _cgroup(process: Path) -> str:
    try:
        return (process / "cgroup").read_text()
    except OSError:  # it has ended
        return ""


def _inner_number(process: Path) -> str:
    """The number that a process has in its own container."""
    lines = (process / "status").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("NSpid:"))
