"""A copy of this machine's system that forgets: what is installed or written there is gone with the process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud import paths

_OVERLAYS = """
mount -t tmpfs tmpfs "$1"
for folder in usr etc var; do
    mkdir "$1/$folder" "$1/$folder.work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$1/$folder,workdir=$1/$folder.work" "/$folder"
done
shift
exec "$@"
"""


def start(scratch: Path, *command: str, environment: Mapping[str, str] = {}, **more: Any) -> subprocess.Popen[str]:
    """Start a command in the copy, whose changes to /usr, /etc and /var go to the memory; needs root."""
    return subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-ec", _OVERLAYS, "sh", str(scratch), *command],
        cwd=paths.CHECKOUT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def python(scratch: Path, code: str, *arguments: str, environment: Mapping[str, str] = {}) -> str:
    """Run Python there and give what it said; it must succeed."""
    with start(scratch, sys.executable, "-c", code, *arguments, environment=environment) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    return said
