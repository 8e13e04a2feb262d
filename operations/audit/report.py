"""A stack's updates as a person, a spreadsheet or another program reads them. One is written after the other."""

import csv
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from operations.audit.changes import Field
from operations.audit.updates import BY_HAND, Update

# The updates that have good evidence; None where nobody looked.
Signed = Collection[str] | None
_COLUMNS: Final = (
    "no",
    "started",
    "seconds",
    "origin",
    "result",
    "kind",
    "who",
    "commit",
    "release",
    "changed",
    "faults",
)


def origin(update: Update, signed: Signed) -> str:
    """Whether the pipeline made it: by its evidence where that was looked at, by its own account where not."""
    if signed is None:
        return f"{update.made}, by its own account" if update.made != BY_HAND else BY_HAND
    if update.id in signed:
        return f"{update.made}, signed"
    return f"{update.made}: OUTSIDE THE PIPELINE, no evidence"


def changed(update: Update) -> str:
    """`2 created, 1 updated`."""
    counts: dict[str, int] = {}
    for one in update.resources:
        counts[one.operation] = counts.get(one.operation, 0) + 1
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing"


def facts(update: Update, signed: Signed) -> Mapping[str, str]:
    """What is known of an update, but for what it changed."""
    dirty = ", with changes that no commit has" if update.commit.endswith("+") else ""
    return {
        "origin": origin(update, signed),
        "who (a claim of git's)": update.who,
        "commit": update.commit + dirty,
        "release": update.release or "none",
        "took": f"{update.seconds} s",
        "rules": "the policy pack looked on" if update.rules else "the policy pack did not look on",
        "said": update.message,
        **{f"image {name}": image for name, image in update.images.items()},
        **update.ci,
    }


def as_table(updates: Iterable[Update], signed: Signed, out: TextIO) -> None:
    """For a terminal."""
    table = Table("no", Column("started", no_wrap=True), "origin", "result", "commit", "release", "changed", box=None)
    for update in updates:
        colour = "green" if update.result == "succeeded" else "red"
        what = [f"[{colour}]{escape(update.result)}[/{colour}]", escape(update.commit[:12]), escape(update.release)]
        told = "\n".join([changed(update), *(f"! {fault}" for fault in update.faults)])
        table.add_row(str(update.number), update.started[:19], escape(origin(update, signed)), *what, escape(told))
    Console(file=out, highlight=False, emoji=False).print(table)


def as_csv(updates: Iterable[Update], signed: Signed, out: TextIO) -> None:
    """For a spreadsheet. What begins like a formula is none."""
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in updates:
        told = (one.number, one.started, one.seconds, origin(one, signed), one.result, one.kind, one.who, one.commit)
        writer.writerow([harmless(str(each)) for each in (*told, one.release, changed(one), "; ".join(one.faults))])


def as_json(updates: Iterable[Update], signed: Signed, out: TextIO) -> None:
    """For other programs: an array."""
    out.write("[")
    each = (json.dumps({**asdict(update), "origin": origin(update, signed)}) for update in updates)
    out.writelines(f"{',' if index else ''}\n{text}" for index, text in enumerate(each))
    out.write("\n]\n")


def as_markdown(updates: Iterable[Update], signed: Signed, out: TextIO) -> None:
    """For people: a section for each update, with every field that changed."""
    for one in updates:
        out.write(f"## {one.number}: {one.started[:19]} UTC, {one.kind} {one.result}\n\n")
        out.writelines(f"- {name}: {_code(value)}\n" for name, value in facts(one, signed).items())
        out.writelines(f"- **doubt**: {_code(fault)}\n" for fault in one.faults)
        out.writelines(_lines({f"setting {field.path}": (field,) for field in one.settings}))
        out.writelines(_lines({f"{each.operation} {each.kind} {each.name}": each.fields for each in one.resources}))
        out.write("\n")


def _lines(changes: Mapping[str, Iterable[Field]]) -> Iterable[str]:
    for what, fields in changes.items():
        yield f"- {what}\n"
        yield from (f"  - {_code(one.path)}: {_code(one.before)} → {_code(one.after)}\n" for one in fields)


def _code(text: str | None) -> str:
    """As code, so that nothing in it is read as Markdown or HTML."""
    if not text:
        return "none"
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def harmless(text: str) -> str:
    """A cell of a spreadsheet that is no formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
