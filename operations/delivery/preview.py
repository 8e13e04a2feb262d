"""What an update would do, from `pulumi preview --json`: each resource once, what can't be undone before all else."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from operations.delivery.target import Target
from policies.rules import Resource

SECRET: Final = "[secret]"  # noqa: S105  as the engine writes it
LATER: Final = "(known afterwards)"
SIGNS: Final = {"create": "+", "update": "~", "delete": "-", "replace": "+-", "read": ">", "import": "="}
# Lost or out of service when they are replaced or deleted, and what is in them with them.
_STATEFUL: Final = re.compile(
    r"(StatefulSet|PersistentVolumeClaim|PersistentVolume|Namespace|StorageClass|VolumeSnapshot|CustomResourceDefinition"
    r"|Bucket|BucketIAM.*|CryptoKey|KeyRing|Cluster|Repository|Secret|SecretVersion|RandomPassword|PrivateKey)$"
)
_HARMLESS: Final = frozenset({"same", "create", "update", "read", "refresh", "import"})
KEPT: Final = frozenset({"same", "create", "update", "replace", "import"})  # what is there afterwards
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what the engine writes for a value to come
_SIGNED: Final = "4dabf18193072939515e22adb298388d"  # the key of what is more than plain JSON, secrets foremost
STEP: Final = re.compile(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)')
_LONGEST: Final = 400  # characters of one value
_EVENTS: Final = {"PULUMI_DEBUG_COMMANDS": "true"}  # without it there is no --event-log, as Pulumi's own SDKs know
_FAILED: Final = "error: preview failed"  # where rules are broken, the engine's JSON has no more than this
_COLOUR: Final = re.compile(r"<\{%[^%]*%\}>")


@dataclass(frozen=True)
class Difference:
    """One field. before, after: as text, None where there was or will be none; secrets are masked."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Reference:
    """An object of the cluster. version: with its group, `apps/v1`. namespace: empty for one of the whole cluster."""

    version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        return self.version.rpartition("/")[0]


@dataclass(frozen=True)
class Change:
    """What happens to one resource.

    component: what it belongs to, like `app`. stateful: people's data or identities go with it.
    because: the fields for which it is replaced. reference: None for what is no object of the cluster.
    """

    operation: str
    component: str
    kind: str
    name: str
    stateful: bool
    because: tuple[str, ...]
    differences: tuple[Difference, ...]
    reference: Reference | None = None

    @property
    def grave(self) -> bool:
        """Something goes that was there."""
        return self.operation not in _HARMLESS

    @property
    def needs_consent(self) -> bool:
        return self.grave and self.stateful


@dataclass(frozen=True)
class Preview:
    """All that would change, what is unchanged in number alone, and what went wrong on the way.

    before, after: every resource that there is and will be. mended: what rules added to it, rule and resource.
    """

    changes: Sequence[Change]
    unchanged: int
    errors: Sequence[str]
    before: Sequence[Resource] = ()
    after: Sequence[Resource] = ()
    mended: Sequence[str] = ()

    @classmethod
    def of_stack(cls, target: Target, *options: str) -> "Preview":
        """Ask the engine. A preview that fails is one with errors."""
        return cls.answered(*asked(target, "--show-sames", *options))

    @classmethod
    def answered(cls, done: subprocess.CompletedProcess[str], events: str) -> "Preview":
        """From the engine's answer and its log of events, which alone has what rules found and mended."""
        try:
            preview = cls.of(done.stdout)
        except ValueError:  # it never came to the stack: no login, no passphrase, a lock
            return cls((), 0, (f"{done.stderr.strip()}\n{done.stdout.strip()}".strip(),))
        preview = replace(preview, mended=mended(events))
        if broken := broken_rules(events):
            preview = replace(preview, errors=(*broken, *(one for one in preview.errors if one != _FAILED)))
        return preview if done.returncode == 0 or preview.errors else replace(preview, errors=(done.stderr.strip(),))

    @classmethod
    def of(cls, text: str) -> "Preview":
        """From what `pulumi preview --json --show-sames` printed."""
        told = json.loads(text)
        steps = told.get("steps", [])
        changes = [_change(step) for step in steps if step["op"] not in {"same", "refresh"}]
        changes.sort(key=lambda each: (not each.needs_consent, not each.grave, each.component, each.kind, each.name))
        errors = [each["message"].strip() for each in told.get("diagnostics", []) if each["severity"] == "error"]
        unchanged = told.get("changeSummary", {}).get("same", 0)
        return cls(changes, unchanged, errors, _standing(steps, "oldState"), resources_after(steps))

    @property
    def summary(self) -> str:
        """`2 replaced, 7 updated`."""
        counts: dict[str, int] = {}
        for change in self.changes:
            counts[change.operation] = counts.get(change.operation, 0) + 1
        return ", ".join(f"{count} to {operation}" for operation, count in sorted(counts.items())) or "no changes"

    def by_component(self) -> Mapping[str, Sequence[Change]]:
        """The changes that take nothing away."""
        groups: dict[str, list[Change]] = {}
        for change in self.changes:
            if not change.grave:
                groups.setdefault(change.component, []).append(change)
        return dict(sorted(groups.items()))


