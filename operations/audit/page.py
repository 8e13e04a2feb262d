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
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
  color: light-dark(#222, #e6edf3); background: light-dark(#fff, #0d1117) }
nav { position: sticky; top: 0; background: light-dark(#fff, #0d1117); padding: .5rem 0 1rem;
  display: flex; flex-wrap: wrap; gap: .5rem 1.5rem }
input[type=search] { font: inherit; flex: 1 1 20rem; padding: .4rem }
details { border-top: 1px solid light-dark(#ccc, #3d444d); padding: .4rem 0 }
details[open] { background: light-dark(#f6f6f6, #161b22); padding: .4rem .5rem 1rem }
summary { cursor: pointer; display: grid; gap: 0 1rem; grid-template-columns: 4rem 12rem 7rem 14rem 1fr }
summary::before { content: "▸ " attr(data-number) }
details[open] summary::before { content: "▾ " attr(data-number) }
summary:focus-visible { outline: 2px solid light-dark(#06c, #6cb6ff) }
table { border-collapse: collapse; margin: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0; overflow-wrap: anywhere }
th { font-weight: normal; color: light-dark(#555, #9da7b3); min-width: 11rem }
#access { overflow-x: auto; padding-right: 0 }
#access[open] { margin: 0 calc(50% - 50vw + 1rem) }
#access svg { max-width: 100%; min-width: 75rem; height: auto }
#access summary { display: list-item }
#access summary::before { content: none }
.bad { color: light-dark(#a00, #ff7b72); font-weight: bold }
@media (max-width: 50rem) { summary { grid-template-columns: 4rem 1fr } summary span { grid-column: 2 } }
@media print { :root { color-scheme: light } nav { display: none } svg { max-width: 100%; height: auto }
  details { break-inside: avoid } details[open] { background: none } }
</style></head><body>
<h1>Updates</h1>
<nav>
<input type="search" id="find" aria-label="Only those with"
 placeholder="a name, a commit, a word; OUTSIDE for those without evidence">
<label><input type="checkbox" id="bad"> failed or doubtful</label>
<label><input type="checkbox" id="changing"> that changed something</label>
<output id="shown"></output>
</nav>
"""
_TAIL: Final = """<script>
const updates = [...document.querySelectorAll("details[id^=update]")];
const [find, bad, changing, shown] = ["find", "bad", "changing", "shown"].map((id) => document.getElementById(id));
const filter = () => {
  const wanted = find.value.toLowerCase();
  let count = 0;
  for (const one of updates) {
    one.hidden = (bad.checked && !("bad" in one.dataset)) || (changing.checked && !("changing" in one.dataset))
      || !one.textContent.toLowerCase().includes(wanted);
    count += one.hidden ? 0 : 1;
  }
  shown.textContent = `${count} of ${updates.length}`;
};
const open = () => {
  const one = document.getElementById(location.hash.slice(1));
  if (one) { one.open = true; one.scrollIntoView(); }
};
addEventListener("input", filter);
addEventListener("hashchange", open);
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});
filter();
open();
</script></body></html>
"""


def as_html(updates: Iterable[Update], signed: Signed, out: TextIO, access: str = "") -> None:
    """One section for each update, folded up; the browser filters them. `#update-12` after its address opens one.

    access: the picture of who may talk to whom, an SVG; it is first, folded up as well.
    """
    out.write(_HEAD)
    if access:
        out.write(
            f'<details id="access"><summary>Who may talk to whom, who may read what</summary>{access}</details>\n'
        )
    for update in updates:
        out.writelines(_section(update, signed))
    out.write(_TAIL)


def _section(update: Update, signed: Signed) -> Iterator[str]:
    told = origin(update, signed)
    bad = update.result != "succeeded" or "OUTSIDE" in told or bool(update.faults)
    changing = bool(update.resources or update.settings)
    yield f'<details id="update-{update.number}"{" data-bad" if bad else ""}{" data-changing" if changing else ""}>'
    yield f'<summary data-number="{update.number}"><span>{escape(update.started[:19].replace("T", " "))}</span>'
    yield _marked(update.result, bad=update.result != "succeeded")
    yield _marked(told, bad="OUTSIDE" in told)
    yield f"<span>{escape(changed(update))}"
    yield f' <b class="bad">{len(update.faults)} doubts</b>' if update.faults else ""
    yield "</span>"
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
