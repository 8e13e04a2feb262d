"""Files that a machine which stops at any moment leaves whole: with the old content or the new, never with a part.

A name may reach the disk before the content that it was given does. So the content is made sure of first: otherwise a
reset leaves an empty file under the right name.
"""

import os
from pathlib import Path


def write(file: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Make the file hold this content; whoever reads it meanwhile has what was there before."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        fresh.touch(mode=0o600)
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.chmod(mode)
        put_in_place(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)


def write_private(file: Path, content: str | bytes) -> Path:
    """Make the file hold this content, readable by its owner alone. Where it does already, it is not touched."""
    wanted = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists() or file.read_bytes() != wanted:
        write(file, wanted, mode=0o600)
    return file


def put_in_place(fresh: Path, target: Path) -> None:
    """Give a file, or a folder with all that is in it, the name under which it is looked for."""
    for file in (fresh, *fresh.rglob("*")) if fresh.is_dir() else (fresh,):
        if not file.is_symlink():
            _reach_disk(file)
    fresh.replace(target)
    _reach_disk(target.parent)


def _reach_disk(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