def asked(target: Target, *options: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """What `pulumi preview --json` answers, and its log of events."""
    with tempfile.NamedTemporaryFile() as events:
        done = subprocess.run(
            target.pulumi_command("preview", "--json", f"--event-log={events.name}", *options),
            env={**target.environment(), **_EVENTS},
            cwd=target.checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, events.read().decode()


def resources_after(steps: Sequence[Mapping[str, Any]]) -> list[Resource]:
    """Every resource that there will be, from the steps of a preview with those that stay the same."""
    return _standing([step for step in steps if step["op"] in KEPT], "newState")


def _standing(steps: Sequence[Mapping[str, Any]], state: str) -> list[Resource]:
    return [
        Resource(
            urn=step["urn"],
            type=step["urn"].split("::")[2].rpartition("$")[2],
            name=step["urn"].rpartition("::")[2],
            props=found.get("inputs") or {},
        )
        for step in steps
        if (found := step.get(state))
    ]


def broken_rules(events: str) -> list[str]:
    """What rules forbid, which the engine leaves out of its JSON: from its log of events, one a line."""
    return [
        f"{event['policyName']}: {_named(event)} {_COLOUR.sub('', event['message']).strip()}"
        for event in _events(events, "policyEvent")
        if event["enforcementLevel"] == "mandatory"
    ]


def mended(events: str) -> list[str]:
    """What rules added, which the engine leaves out as well."""
    return [f"{event['policyName']}: {_named(event)}" for event in _events(events, "policyRemediationEvent")]


def _events(events: str, kind: str) -> Iterator[Mapping[str, Any]]:
    yield from filter(None, (json.loads(line).get(kind) for line in events.splitlines()))


def _named(event: Mapping[str, Any]) -> str:
    return str(event["resourceUrn"].rpartition("::")[2])


def _change(step: Mapping[str, Any]) -> Change:
    types, _, name = step["urn"].split("::", 2)[2].partition("::")
    chain = types.split("$")
    kind = chain[-1]
    return Change(
        operation=step["op"],
        component=next((part.split(":")[1] for part in chain[1:-1] if part.startswith("vision-week:")), "stack"),
        kind=kind.rpartition(":")[2],
        name=name,
        stateful=bool(_STATEFUL.search(kind)),
        because=tuple(step.get("replaceReasons") or ()),
        differences=tuple(_differences(step, hidden=kind.endswith(":Secret"))),
        reference=_reference(step) if kind.startswith("kubernetes:") else None,
    )


def _reference(step: Mapping[str, Any]) -> Reference | None:
    inputs = (step.get("oldState") or step.get("newState") or {}).get("inputs") or {}
    about = inputs.get("metadata") or {}
    if not all(isinstance(one, str) for one in (inputs.get("apiVersion"), inputs.get("kind"), about.get("name"))):
        return None
    return Reference(inputs["apiVersion"], inputs["kind"], about.get("namespace", ""), about["name"])


def _differences(step: Mapping[str, Any], *, hidden: bool) -> Iterator[Difference]:
    old = (step.get("oldState") or {}).get("inputs") or {}
    new = (step.get("newState") or {}).get("inputs") or {}
    for path in sorted(step.get("detailedDiff") or {}):
        before, after = _text(_at(old, path), hidden=hidden), _text(_at(new, path), hidden=hidden)
        if before is None and after is None:  # it is the provider's own, and says nothing to people
            continue
        yield Difference(path, before, after)


def _at(value: Any, path: str) -> Any:
    for quoted, index, plain in STEP.findall(path):
        try:
            value = value[int(index)] if index else value[quoted or plain]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _text(value: Any, *, hidden: bool) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    if hidden or SECRET in text or _SIGNED in text:
        return SECRET
    text = text.replace(UNKNOWN, LATER)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … {len(text) - _LONGEST} more characters"
