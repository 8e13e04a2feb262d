"""Programs with one thing changed in what they made: a test of a check cuts something and sees it found."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.unit.recording import Made, Recording

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that holds no other, and where it is."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def changed(one: Made, path: Path, value: Any) -> Made:
    """The same resource with another value at a path. Only what leads there is copied."""
    inputs = dict(one.inputs)
    holder: Any = inputs
    for step in path[:-1]:
        holder[step] = copy.copy(holder[step])
        holder = holder[step]
    holder[path[-1]] = value
    return replace(one, inputs=inputs)


def with_(recording: Recording, *others: Made) -> Recording:
    """The same program, with these in place of those of the same URN."""
    instead = {one.urn: one for one in others}
    made = [instead.get(one.urn, one) for one in recording.made]
    return Recording(made, recording.outputs, recording.registered_outputs)
