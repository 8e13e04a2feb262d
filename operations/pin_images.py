"""Records the digests of other people's images: `make pin-images`.

For each image in components/catalogue.py its own registry is asked what the tag leads to now, and the answer written to
components/digests.json, to be reviewed and committed. A tag that leads somewhere else than it did is said: somebody has
pushed it again. skopeo asks, with the credentials that the Docker client has; nothing is pulled.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.catalogue import CATALOGUE, DIGESTS_FILE
from operations.problem import Problem

_ANSWER_TIME = 60  # seconds; a registry that limits anonymous pulls answers slowly


def main() -> int:
    try:
        pin([image.name for image in CATALOGUE.values()], DIGESTS_FILE)
    except Problem as problem:
        problem.tell()
        return 1
    return 0


def pin(images: Iterable[str], file: Path) -> None:
    """Write what these images are now, and no others. Raises `Problem` with those that could not be looked up; what is
    known of them stays."""
    before: Mapping[str, str] = json.loads(file.read_text())
    found: dict[str, str] = {}
    failures: list[str] = []
    for image in images:
        try:
            found[image] = look_up(image)
        except LookupError as error:
            failures.append(f"  {image}: {error}")
            found |= {image: before[image]} if image in before else {}
            continue
        moved = before.get(image, found[image]) != found[image]
        print(f"{image}@{found[image]}{f', which was {before[image]}' if moved else ''}")  # noqa: T201
    file.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    if failures:
        told = "\n".join(failures)
        raise Problem(f"These were not looked up, and are as they were in {file.name}:\n{told}", "Run it again.")


def look_up(image: str) -> str:
    """The digest of what a tag leads to: of the index, where there is one. Raises `LookupError` with the reason."""
    program = shutil.which("skopeo")
    if program is None:
        raise Problem("skopeo is not installed.", "Install it with your system's package manager (skopeo).")
    words = [program, "inspect", "--raw", f"docker://{image}"]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_ANSWER_TIME, check=False)
    except subprocess.TimeoutExpired:
        raise LookupError(f"no answer within {_ANSWER_TIME} s") from None
    if done.returncode != 0:
        raise LookupError(done.stderr.decode(errors="replace").strip().rpartition("msg=")[2].strip('"'))
    # A digest is that of the bytes that the registry gives: nothing is taken on trust.
    return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"


if __name__ == "__main__":
    sys.exit(main())
