"""What an update changed: two states compared, field by field. The value of a secret is never shown.

Each update encrypts every secret of the state anew, so that a state doesn't tell whether one has changed; the checksum
among the annotations of the pods that mount it does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]
SECRET: Final = "(secret)"  # noqa: S105  what stands for one
_MARK: Final = "4dabf18193072939515e22adb298388d"
_LONGEST: Final = 120  # characters of a value


@dataclass(frozen=True)
class Field:
    """A value that changed; None where there was none, or is none any more."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Changed:
    """A resource that was created, updated, replaced or deleted."""

    operation: str
    kind: str
    name: str
    fields: tuple[Field, ...] = ()


def changed(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[Changed]:
    """What became of each resource between two states."""
    found = [Changed("deleted", *_named(urn)) for urn in before if urn not in after]
    for urn, resource in after.items():
        old = before.get(urn)
        if old is resource:
            continue
        kind, name = _named(urn)
        if old is None:
            found.append(Changed("created", kind, name))
            continue
        fields = tuple(differences(old.get("inputs") or {}, resource.get("inputs") or {}, hidden=kind == "Secret"))
        if old.get("id") != resource.get("id"):
            found.append(Changed("replaced", kind, name, fields))
        elif fields:
            found.append(Changed("updated", kind, name, fields))
    return sorted(found, key=lambda each: (each.operation, each.kind, each.name))


def differences(before: Any, after: Any, path: str = "", *, hidden: bool = False) -> Iterator[Field]:
    """Every leaf that differs."""
    if before == after or (_sealed(before) and _sealed(after)):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and not (secret(before) or secret(after)):
        for key in sorted({*before, *after}):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(before.get(key), after.get(key), inner, hidden=hidden)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{index}]", hidden=hidden)
    else:
        yield Field(path, _text(before, hidden=hidden), _text(after, hidden=hidden))


def secret(value: Any) -> bool:
    """Whether a value is one that the state, or the configuration, has encrypted."""
    return _sealed(value) or (isinstance(value, Mapping) and value.keys() == {"secure"})


def _sealed(value: Any) -> bool:
    return isinstance(value, Mapping) and _MARK in value


def _text(value: Any, *, hidden: bool) -> str | None:
    if value is None:
        return None
    if hidden or _holds_secret(value):
        return SECRET
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _holds_secret(value: Any) -> bool:
    if secret(value):
        return True
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_holds_secret(one) for one in inner)


def _named(urn: str) -> tuple[str, str]:
    types, _, name = urn.split("::", 2)[2].partition("::")
    return types.rpartition("$")[2].rpartition(":")[2], name
