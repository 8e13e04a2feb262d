"""Nested values as text for people: on one line where they fit, in a fixed order, nothing ambiguous."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 116
_INDENT = "    "
_LOOKS_OTHERWISE = re.compile(r"|true|false|null|[-\d.]+|.*(: |, ).*|[\[{\"].*", re.DOTALL)


class Summary(str):
    """A text that stands for a value: printed as it is."""

    __slots__ = ()


def lines(key: str, value: Any, indent: str = _INDENT) -> Iterator[str]:
    """`key: value`, over several lines where one is too short."""
    line = f"{indent}{key}: {flow(value)}"
    if isinstance(value, str) and "\n" in value:
        yield f"{indent}{key}: |"
        yield from (f"{indent}{_INDENT}{text}".rstrip() for text in value.splitlines())
    elif len(line) <= WIDTH or not isinstance(value, Mapping | list):
        yield line
    else:
        yield f"{indent}{key}:"
        items = sorted(value.items()) if isinstance(value, Mapping) else enumerate(value, 1)
        for inner, item in items:
            yield from lines(str(inner), item, indent + _INDENT)


def flow(value: Any) -> str:
    """A value on one line. A text that would read as something else is quoted."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in sorted(value.items())) + "}"
        case list():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case Summary():
            return str(value)
        case str() if not _LOOKS_OTHERWISE.fullmatch(value):
            return value
        case _:
            return json.dumps(value)
