"""Reads a stack's settings, and says what is wrong with them in words for the person who wrote them.

Every key of the namespace `vision-week` is read, so that a misspelt one is found. All faults are reported at once. The
error is Pulumi's own RunError: the engine prints it without a traceback and the command fails.
"""

import json
from difflib import get_close_matches
from typing import Any, get_args

from pulumi import RunError, get_stack
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import BaseModel, ValidationError

from components.checks import Fault, contradictions
from components.settings import Settings

NAMESPACE = "vision-week"


def load() -> Settings:
    """The settings of the stack that is being run."""
    config = {**get_config_env(), **CONFIG.get()}
    own = {key.removeprefix(f"{NAMESPACE}:"): value for key, value in config.items() if key.startswith(f"{NAMESPACE}:")}
    secret = frozenset(key for key in own if is_config_secret(f"{NAMESPACE}:{key}"))
    try:
        return parse({key: _decoded(key, value) for key, value in own.items()}, secret)
    except SettingsError as error:
        raise RunError(error.message(f"Pulumi.{get_stack()}.yaml")) from None


class SettingsError(Exception):
    """All that is wrong with a stack's settings."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.reason}" for fault in faults))
        self.faults = faults

    def message(self, file: str) -> str:
        count = "1 setting is wrong" if len(self.faults) == 1 else f"{len(self.faults)} settings are wrong"
        lines = [f"  {NAMESPACE}:{fault.path}: {fault.reason}" for fault in self.faults]
        return "\n".join([f"{count}, nothing was changed. Mend {file} and run the same command again:", *lines])


def parse(values: dict[str, Any], secret: frozenset[str] = frozenset()) -> Settings:
    """Settings from plain values; `secret` are the top-level keys whose values may not be printed."""
    try:
        settings = Settings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        faults = [_fault(detail, values, secret) for detail in error.errors()]
        raise SettingsError(list(dict.fromkeys(faults))) from None
    if faults := contradictions(settings):
        raise SettingsError(faults)
    return settings


def _decoded(key: str, value: str) -> Any:
    """Pulumi hands every value over as text, structured ones as JSON; only text keeps being text."""
    field = Settings.model_fields.get(key)
    if field is not None and field.annotation is str:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _fault(detail: Any, values: dict[str, Any], secret: frozenset[str]) -> Fault:
    steps = _steps(detail["loc"], values, missing=detail["type"] == "missing")
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
    given = f", got {json.dumps(detail['input'], default=str)}"
    context = detail.get("ctx", {})
    if steps and steps[0] in secret and detail["type"] not in {"extra_forbidden", "missing"}:
        return Fault(path, "is not valid; its value is a secret and not shown")
    match detail["type"]:
        case "extra_forbidden":
            return Fault(path, "unknown key" + _meant(str(steps[-1]), _siblings(detail["loc"])))
        case "missing":
            return Fault(path, "is required")
        case "union_tag_not_found":
            return Fault(f"{path}.flavour", f"is required: one of {', '.join(_flavours(detail['loc']))}")
        case "union_tag_invalid":
            known = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
            reason = f"must be one of {', '.join(known)}, got {json.dumps(context['tag'])}"
            return Fault(f"{path}.flavour", reason + _meant(context["tag"], known))
        case "literal_error":
            known = [name.strip("' ") for name in context["expected"].replace(" or ", ", ").split(",")]
            reason = f"must be one of {', '.join(known)}{given}"
            return Fault(path, reason + _meant(str(detail["input"]), known))
        case "value_error":
            return Fault(path, str(context["error"]))
        case _:
            return Fault(path, f"{detail['msg'][0].lower()}{detail['msg'][1:]}{given}")


def _steps(loc: tuple[str | int, ...], values: Any, *, missing: bool) -> list[str | int]:
    """The path in the stack file: pydantic also names what nobody wrote, a union's variant or a short form's parts."""
    steps: list[str | int] = []
    for index, step in enumerate(loc):
        last_and_absent = missing and index == len(loc) - 1
        if isinstance(values, dict) and step not in values and not last_and_absent:
            continue
        if isinstance(values, str | int | float):
            break
        steps.append(step)
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            values = None
    return steps


def _siblings(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that would have been known where an unknown one was found."""
    return [name for model in _models_at(loc[:-1]) for name in model.model_fields]


def _flavours(loc: tuple[str | int, ...]) -> list[str]:
    return [tag for model in _models_at(loc) for tag in _tags(model)]


def _models_at(loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    models: list[type[BaseModel]] = [Settings]
    for step in loc:
        fields = [field for outer in models if (field := outer.model_fields.get(str(step)))]
        inner = [model for field in fields for model in _models(field.annotation)]
        tagged = [model for model in models if step in _tags(model)]
        models = inner or tagged or models
    return models


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    flavour = model.model_fields.get("flavour")
    return get_args(flavour.annotation) if flavour else ()


def _meant(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(set(known)))}"
