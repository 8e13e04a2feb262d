"""Writes what is known of the settings for people and for their editors: `make settings`.

`docs/settings.md` is the page that one reads; `docs/settings.schema.json` is what an editor completes and checks the
stack files by. Both are made from the models and the texts below their fields; a test says when they are not current.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.demands import DEMANDS
from components.fields import flavours, models_in, walk, words
from components.settings import Settings
from components.stack_file import NAMESPACE
from components.values import LATER, WORDS, Format

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "settings.md"
SCHEMA = CHECKOUT / "docs" / "settings.schema.json"


def main() -> None:
    PAGE.write_text(page())
    SCHEMA.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")


# --- the page

_INTRODUCTION = """\
# Settings

Everything that a stack's file may say. `make settings` writes this page from `components/settings`; edit the text below
the field there.

A stack file holds what differs from the defaults, which are production's. Keys begin with `vision-week:`; below them
`a.b` is a key in a group, as `pulumi config set --path vision-week:a.b VALUE` takes it. A setting without a default is
required. *Not built yet* marks what is checked but has no effect so far: the program refuses a stack that gives it, and
what is on by default has to be switched off. In brackets stands what asks for the setting: a section of the
specification, a service level, the design or a decision.

Sizes and cores are written as Kubernetes writes them, times of day in UTC. YAML takes `010`, `1e3`, `on`, `2027-01-31`
and their like for something else than they look like; they are refused with what to write instead.
"""


def page() -> str:
    """The page, as Markdown."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    yield from _section("The stack", Settings, scalars=True)
    for name, info in Settings.model_fields.items():
        variants = models_in(info.annotation)
        for model in variants:
            chosen = f": `flavour: {flavours(model)[0]}`" if len(variants) > 1 else ""
            yield from _section(f"{NAMESPACE}:{name}{chosen}", model, later=LATER in info.metadata)
    yield "## Groups\n\nThese stand in several places, or in lists.\n"
    for model in _groups():
        yield from _section(model.__name__, model, level=3)
    yield from _purposes()


@cache
def _groups() -> Sequence[type[BaseModel]]:
    """Models that are told of apart from where they are used: in several places, in lists, or perhaps not at all."""
    places: dict[type[BaseModel], set[tuple[type[BaseModel], str]]] = {}
    apart = set()
    for field in walk():
        for model in models_in(field.info.annotation):
            places.setdefault(model, set()).add((field.model, field.name))
            if get_origin(field.info.annotation) is tuple or NoneType in get_args(field.info.annotation):
                apart.add(model)
    return [model for model, used in places.items() if len(used) > 1 or model in apart]


def _section(
    title: str, model: type[BaseModel], *, level: int = 2, scalars: bool = False, later: bool = False
) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    yield " ".join((model.__doc__ or "").split()) + (" *Not built yet.*" if later else "") + "\n"
    yield "| setting | default | may be | what it is |\n|---|---|---|---|"
    for path, info, owner in _rows(model, scalars=scalars):
        told = words(owner)[path.rpartition(".")[2]] + (
            " *Not built yet.*" if LATER in info.metadata and not later else ""
        )
        yield f"| `{path}` | {_default(info)} | {_cell(_may_be(info.annotation, info.metadata))} | {_cell(told)} |"
    yield ""


def _rows(
    model: type[BaseModel], path: str = "", *, scalars: bool = False
) -> Iterator[tuple[str, FieldInfo, type[BaseModel]]]:
    """The fields of a model, those of models that only it uses among them."""
    for name, info in model.model_fields.items():
        inner = models_in(info.annotation)
        if scalars and inner:
            continue
        if len(inner) == 1 and inner[0] not in _groups():
            if LATER in info.metadata:
                yield f"{path}{name}", info, model
            yield from _rows(inner[0], f"{path}{name}.")
        else:
            yield f"{path}{name}", info, model


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
        if len(models_in(info.annotation)) == 1 and models_in(info.annotation)[0] not in _groups():
            return ""
    if value is None:
        return "none"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return f"`{text}`" if isinstance(value, str | bool | int | float) else f"`{_flow(json.loads(text))}`"


