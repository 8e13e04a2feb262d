"""The schema of a package, which is derived once: `localcloud.plugins.sdk` takes 10 s and 200 MB for kubernetes' own.

So it is a program of its own, and what it printed is kept for each version. A plugin that is never asked, which is the
rule, pays nothing.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from localcloud import files, paths
from localcloud.problem import Problem

_SDK = Path(__file__).with_name("sdk.py")


def of(name: str, version: str) -> str:
    """The schema of a package as JSON.

    Raises `Problem` when its SDK isn't installed.
    """
    by = hashlib.sha256(_SDK.read_bytes()).hexdigest()[:16]
    kept = paths.cache() / "schemas" / f"{name}-{version}-{by}.json"
    if kept.exists():
        return kept.read_text()
    command = [sys.executable, "-P", str(_SDK), name, version]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(
            f"The schema of {name} {version} can't be derived from its Python SDK:\n{done.stderr.strip()}",
            "Install the packages of requirements.txt for the Python that runs the local cloud.",
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    files.write(kept, done.stdout)
    return done.stdout
