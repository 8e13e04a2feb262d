"""Running `pulumi` as a subprocess: on the terminal, quietly for its output, or line by line as it works."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from localcloud import paths
from localcloud.problem import Problem
from localcloud.pulumi.home import command

# A passphrase, a login and a stack of other projects would win over what the local cloud's environment says.
_FOREIGN: Final = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "PULUMI_STACK")


def run(arguments: Sequence[str], environment: Mapping[str, str], directory: Path = paths.CHECKOUT) -> int:
    """Run `pulumi` with these arguments on the terminal, and give its exit code."""
    words = [str(command()), *arguments]
    return subprocess.run(words, env=_complete(environment), cwd=directory, check=False).returncode


def quietly(arguments: Sequence[str], environment: Mapping[str, str], directory: Path) -> str:
    """What it writes to stdout. Raises `Problem` with what it says when it fails."""
    done = subprocess.run(
        [str(command()), *arguments, "--non-interactive"],
        env=_complete(environment),
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

    Interrupted, `pulumi` has the signal as well and ends in good order: that is waited for. A second interrupt makes it
    give up at once.
    """
    with subprocess.Popen(
        [str(command()), *arguments, "--non-interactive", "--color=never"],
        env=_complete(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101  PIPE gives one
        try:
            for line in process.stdout:
                hear(line.rstrip())
        except KeyboardInterrupt:
            hear("interrupted: waiting for what is under way")
            while process.poll() is None:
                try:
                    process.communicate()
                except KeyboardInterrupt:
                    continue
            raise
    return process.returncode


def _complete(environment: Mapping[str, str]) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in _FOREIGN}, **environment}
