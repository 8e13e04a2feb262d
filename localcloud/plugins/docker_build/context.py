"""What a build reads from the disk, without what .dockerignore leaves out, and the digest of it.

The digest is the official provider's, so that a state may go from one to the other without a build.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

_CHUNK: Final = 1 << 20
_PERMISSIONS: Final = "rwxrwxrwx"
_WILDCARD: Final = re.compile(r"[*?\[\\]")


class _Hash(Protocol):
    def update(self, content: bytes, /) -> None: ...


@dataclass(frozen=True)
class Pattern:
    """One line of a .dockerignore; `head` is what stands before its first wildcard."""

    expression: re.Pattern[str]
    head: str
    keeps: bool

    def matches(self, path: str) -> bool:
        """Whether it speaks of this path, or of a folder that the path is in."""
        parts = PurePosixPath(path).parts
        return any(self.expression.fullmatch("/".join(parts[:end])) for end in range(len(parts), 0, -1))

    def may_keep_inside(self, folder: str) -> bool:
        """Whether something below an ignored folder may be kept again: a virtual environment isn't searched in vain."""
        inside = f"{folder}/"
        return self.keeps and (self.head.startswith(inside) or inside.startswith(self.head))


def is_remote(location: str) -> bool:
    """Whether a context or Dockerfile is an address, which BuildKit fetches itself."""
    return location.startswith(("http://", "https://", "git://", "git@", "ssh://", "github.com/"))


def digest(location: str, dockerfile: str, named: Mapping[str, str], replaced: Sequence[str]) -> str:
    """The digest of all that a build reads from the disk.

    Dockerfile, context and named contexts, each file with its path and its mode. `replaced` names what takes the place
    of stages: another one makes another image.
    """
    hashed = hashlib.sha256()
    root, file = Path(location), Path(dockerfile)
    patterns = _ignored(file if dockerfile else None, root)
    if dockerfile and file.is_file():
        hashed.update(file.read_bytes())
    if root.is_dir():
        _add(hashed, root, patterns)
    for _, place in sorted(named.items()):
        if Path(place).is_dir():
            _add(hashed, Path(place), _ignored(None, Path(place)))
    for image in sorted(replaced):
        hashed.update(image.encode())
    return hashed.hexdigest()


def _add(hashed: _Hash, root: Path, patterns: Sequence[Pattern]) -> None:
    for path, information in _files(root, "", patterns):
        try:
            with (root / path).open("rb") as content:
                while chunk := content.read(_CHUNK):
                    hashed.update(chunk)
        except OSError as error:
            if error.errno == errno.EISDIR:  # a link to a folder
                continue
            raise
        hashed.update(path.encode())
        hashed.update(_mode(information.st_mode).encode())


def _files(root: Path, folder: str, patterns: Sequence[Pattern]) -> Iterator[tuple[str, os.stat_result]]:
    """Regular files and links, sorted folder by folder."""
    with os.scandir(root / folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{folder}/{entry.name}" if folder else entry.name
        ignored = is_ignored(path, patterns)
        if entry.is_dir(follow_symlinks=False):
            if not ignored or any(pattern.may_keep_inside(path) for pattern in patterns):
                yield from _files(root, path, patterns)
        elif not ignored and (entry.is_symlink() or entry.is_file(follow_symlinks=False)):
            yield path, entry.stat(follow_symlinks=False)


def is_ignored(path: str, patterns: Sequence[Pattern]) -> bool:
    """Whether the last pattern that speaks of the path leaves it out."""
    ignored = False
    for pattern in patterns:
        if pattern.keeps is ignored and pattern.matches(path):
            ignored = not pattern.keeps
    return ignored


def _ignored(dockerfile: Path | None, root: Path) -> list[Pattern]:
    """`<Dockerfile>.dockerignore` if there is one, else the context's own."""
    candidates = [dockerfile.with_name(f"{dockerfile.name}.dockerignore")] if dockerfile else []
    for file in (*candidates, root / ".dockerignore"):
        if file.is_file():
            return parse_ignored(file.read_text())
    return []


def parse_ignored(text: str) -> list[Pattern]:
    """The patterns of a .dockerignore."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#") or not (cleaned := line.strip()):
            continue
        keeps = cleaned.startswith("!")
        path = os.path.normpath(cleaned.removeprefix("!").strip()).lstrip("/")
        if path not in ("", "."):
            patterns.append(Pattern(_expression(path), _WILDCARD.split(path, maxsplit=1)[0], keeps))
    return patterns


def _expression(pattern: str) -> re.Pattern[str]:
    """`**` is any number of folders, `*` anything but a slash, `?` one such character, `[a-z]` one of these."""
    text, index = "", 0
    while index < len(pattern):
        if pattern.startswith("**", index):
            index += 2
            if pattern.startswith("/", index):
                index += 1
                text += "(?:.*/)?"
            else:
                text += ".*"
            continue
        letter = pattern[index]
        index += 1
        if letter == "*":
            text += "[^/]*"
        elif letter == "?":
            text += "[^/]"
        elif letter == "[" and (end := pattern.find("]", index + 1)) > 0:
            text += f"[{pattern[index:end]}]"
            index = end + 1
        elif letter == "\\" and index < len(pattern):
            text += re.escape(pattern[index])
            index += 1
        else:
            text += re.escape(letter)
    return re.compile(text, re.DOTALL)


def _mode(mode: int) -> str:
    """A file's mode in the official provider's words: `-rw-r--r--`, `Lrwxrwxrwx`."""
    kind = "L" if stat.S_ISLNK(mode) else ""
    kind += "".join(
        letter for letter, bit in (("u", stat.S_ISUID), ("g", stat.S_ISGID), ("t", stat.S_ISVTX)) if mode & bit
    )
    bits = "".join(letter if mode & (1 << (8 - place)) else "-" for place, letter in enumerate(_PERMISSIONS))
    return (kind or "-") + bits
