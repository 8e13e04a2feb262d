"""What the machine must be and have before anything is made on it: told in one go, with the way out for each."""

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from localcloud import paths
from localcloud.problem import Problem

# Published on the loopback address only. The second edge is that of the test stack.
PORTS: Mapping[str, int] = {"API server": 16443, "registry": 5005, "edge": 8443, "edge of the test stack": 8444}

FREE_SPACE = 8 * 1024**3  # bytes: images on three nodes, the registry and BuildKit's cache take 6 GiB
MEMORY = 6 * 1024**3  # bytes: the control plane and three nodes with the development stack take 4 GiB


def check() -> None:
    """Raise a `Problem` that names everything which stands in the way."""
    found = list(_obstacles())
    if found:
        raise Problem("\n".join(what for what, _ in found), "\n".join(hint for _, hint in found))


def _obstacles() -> Iterable[tuple[str, str]]:
    if platform.machine() != "x86_64" or _debian_release() != "12":
        yield (
            f"This is {_system_name()} on {platform.machine()}; it has been tried on Debian 12, x86_64 only.",
            "Use such a machine or virtual machine, or set vision-week:cluster to a cluster of your own (README.md).",
        )
    if os.geteuid() != 0:
        yield (
            "The local cloud makes network bridges, mounts and containers, and that takes root.",
            "Run the same command as root: `sudo make up`.",
        )
    root = paths.state()
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if free < FREE_SPACE:
        yield (
            f"{root} has {free / 1024**3:.1f} GiB free; the local cloud takes {FREE_SPACE / 1024**3:.0f} GiB.",
            "Make room there, or set XDG_STATE_HOME and XDG_CACHE_HOME to folders on a larger disk.",
        )
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total < MEMORY:
        yield (
            f"The machine has {total / 1024**3:.1f} GiB of memory; the local cloud takes {MEMORY / 1024**3:.0f} GiB.",
            "Use a machine with more memory.",
        )


def check_ports(ports: Iterable[str] = tuple(PORTS)) -> None:
    """Raise a `Problem` for each of these ports that another program listens on."""
    taken = []
    for use in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", PORTS[use]))
            except OSError:
                taken.append(f"{PORTS[use]} ({use})")
    if taken:
        raise Problem(
            f"Another program listens on 127.0.0.1, port {', '.join(taken)}, which the local cloud publishes.",
            f"Find it with `ss -ltnp 'sport = :{taken[0].split()[0]}'` and stop it, then run the same command again.",
        )


def install(packages: Iterable[str], progress: Callable[[str], None]) -> None:
    """Install the Debian packages that are missing, from the machine's own package sources."""
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments, text in (
        (["update"], "reads the package lists"),
        (["install", "--yes", "--no-install-recommends", *missing], f"installs {', '.join(missing)}"),
    ):
        progress(text)
        done = subprocess.run(
            ["apt-get", "--quiet", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0 and arguments[0] == "install":
            raise Problem(
                f"apt-get cannot install {', '.join(missing)}:\n{(done.stderr or done.stdout).strip()[-1500:]}",
                "Check the network and /etc/apt/sources.list*, then run the same command again.",
            )


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def _os_release() -> dict[str, str]:
    file = Path("/etc/os-release")
    lines = file.read_text().splitlines() if file.exists() else []
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def _debian_release() -> str | None:
    release = _os_release()
    return release.get("VERSION_ID") if release.get("ID") == "debian" else None


def _system_name() -> str:
    return _os_release().get("PRETTY_NAME", platform.system())
