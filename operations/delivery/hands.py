"""Who changed by hand what is no longer as it was deployed, and when, as far as anybody knows.

The API server keeps with each object who has which of its fields, and when that one wrote last. That is there
everywhere; but it names a program (`kubectl-edit`), as that calls itself, and nobody for a field that was taken away
or an object that is gone. Which person it was is in the audit log alone (audit_log.py). Nobody is named whom neither of
them names.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from operations.delivery.audit_log import Log, Write
from operations.delivery.preview import STEP, Change, Reference
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

_OURS: Final = "pulumi"  # what Pulumi's own field managers begin with
# The cluster's own: what they write is no hand's.
_CLUSTER: Final = ("system:kube-", "system:serviceaccount:kube-system:", "system:node:", "system:apiserver")
_PROGRAMS: Final = ("kube-", "kubelet")
_BESIDE: Final = timedelta(seconds=2)  # between what an object says of a write, in whole seconds, and what the log says


@dataclass(frozen=True)
class Hand:
    """Who changed something; what nobody knows is left out.

    program: as the field's manager calls itself, or the client of the log. user: as the log names one.
    last: what was done last to the object, by all that is known; it may not be what changed the field.
    """

    when: datetime | None = None
    program: str = ""
    user: str = ""
    last: str = ""

    def __str__(self) -> str:
        when = f"{self.when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if self.when else "when is not known"
        if not self.program:
            return "who and when is not known"
        if self.last:
            known = f"a {self.last} by {self.user} with {self.program}, {when}"
            return f"not known for sure; the last known write is {known}"
        return f"changed by {self.user or 'an unknown user'} with {self.program}, {when}"


def report(target: Target, changes: Iterable[Change], log: Log | None) -> Iterator[str]:
    """A line for each who changed something, and one where the cluster or the audit log can't be asked."""
    for change in changes:
        what = change.reference
        if what is None:
            yield f"{change.kind} {change.name}: {Hand()}"
            continue
        written: Sequence[Write] = ()
        try:
            written = log.writes(what) if log else ()
        except DeliveryError as error:
            log = None
            yield f"{error.what} ({error.hint})"
        try:
            live = _live(target, what)
        except DeliveryError as error:
            live = None
            yield error.what
        for hand, paths in _hands(change, live, written).items():
            yield f"{change.kind} {what.name}{': ' if paths else ''}{', '.join(paths)}: {hand}"


def _hands(change: Change, live: Mapping[str, Any] | None, written: Sequence[Write]) -> Mapping[Hand, Sequence[str]]:
    """Who changed which fields. None are named where the whole object is gone."""
    by_hand = [
        one
        for one in written
        if not (one.manager.startswith(_OURS) or one.user.startswith(_CLUSTER) or one.program.startswith(_PROGRAMS))
    ]
    if live is None or not change.differences:
        return {_last(by_hand): ()}
    found: dict[Hand, list[str]] = {}
    for each in change.differences:
        found.setdefault(_manager(live, each.path, by_hand) or _last(by_hand), []).append(each.path)
    return found


def _last(by_hand: Sequence[Write]) -> Hand:
    return next((Hand(one.when, one.program, one.user, one.verb) for one in by_hand), Hand())


def _manager(live: Mapping[str, Any], path: str, by_hand: Sequence[Write]) -> Hand | None:
    """Who has a field, other than Pulumi, and wrote last; and the person, where the log has one alone who wrote so at
    that moment."""
    steps: list[str | int] = [int(index) if index else quoted or plain for quoted, index, plain in STEP.findall(path)]
    owners = [
        entry
        for entry in live["metadata"].get("managedFields") or ()
        if not entry["manager"].startswith(_OURS) and _has(entry.get("fieldsV1") or {}, live, steps)
    ]
    if not owners:
        return None
    owner = max(owners, key=lambda entry: str(entry.get("time", "")))
    program = str(owner["manager"])
    fitting = [
        one
        for one in by_hand
        if one.door == owner.get("subresource", "")
        and (program == one.manager or program.startswith(f"{one.manager}-"))
    ]
    if "time" not in owner:  # as it is of what writes by a door of its own: `kubectl scale`
        return Hand(fitting[0].when, program, fitting[0].user) if fitting else Hand(None, program)
    when = datetime.fromisoformat(owner["time"])
    users = {one.user for one in fitting if abs(one.when - when) <= _BESIDE}
    return Hand(when, program, users.pop() if len(users) == 1 else "")


def _has(fields: Mapping[str, Any], value: Any, steps: Sequence[str | int]) -> bool:
    """Whether a path leads to a field of a set, or into one that is set as a whole. value: what is there.

    `f:` is a field, `k:` an item of a list by what tells it from the others, `v:` a value of a set
    (structured-merge-diff, fieldpath).
    """
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return False
            value = value[step]
            inner = next((within for key, within in fields.items() if _is_of(key, value)), None)
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
            inner = fields.get(f"f:{step}")
        if inner is None:
            return False
        if not inner:  # nothing within is told apart
            return True
        fields = inner
    return True


def _is_of(key: str, item: Any) -> bool:
    form, _, told = key.partition(":")
    if form == "k":
        return isinstance(item, Mapping) and json.loads(told).items() <= item.items()
    return form == "v" and json.loads(told) == item


def _live(target: Target, what: Reference) -> dict[str, Any] | None:
    """The object, with who has which of its fields; None where it is gone."""
    kind = f"{what.kind}.{what.version.rpartition('/')[2]}.{what.group}"
    where = ["-n", what.namespace] if what.namespace else []
    told = target.kubectl(
        *("get", kind, what.name, *where, "--ignore-not-found", "--show-managed-fields", "-o", "json")
    )
    live: dict[str, Any] | None = json.loads(told) if told.strip() else None
    return live
