"""The history as an auditor reads it: who, when, what, from which commit, and what doesn't fit together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from operations.audit.changes import Changed, Field, changed, differences
from operations.audit.history import Entry
from operations.delivery.history import BEGUN, BUILT, GOOD, ROLLBACK

BY_HAND: Final = "by hand"
# What a delivery writes into the history, and what it did then.
_DELIVERIES: Final = {BUILT: "build", BEGUN: "deployment", GOOD: "found good", ROLLBACK: "roll-back"}


@dataclass(frozen=True, kw_only=True)
class Update:
    """One update.

    number: the oldest has 1. id: the backend's. made: what a delivery did by it, or `by hand`. who: git's author of the
    commit that lay in the checkout, which is a claim: who had the right is in the cloud's own audit log. commit:
    with `+` where files were changed that no commit has. ci: the run and the pull request, where there was one. rules:
    whether the policy pack looked on. faults: what can't be read, or doesn't fit what was before.
    """

    number: int
    id: str
    made: str
    kind: str
    result: str
    started: str
    seconds: int
    who: str
    commit: str
    ci: Mapping[str, str]
    release: str
    images: Mapping[str, str]
    message: str
    rules: bool
    settings: tuple[Field, ...]
    resources: tuple[Changed, ...]
    faults: tuple[str, ...]


def updates(entries: Iterable[Entry]) -> Iterator[Update]:
    """Each update beside the one before it."""
    before: Entry | None = None
    ended = 0
    for number, entry in enumerate(entries, start=1):
        yield _update(number, entry, before, ended)
        ended = max(ended, _number(entry.told.get("endTime")))
        # A state that can't be read is no state of nothing: what follows is compared with the last that could.
        before = entry if entry.resources is not None else before and _only_told(before, entry)


def _only_told(state: Entry, entry: Entry) -> Entry:
    """The newest settings with the newest state that is known."""
    known = entry.told or state.told
    return Entry(id=entry.id, told=known, resources=state.resources, outputs=state.outputs, pending=entry.pending,
                 digests=entry.digests, faults=entry.faults)  # fmt: skip


def _update(number: int, entry: Entry, before: Entry | None, ended: int) -> Update:
    told = entry.told
    environment: Mapping[str, str] = told.get("environment") or {}
    config = told.get("config") or {}
    resources = tuple(changed((before.resources if before else None) or {}, entry.resources or {}))
    if entry.resources is None:
        resources = ()
    images = entry.outputs.get("images")
    author = environment.get("git.author", "")
    return Update(
        number=number,
        id=entry.id,
        made=next((made for begins, made in _DELIVERIES.items() if _message(told).startswith(begins)), BY_HAND),
        kind=str(told.get("kind", "unknown")),
        result=str(told.get("result", "unknown")),
        started=datetime.fromtimestamp(_number(told.get("startTime")) or int(entry.id) // 10**9, UTC).isoformat(),
        seconds=_number(told.get("endTime")) - _number(told.get("startTime")),
        who=f"{author} <{environment.get('git.author.email', '')}>" if author else "unknown",
        commit=environment.get("git.head", "unknown") + ("+" if environment.get("git.dirty") == "true" else ""),
        ci={key: value for key, value in sorted(environment.items()) if key.startswith(("ci.", "github.pr."))},
        release=str(config.get("vision-week:release", "")),
        images={name: str(image) for name, image in images.items()} if isinstance(images, Mapping) else {},
        message=_message(told).partition("\n")[0],
        rules="pulumi.flag.policy-pack" in environment,
        settings=tuple(differences((before.told.get("config") or {}) if before else {}, config)) if told else (),
        resources=resources,
        faults=(*entry.faults, *_doubts(entry, resources, ended, first=before is None)),
    )


def _doubts(entry: Entry, resources: Iterable[Changed], ended: int, *, first: bool) -> Iterator[str]:
    """What can be read and can't be so."""
    told = entry.told
    if entry.pending:
        yield f"it was stopped while {entry.pending} operations were under way"
    started, over = _number(told.get("startTime")), _number(told.get("endTime"))
    if over < started:
        yield "it ended before it began: a clock was wrong"
    if told and started < ended:
        yield "it began before the one before it had ended: a clock was wrong, or the history was changed"
    counts: Mapping[str, int] = told.get("resourceChanges") or {}
    if told and not first and told.get("result") == "succeeded":
        quiet = not any(count for what, count in counts.items() if what != "same")
        if quiet and (silent := [one for one in resources if one.operation != "updated"]):
            named = ", ".join(f"{one.kind} {one.name} {one.operation}" for one in silent[:3])
            yield f"it changed nothing by its own account, and the state differs ({named}): one before it is missing"


def _message(told: Mapping[str, Any]) -> str:
    return str(told.get("message") or "")


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
