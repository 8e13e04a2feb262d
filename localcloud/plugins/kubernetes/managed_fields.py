"""Who owns which field of an object: the API server's record, and how it is set right.

A field that the program removes goes only if nobody else owns it. An object that was made by kubectl, or by a client
that applied on its own side, has such an owner in each field; so before the first update their fields become ours. To
the API server one name that once updated and once applied is two owners.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

_TAKEN_OVER: Final = frozenset(
    {
        ("kubectl", "Apply"),
        ("kubectl", "Update"),
        ("before-first-apply", "Update"),
        ("pulumi-kubernetes", "Update"),
        ("pulumi-resource-kubernetes", "Update"),
    }
)


def owned_by(live: Mapping[str, Any], manager: str) -> bool:
    """Whether this manager made the object or part of it."""
    return any(entry.get("manager") == manager for entry in _entries(live))


def ownership_patch(live: Mapping[str, Any], manager: str, former: str = "") -> list[dict[str, Any]]:
    """A JSON patch that makes `manager` the applier of what it or kubectl wrote; empty where it is so already.

    former: the manager that the resource had before, if it has another one now.
    """
    ours: dict[str, Any] | None = None
    others: list[Mapping[str, Any]] = []
    changed = False
    for entry in _entries(live):
        key = (entry.get("manager", ""), entry.get("operation", ""))
        if entry.get("subresource"):
            others.append(entry)
        elif key == (manager, "Apply"):
            ours = _joined(ours, entry)
        elif key in _TAKEN_OVER or key == (manager, "Update") or (former and key[0] == former):
            ours = _joined(ours, entry)
            changed = True
        else:
            others.append(entry)
    if not changed or ours is None:
        return []
    entries = [{**ours, "manager": manager, "operation": "Apply"}, *others]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        # Refused when the object has changed since: the entries would be wrong.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]


def owners(live: Mapping[str, Any], path: Iterable[str]) -> set[str]:
    """The managers that own the field at a path of keys."""
    keys = [f"f:{key}" for key in path]
    return {
        entry.get("manager", "")
        for entry in _entries(live)
        if not entry.get("subresource") and _has(entry.get("fieldsV1") or {}, keys)
    }


def _entries(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (live.get("metadata") or {}).get("managedFields") or []


def _joined(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    if one is None:
        return dict(other)
    return {**one, "fieldsV1": _union(one.get("fieldsV1") or {}, other.get("fieldsV1") or {})}


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: _union(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **both}


def _has(fields: Mapping[str, Any], keys: list[str]) -> bool:
    if not keys:
        return True
    return keys[0] in fields and _has(fields[keys[0]], keys[1:])
