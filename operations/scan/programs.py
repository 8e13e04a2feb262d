"""The programs that look: crane, syft, grype and gitleaks, built by the local cloud from their modules."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from operations.built import path_with
from operations.problem import Problem

_PROGRAMS: Final = ("crane", "syft", "grype", "gitleaks")


class NotScanned(Problem):
    """Something could not be looked at, so that nobody knows whether it is good."""


def run(*words: str | Path, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of them. They look for no newer versions of themselves."""
    try:
        path = path_with(*_PROGRAMS)
    except Problem as problem:
        raise NotScanned(problem.what, problem.hint) from None
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "GRYPE_CHECK_FOR_APP_UPDATE": "false"}
    return subprocess.run(
        words,
        env={**environment, "PATH": path, **(more or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
