"""Whether images may be deployed by what was found, as a table for people and as JSON for other programs."""

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from operations.scan.allowed import Allowance
from operations.scan.findings import Finding, Kind

# The file that a scan leaves beside the SBOMs, for whoever signs what has passed and for auditors.
RESULT: Final = "scan.json"


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """An image that was looked at. parts: how many it has. sbom: the file that lists them."""

    reference: str
    digest: str
    parts: int
    sbom: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a scan comes to.

    failing: what nobody allows. allowed: what somebody does, with who and why. noted: what fails nothing.
    expired, unused: allowances that hold no more, and those that nothing was found for.
    """

    failing: Sequence[Finding]
    allowed: Sequence[tuple[Finding, Allowance]]
    noted: Sequence[Finding]
    expired: Sequence[Allowance]
    unused: Sequence[Allowance]

    @property
    def passed(self) -> bool:
        """An allowance that has ended fails by itself: its owner has promised to look again."""
        return not self.failing and not self.expired


def judge(findings: Sequence[Finding], allowances: Sequence[Allowance], today: datetime.date) -> Verdict:
    """Compare what was found with what is allowed on a day."""
    holding = [each for each in allowances if each.expires >= today]
    grave = [finding for finding in findings if finding.fails]
    by = [next((each for each in holding if each.covers(finding)), None) for finding in grave]
    return Verdict(
        failing=[finding for finding, allowance in zip(grave, by, strict=True) if allowance is None],
        allowed=[(finding, allowance) for finding, allowance in zip(grave, by, strict=True) if allowance],
        noted=[finding for finding in findings if not finding.fails],
        expired=[each for each in allowances if each.expires < today],
        unused=[each for each in holding if not any(each.covers(finding) for finding in grave)],
    )


def as_json(verdict: Verdict, images: Sequence[Scanned], built: str, now: datetime.datetime) -> dict[str, Any]:
    """All of it. built: when the database was made."""
    return {
        "scanned": now.isoformat(timespec="seconds"),
        "database": built,
        "passed": verdict.passed,
        "images": [asdict(image) for image in images],
        "failing": [asdict(finding) for finding in verdict.failing],
        "allowed": [{**asdict(finding), "by": by.model_dump(mode="json")} for finding, by in verdict.allowed],
        "noted": [asdict(finding) for finding in verdict.noted],
        "expired": [each.model_dump(mode="json") for each in verdict.expired],
        "unused": [each.model_dump(mode="json") for each in verdict.unused],
    }


def show(verdict: Verdict, images: Sequence[Scanned], console: Console) -> None:
    """The tables: what fails or is allowed, one a line; of the rest the numbers."""
    table = Table("", "image", *(Column(each, overflow="fold") for each in ("what", "in", "", "fixed in")), box=None)
    for finding in verdict.failing:
        table.add_row("[red]fails[/red]", *_cells(finding), ", ".join(finding.fixed))
    for finding, by in verdict.allowed:
        table.add_row("[yellow]allowed[/yellow]", *_cells(finding), escape(f"until {by.expires}, {by.owner}"))
    if table.row_count:
        console.print(table)
    numbers = Table(Column("image", overflow="fold"), "parts", "vulnerabilities", box=None)
    findings = [*verdict.failing, *(finding for finding, _ in verdict.allowed), *verdict.noted]
    for image in images:
        known = [each for each in findings if each.image == image.reference and each.kind is Kind.VULNERABILITY]
        told = ", ".join(f"{count} {severity}" for severity, count in Counter(e.severity for e in known).items())
        numbers.add_row(escape(image.reference), str(image.parts), told or "none")
    console.print(numbers)
    for each in verdict.expired:
        console.print(
            f"[red]The allowance of {escape(each.id)} in {escape(each.package)} ended on {each.expires}: "
            f"{escape(each.owner)} has to look again.[/red]"
        )
    for each in verdict.unused:
        console.print(f"Nothing was found that {escape(each.id)} in {escape(each.package)} allows: take it away.")


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    what = f"{finding.package} {finding.version}".strip()
    severity = finding.severity or finding.kind
    return escape(finding.image.rpartition("/")[2][:40]), escape(finding.id), escape(what), severity
