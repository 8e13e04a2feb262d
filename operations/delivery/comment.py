"""The preview as a comment on a pull request: Markdown below the host's limit, one for each stack, kept up to date.

Nothing in it can leave its place: names and values come from the change under review. They stand in code, fenced by
more backticks than they hold.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import httpx

from operations.delivery.preview import SIGNS, Change, Preview

LIMIT: Final = 65_536  # characters of a comment on GitHub
CONSENT: Final = "stateful-change"  # the label without which such a change is not merged
_PATIENCE: Final = 30  # seconds
_PAGE: Final = 100  # comments, the most that the host gives at once


def marker(stack: str) -> str:
    """What the comment is found by again; nobody sees it."""
    return f"<!-- vision-week preview of {stack} -->"


def markdown(stack: str, preview: Preview, *, limit: int = LIMIT) -> str:
    """The whole comment; where it would be too long, without what matters least, and it says so."""
    for detail in (True, False):
        text = "\n".join(_lines(stack, preview, detail=detail))
        if len(text) <= limit:
            return text
    note = "\n\n… The rest is in the workflow's artefact.\n"
    lines, length = [], len(note)
    for line in text.splitlines():
        length += len(line) + 1
        if length > limit - len("\n</details>"):
            break
        lines.append(line)
    open_ones = sum(line.startswith("<details>") for line in lines) - sum(line == "</details>" for line in lines)
    return "\n".join([*lines, *["</details>"] * open_ones]) + note


def _lines(stack: str, preview: Preview, *, detail: bool) -> Iterator[str]:
    yield marker(stack)
    yield f"### Preview of `{stack}`: {preview.summary}"
    yield ""
    if preview.errors:
        yield "**The preview failed.** Nothing below is complete."
        for error in preview.errors:
            yield from _fenced(error, "text")
    if any(change.needs_consent for change in preview.changes):
        yield f"> **Data or identities go with what is in bold.** Merging needs the label `{CONSENT}`."
        yield ""
    grave = [change for change in preview.changes if change.grave]
    if grave:
        yield "#### Replaced or deleted"
        yield ""
        yield from _list(grave, detail=detail)
    for component, changes in preview.by_component().items():
        counts = ", ".join(
            f"{sum(change.operation == operation for change in changes)} to {operation}"
            for operation in sorted({change.operation for change in changes})
        )
        yield f"<details><summary>{_plain(component)}: {counts}</summary>"
        yield ""
        yield from _list(changes, detail=detail)
        yield "</details>"
        yield ""
    if not detail:
        yield "Without the differences, which would be too long: they are in the workflow's artefact."
    yield f"{preview.unchanged} resources stay as they are."


def _list(changes: Sequence[Change], *, detail: bool) -> Iterator[str]:
    for change in changes:
        what = f"{_code(change.kind)} {_code(change.name)}"
        told = f"**{what}**" if change.needs_consent else what
        why = f" because of {', '.join(_code(path) for path in change.because)}" if change.because else ""
        where = f" of {change.component}" if change.grave else ""
        yield f"- {_code(SIGNS.get(change.operation, '?'))} {change.operation} {told}{where}{why}"
    yield ""
    differences = [line for change in changes for line in _differences(change)]
    if detail and differences:
        yield "<details><summary>differences</summary>"
        yield ""
        yield from _fenced("\n".join(differences), "diff")
        yield "</details>"
        yield ""


def _differences(change: Change) -> Iterator[str]:
    if not change.differences:
        return
    yield f"@@ {change.kind} {change.name} @@"
    for each in change.differences:
        for sign, value in (("-", each.before), ("+", each.after)):
            if value is not None:
                first, *rest = value.splitlines() or [""]
                yield f"{sign} {each.path}: {first}"
                yield from (f"{sign}   {line}" for line in rest)


def _fenced(text: str, language: str) -> Iterator[str]:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    yield f"{fence}{language}"
    yield text
    yield fence
    yield ""


def _code(text: str) -> str:
    """One line of code. What would end it is taken out: no resource of ours has a backtick in its name."""
    return f"`{' '.join(text.replace('`', '').split()) or '?'}`"


def _plain(text: str) -> str:
    return re.sub(r"[^\w .:/-]", "", text)


def post(text: str, stack: str, *, repository: str, pull_request: int, token: str, api: str) -> str:
    """Put it in the place of the stack's last comment, or add it; gives its address.

    Only a comment of the token's own kind is replaced: anybody may write a text with the marker in it.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    with httpx.Client(base_url=api, headers=headers, timeout=_PATIENCE) as host:
        comments = f"/repos/{repository}/issues/{pull_request}/comments"
        for page in range(1, 100):
            found = host.get(comments, params={"per_page": _PAGE, "page": page}).raise_for_status().json()
            for comment in found:
                if comment["user"]["type"] == "Bot" and comment["body"].startswith(marker(stack)):
                    own = f"/repos/{repository}/issues/comments/{comment['id']}"
                    changed = host.patch(own, json={"body": text}).raise_for_status()
                    return str(changed.json()["html_url"])
            if len(found) < _PAGE:
                break
        return str(host.post(comments, json={"body": text}).raise_for_status().json()["html_url"])
