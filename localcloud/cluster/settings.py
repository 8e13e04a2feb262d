"""The folder of settings that a container mounts: whole, readable by root alone, untouched where it is right.

Untouched matters: a container is made anew when a file that it mounts changes.
"""

from collections.abc import Mapping
from pathlib import Path

from localcloud.files import write_private


def write_folder(folder: Path, content: Mapping[str, str | bytes]) -> Path:
    """Make the folder hold exactly these files; a name may have folders in it."""
    for name, text in content.items():
        write_private(folder / name, text)
    for file in folder.rglob("*"):
        if file.is_file() and str(file.relative_to(folder)) not in content:
            file.unlink()
    return folder
