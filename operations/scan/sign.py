"""Signs the images that a scan has passed, and has others ask for that before they deploy them.

By cosign, without a key: the certificate is of the workflow's own identity (OIDC) and its use is written to Sigstore's
public log. The SBOM goes to the registry beside the image, signed in the same way. Binary Authorization asks for no
signature (components/google/admission.py): which registry an image is from is its question, and this one is asked here.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from operations.delivery.target import CHECKOUT, Target
from operations.problem import Problem
from operations.scan.verdict import RESULT

_ISSUER: Final = "https://token.actions.githubusercontent.com"

app = typer.Typer(
    help="Sign images that were scanned, and see that others are (docs/delivery.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Stack = Annotated[str, typer.Argument(help="staging, production, or any other.")]


@app.command()
def sign(
    stack: Stack,
    *,
    scanned: Annotated[Path, typer.Option(help="The folder that the scan has written.")] = Path("build/scan"),
) -> None:
    """Sign each image of the stack's own registry that a scan has passed, and its SBOM."""
    own = f"{Target.named(stack).settings.images.registry}/"
    images = [image for image in _passed(scanned) if image["reference"].startswith(own)]
    if not images:
        raise Problem(f"The scan in {scanned} has no image of {own}", f"scan those of {stack}")
    for image in images:
        reference = f"{image['reference'].partition('@')[0]}@{image['digest']}"
        _cosign("sign", "--yes", reference)
        sbom = str(scanned / image["sbom"])
        _cosign("attest", "--yes", "--type", "cyclonedx", "--predicate", sbom, reference)
        sys.stdout.write(f"signed {reference}\n")


@app.command()
def verify(stack: Stack, *, tag: Annotated[str, typer.Option(help="The release.")]) -> None:
    """See that this workflow has signed the images that a deployment of the release to the stack would run."""
    images = Target.named(stack).settings.images
    try:
        identity = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_WORKFLOW_REF']}"
    except KeyError as missing:
        raise Problem(f"There is no {missing.args[0]}.", "set it as GitHub's workflows do") from None
    for name in _ours():
        reference = f"{images.promoted_from or images.registry}/{name}:{tag}"
        asked = ("--certificate-identity", identity, "--certificate-oidc-issuer", _ISSUER)
        _cosign("verify", *asked, reference)
        _cosign("verify-attestation", "--type", "cyclonedx", *asked, reference)
        sys.stdout.write(f"{reference} is signed by {identity}\n")


def main() -> None:
    """Run it; a problem is told in words."""
    try:
        app()
    except Problem as problem:
        problem.tell()
        sys.exit(1)


def _passed(scanned: Path) -> list[dict[str, Any]]:
    try:
        told = json.loads((scanned / RESULT).read_text())
    except OSError:
        raise Problem(f"There is no result of a scan in {scanned}.", "scan the images first") from None
    if not told["passed"]:
        raise Problem(f"The scan in {scanned} has failed.", "what fails is signed by nobody")
    return list(told["images"])


def _ours() -> Iterator[str]:
    yield from sorted(file.parent.name for file in (CHECKOUT / "images").glob("*/Dockerfile"))


def _cosign(*words: str) -> None:
    program = shutil.which("cosign")
    if program is None:
        raise Problem("There is no cosign on PATH.", "https://docs.sigstore.dev/cosign/system_config/installation/")
    done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"`cosign {' '.join(words)}` fails: {done.stderr.strip()}", "mend what it names")


if __name__ == "__main__":
    main()
