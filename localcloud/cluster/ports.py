"""Ports on this machine's loopback that somebody else listens on: which, and who."""

import re
import subprocess

from localcloud.docker import docker
from localcloud.problem import Problem


def taken(port: int, needed_by: str) -> Problem:
    """What to say of a port that a container was to be published on."""
    return Problem(
        f"Port {port} of 127.0.0.1 is taken by {_holder(port)}; {needed_by} needs it.",
        "Stop it, then run the same command again: what is done is kept.",
    )


def _holder(port: int) -> str:
    """Who listens on the port, as far as the machine tells."""
    containers = docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").split()
    if containers:
        return f"the container {containers[0]}"
    listening = subprocess.run(
        ["ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes", f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=False,
    )
    program = re.search(r'users:\(\("(?P<name>[^"]+)",pid=(?P<pid>\d+)', listening.stdout)
    return f"{program['name']} (process {program['pid']})" if program else "a program that `ss -tlnp` doesn't name"
