"""Passwords, tokens and private keys in the files of images, by gitleaks.

Every layer is read by itself, so that a file is found that a later layer has deleted: whoever pulls the image has it.
What two images have in common is read once.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from operations.scan.findings import Finding, Kind
from operations.scan.image import Image
from operations.scan.programs import NotScanned, run

_WITHIN = "!"  # what gitleaks writes between an archive and the file in it


def find(images: Sequence[Image], folder: Path) -> Iterator[Finding]:
    """What lies in them; the secrets themselves are never told. Raises `NotScanned` where gitleaks fails."""
    has: dict[str, list[Image]] = {}
    files = folder / "files"
    files.mkdir()
    for image in images:
        for name, path in image.contents():
            if name not in has:
                shutil.copyfile(path, files / name)
            has.setdefault(name, []).append(image)
    report = folder / "secrets.json"
    words = ("--no-banner", "--redact", "--log-level", "error", "--exit-code", "0", "--max-archive-depth", "1")
    done = run("gitleaks", "dir", files, *words, "--report-format", "json", "--report-path", report)
    if done.returncode != 0 or not report.exists():
        raise NotScanned(f"The files of the images can't be read: {done.stderr.strip()}", "mend what it names")
    for found in json.loads(report.read_text()):
        name, _, inside = str(found["File"]).removeprefix(f"{files}/").partition(_WITHIN)
        for image in has[name]:
            place = inside or "the image's settings"
            yield Finding(image=image.reference, kind=Kind.SECRET, id=found["RuleID"], package=place)
