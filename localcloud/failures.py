"""What the machine does to a command, in words: a full disk, a program that is missing, a server that is silent.

A `Problem` says what a person can mend; code raises it where it knows better than anybody. This is for what can happen
anywhere. Whatever isn't known here is a fault of ours, and keeps its traceback.
"""

import errno
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from localcloud import paths
from localcloud.problem import Problem

_ROOM: Final = (
    "Make room there, then run the same command again: what is done is kept. "
    "`df -h` shows the disks; XDG_CACHE_HOME and XDG_STATE_HOME move the local cloud's folders to another one."
)
_HINTS: Final[Mapping[int, str]] = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.ENOTDIR: "XDG_CACHE_HOME and XDG_STATE_HOME must be folders; correct them, then run the same command again.",
    errno.EROFS: "Mount it so that it can be written to, then run the same command again.",
    errno.EACCES: "Run the command as root, or give yourself the right to it.",
    errno.EPERM: "Run the command as root, on a machine that lets root do this: containers often don't.",
    errno.EIO: "The disk fails: `dmesg` says more. Move the local cloud's folders to another one (XDG_CACHE_HOME).",
    errno.EMFILE: "Raise the limit (`ulimit -n 65536`), then run the same command again.",
    errno.ENFILE: "End what holds that many files open, then run the same command again.",
    errno.ENOMEM: "End what takes the memory (`free -h`), then run the same command again.",
    errno.EAGAIN: "End some processes, or raise the limit (`ulimit -u`), then run the same command again.",
}
_LINES: Final = 5  # of what a failed command said


def understood(error: BaseException) -> Problem | None:
    """The problem that a person has, where the machine and not our code is at fault."""
    match error:
        case Problem():
            return error
        case subprocess.TimeoutExpired():
            return Problem(
                f"`{_command(error.cmd)}` gave no answer in {error.timeout:.0f} s.",
                "If the machine is only busy, run the same command again; `make status` says what is wrong.",
            )
        case subprocess.CalledProcessError():
            return Problem(_failed(error), "Mend what it names, then run the same command again.")
        case httpx.HTTPStatusError():
            return Problem(
                f"{_place(error)} refuses a request: {error.response.status_code} {error.response.text.strip()}",
                "`make status` says what is wrong; `make up` repairs it.",
            )
        case httpx.TransportError():
            return Problem(
                f"{_place(error)} doesn't answer: {error or type(error).__name__}",
                "`make status` says what is wrong; `make up` repairs it.",
            )
        case OSError():
            return _of_the_system(error)
    return None


def _of_the_system(error: OSError) -> Problem | None:
    if error.errno == errno.ENOENT and error.filename and "/" not in str(error.filename):
        # A file of ours always has a path; a bare name is a command that was looked for on PATH.
        return Problem(
            f"The command {error.filename} isn't there.",
            "Install it (`apt-get install` what has it), or put it on PATH, then run the same command again.",
        )
    hint = _HINTS.get(error.errno or 0)
    if hint is None:
        return None
    place = error.filename or paths.cache()
    return Problem(f"{place}: {error.strerror}.", hint)


def _failed(error: subprocess.CalledProcessError) -> str:
    said = error.stderr or error.stdout or b""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    lines = [line for line in text.splitlines() if line.strip()][-_LINES:]
    return "\n".join([f"`{_command(error.cmd)}` failed with exit code {error.returncode}.", *lines])


def _command(words: object) -> str:
    """The beginning of a command line: its program by name, and what it was to do."""
    if not isinstance(words, list | tuple):
        return str(words)
    program, *rest = map(str, words)
    line = shlex.join([Path(program).name, *rest])
    return line if len(line) <= 120 else f"{line[:120]}…"


def _place(error: httpx.HTTPError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # it never came to a request
        return "A server of the local cloud"
    return f"{url.scheme}://{url.netloc.decode()}"
