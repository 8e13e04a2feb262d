"""What a scan of a stack's images has left in a folder (operations/scan): its result, and an SBOM an image."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from operations.problem import Problem

_RESULT: Final = "scan.json"
_FINDING: Final = ("image", "kind", "id", "package", "version", "severity")
HEAD: Final = ("verdict", *_FINDING, "fixed in", "until", "owner", "reason")


@dataclass(frozen=True)
class Scan:
    """told: the result. folder: where it and the SBOMs are."""

    told: Any
    folder: Path

    def sboms(self) -> Iterator[tuple[str, str]]:
        """The SBOMs: name -> content. Raises `Problem` where one is missing."""
        for image in self.told["images"]:
            file = self.folder / Path(image["sbom"]).name
            try:
                yield file.name, file.read_text()
            except OSError as error:
                raise Problem(f"{file} can't be read: {error.strerror}.", "have all files of the scan there") from None

    def rows(self) -> Iterator[tuple[str, ...]]:
        """One for each finding, what fails first."""
        for verdict in ("failing", "allowed", "noted"):
            for one in self.told[verdict]:
                by = one.get("by") or {}
                named = (str(one[key]) for key in _FINDING)
                why = (str(by.get(key, "")) for key in ("expires", "owner", "reason"))
                yield (verdict, *named, " ".join(one["fixed"]), *why)

    def summary(self, images: Collection[str]) -> Iterator[str]:
        """Lines for the first page. images: what the stack runs; of that nothing may be missing unsaid."""
        told = self.told
        count = ", ".join(f"{len(told[verdict])} {verdict}" for verdict in ("failing", "allowed", "noted"))
        yield f"- scanned {told['scanned']} with a database of {told['database']}: {count}"
        digests = {image["digest"] for image in told["images"]}
        if missing := sorted(one for one in images if one.partition("@")[2] not in digests):
            yield f"- nobody has scanned, of what runs: {', '.join(missing)}"


def read(folder: Path) -> Scan:
    """The scan of a folder. Raises `Problem` where there is none."""
    try:
        return Scan(json.loads((folder / _RESULT).read_text()), folder)
    except (OSError, ValueError) as error:
        raise Problem(
            f"{folder} has no result of a scan: {error}", "give the folder that `make scan` wrote, or a run's artefact"
        ) from None
