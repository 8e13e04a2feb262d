"""What a scan of a stack's images has left (operations/scan): its result, and an SBOM an image.

It leaves them in a folder. With the evidence each is kept as a file that is called by its SHA-256, which the signed
records name.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from operations.problem import Problem
from operations.scan.verdict import RESULT

_FINDING: Final = ("image", "kind", "id", "package", "version", "severity")
HEAD: Final = ("verdict", *_FINDING, "fixed in", "until", "owner", "reason")


@dataclass(frozen=True)
class Scan:
    """told: the result. files: that and the SBOMs, by name."""

    told: Any
    files: Mapping[str, bytes]

    def sboms(self) -> Iterator[tuple[str, bytes]]:
        """The SBOMs: name and content."""
        yield from ((name, content) for name, content in self.files.items() if name != RESULT)

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
    """The scan of a folder. Raises `Problem` where there is none, and where one of its SBOMs is missing."""
    try:
        files = {RESULT: (folder / RESULT).read_bytes()}
        told = json.loads(files[RESULT])
    except (OSError, ValueError) as error:
        raise Problem(
            f"{folder} has no result of a scan: {error}", "give the folder that `make scan` wrote, or a run's artefact"
        ) from None
    for image in told["images"]:
        file = folder / Path(image["sbom"]).name
        try:
            files[file.name] = file.read_bytes()
        except OSError as error:
            raise Problem(f"{file} can't be read: {error.strerror}.", "have all files of the scan there") from None
    return Scan(told, files)


def keep(scan: Scan, place: Path) -> dict[str, str]:
    """Put it into a folder, each file once; gives the hash of each by its name."""
    place.mkdir(parents=True, exist_ok=True)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in scan.files.items()}
    for name, digest in hashes.items():
        if not (place / digest).exists():
            (place / digest).write_bytes(scan.files[name])
    return hashes


def kept(hashes: Mapping[str, str], place: Path) -> Scan | None:
    """The same back; None where something of it is missing, or is another."""
    if RESULT not in hashes or any(wrong(digest, place) for digest in hashes.values()):
        return None
    files = {name: (place / digest).read_bytes() for name, digest in hashes.items()}
    return Scan(json.loads(files[RESULT]), files)


def wrong(digest: str, place: Path) -> str | None:
    """What has become of a file that was kept; None where it is what it was."""
    try:
        content = (place / digest).read_bytes()
    except OSError:
        return "is missing"
    return None if hashlib.sha256(content).hexdigest() == digest else "was altered"
