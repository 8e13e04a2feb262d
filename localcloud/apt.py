"""apt on this machine: packages put there for the local cloud, whose services stay off.

A package that brings a service starts it, and has it started with the machine from then on. The local cloud wants the
programs alone: PostgreSQL, Redis and nginx run in its containers, and in tests, on ports of their own.
"""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from localcloud import files
from localcloud.problem import Problem

LOCK_TIME: Final = 600  # seconds to wait for another apt: a machine that has just started is often busy upgrading

# What Debian's packages ask before they start a service; 101 forbids it, and without this file they may.
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_OURS: Final = "VISION_WEEK_KEEPS_SERVICES_OFF"
# Only for what is installed from here: left behind by a run that was killed, it forbids nobody anything.
_TEXT: Final = f"""\
#!/bin/sh
# Made by Vision Week's local cloud while it installs packages; it may be deleted.
test -z "${_OURS}" || exit 101
"""

_UNREACHABLE: Final = re.compile(
    r"(?:Could not (?:resolve|connect to|handshake with)|Temporary failure resolving|Unable to connect to"
    r"|Cannot initiate the connection to|Connection (?:timed out|refused|failed)|Network is unreachable"
    r"|Failed to fetch)[^\n]*"
)
_PLACE: Final = re.compile(r"https?://([^/\s:]+(?::\d+)?)|(?:resolve|resolving|connect to) '?([\w.-]+:?\d*)")


def install(packages: Sequence[str], progress: Callable[[str], None]) -> None:
    """Install packages that aren't there. Whatever service comes with them neither starts now nor with the machine."""
    progress(f"installing {', '.join(packages)}")
    words = ["install", "--yes", "--no-install-recommends", *packages]
    with _services_off():
        done = _apt(words)
        if "dpkg --configure -a" in done.stderr:
            progress("completing an interrupted installation")
            _run(["dpkg", "--configure", "-a"])
            done = _apt(words)
        if done.returncode != 0:
            progress("refreshing the package lists")
            update = _apt(["update"])
            progress(f"installing {', '.join(packages)}")
            done = _apt(words)
            if done.returncode != 0:
                raise failure(
                    f"apt can't install {', '.join(packages)}",
                    f"{update.stderr}\n{done.stderr}" if _UNREACHABLE.search(update.stderr) else done.stderr,
                    f"apt-get update && apt-get install {' '.join(packages)}",
                )


def failure(what: str, said: str, by_hand: str) -> Problem:
    """The problem behind what apt said: the network, the disk, another apt, or its own last words."""
    if "No space left on device" in said or "don't have enough free space" in said:
        return Problem(f"{what}: the disk is full.", "Make room (`df -h` shows where), then run this again.")
    if re.search("Could not get lock|Unable to (acquire|lock)", said):
        return Problem(
            f"{what}: another program has held apt's lock for {LOCK_TIME // 60} minutes. {last_lines(said)}",
            "Wait until it is done (`ps -C apt,apt-get,dpkg,unattended-upgr` shows it), then run this again.",
        )
    if unreachable := _UNREACHABLE.search(said):
        hosts = dict.fromkeys(host for found in _PLACE.findall(said) for host in found if host)
        return Problem(
            f"{what}: {', '.join(hosts) or 'a package source'} can't be reached. {unreachable[0].strip()}",
            f"Check the network, and the sources and proxies of apt, until `{by_hand}` works; then run this again.",
        )
    return Problem(f"{what}: {last_lines(said)}", f"Make `{by_hand}` work, then run this again.")


def last_lines(text: str) -> str:
    """The end of what a command said, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:])


@contextmanager
def _services_off() -> Iterator[None]:
    """Nothing that is installed meanwhile starts. A policy that the person has is left alone: then that one decides."""
    ours = not _POLICY.exists() or _POLICY.read_text(errors="replace") == _TEXT
    before = _started_with_the_machine()
    if ours:
        files.write(_POLICY, _TEXT, mode=0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)
        if new := sorted(_started_with_the_machine() - before):
            _run(["systemctl", "disable", *new])


def _started_with_the_machine() -> set[str]:
    """The units that systemd starts when the machine does; none where there is no systemd."""
    words = ["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--no-pager"]
    return {line.split()[0] for line in _run(words).stdout.splitlines() if line.strip()}


def _apt(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return _run(["apt-get", f"--option=DPkg::Lock::Timeout={LOCK_TIME}", *words])


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. An interrupt is passed on and waited for: dpkg must not be cut short."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", _OURS: "1"}
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: command not found")
    interrupted = False
    while True:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            interrupted = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            continue
        if interrupted:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(command, process.returncode, output, errors)
