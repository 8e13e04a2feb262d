"""The words of `python -m operations.audit`."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer
from rich.console import Console
from rich.progress import track

from operations.audit import buckets, evidence, signing
from operations.audit.access import resources_of, tables
from operations.audit.history import Entry, Json, backwards, entries, files
from operations.audit.pack import Reviewed, write
from operations.audit.page import as_html
from operations.audit.picture import picture
from operations.audit.report import Signed, as_csv, as_json, as_markdown, as_table
from operations.audit.scans import Scan, read
from operations.audit.updates import BY_HAND, Update, updates
from operations.problem import Problem
from operations.scan.verdict import RESULT

_PROJECT: Final = "vision-week"
_LOCAL: Final = "file://"
FORMATS: Final[Mapping[str, Callable[[Iterable[Update], Signed, TextIO], None]]] = {
    "table": as_table, "html": as_html, "markdown": as_markdown, "csv": as_csv, "json": as_json,
}  # fmt: skip
VIEWS: Final = {"markdown": tables, "svg": picture}

app = typer.Typer(
    help="What was changed in a stack, when, by whom, and whether that was by the pipeline (docs/audit.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True, highlight=False, emoji=False)

Stack = Annotated[str, typer.Argument(help="development, staging, production, or any other.")]
History = Annotated[str | None, typer.Option(help="The history, where the backend has it not: FOLDER or gs://BUCKET/…")]
Chain = Annotated[str, typer.Option("--evidence", help="The evidence: FOLDER or gs://BUCKET/…")]
Public = Annotated[Path, typer.Option(help="The public key of the pipeline.")]
Anchor = Annotated[str | None, typer.Option(help="The newest hash, as it was kept elsewhere.")]
Since = Annotated[datetime | None, typer.Option(help="Nothing that began before this: 2026-11-01, UTC.")]


@app.command()
def report(
    stack: Stack,
    *,
    history: History = None,
    since: Since = None,
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "table",
    chain: Annotated[str | None, typer.Option("--evidence", help="The evidence: FOLDER or gs://BUCKET/…")] = None,
    public_key: Annotated[Path | None, typer.Option(help="The public key of the pipeline.")] = None,
) -> None:
    """Say who changed what, when, from which commit, and what doesn't fit together."""
    if form not in FORMATS:
        raise Problem(f"There is no format {form}.", f"name one of {', '.join(FORMATS)}")
    _come_together(chain, public_key)
    with _history(stack, history) as folder:
        signed = _verified(folder, stack, chain, public_key).good if chain and public_key else None
        wanted = _wanted(updates(_entries(folder, stack)), since)
        if form == "html":
            newest = _newest(folder, stack)
            as_html(wanted, signed, sys.stdout, picture(stack, resources_of(newest)) if newest else "")
        else:
            FORMATS[form](wanted, signed, sys.stdout)


@app.command()
def access(
    stack: Stack,
    *,
    history: History = None,
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(VIEWS)}.")] = "markdown",
) -> None:
    """Say who may talk to whom, who mounts which Secret and who has which rights: in tables, or drawn."""
    if form not in VIEWS:
        raise Problem(f"There is no format {form}.", f"name one of {', '.join(VIEWS)}")
    with _history(stack, history) as folder:
        newest = _newest(folder, stack)
    if newest is None:
        raise Problem(f"No state of {stack} can be read.", "the report says what is wrong with each of them")
    sys.stdout.write(VIEWS[form](stack, resources_of(newest)))


@app.command()
def record(
    stack: Stack,
    *,
    since: Annotated[datetime, typer.Option(help="When the pipeline's run began, UTC: it signs only its own.")],
    chain: Chain,
    key: Annotated[str, typer.Option(help="The pipeline's: FILE, or gcpkms://…/cryptoKeyVersions/1.")],
    history: History = None,
    scanned: Annotated[
        Path | None, typer.Option(help="What a scan of the images has written: it is kept with the evidence.")
    ] = None,
) -> None:
    """Sign what deliveries have changed since a time; prints the newest hash, to be kept elsewhere."""
    sign = signing.signer(key)
    scan = _scan(scanned)
    with _history(stack, history) as folder, buckets.folder(chain) as kept:
        made = [one.id for one in _wanted(updates(_entries(folder, stack)), since) if one.made != BY_HAND]
        own = (entry for entry in _entries(folder, stack) if entry.id in made)
        there = set(kept.glob("*.json"))
        newest = evidence.record(kept, stack, own, sign, scan)
        buckets.keep(sorted((kept / evidence.SCANS).glob("*")), _scans(chain), by_hash=True)
        buckets.keep(sorted(set(kept.glob("*.json")) - there), chain)
    errors.print(f"{len(made)} updates of {stack} are on record.")
    sys.stdout.write(f"{newest}\n")


@app.command()
def verify(
    stack: Stack,
    *,
    chain: Chain,
    public_key: Public,
    history: History = None,
    anchor: Anchor = None,
    since: Since = None,
) -> None:
    """Say what is wrong with the evidence, and which updates have none. Exit code 1 where there is such a thing."""
    with _history(stack, history) as folder:
        try:
            files(folder, stack)
        except Problem as gone:  # as it is when a stack was removed: its evidence stays, and is looked at all the same
            found = _chain(chain, public_key, anchor, ())
            sys.stdout.write("".join(f"{fault}\n" for fault in (gone.what, *found.faults)))
            raise typer.Exit(1) from None
        found = _verified(folder, stack, chain, public_key, anchor)
        signed, faults = found.good, found.faults
        for one in _wanted(updates(_entries(folder, stack)), since):
            if one.id not in signed:
                faults.append(
                    f"update {one.number} of {one.started[:19]}, {one.made}, has no good evidence: {one.message}"
                )
    for fault in faults:
        sys.stdout.write(f"{fault}\n")
    if faults:
        raise typer.Exit(1)
    sys.stdout.write(f"{len(signed)} updates, and each has its evidence.\n")


