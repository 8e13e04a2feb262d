"""Programs that are built from their modules the first time that somebody wants them (localcloud/toolchain)."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from operations.problem import Problem

_CHECKOUT: Final = Path(__file__).resolve().parents[1]


@cache
def path_with(*programs: str) -> str:
    """PATH with these before all others. That they are built is shown on stderr, for it takes minutes."""
    done = subprocess.run(
        [sys.executable, "-m", "localcloud", "programs", *programs],
        cwd=_CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Problem(f"{', '.join(programs)} can't be built.", "mend what is named above, and run it again")
    return f"{done.stdout.strip()}:{os.environ['PATH']}"
