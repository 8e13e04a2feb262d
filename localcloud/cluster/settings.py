"""Files that the cluster's programs read: written whole, readable by root alone, untouched where they are right.

Untouched matters: a container is made anew when a file that it mounts changes.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def write_private(file: Path, content: str | bytes) -> Path:
    """Make the file hold this content, at once and not in part."""
    wanted = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists() or file.read_bytes() != wanted:
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        with fresh.open("wb") as file_on_disk:
            file_on_disk.write(wanted)
            file_on_disk.flush()
            os.fsync(file_on_disk.fileno())  # or a machine that is reset now has an empty file under the right name
        fresh.rename(file)
    return file


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make the folder hold exactly these files; a name may have folders in it."""
    for name, content in files.items():
        write_private(folder / name, content)
    for file in folder.rglob("*"):
        if file.is_file() and str(file.relative_to(folder)) not in files:
            file.unlink()
    return folder
