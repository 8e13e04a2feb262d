"""The words of `python -m operations.scan`."""

import datetime
import json
import sys
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import track

from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target
from operations.problem import Problem
from operations.scan import allowed, database, leaks, vulnerabilities
from operations.scan.findings import Finding
from operations.scan.image import pulled
from operations.scan.programs import NotScanned
from operations.scan.verdict import RESULT, Scanned, as_json, judge, show


class Exit(IntEnum):
    """Documented in docs/delivery.md and in `--help`. 2 is a wrong word on the command line."""

    PASSED = 0
    FAILED = 1
    NOT_SCANNED = 3  # nobody knows whether it is good


_HELP: Final = """
Say what is known to be wrong with images, and write what they are made of: an SBOM each, and all results as scan.json.

Exit codes: 0 nothing that fails; 1 a vulnerability that is high or critical and has a fix, a secret, or an allowance
that has ended; 2 wrong words; 3 something could not be scanned: an image can't be pulled, or there is no database of
vulnerabilities of these days.

Examples:

  python -m operations.scan --stack staging

  python -m operations.scan registry.example/app@sha256:…  --output build/scan

  python -m operations.scan --stack production --database https://mirror.example/grype

  python -m operations.scan layout/ --database vulnerability-db.tar.zst
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
errors = Console(stderr=True, highlight=False, emoji=False)


@app.command(help=_HELP)
def scan(
    images: Annotated[
        list[str] | None, typer.Argument(help="Names of images, best by digest, or folders in the OCI's layout.")
    ] = None,
    *,
    stack: Annotated[str | None, typer.Option(help="The images that this stack runs, by its outputs.")] = None,
    output: Annotated[Path, typer.Option(help="The folder for SBOMs and results.")] = Path("build/scan"),
    given: Annotated[
        str | None, typer.Option("--database", help="Address of a mirror, or an archive; without it grype's own.")
    ] = None,
    allowances: Annotated[
        Path, typer.Option("--allowed", help="What may be found all the same.", show_default=allowed.NAME)
    ] = allowed.FILE,
) -> None:
    wanted = sorted({*(images or ()), *(_images_of(stack) if stack else ())})
    if not wanted:
        raise Problem("There is no image to scan.", "name images, or a stack by --stack")
    known = allowed.allowed(allowances)
    output.mkdir(parents=True, exist_ok=True)
    (output / RESULT).unlink(missing_ok=True)  # an old one would pass for this one
    scanned: list[Scanned] = []
    findings: list[Finding] = []
    with database.ready(given) as vulnerable, TemporaryDirectory() as folder:
        there = []
        steps = track(list(enumerate(wanted)), "scanning", console=errors, disable=not errors.is_terminal)
        for number, reference in steps:
            image = pulled(reference, Path(folder, f"image-{number}"))
            parts = Path(folder, f"{number}.syft.json")
            sbom = output / f"{image.file}.cdx.json"
            count = vulnerabilities.list_parts(image, parts, sbom)
            findings += vulnerabilities.find(image, parts, vulnerable)
            scanned.append(Scanned(reference=reference, digest=image.digest, parts=count, sbom=sbom.name))
            there.append(image)
        findings += leaks.find(there, Path(folder))
    now = datetime.datetime.now(datetime.UTC)
    verdict = judge(findings, known, now.date())
    (output / RESULT).write_text(json.dumps(as_json(verdict, scanned, vulnerable.built, now), indent=2) + "\n")
    show(verdict, scanned, Console(highlight=False, emoji=False))
    if not verdict.passed:
        raise Problem(
            f"{len(verdict.failing)} findings fail the scan, {len(verdict.expired)} allowances have ended.",
            f"update what is fixed; what can wait is allowed in {allowances} for a while (docs/delivery.md)",
        )


def main() -> None:
    """Run it; a problem is told in words."""
    try:
        app()
    except Problem as problem:
        problem.tell()
        sys.exit(Exit.NOT_SCANNED if isinstance(problem, NotScanned) else Exit.FAILED)


def _images_of(stack: str) -> list[str]:
    """The stack's outputs. What a workbench runs by a tag is a stand-in's name at best (docs/local-cloud.md), and left
    out in so many words."""
    target = Target.named(stack)
    try:
        found = {str(reference) for reference in target.outputs()["images"].values()}
    except DeliveryError as error:
        raise NotScanned(f"It can't be told which images {stack} has: {error.what}", error.hint) from None
    by_tag = {reference for reference in found if "@sha256:" not in reference}
    if target.settings.purpose == "workbench" and by_tag:
        errors.print(f"Not scanned, as {stack} runs them by tags: {', '.join(sorted(by_tag))}", soft_wrap=True)
        return sorted(found - by_tag)
    return sorted(found)
