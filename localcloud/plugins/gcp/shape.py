"""What pulumi-gcp's own types say of inputs: names, types, what must be given, possible values, bounds.

Nothing here is written for one kind of resource: all of it is derived from the installed SDK (`derive`), once for each
version, and kept.
"""

import difflib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from localcloud import files, paths
from localcloud.plugins.changes import path_of
from localcloud.plugins.values import Unknown
from localcloud.problem import Problem

_DERIVE: Final = Path(__file__).with_name("derive.py")
_OF: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "map": (dict,),
    "object": (dict,),
}
_WORDS: Final = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "map": "a map",
    "object": "a map",
}
Shape = Mapping[str, Any]
Fault = tuple[str, str]


@cache
def shapes(version: str, tokens: tuple[str, ...]) -> Mapping[str, Shape]:
    """By token: what `derive` says.

    Raises `Problem` when the SDK isn't installed.
    """
    by = hashlib.sha256(_DERIVE.read_bytes() + " ".join(tokens).encode()).hexdigest()[:16]
    kept = paths.cache() / "schemas" / f"gcp-inputs-{version}-{by}.json"
    if not kept.exists():
        command = [sys.executable, "-P", str(_DERIVE), *tokens]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(
                f"What pulumi-gcp {version} takes can't be derived from its Python SDK:\n{done.stderr.strip()}",
                "Install the packages of requirements.txt for the Python that runs the local cloud.",
            )
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.write(kept, done.stdout)
    return dict(json.loads(kept.read_text()))


def faults(shape: Shape, inputs: Mapping[str, Any]) -> list[Fault]:
    """Everything that the types refuse, each with its path. What isn't known yet is let through."""
    return list(_of_properties(shape, shape["inputs"], inputs, ()))


def _of_properties(
    shape: Shape, properties: Shape, given: Mapping[str, Any], keys: tuple[str | int, ...]
) -> Iterator[Fault]:
    for name, described in properties.items():
        if described.get("required") and given.get(name) is None:
            yield path_of(*keys, name), "it is required, and missing"
    for name, value in given.items():
        if name.startswith("__"):
            continue
        if name not in properties:
            near = difflib.get_close_matches(name, properties, n=1)
            yield path_of(*keys, name), "pulumi-gcp knows no such property" + (f": {near[0]}?" if near else "")
        elif value is not None:
            yield from _of_value(shape, properties[name], value, (*keys, name))


def _of_value(shape: Shape, described: Shape, value: Any, keys: tuple[str | int, ...]) -> Iterator[Fault]:
    kind = described["type"]
    if isinstance(value, Unknown) or kind == "any":
        return
    if not _is(kind, value):
        yield path_of(*keys), f"{value!r} is not {_WORDS[kind]}"
    elif kind == "object":
        yield from _of_properties(shape, shape["types"][described["of"]], value, keys)
    elif kind == "array":
        for number, item in enumerate(value):
            yield from _of_value(shape, _item(described), item, (*keys, number))
    elif kind == "map":
        for key, item in value.items():
            yield from _of_value(shape, described["items"], item, (*keys, key))
    elif "values" in described and value not in described["values"]:
        yield path_of(*keys), f"{value!r} is none of {_joined(described['values'])}"
    elif "bounds" in described and not described["bounds"][0] <= value <= described["bounds"][1]:
        yield path_of(*keys), f"{value} is not between {described['bounds'][0]} and {described['bounds'][1]}"


def _is(kind: str, value: Any) -> bool:
    """In Python every bool is an int."""
    return isinstance(value, _OF[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _item(described: Shape) -> Shape:
    """Possible values that are written of a list are those of its items."""
    return {**described["items"], **{name: described[name] for name in ("values", "bounds") if name in described}}


def _joined(values: Sequence[str]) -> str:
    return ", ".join(values)


def fixed(shape: Shape, path: str) -> bool:
    """Whether the documentation says of a changed property, or of what it lies in, that it can't be changed."""
    properties = shape["inputs"]
    for part in path.replace("[", ".[").split("."):
        if part.startswith("["):
            continue
        described = properties.get(part)
        if described is None:
            return False
        if described.get("fixed"):
            return True
        within = described.get("items", described)
        properties = shape["types"].get(within.get("of"), {})
    return False
