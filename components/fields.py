"""Looks at the settings' models: what is where, what it may be, and the words below each field.

For documentation, editors and errors; a stack whose settings are right never comes here.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.settings import Settings
from components.values import LATER


@cache
def words(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the text below it, those of the models it extends included."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            found |= _of_module(one.__module__).get(one.__name__, {})
    return found


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[name]))
    return {
        node.name: {
            field.target.id: " ".join(text.value.value.split())
            for field, text in zip(node.body, node.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def models_at(steps: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a path. A flavour narrows them, where the path names one."""
    models: list[type[BaseModel]] = [Settings]
    for step in steps:
        fields = [field for outer in models if (field := outer.model_fields.get(str(step)))]
        inner = [model for field in fields for model in models_in(field.annotation)]
        tagged = [model for model in models if step in flavours(model)]
        models = inner or tagged or models
    return models


def flavours(model: type[BaseModel]) -> tuple[Any, ...]:
    """What a variant of several is chosen by."""
    flavour = model.model_fields.get("flavour")
    return get_args(flavour.annotation) if flavour else ()


def about(path: str) -> str:
    """The words below the field at a path, empty where there is none."""
    *outer, last = re.sub(r"\[\d+\]", "", path).split(".")
    found = [text for model in models_at(outer) if (text := words(model).get(last))]
    return found[0] if found else ""


def walk(model: type[BaseModel] = Settings, path: str = "", *, later: bool = False) -> Iterator["Field"]:
    """Every field of the settings, those of each variant included, in the order of the models."""
    for name, info in model.model_fields.items():
        field = Field(model, name, info, f"{path}.{name}".removeprefix("."), later=later or LATER in info.metadata)
        yield field
        inside = f"{field.path}[]" if "tuple" in str(info.annotation) else field.path
        for inner in models_in(info.annotation):
            yield from walk(inner, inside, later=field.later)


class Field:
    """One field of one model.

    path: as in a stack file, `[]` for each of a list. later: nothing consumes it.
    """

    def __init__(self, model: type[BaseModel], name: str, info: FieldInfo, path: str, *, later: bool) -> None:
        self.model = model
        self.name = name
        self.info = info
        self.path = path
        self.later = later

    @property
    def words(self) -> str:
        return words(self.model).get(self.name, "")
