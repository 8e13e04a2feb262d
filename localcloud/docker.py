"""The Docker engine of this machine, started if it isn't running.

Only the engine on this machine's own socket is ever used: what is built here is trusted by what runs here, and a
DOCKER_HOST that points elsewhere would make containers on somebody else's machine. An engine that was running before is
left alone by `release_engine`; one that was started here is stopped again, unless others have containers in it by then.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localcloud import debian, firewall, paths
from localcloud.problem import Problem

SOCKET = Path("/var/run/docker.sock")
RUN = Path("/var/run/docker")
PID_FILE = Path("/var/run/docker.pid")
DATA = Path("/var/lib/docker")

# Bytes that the images, the volumes and the registry of a cluster with the whole platform take, rounded up.
FREE_SPACE = 8 * 1024**3

# Seconds until a started engine must answer; on two busy cores it takes up to ten.
START_TIME = 60


class DockerFailed(Problem):
    """A docker command that went wrong; `message` is what docker said."""

    def __init__(self, command: str, message: str) -> None:
        super().__init__(
            f"`docker {command}` failed: {message or 'it said nothing'}",
            "Run `make status` to see what is there, and `make up` to repair it; `docker ps -a` shows the containers.",
        )
        self.message = message


def docker(*args: str, stdin: str | None = None, timeout: float | None = 600) -> str:
    """Run one docker command on this machine's engine and give what it printed."""
    try:
        done = subprocess.run(
            ["docker", *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
            check=False,
        )
    except FileNotFoundError:
        raise Problem("Docker isn't installed.", "Run `make up`: it installs docker.io.") from None
    except subprocess.TimeoutExpired:
        raise DockerFailed(" ".join(args[:2]), f"no answer in {timeout:.0f} s") from None
    if done.returncode != 0:
        raise DockerFailed(" ".join(args[:2]), done.stderr.strip())
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """What docker commands run with: this machine's engine, whatever the person's own settings say."""
    dropped = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "DOCKER_HOST": f"unix://{SOCKET}"}


def running() -> bool:
    """Whether the engine answers."""
    try:
        return bool(docker("version", "--format", "{{.Server.Version}}", timeout=15))
    except Problem:
        return False


def ensure_engine(progress: Callable[[str], None]) -> None:
    """Make the engine answer: use the one that runs, start it, or install it first."""
    if running():
        return
    debian.require()
    require_space(DATA, FREE_SPACE)
    with _only_one():
        if running():
            return
        if shutil.which("dockerd") is None:
            debian.install(["docker.io"], progress)
            if running():  # on a machine with an init system the package starts it
                return
        progress("starting Docker")
        if Path("/run/systemd/system").exists():
            _start_by_systemd()
        else:
            _start_directly()


def release_engine() -> list[str]:
    """Stop the engine if it was started here and nothing of others runs in it; say what was done."""
    record = _record()
    try:
        started = json.loads(record.read_text())
    except (OSError, ValueError):
        return []
    if running() and docker("ps", "--quiet"):
        return ["Docker keeps running: it has containers of others"]
    if started["by"] == "systemd":
        subprocess.run(["systemctl", "stop", "docker.service", "docker.socket"], capture_output=True, check=False)
    elif _is_same_process(started["pid"], started["since"]):
        os.kill(started["pid"], signal.SIGTERM)
        _wait(lambda: not _is_same_process(started["pid"], started["since"]), START_TIME)
    if running():  # not the one that was started here
        return []
    clear_remains()
    record.unlink(missing_ok=True)
    undone = firewall.restore(started["network"]) if "network" in started else []
    return ["Docker, which was started here, is stopped", *undone]


def require_space(place: Path, size: int) -> None:
    """Refuse to begin what the disk can't hold."""
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < size:
        raise Problem(
            f"{place} has {free / 1024**3:.1f} GiB free; {size / 1024**3:.0f} GiB are needed.",
            f"Free some space there, or move the cache (`XDG_CACHE_HOME`, now {paths.cache().parent}) to another disk.",
        )


def _start_by_systemd() -> None:
    before = firewall.remember()
    done = subprocess.run(["systemctl", "start", "docker.service"], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not _wait(running, START_TIME):
        raise Problem(
            f"systemd can't start Docker: {done.stderr.strip() or 'it gives no reason'}",
            "Read `journalctl --unit docker.service --lines 50`, mend what it names, then run `make up` again.",
        )
    _remember({"by": "systemd", "network": before})


def _start_directly() -> None:
    clear_remains()
    log = _record().with_name("dockerd.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    before = firewall.remember()
    with log.open("wb") as output:
        engine = subprocess.Popen(
            ["dockerd", "--host", f"unix://{SOCKET}", "--pidfile", str(PID_FILE), "--log-level", "warn"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if not _wait(lambda: running() or engine.poll() is not None, START_TIME) or engine.poll() is not None:
        engine.terminate()
        said = " / ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise Problem(
            f"Docker doesn't start: {said or 'it says nothing'}",
            f"Read {log}, mend what it names (`dockerd` by hand shows more), then run `make up` again.",
        )
    _remember({"by": "pid", "pid": engine.pid, "since": _since(engine.pid), "network": before})


def clear_remains() -> None:
    """Remove what an engine leaves behind that died with its machine.

    Files in /run outlive a reset where /run isn't a tmpfs. Their process ids belong to others by then, so dockerd would
    refuse to start, or take a stranger for its containerd; and runc would find every container "already there".
    """
    for file, name in ((PID_FILE, "dockerd"), (RUN / "containerd/containerd.pid", "containerd")):
        if file.exists() and _name_of(file.read_text().strip()) != name:
            file.unlink(missing_ok=True)
    if PID_FILE.exists() or any(name.startswith("containerd-shim") for name in _processes_of(RUN)):
        return
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(f"{RUN.resolve()}/"):
            subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
    if not (RUN / "containerd/containerd.pid").exists():
        shutil.rmtree(RUN, ignore_errors=True)
        SOCKET.unlink(missing_ok=True)


def _processes_of(folder: Path) -> Iterator[str]:
    """Names of the processes that were given a path in the folder."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{folder}/" in command or f"{folder.resolve()}/" in command:
                yield _name_of(process.name)


def _name_of(pid: str) -> str:
    try:
        return Path("/proc", pid, "comm").read_text().strip() if pid.isdigit() else ""
    except OSError:
        return ""


def _since(pid: int) -> str:
    """When the process began, in ticks since the machine did: with the id it names one process for good."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _is_same_process(pid: int, since: str) -> bool:
    return bool(since) and _since(pid) == since


def _record() -> Path:
    return paths.state() / "docker" / "engine.json"


def _remember(started: dict[str, Any]) -> None:
    record = _record()
    record.parent.mkdir(parents=True, exist_ok=True)
    if record.exists():
        # Started here before, and lost with its machine: what was there before that one is what counts.
        with contextlib.suppress(ValueError, KeyError):
            started["network"] = json.loads(record.read_text())["network"]
    record.write_text(json.dumps(started))


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def _only_one() -> Iterator[None]:
    lock = paths.cache() / "docker.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
