"""Adds to a resource what rules say is missing, in the engine's own form.

Nothing is read and written anew, because rules see no secrets and no assets: what was there goes back as it came, to
the byte. Nothing that is there is replaced, and nothing is entered that can't be seen.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf import struct_pb2

from policies.rules import Addition

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"  # the key of what is more than plain JSON, secrets foremost


def mended(properties: struct_pb2.Struct, additions: Iterable[Addition]) -> struct_pb2.Struct:
    """The same with what can be added. It is equal to what was given where nothing can."""
    result = struct_pb2.Value()
    result.struct_value.CopyFrom(properties)
    for path, value in additions:
        _add(result, path, value)
    return result.struct_value


def _add(place: struct_pb2.Value, path: Sequence[str | int], value: Any) -> None:
    if not path:
        if _is_empty(place):
            place.CopyFrom(_value(value))
        return
    step, *rest = path
    if isinstance(step, int):
        if step < len(place.list_value.values):
            _add(place.list_value.values[step], rest, value)
    elif _is_empty(place) or (place.HasField("struct_value") and SIGNATURE not in place.struct_value.fields):
        _add(place.struct_value.fields[step], rest, value)


def _is_empty(place: struct_pb2.Value) -> bool:
    return place.WhichOneof("kind") in {None, "null_value"}


def _value(value: Any) -> struct_pb2.Value:
    made = struct_pb2.Struct()
    made.update({"": value})
    return made.fields[""]
