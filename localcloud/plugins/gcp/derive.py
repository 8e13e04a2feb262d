"""What one resource of pulumi-gcp takes and gives, as its Python SDK tells: as a program, with a token, this prints it.

The SDK's classes have the names, the types and what must be given. Their documentation has the rest, in sentences that
are much alike, as they are generated: which values are possible, between which bounds a number lies, what can't be
changed, and how an id is put together (its section "Import"). What is written otherwise there is not found here.
"""

import enum
import importlib
import inspect
import json
import re
import sys
import typing
import warnings
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Final

import pulumi
from pulumi import _types

Spec = dict[str, Any]
PROVIDER: Final = "pulumi:providers:gcp"

_PRIMITIVES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}
_LATER: Final = (Awaitable, pulumi.Output)
# One value of a list of possible ones: `A`, "A", `"A"`, or A in capitals; then what may stand between two.
_VALUE: Final = r"""(?:`"?[\w().-]+"?`|"[\w.-]+"|[A-Z][A-Z0-9_]+\b)"""
_BETWEEN: Final = r"""(?:,?\s+(?:and|or)\s+|,\s*)"""
_VALUES: Final = re.compile(
    rf"(?:[Pp]ossible|[Aa]ccepted|[Vv]alid|[Ss]upported)\s+values(?:\s+are)?:?\s+\[?({_VALUE}(?:{_BETWEEN}{_VALUE})*)\]?"
    r"(?=\.|\s*$|\s*\n|\s+Default)"
)
_WHOLLY_VALUES: Final = re.compile(rf"\s*({_VALUE}(?:{_BETWEEN}{_VALUE})+)\s*\.?\s*")
_BOUNDS: Final = re.compile(r"(?:must be|integer|value)\s+(?:an?\s+integer\s+)?between\s+(\d+)\s+and\s+(\d+)\b")
_SHARE: Final = re.compile(r"must be in \[(\d+), (\d+)\]")
_FIXED: Final = re.compile(
    r"[Cc]hanging this (?:field |value )?(?:forces|will force)|forces (?:a )?(?:new|recreation)|[Ii]mmutable\b"
    r"|(?:may not|can ?not|can't) be (?:changed|updated|modified)|only at resource\s+creation"
)
_NOT_ALWAYS: Final = re.compile(r"first time the subnet|unless|immutable_tags|other time", re.IGNORECASE)


def derive(token: str) -> Spec:
    """What the resource of this token takes and gives."""
    resource, module = _find(token)
    arguments = next(found for name in module.__all__ if _types.is_input_type(found := getattr(module, name)))
    types: dict[str, Spec] = {}
    return {
        "inputs": _properties(arguments, types),
        "outputs": sorted(name for name in _types.resource_types(resource) if name not in ("id", "urn")),
        "types": types,
        "id": _id("".join(inspect.getdoc(each) or "" for each in _overloads(resource))),
    }


def _overloads(resource: type) -> Sequence[Any]:
    """The forms of a resource's constructor, whose documentation is the resource's."""
    return typing.get_overloads(vars(resource)["__init__"])


def _find(token: str) -> tuple[type, ModuleType]:
    """The class. `gcp:compute/subnetwork:Subnetwork` is in pulumi_gcp/compute, in a file whose name no rule gives."""
    _, place, name = token.split(":")
    if token == PROVIDER:
        package, name = "pulumi_gcp", "Provider"
    else:
        package = f"pulumi_gcp.{place.partition('/')[0]}"
    found = getattr(importlib.import_module(package), name)
    return found, sys.modules[found.__module__]


def _properties(described: Any, types: dict[str, Spec]) -> Spec:
    names = _types.input_type_py_to_pulumi_names(described)
    parameters = inspect.signature(described.__init__).parameters
    said = dict(_parameters(inspect.getdoc(described.__init__) or ""))
    properties: Spec = {}
    for name, hint in _types.input_type_types(described).items():
        python = next(each for each, wired in names.items() if wired == name)
        found = _type(hint, types)
        found |= _documented(said.get(python, ""), found)
        if parameters[python].default is inspect.Parameter.empty:
            found["required"] = True
        properties[name] = found
    return properties


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    """Each parameter and what is said of it. What follows a blank line and an anchor belongs to another."""
    for part in re.split(r"^:param ", text, flags=re.MULTILINE)[1:]:
        head, _, said = part.partition(": ")
        yield head.rpartition(" ")[2], said.partition("<a name=")[0]


def _documented(said: str, of: Spec) -> Spec:
    found: Spec = {}
    scalar = of.get("items", of).get("type")
    if scalar == "string" and (values := _values(said)):
        found["values"] = values
    bounds = _BOUNDS.search(said) or _SHARE.search(said)
    if scalar in ("integer", "number") and bounds:
        found["bounds"] = [int(bounds[1]), int(bounds[2])]
    if _FIXED.search(said) and not _NOT_ALWAYS.search(said):
        found["fixed"] = True
    return found


def _values(said: str) -> list[str]:
    lists = _VALUES.findall(said) or _WHOLLY_VALUES.findall(said if _WHOLLY_VALUES.fullmatch(said) else "")
    found = [value.strip('`"') for text in lists for value in re.findall(_VALUE, text)]
    return list(dict.fromkeys(found))


def _type(hint: Any, types: dict[str, Spec]) -> Spec:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PRIMITIVES:
        return {"type": _PRIMITIVES[hint]}
    if origin in (typing.Union, UnionType):
        given = [each for each in arguments if each is not NoneType and typing.get_origin(each) not in _LATER]
        found = [_type(each, types) for each in given]
        distinct = [each for number, each in enumerate(found) if each not in found[:number]]
        return distinct[0] if len(distinct) == 1 else {"type": "any"}
    if origin in (list, Sequence):
        return {"type": "array", "items": _type(arguments[0], types)}
    if origin in (dict, Mapping):
        return {"type": "map", "items": _type(arguments[1], types)}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return {"type": "string"}
    if inspect.isclass(hint) and _types.is_input_type(hint):
        name = hint.__name__.removesuffix("Args")
        if name not in types:
            types[name] = {}  # it may refer to itself
            types[name] = _properties(hint, types)
        return {"type": "object", "of": name}
    return {"type": "any"}


def _id(documentation: str) -> str:
    """The longest form of an id that `pulumi import` takes, its parts in braces."""
    forms = documentation.partition("## Import")[2]
    found = re.search(r"^\s*\* `?(\S*\{\{\w+\}\}[^`\s]*)", forms, re.MULTILINE)
    return re.sub(r"\{(\{\w+\})\}", r"\1", found[1]) if found else ""


def main() -> None:
    """Print what is derived for each token that the arguments name."""
    warnings.simplefilter("ignore")  # of deprecated classes, which nobody here uses
    json.dump({token: derive(token) for token in sys.argv[1:]}, sys.stdout)


if __name__ == "__main__":
    sys.path[:] = [folder for folder in sys.path if Path(folder) != Path(__file__).parent]
    main()
