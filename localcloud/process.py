"""Processes of this machine, told apart though their numbers are given again."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, named for good: its id may be another's one day, but not since the same moment.

    since: in ticks since the machine was started. Not the age of its folder in /proc, which is that of the first look
        which the kernel remembers.
    """

    pid: int
    since: str

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this id now; one that ended and wasn't collected yet is none."""
        try:
            fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else cls(pid, fields[19])

    def started(self) -> float:
        """When it began, in seconds since 1970."""
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        return int(boot.split()[1]) + int(self.since) / os.sysconf("SC_CLK_TCK")

    def lives(self) -> bool:
        return Process.of(self.pid) == self


def name_of(pid: str) -> str:
    """The name of the program that has this id now, or nothing; nor has what isn't an id."""
    try:
        return Path("/proc", pid, "comm").read_text().strip() if pid.isdigit() else ""
    except OSError:
        return ""
