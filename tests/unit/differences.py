"""Where two values differ, by path."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each path at which two values differ, with what the second one has there; JSON in a text is looked into."""
    if before == after:
        return
    before, after = _opened(before), _opened(after)
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield path, after
        return
    for key in sorted({**before, **after}, key=str):
        yield from differences(before.get(key), after.get(key), f"{path}.{key}".removeprefix("."))


def parsed(value: Any) -> Any:
    """What a text of JSON says; any other value as it is."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _opened(value: Any) -> Any:
    """A list as a mapping: by its elements' names where all have one, else by number."""
    value = parsed(value)
    if not isinstance(value, list):
        return value
    names = [element.get("name") if isinstance(element, Mapping) else None for element in value]
    if value and all(names) and len(set(names)) == len(names):
        return dict(zip(names, value, strict=True))
    return dict(enumerate(value))
