"""Commands that are measured: what they print, or the seconds that they take."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def run(
    command: Sequence[str], folder: Path = CHECKOUT, environment: Mapping[str, str] | None = None, *, told: bool = False
) -> str:
    """What a command prints, or with `told` what it tells of its progress on stderr."""
    print(f"… {' '.join(command)}", file=sys.stderr)  # noqa: T201  the measuring takes minutes
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exits with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stderr if told else done.stdout


def seconds(command: Sequence[str], folder: Path = CHECKOUT, environment: Mapping[str, str] | None = None) -> float:
    """How long a command takes."""
    started = time.monotonic()
    run(command, folder, environment)
    return time.monotonic() - started