def _flow(value: Any) -> str:
    """A value as a person would write it in a stack file."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(inner) for inner in value)}]"
    return value if isinstance(value, str) and not value.isdigit() else json.dumps(value)


def _may_be(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """The values that a field takes, in words."""
    arguments = get_args(annotation)
    metadata = [one for each in metadata for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
    if get_origin(annotation) is Annotated:
        return _may_be(arguments[0], (*metadata, *arguments[1:]))
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(_may_be(each, metadata) for each in arguments if each is not NoneType)
    for each in metadata:
        if isinstance(each, Format):
            return each.words
        if told := WORDS.get(getattr(each, "pattern", None) or ""):
            return told
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if get_origin(annotation) is tuple:
        return f"a list of: {_may_be(arguments[0])}"
    if get_origin(annotation) is dict:
        return "keys and texts"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        short = "; a number is short for both" if annotation.__name__ == "Replicas" else ""
        return (
            f"[{annotation.__name__}](#{annotation.__name__.lower()}){short}"
            if annotation in _groups()
            else "the settings that follow"
        )
    kind = {bool: "`true`, `false`", int: "a whole number", float: "a number", str: "a text"}[annotation]
    bounds = {
        name: found
        for each in metadata
        for name in ("ge", "gt", "le")
        if (found := getattr(each, name, None)) is not None
    }
    if not bounds:
        return kind
    least = f"{bounds['ge']:g}" if "ge" in bounds else f"more than {bounds['gt']:g}"
    return f"{least} to {bounds['le']:g}" if "le" in bounds else f"{least} or more"


def _purposes() -> Iterator[str]:
    yield "## What each purpose demands\n"
    yield "A stack of that `purpose` is refused without. A `workbench` demands nothing.\n"
    yield "| setting | `rehearsal` | `live` | because else |\n|---|---|---|---|"
    for demand in DEMANDS:
        marks = " | ".join(demand.hint if purpose in demand.purposes else "" for purpose in ("rehearsal", "live"))
        yield f"| `{demand.path}` | {marks} | {_cell(demand.reason)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- the schema

_SPELLINGS = (f"{NAMESPACE}:", "", f"{NAMESPACE}:config:")
_TEXT_OF = {"boolean": {"enum": ["true", "false"]}, "integer": {"type": "string", "pattern": r"^\d+$"}}


def schema() -> dict[str, Any]:
    """JSON Schema of a whole stack file."""
    made = Settings.model_json_schema(ref_template="#/definitions/{model}")
    definitions = {name: _described(name, inner) for name, inner in made.pop("$defs").items()}
    own = _described("Settings", made)["properties"]
    definitions |= {f"{NAMESPACE}:{name}": _top(inner) for name, inner in own.items()}
    properties = {
        f"{spelling}{name}": {"$ref": f"#/definitions/{NAMESPACE}:{name}"} for name in own for spelling in _SPELLINGS
    }
    required = [
        {"anyOf": [{"required": [f"{spelling}{name}"]} for spelling in _SPELLINGS]}
        for name, field in Settings.model_fields.items()
        if field.is_required()
    ]
    definitions["secure"] = {
        "type": "object",
        "description": "Encrypted by `pulumi config set --secret`.",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
        "additionalProperties": False,
    }
    text = {"type": "string"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A stack of the Vision Week platform",
        "description": "Written by `make settings` from components/settings.",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": properties,
                "patternProperties": {"^(pulumi|kubernetes|docker|docker-build|gcp|random|tls):": {}},
                "additionalProperties": False,
                "allOf": required,
            },
            "secretsprovider": text,
            "encryptedkey": text,
            "encryptionsalt": text,
            "environment": {},
        },
        "required": ["config"],
        "additionalProperties": False,
        "definitions": definitions,
    }


def _described(name: str, made: dict[str, Any]) -> dict[str, Any]:
    """A model's schema with the texts below its fields; every value may be a secret."""
    models = {model.__name__: model for field in walk() for model in models_in(field.info.annotation)} | {
        "Settings": Settings
    }
    properties = {}
    for field, inner in made.get("properties", {}).items():
        about = words(models[name])[field] + (
            " Not built yet." if LATER in models[name].model_fields[field].metadata else ""
        )
        kept = {key: value for key, value in inner.items() if key not in {"title", "default", "description"}}
        default = {} if isinstance(inner.get("default", {}), dict) else {"default": inner["default"]}
        properties[field] = {"description": about, **default, "anyOf": [kept, {"$ref": "#/definitions/secure"}]}
    return {**{key: value for key, value in made.items() if key != "title"}, "properties": properties}


def _top(inner: dict[str, Any]) -> dict[str, Any]:
    """The schema of one key below `config:`, where `pulumi config set` writes every value as a text."""
    kept, secure = inner["anyOf"]
    written = _TEXT_OF.get(kept.get("type", ""))
    if written is None and kept.get("type") != "string" and "enum" not in kept:
        written = {"type": "string", "pattern": r"^\s*[{\[]"}
    return {**inner, "anyOf": [kept, *([written] if written else []), secure]}


if __name__ == "__main__":
    main()
