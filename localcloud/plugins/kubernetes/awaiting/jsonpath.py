"""The part of kubectl's JSONPath that conditions are written in: `{.status.nodes[?(@.kind=="leader")].name}`.

Fields, quoted fields, indexes from either end, `[*]` and filters by equality. No unions, slices or recursive descent.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from localcloud.plugins.provider import Failed

Step = Callable[[Any], Iterator[Any]]
Path = tuple[Step, ...]

_STEP: Final = re.compile(
    r"""
    \.(?P<field>[A-Za-z0-9_\-]+(?:\\.[A-Za-z0-9_\-/]+)*)   # .name, with \. for a dot in it
    | \[(?P<quoted>'[^']*'|"[^"]*")\]                      # ['name']
    | \[(?P<index>-?\d+)\]
    | (?P<every>\[\*\]|\.\*)
    | \[\?\(@\.(?P<left>[A-Za-z0-9_.\-]+)\s*(?P<operator>==|!=)\s*(?P<right>'[^']*'|"[^"]*"|[^)\s]+)\)\]
    """,
    re.VERBOSE,
)


def parse(text: str) -> Path:
    """Read an expression in braces."""
    if not (text.startswith("{") and text.endswith("}")):
        raise Failed(f"the JSONPath {text!r} must stand in braces, as in {{.status.phase}}")
    body = text[1:-1].strip().removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(body):
        found = _STEP.match(body, at)
        if not found:
            raise Failed(f"the JSONPath {text!r} can't be read from {body[at:]!r} on")
        steps.append(_step(found))
        at = found.end()
    return tuple(steps)


def values(path: Path, item: Any) -> list[Any]:
    """Every value that the path leads to; none where it leads nowhere."""
    found = [item]
    for step in path:
        found = [value for one in found for value in step(one)]
    return [value for value in found if value is not None]


def _step(found: re.Match[str]) -> Step:
    if found["field"]:
        return _field(found["field"].replace("\\.", "."))
    if found["quoted"]:
        return _field(found["quoted"][1:-1])
    if found["index"]:
        return _index(int(found["index"]))
    if found["every"]:
        return _every
    return _filter(found["left"], found["operator"] == "==", found["right"].strip("'\""))


def _field(name: str) -> Step:
    def step(item: Any) -> Iterator[Any]:
        if isinstance(item, Mapping) and name in item:
            yield item[name]

    return step


def _index(position: int) -> Step:
    def step(item: Any) -> Iterator[Any]:
        if isinstance(item, list) and -len(item) <= position < len(item):
            yield item[position]

    return step


def _every(item: Any) -> Iterator[Any]:
    if isinstance(item, Mapping):
        yield from item.values()
    elif isinstance(item, list):
        yield from item


def _filter(left: str, equal: bool, right: str) -> Step:
    inner = parse(f"{{.{left}}}")

    def step(item: Any) -> Iterator[Any]:
        for one in item if isinstance(item, list) else ():
            found = values(inner, one)
            text = "" if not found else str(found[0]).lower() if isinstance(found[0], bool) else str(found[0])
            if (text == right) == equal:
                yield one

    return step
