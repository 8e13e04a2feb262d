"""A machine inside this machine: processes, mounts, network, /run and Docker's data of its own, on the same kernel.

What the local cloud does to a machine can be seen whole in it, and it can be reset at will: every process dies and the
network is gone, while the files stay. The developer's own cloud runs on beside it and notices nothing.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from localcloud import paths
from localcloud.cluster.control_plane import INSIDE
from tests.waiting import wait_for

PATIENCE = 600  # seconds for one command; bringing everything up takes one minute on two quiet cores

# Mounts of this machine's containers would be held as long as the other machine lives. /sys shows the network that was
# there when it was mounted, so it is mounted again, without losing the control groups.
_BOOT = """
awk '$2 ~ "^/(run|var/lib)/docker/" { print $2 }' /proc/self/mounts | tac | xargs --no-run-if-empty umount --lazy
mount --rbind /sys/fs/cgroup "$1/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$1/cgroup" /sys/fs/cgroup
umount --recursive --lazy "$1/cgroup"
mount --bind "$1/run" /run
mount --bind "$1/docker" /var/lib/docker
ip link set lo up
touch "$1/booted"
exec "$2" "$3" "$1/programs.json"
"""

# Everything of a machine that the local cloud changes. Locks stay; that they do is `localcloud.alone`'s to explain.
# Mounts elsewhere than where it works are this machine's, as they were when the other one was booted.
_LOOK = """
import json, pathlib, subprocess
def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
def read(file):
    try:
        return file.read_text().strip()
    except OSError:
        return ""
mounts = [line.split()[1] for line in read(pathlib.Path("/proc/self/mounts")).splitlines()]
rules = [line.partition(" [")[0] for line in said("iptables-save")]
settings = [file for folder in ("net/ipv4", "net/bridge") for file in pathlib.Path("/proc/sys", folder).glob("*")]
settings += [pathlib.Path("/proc/sys", name) for name in SETTINGS]
print(json.dumps({
    "links": sorted(link["ifname"] for link in json.loads("".join(said("ip", "-json", "link")))),
    "routes": [line for line in said("ip", "route", "show", "table", "all") if not line.startswith("local fe80")],
    "firewall rules": [line for line in rules if line[0] in "-:" and not line.endswith(" ACCEPT")],
    "mounts": sorted(place for place in mounts if place.startswith((FOLDER, "/run", "/var/lib/docker", "/sys"))),
    "processes": sorted(filter(None, (read(file / "comm") for file in pathlib.Path("/proc").glob("[0-9]*")))),
    "kernel settings": {str(file): read(file) for file in settings if file.is_file()},
    "running": sorted({file.name for file in pathlib.Path("/run").glob("*")} - {"lock", "xtables.lock"}),
    "state": pathlib.Path(STATE).exists(),
}))
"""


class Box:
    """A machine of its own in a folder. It shares what was built, and nothing else, with this machine's cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state" / "vision-week"
        for name in ("cgroup", "run", "docker", "state", "cache/vision-week"):
            (folder / name).mkdir(parents=True)
        for name in ("toolchain", "debian"):
            (folder / "cache/vision-week" / name).symlink_to(paths.cache() / name)
        (folder / "programs.json").write_text("{}")
        self._boot()

    def run(self, *command: str, checkout: Path = paths.CHECKOUT) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine; what it said, errors included, is its `stdout`."""
        process = self.start(*command, checkout=checkout)
        said, _ = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(command, process.returncode, said)

    def start(self, *command: str, checkout: Path = paths.CHECKOUT) -> subprocess.Popen[str]:
        """Start a command on the machine."""
        namespaces = ("--mount", "--net", "--pid", "--ipc", "--uts")
        return subprocess.Popen(
            ["nsenter", f"--target={self._init}", *namespaces, f"--wd={checkout}", *command],
            env={**os.environ, "XDG_STATE_HOME": f"{self.folder}/state", "XDG_CACHE_HOME": f"{self.folder}/cache"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def said(self, *command: str, checkout: Path = paths.CHECKOUT) -> str:
        """What a command says that must succeed."""
        done = self.run(*command, checkout=checkout)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def python(self, program: str, checkout: Path = paths.CHECKOUT) -> str:
        """What a Python program says that must succeed."""
        return self.said(sys.executable, "-c", program, checkout=checkout)

    def refused(self, program: str) -> str:
        """What a Python program says that must end with a `Problem`."""
        done = self.run(sys.executable, "-c", program)
        assert done.returncode != 0, done.stdout
        assert "Problem: " in done.stdout or "DockerFailed: " in done.stdout, done.stdout
        return done.stdout

    def look(self, *settings: str) -> dict[str, Any]:
        """Everything of the machine that the local cloud changes. settings: of the kernel, beside the network's."""
        places = f"STATE = {str(self.state)!r}; FOLDER = {str(self.folder)!r}"
        program = f"SETTINGS = {settings!r}; {places}\n{_LOOK}"
        seen: dict[str, Any] = json.loads(self.python(program))
        return seen

    def reset(self) -> None:
        """Have every process die at once and the network be gone; files stay, those in /run too."""
        self._end()
        self._boot()

    def kill_all(self) -> None:
        """Have every process die at once; mounts, links, routes and firewall rules stay behind."""
        self.said("sh", "-c", "kill -KILL -1 || true")

    def remove(self) -> None:
        """End the machine, and leave nothing of it."""
        containers = [file.name for file in (self.folder / "docker/containers").glob("*")]
        self._end()
        for container in containers:
            for group in Path("/sys/fs/cgroup").glob(f"*/docker/{container}"):
                for folder, _, _ in os.walk(group, topdown=False):
                    Path(folder).rmdir()
        shutil.rmtree(self.folder)

    def _boot(self) -> None:
        (self.folder / "booted").unlink(missing_ok=True)
        namespaces = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")
        first = ("sh", "-euc", _BOOT, "sh", str(self.folder), sys.executable, str(INSIDE / "supervise.py"))
        with (self.folder / "boot.log").open("ab") as log:
            self._outside = subprocess.Popen(["unshare", *namespaces, *first], stdout=log, stderr=log)
        wait_for((self.folder / "booted").exists, "the machine to boot")
        children = Path(f"/proc/{self._outside.pid}/task/{self._outside.pid}/children").read_text()
        self._init = int(children.split()[0])

    def _end(self) -> None:
        os.kill(self._init, signal.SIGKILL)
        self._outside.wait(timeout=PATIENCE)
