"""The preview as a comment on a pull request: Markdown below the host's limit, one for each stack, kept up to date.

Nothing in it can leave its place: names and values come from the change under review. They stand in code, fenced by
more backticks than they hold.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from operations.cost.estimate import estimate, is_google
from operations.cost.report import by_the_month, summary, unpriced
from operations.delivery.preview import SIGNS, Change, Preview

LIMIT: Final = 65_536  # characters of a comment on GitHub
CONSENT: Final = "stateful-change"  # the label without which such a change is not merged
_ASKS: Final = f"<!-- needs {CONSENT} -->"  # the second line of a comment, which nobody sees
_PATIENCE: Final = 30  # seconds
_PAGE: Final = 100  # comments, the most that the host gives at once


def marker(stack: str) -> str:
    """What the comment is found by again; nobody sees it."""
    return f"<!-- vision-week preview of {stack} -->"


def whole(stack: str, preview: Preview) -> str:
    """All that there is to say, for the workflow's artefact."""
    return "\n".join(_lines(stack, preview, detail=True))


def markdown(stack: str, preview: Preview, *, limit: int = LIMIT) -> str:
    """The comment; where the whole would be too long, without what matters least, and it says so."""
    for text in (whole(stack, preview), "\n".join(_lines(stack, preview, detail=False))):
        if len(text) <= limit:
            return text
    note = f"\n\n… The rest is in {_artefact(stack)}.\n"
    lines, length = [], len(note)
    for line in text.splitlines():
        length += len(line) + 1
        if length > limit - len("\n</details>"):
            break
        lines.append(line)
    open_ones = sum(line.startswith("<details>") for line in lines) - sum(line == "</details>" for line in lines)
    return "\n".join([*lines, *["</details>"] * open_ones]) + note


def _artefact(stack: str) -> str:
    """Where pull-request.yaml keeps the whole."""
    return f"the workflow's artefact `preview-{stack}`"


def _lines(stack: str, preview: Preview, *, detail: bool) -> Iterator[str]:
    needs_consent = any(change.needs_consent for change in preview.changes)
    yield marker(stack)
    yield _ASKS if needs_consent else ""
    yield f"### Preview of `{stack}`: {preview.summary}"
    yield ""
    if preview.errors:
        yield "**The preview failed.** Nothing below is complete."
        for error in preview.errors:
            yield from _fenced(error, "text")
    if needs_consent:
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
    if preview.mended:
        yield "Added by rules of `policies/`, because nothing was said (docs/policies.md):"
        yield ""
        yield from (f"- {_code(one)}" for one in preview.mended)
        yield ""
    if not detail:
        yield f"Without the differences, which would be too long: they are in {_artefact(stack)}."
        yield ""
    if not preview.errors:
        yield from _costs(preview, detail=detail)
    rules = "" if preview.errors else " No rule of `policies/` is broken."
    yield f"{preview.unchanged} resources stay as they are.{rules}"


def _costs(preview: Preview, *, detail: bool) -> Iterator[str]:
    """What the stack costs, where somebody bills it."""
    if not is_google([*preview.before, *preview.after]):
        return
    after = estimate(preview.after)
    yield f"**{summary(estimate(preview.before), after)}**"
    yield ""
    if detail:
        told = [*by_the_month(after), "", f"Not priced: {unpriced(after) or 'nothing'}; nor what is paid by use."]
        yield "<details><summary>what costs how much (docs/google-cloud.md)</summary>"
        yield ""
        yield from _fenced("\n".join(told), "text")
        yield "</details>"
        yield ""


def _list(changes: Sequence[Change], *, detail: bool) -> Iterator[str]:
    for change in changes:
        what = f"{change.operation} {_code(change.kind)} {_code(change.name)}"
        told = f"**{what}**" if change.needs_consent else what
        why = f" because of {', '.join(_code(path) for path in change.because)}" if change.because else ""
        where = f" of {change.component}" if change.grave else ""
        yield f"- {_code(SIGNS.get(change.operation, '?'))} {told}{where}{why}"
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


def asks_for_consent(text: str) -> bool:
    """Whether a comment says that people's data or identities go."""
    return text.splitlines()[1:2] == [_ASKS]


@dataclass(frozen=True)
class PullRequest:
    """One on the host. repository: `owner/name`. api: the host's address. token: of the workflow."""

    repository: str
    number: int
    token: str
    api: str

    def post(self, text: str, stack: str) -> str:
        """Put it in the place of the stack's last comment, or add it; gives its address.

        Only a comment of the token's own kind is replaced: anybody may write a text with the marker in it.
        """
        with self._host() as host:
            comments = f"/repos/{self.repository}/issues/{self.number}/comments"
            for page in range(1, 100):
                found = host.get(comments, params={"per_page": _PAGE, "page": page}).raise_for_status().json()
                for comment in found:
                    if comment["user"]["type"] == "Bot" and comment["body"].startswith(marker(stack)):
                        own = f"/repos/{self.repository}/issues/comments/{comment['id']}"
                        changed = host.patch(own, json={"body": text}).raise_for_status()
                        return str(changed.json()["html_url"])
                if len(found) < _PAGE:
                    break
            return str(host.post(comments, json={"body": text}).raise_for_status().json()["html_url"])

    def consents(self) -> bool:
        """Whether somebody has given it the label."""
        with self._host() as host:
            labels = host.get(f"/repos/{self.repository}/issues/{self.number}/labels", params={"per_page": _PAGE})
            return any(label["name"] == CONSENT for label in labels.raise_for_status().json())

    def _host(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json"}
        return httpx.Client(base_url=self.api, headers=headers, timeout=_PATIENCE)
