"""Running `pulumi` as a subprocess: quietly for its output, or line by line as it works."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localcloud.problem import Problem
from localcloud.pulumi.home import command, complete


def quietly(arguments: Sequence[str], environment: Mapping[str, str], directory: Path) -> str:
    """What it writes to stdout. Raises `Problem` with what it says when it fails."""
    with _installed():
        done = subprocess.run(
            [str(command()), *arguments, "--non-interactive"],
            env=complete(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise Problem(
            f"pulumi {' '.join(arguments)} failed: {done.stderr.strip()}\n{done.stdout.strip()}".strip(),
            "`make up` brings the stack up; `make status` says what is missing.",
        )
    return done.stdout


def follow(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, hear: Callable[[str], None]
) -> int:
    """Run it, hear every line of both outputs, and give its exit code.

    It has a process group of its own, so that an interrupt reaches it once, from here, whoever it was sent to: then it
    ends in good order, which is waited for. A second interrupt makes it give up at once.
    """
    interrupted = False
    with (
        _installed(),
        subprocess.Popen(
            [str(command()), *arguments, "--non-interactive", "--color=never"],
            env=complete(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  PIPE gives one
        while process.poll() is None:
            try:
                for line in process.stdout:
                    hear(line.rstrip())
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                hear("interrupted: waiting for what is under way")
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if error.filename != str(command()):
            raise
        raise Problem("The local cloud's pulumi isn't installed.", "Run `make up`: it is put there.") from None
