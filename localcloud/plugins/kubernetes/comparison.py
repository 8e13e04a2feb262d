"""What an update would change, and what has changed behind our back.

A preview compares inputs with inputs: what the API server added is not the program's business, and how it spells things
(`0.5` or `500m`, a `false` that it leaves out) is no change. Drift shows all the same, after a refresh: the refresh
writes what it finds into the inputs, but only where the live object differs from what it was when we last wrote it.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from localcloud.plugins.changes import Change, Kind, path_of
from localcloud.plugins.kubernetes.objects import ObjectKind
from localcloud.plugins.kubernetes.quantities import same_quantity
from localcloud.plugins.kubernetes.replacement import Path, Pattern, touches
from localcloud.plugins.values import Values, has_unknown

_MISSING: Final = object()

# Items of a list are the same item when they agree in these; an item that another client adds moves nothing.
_KEYS: Final = ("name", "key", "containerPort", "port", "mountPath", "ip", "topologyKey", "type", "uid")


def changes(old: Mapping[str, Any], new: Mapping[str, Any], replacing: Sequence[Pattern]) -> dict[str, Change]:
    """The changes from old inputs to new ones, by property path. An unknown value counts as changed."""
    content = _content(new) if new.get("kind") == "Secret" else None
    same_content = content is not None and content == _content(old)
    quantities = ObjectKind(str(new.get("apiVersion", "")), "").built_in
    return {
        path_of(*path): Change(kind, replace=touches(path, before if after is None else after, replacing))
        for path, kind, before, after in _differences((), old, new)
        if not (same_content and path[0] in {"data", "stringData"})
        and not (quantities and same_quantity(path, before, after))
    }


def _content(secret: Mapping[str, Any]) -> Values | None:
    """What a Secret holds, however it was given; None where that isn't known yet."""
    data, strings = (secret.get(key) or {} for key in ("data", "stringData"))
    if has_unknown([data, strings]) or not (isinstance(data, Mapping) and isinstance(strings, Mapping)):
        return None
    return {**data, **{key: base64.b64encode(str(text).encode()).decode() for key, text in strings.items()}}


def _differences(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, Kind, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences((*path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _differences((*path, index), before, after)
    elif old is None and new is not None:
        yield path, Kind.ADD, old, new
    elif old is not None and new is None:
        yield path, Kind.DELETE, old, new
    elif not _same(old, new):
        yield path, Kind.UPDATE, old, new


def _same(old: Any, new: Any) -> bool:
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)  # True == 1, but not here


def inputs_of(live: Mapping[str, Any], kind: ObjectKind) -> Values:
    """The inputs that would make an object that no program has described yet: all that isn't the server's own."""
    found = {key: value for key, value in live.items() if key != "status"}
    metadata = dict(live.get("metadata") or {})
    for key in ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"):
        metadata.pop(key, None)
    annotations = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if key not in {"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"}
    }
    if annotations:
        metadata["annotations"] = annotations
    return {**found, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def drifted(inputs: Mapping[str, Any], before: Mapping[str, Any], live: Mapping[str, Any]) -> Values:
    """The inputs as the live object has them now; `before` is the object as it was when we last wrote or read it."""
    found = _drifted(inputs, before, live)
    plain: Values = {} if found is _MISSING else found
    if inputs.get("kind") == "Secret" and isinstance(inputs.get("stringData"), Mapping):
        plain["stringData"] = _drifted_strings(inputs["stringData"], before.get("data"), live.get("data"))
    return plain


def _drifted(given: Any, before: Any, live: Any) -> Any:
    if live == before:
        return given
    if isinstance(given, Mapping) and isinstance(live, Mapping):
        before = before if isinstance(before, Mapping) else {}
        items = {
            key: _drifted(value, before.get(key, _MISSING), live.get(key, _MISSING)) for key, value in given.items()
        }
        return {key: value for key, value in items.items() if value is not _MISSING}
    if isinstance(given, list) and isinstance(live, list) and isinstance(before, list):
        return _drifted_list(given, before, live)
    return live


def _drifted_list(given: list[Any], before: list[Any], live: list[Any]) -> list[Any]:
    key = _key_of(given, before, live)
    if key is None:
        return (
            live
            if len(given) != len(live) or len(before) != len(live)
            else [_drifted(*triple) for triple in zip(given, before, live, strict=True)]
        )
    old, now = ({item[key]: item for item in items} for items in (before, live))
    kept = [_drifted(item, old.get(item[key], _MISSING), now.get(item[key], _MISSING)) for item in given]
    return [item for item in kept if item is not _MISSING]


def _key_of(*lists: list[Any]) -> str | None:
    """The field by which the items of all these lists can be told apart."""
    if not all(isinstance(item, Mapping) for items in lists for item in items):
        return None
    for key in _KEYS:
        values = [[item.get(key) for item in items] for items in lists]
        if all(None not in found and len({str(one) for one in found}) == len(found) for found in values):
            return key
    return None


def _drifted_strings(strings: Mapping[str, Any], before: Any, live: Any) -> Values:
    """`stringData` is written and never read: what became of it is in `data`."""
    before, live = (item if isinstance(item, Mapping) else {} for item in (before, live))
    found: Values = {}
    for key, value in strings.items():
        if before.get(key) == live.get(key):
            found[key] = value
        elif key in live:
            found[key] = _decoded(live[key])
    return found


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, UnicodeDecodeError):
        return data
