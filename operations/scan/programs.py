"""The programs that look: crane, syft, grype and gitleaks, built by the local cloud from their modules."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from operations.problem import Problem

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


class NotScanned(Problem):
    """Something could not be looked at, so that nobody knows whether it is good."""


def run(*words: str | Path, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of them. They look for no newer versions of themselves."""
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "GRYPE_CHECK_FOR_APP_UPDATE": "false"}
    return subprocess.run(
        words,
        env={**environment, "PATH": f"{_folders()}:{os.environ['PATH']}", **(more or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def _folders() -> str:
    """Where they are. The first time they are built, which takes minutes and is shown on stderr."""
    built = subprocess.run(
        [sys.executable, "-m", "localcloud", "scanners"], cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True, check=False
    )
    if built.returncode != 0:
        raise NotScanned("The programs that scan can't be built.", "mend what is named above, and run it again")
    return built.stdout.strip()
