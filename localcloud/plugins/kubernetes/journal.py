"""Which objects with made-up names are being made right now, on the disk, for the case that this process is killed.

Nobody else would know: to the engine a plugin that dies has made nothing, and the next update would make up another
name, beside an object that stays for ever. So a creation is noted before the API server is asked, and struck out when
its answer is there. What is found noted was interrupted, and its name is taken again.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FOLDER: Final = "kubernetes-creating"


class Journal:
    """The notes, one file for each resource, beside the plugins of this Pulumi; none are taken without PULUMI_HOME."""

    def __init__(self) -> None:
        home = os.environ.get("PULUMI_HOME")
        self._folder = Path(home) / _FOLDER if home else None

    def interrupted(self, urn: str) -> str:
        """The name that an interrupted creation of this resource had made up; empty where there was none."""
        try:
            return file.read_text() if (file := self._file(urn)) else ""
        except OSError:
            return ""

    def settled(self, urn: str) -> None:
        """Strike the resource out: the state has it."""
        with contextlib.suppress(OSError):
            if file := self._file(urn):
                file.unlink()

    @contextlib.contextmanager
    def noted(self, urn: str, name: str) -> Iterator[None]:
        """Have the creation noted while the block lasts. A disk that takes no note is no reason to make nothing."""
        with contextlib.suppress(OSError):
            if file := self._file(urn):
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file.write_text(name)
        try:
            yield
        finally:
            self.settled(urn)

    def _file(self, urn: str) -> Path | None:
        return self._folder / hashlib.sha256(urn.encode()).hexdigest() if self._folder else None
