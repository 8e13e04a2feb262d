"""Which objects with made-up names are being made right now, on the disk, for the case that this process is killed.

Nobody else would know: to the engine a plugin that dies has made nothing, and the next update would make up another
name, beside an object that stays for ever. So a creation is noted before the API server is asked, and struck out when
its answer is there. What is found noted was interrupted, and its name is taken again.

The answer is lost, too, where a full disk takes no state. So what is struck out is kept until the state is seen to have
it, and counts again when the state had to be restored from a copy.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_STRUCK_OUT: Final = ".made"


class Journal:
    """The notes, one file for each resource, beside the plugins of this Pulumi; none are taken without PULUMI_HOME."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = environment.get("PULUMI_HOME")
        self._folder = Path(home) / "kubernetes-creating" if home else None

    def interrupted(self, urn: str) -> str:
        """The name that an interrupted creation of this resource had made up; empty where there was none."""
        return _read(file) if (file := self._file(urn)) else ""

    def settled(self, urn: str, name: str) -> None:
        """Forget the creation of this object: the state has it."""
        if file := self._file(urn):
            for note in (file, file.with_suffix(_STRUCK_OUT)):
                if _read(note) == name:
                    note.unlink(missing_ok=True)

    @contextlib.contextmanager
    def noted(self, urn: str, name: str) -> Iterator[None]:
        """Have the creation noted while the block lasts. A disk that takes no note is no reason to make nothing."""
        file = self._file(urn)
        if not file:
            yield
            return
        with contextlib.suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_text(name)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.replace(file.with_suffix(_STRUCK_OUT))

    def reopen(self) -> None:
        """Take all that was struck out for interrupted: the state that knew of it is gone."""
        if self._folder:
            for note in self._folder.glob(f"*{_STRUCK_OUT}"):
                note.replace(note.with_suffix(""))

    def _file(self, urn: str) -> Path | None:
        return self._folder / hashlib.sha256(urn.encode()).hexdigest() if self._folder else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
