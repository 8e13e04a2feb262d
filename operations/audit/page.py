"""A stack's updates as one HTML file that needs nothing else: to be read, searched, printed and filed."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final, TextIO

from operations.audit.changes import Field
from operations.audit.report import Signed, changed, facts, origin
from operations.audit.updates import Update

# No address is called, and the only script is the one whose text is here.
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Updates</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
input { font: inherit; width: 100%; padding: .4rem; margin-bottom: 1rem }
details { border-top: 1px solid #ccc; padding: .4rem 0 }
summary { cursor: pointer }
summary span { display: inline-block; min-width: 9rem; margin-right: 1rem }
table { border-collapse: collapse; margin: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0; overflow-wrap: anywhere }
.bad { color: #a00; font-weight: bold }
@media print { input { display: none } details { break-inside: avoid } }
</style></head><body>
<h1>Updates</h1>
<p><label>Only those with
<input type="search" id="find" placeholder="a name, a commit, a word; OUTSIDE for those without evidence"></label></p>
"""
_TAIL: Final = """<script>
const updates = [...document.querySelectorAll("details")];
document.getElementById("find").addEventListener("input", ({ target }) => {
  const wanted = target.value.toLowerCase();
  for (const one of updates) one.hidden = !one.textContent.toLowerCase().includes(wanted);
});
addEventListener("beforeprint", () => { for (const one of updates) one.open = true; });
</script></body></html>
"""


def as_html(updates: Iterable[Update], signed: Signed, out: TextIO) -> None:
    """One section for each update, folded up; the browser filters them."""
    out.write(_HEAD)
    for update in updates:
        out.writelines(_section(update, signed))
    out.write(_TAIL)


def _section(update: Update, signed: Signed) -> Iterator[str]:
    told = origin(update, signed)
    yield "<details><summary>"
    yield f"<span>{update.number}: {escape(update.started[:19])}</span>"
    yield _marked(update.result, bad=update.result != "succeeded")
    yield _marked(told, bad="OUTSIDE" in told)
    yield f"<span>{escape(changed(update))}</span>"
    yield _marked(f"{len(update.faults)} doubts", bad=True) if update.faults else ""
    yield "</summary>\n<table>\n"
    yield from (_row(name, value) for name, value in facts(update, signed).items())
    yield from (_row("doubt", fault) for fault in update.faults)
    yield "</table>\n"
    yield from _changes("setting", ((field.path, (field,)) for field in update.settings))
    for one in update.resources:
        yield from _changes(one.operation, [(f"{one.kind} {one.name}", one.fields)])
    yield "</details>\n"


def _changes(what: str, changes: Iterable[tuple[str, Iterable[Field]]]) -> Iterator[str]:
    for name, fields in changes:
        rows = "".join(_row(one.path, f"{_text(one.before)} → {_text(one.after)}") for one in fields)
        yield f"<p>{escape(what)} <b>{escape(name)}</b></p>\n" + (f"<table>{rows}</table>\n" if rows else "")


def _marked(text: str, *, bad: bool) -> str:
    return f'<span class="{"bad" if bad else "good"}">{escape(text)}</span>'


def _row(name: str, value: str) -> str:
    return f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>\n"


def _text(value: str | None) -> str:
    return "none" if value is None else value
