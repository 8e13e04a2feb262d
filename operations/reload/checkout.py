"""The application's files in the checkout, under the names that they have in its pods, and how the two differ.

Which folder goes where is said in images/app/Dockerfile; a test holds this against it.
"""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

# What a Flutter build is known by; the page in `web` only stands in for one.
FLUTTER: Final = "public/main.dart.js"
# The largest of a Flutter build has 7 MiB (CanvasKit); what is larger than this is no source.
LARGEST: Final = 32 * 1024**2
# Folders that hold nothing but what the checkout has. In `public` there is the front end's build besides.
_WHOLE: Final = ("bin/", "migrations/", "src/")


@dataclass(frozen=True)
class File:
    """A file of the checkout. stands_in: only for a front end that isn't built."""

    path: Path
    digest: str
    stands_in: bool = False


@dataclass
class Checkout:
    """The application's source tree.

    source: its folder. document_root: the folder of it that nginx serves. too_large: what is not sent.
    """

    source: Path
    document_root: str
    too_large: list[Path] = field(default_factory=list)
    _digests: dict[Path, tuple[tuple[int, int, int], str]] = field(default_factory=dict)

    def files(self) -> dict[str, File]:
        """All that pods can be sent, by its name there. Only what has another time or size is read again."""
        found: dict[str, File] = {}
        self.too_large = []
        for folder, name, stands_in in self._folders():
            for path in _walked(folder):
                if digest := self._digest(path):
                    found[str(PurePosixPath(name, path.relative_to(folder).as_posix()))] = File(path, digest, stands_in)
        return found

    def _folders(self) -> Iterator[tuple[Path, str, bool]]:
        """Folder, its name in the pod, whether it stands in for another. A later one's files win."""
        for name in ("bin", "migrations", "src"):
            yield self.source / name, name, False
        built = self.source / "frontend/build/web"
        yield (built, "public", False) if built.is_dir() else (self.source / "web", "public", True)
        yield self.source / self.document_root, "public", False

    def _digest(self, path: Path) -> str | None:
        """None for what is too large, can't be read or is gone already."""
        try:
            state = path.stat()
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if state.st_size > LARGEST:
                self.too_large.append(path)
                return None
            before = self._digests.get(path)
            if before is None or before[0] != seen:
                before = self._digests[path] = (seen, hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError:
            return None
        return before[1]


def _walked(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in sorted(names) if is_source(name))


def is_source(name: str) -> bool:
    """Whether a file is anybody's work: editors leave hidden files and those with a tilde beside what they save."""
    last = PurePosixPath(name).name
    return not last.startswith(".") and not last.endswith("~")


@dataclass(frozen=True)
class Difference:
    """What a pod lacks, and what it has too much."""

    send: tuple[str, ...]
    remove: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.send or self.remove)

    def __str__(self) -> str:
        named = [*self.send, *(f"{name} (removed)" for name in self.remove)]
        return ", ".join(named) if len(named) <= 3 else f"{', '.join(named[:2])} and {len(named) - 2} more"


def difference(files: Mapping[str, File], there: Mapping[str, str], gone: Collection[str]) -> Difference:
    """What makes a pod have what the checkout has.

    there: name -> digest of each file in the pod. gone: names that the checkout had once.
    """
    wanted = {name: file for name, file in files.items() if not (file.stands_in and FLUTTER in there)}
    send = [name for name, file in wanted.items() if there.get(name) != file.digest]
    surplus = {name for name in there if name in gone or (name.startswith(_WHOLE) and is_source(name))}
    # nginx would go on sending what the build compressed (gzip_static).
    surplus |= {f"{name}.gz" for name in (*send, *surplus) if f"{name}.gz" in there}
    return Difference(tuple(send), tuple(sorted(surplus - set(wanted))))