@app.command()
def pack(
    stacks: Annotated[list[str], typer.Argument(help="production, staging, …")],
    *,
    since: Annotated[datetime, typer.Option(help="The first day that is looked at: 2026-09-01, UTC.")],
    output: Annotated[Path, typer.Option(help="The archive, a new file.")] = Path("review.zip"),
    history: Annotated[
        str | None, typer.Option(help="Where each stack's history is: FOLDER or gs://… with {stack}.")
    ] = None,
    chain: Annotated[
        str | None, typer.Option("--evidence", help="The evidence: FOLDER or gs://… with {stack}.")
    ] = None,
    public_key: Annotated[Path | None, typer.Option(help="The public key of the pipeline.")] = None,
    scans: Annotated[
        str | None,
        typer.Option(
            help="What a scan of each stack's images wrote, without it that of the evidence: FOLDER with {stack}."
        ),
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option(help="Address, for alerts and backups: http://127.0.0.1:9090.")
    ] = None,
) -> None:
    """Write what a review of some months looks at, for several stacks, into one archive."""
    _come_together(chain, public_key)
    if output.exists():
        raise Problem(f"{output} is there already.", "name another file, or take it away")
    reviewed = []
    for stack in stacks:
        with _history(stack, history and history.replace("{stack}", stack)) as folder:
            own = chain and chain.replace("{stack}", stack)
            found = _verified(folder, stack, own, public_key) if own and public_key else None
            reviewed.append(
                Reviewed(
                    stack=stack,
                    updates=list(_wanted(updates(_entries(folder, stack)), since)),
                    newest=next((entry for entry in backwards(folder, stack) if entry.resources is not None), None),
                    signed=found.good if found else None,
                    faults=found.faults if found else [],
                    since=since.replace(tzinfo=UTC),
                    scan=_given(scans, stack) or (found.scan if found else None),
                )
            )
    try:
        told = write(output, reviewed, prometheus, datetime.now(UTC))
    except BaseException:
        output.unlink(missing_ok=True)
        raise
    sys.stdout.write("\n".join([*told, "", f"All of it is in {output}.", ""]))


def main() -> None:
    """Run it; a problem is told in words."""
    try:
        app()
    except Problem as problem:
        problem.tell()
        sys.exit(1)


def _history(stack: str, given: str | None) -> AbstractContextManager[Path]:
    """Where the history is: in the backend, if that is a folder or a bucket of Google's."""
    backend = os.environ.get("PULUMI_BACKEND_URL", "")
    if given is not None:
        return buckets.folder(given)
    if not backend.startswith((_LOCAL, buckets.GOOGLE)):
        raise Problem(
            f"The history of {stack} is in no folder: PULUMI_BACKEND_URL is {backend or 'not set'}.",
            "give --history FOLDER, or set it to file://FOLDER or gs://BUCKET",
        )
    return buckets.folder(f"{backend.removeprefix(_LOCAL).rstrip('/')}/.pulumi/history/{_PROJECT}/{stack}")


def _come_together(chain: str | None, public_key: Path | None) -> None:
    if (chain is None) != (public_key is None):
        raise Problem("Evidence is read with a key.", "give both --evidence and --public-key, or none of them")


def _verified(folder: Path, stack: str, chain: str, public_key: Path, anchor: str | None = None) -> evidence.Verified:
    return _chain(chain, public_key, anchor, _entries(folder, stack))


def _chain(chain: str, public_key: Path, anchor: str | None, entries: Iterable[Entry]) -> evidence.Verified:
    key = signing.public(public_key)
    with buckets.folder(chain) as kept, buckets.folder(_scans(chain)) as scans:
        return evidence.verified(kept, scans, key, anchor, entries)


def _scans(chain: str) -> str:
    return f"{chain.rstrip('/')}/{evidence.SCANS}"


def _scan(folder: Path | None) -> Scan | None:
    """What a scan has left. One that didn't come to a result keeps no update from being on record."""
    if folder is None:
        return None
    if (folder / RESULT).exists():
        return read(folder)
    errors.print(f"No scan is on record: {folder} has no {RESULT}.", soft_wrap=True)
    return None


def _given(scans: str | None, stack: str) -> Scan | None:
    return read(Path(scans.replace("{stack}", stack))) if scans else None


def _entries(folder: Path, stack: str) -> Iterator[Entry]:
    found = files(folder, stack)
    return entries(track(found, "reading", console=errors, transient=True, disable=not errors.is_terminal))


def _newest(folder: Path, stack: str) -> Mapping[str, Json] | None:
    """The resources of the newest state that can be read and isn't empty."""
    return next(filter(None, (entry.resources for entry in backwards(folder, stack))), None)


def _wanted(found: Iterator[Update], since: datetime | None) -> Iterator[Update]:
    begins = since.replace(tzinfo=UTC) if since else None
    return (one for one in found if begins is None or datetime.fromisoformat(one.started) >= begins)
