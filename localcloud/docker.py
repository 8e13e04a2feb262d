"""The Docker engine of this machine, started if it isn't running.

Only the engine on this machine's own socket is ever used: what is built here is trusted by what runs here, and a
DOCKER_HOST that points elsewhere would make containers on somebody else's machine. An engine that was running before is
left alone by `release_engine`; one that was started here is stopped again, unless others have containers in it by then.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localcloud import debian, firewall, paths
from localcloud.alone import alone
from localcloud.files import write_private
from localcloud.problem import Problem
from localcloud.process import Process, name_of
from localcloud.waiting import wait

SOCKET = Path("/var/run/docker.sock")
RUN = Path("/var/run/docker")
SHIMS = Path("/run/containerd")  # where containers' shims listen, whichever containerd started them
PID_FILE = Path("/var/run/docker.pid")
DATA = Path("/var/lib/docker")
SYSTEMD = Path("/run/systemd/system")

# What everything of the local cloud in the engine is labelled with: the state that it belongs to.
LABEL_STATE = "vision-week.localcloud.state"

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


def ensure_engine(progress: Callable[[str], None], space: int = FREE_SPACE) -> None:
    """Make the engine answer: use the one that runs, start it, or install it first.

    space: bytes that must be free where it keeps its data.
    """
    if running():
        return
    debian.require()
    require_space(DATA, space)
    with alone(paths.LOCKS / "docker", lambda: progress("waiting for another run that starts Docker")):
        if running():
            return
        _remember_machine()
        if shutil.which("dockerd") is None:
            debian.install(["docker.io"], progress)
        progress("starting Docker")
        if not running():  # on a machine with an init system the package starts it
            _start()
        _remember_engine(_engine())


def release_engine() -> list[str]:
    """Stop the engine if it was started here and nothing of others runs in it; say what was done."""
    started = _remembered()
    if started is None:
        return []
    answers = running()
    if answers and docker("ps", "--quiet"):
        return ["Docker keeps running: it has containers of others"]
    # Nothing is said of the engine when the run that started it was interrupted before it answered.
    said = started.get("engine", _engine())
    ours = Process(**said) if isinstance(said, dict) else said
    if answers and ours != _engine():
        return ["Docker keeps running: it isn't the engine that was started here"]
    if ours and ours.lives():
        if SYSTEMD.exists():
            subprocess.run(["systemctl", "stop", "docker.service", "docker.socket"], capture_output=True, check=False)
        else:
            os.kill(ours.pid, signal.SIGTERM)
        if not wait(lambda: not ours.lives(), START_TIME):
            return [f"Docker keeps running: it was told to stop and doesn't (process {ours.pid})"]
    clear_remains()
    _record().unlink(missing_ok=True)
    return ["Docker, which was started here, is stopped", *firewall.restore(started["network"])]


def require_space(place: Path, size: int) -> None:
    """Refuse to begin what the disk can't hold."""
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < size:
        raise Problem(
            f"{place} has {free / 1024**3:.1f} GiB free; Docker needs {size / 1024**3:.0f} GiB for the local cloud.",
            f"Free some space there, or put a larger disk at {DATA}; then run the same command again.",
        )


def _start() -> None:
    try:
        if SYSTEMD.exists():
            _start_by_systemd()
        else:
            _start_directly()
    except Problem:
        _remember_engine(None)
        raise


def _start_by_systemd() -> None:
    done = subprocess.run(["systemctl", "start", "docker.service"], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not wait(running, START_TIME):
        raise Problem(
            f"systemd can't start Docker: {done.stderr.strip() or 'it gives no reason'}",
            "Read `journalctl --unit docker.service --lines 50`, mend what it names, then run `make up` again.",
        )


def _start_directly() -> None:
    clear_remains()
    log = _record().with_name("dockerd.log")
    with log.open("wb") as output:
        engine = subprocess.Popen(
            ["dockerd", "--host", f"unix://{SOCKET}", "--pidfile", str(PID_FILE), "--log-level", "warn"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if not wait(lambda: running() or engine.poll() is not None, START_TIME) or engine.poll() is not None:
        engine.terminate()
        said = " / ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise Problem(
            f"Docker doesn't start: {said or 'it says nothing'}",
            f"Read {log}, mend what it names (`dockerd` by hand shows more), then run `make up` again.",
        )


def clear_remains() -> None:
    """Remove what an engine leaves behind that died with its machine.

    Files in /run outlive a reset where /run isn't a tmpfs. Their process ids belong to others by then, so dockerd would
    refuse to start, or take a stranger for its containerd; and runc would find every container "already there".
    """
    for file, name in ((PID_FILE, "dockerd"), (RUN / "containerd/containerd.pid", "containerd")):
        if file.exists() and name_of(file.read_text().strip()) != name:
            file.unlink(missing_ok=True)
    living = list(_processes())
    shims = [command for name, command in living if name.startswith("containerd-shim")]
    if PID_FILE.exists() or any(f"{folder}/" in command for command in shims for folder in (RUN, RUN.resolve())):
        return
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(f"{RUN.resolve()}/"):
            subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
    if not (RUN / "containerd/containerd.pid").exists():
        shutil.rmtree(RUN, ignore_errors=True)
        SOCKET.unlink(missing_ok=True)
    if not any(name.startswith("containerd") for name, _ in living):
        shutil.rmtree(SHIMS, ignore_errors=True)


def _processes() -> Iterator[tuple[str, str]]:
    """The name and the command line of every process."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().decode(errors="replace")
            yield (process / "comm").read_text().strip(), command


def _engine() -> Process | None:
    """The engine that says of itself that it runs."""
    try:
        pid = PID_FILE.read_text().strip()
    except OSError:
        return None
    return Process.of(int(pid)) if name_of(pid) == "dockerd" else None


def _record() -> Path:
    """What was there before an engine was started here, and which engine that is."""
    return paths.state() / "docker" / "engine.json"


def _remembered() -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(_record().read_text())
    except (OSError, ValueError):
        return None
    return record


def _remember_machine() -> None:
    """Write down how the machine is before anything is done to it.

    Where an engine was started here before, and was lost with its machine, what was there before that one counts.
    """
    before = (_remembered() or {}).get("network") or firewall.remember()
    write_private(_record(), json.dumps({"network": before}))


def _remember_engine(engine: Process | None) -> None:
    started = {**(_remembered() or {}), "engine": asdict(engine) if engine else None}
    write_private(_record(), json.dumps(started))
