"""Releases other than the checkout's: copies of it in which something is changed."""

import shutil
import subprocess
from pathlib import Path

from tests.cluster.stack import CHECKOUT


def copy_of_the_checkout(folder: Path) -> Path:
    """What git knows of, as it is now, with the checkout's Python."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in files.strip("\0").split("\0"):
        if (source := CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    return folder


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
    file.write_text(text.replace(old, new))
