"""What a value's own constraint says, in words for the person who wrote the value."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from components.checks import Fault
from components.fields import flavours, models_at
from components.stack_file import path
from components.values import WORDS

_TYPES = {
    "bool_type": ("must be true or false", ""),
    "int_type": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "float_type": ("must be a number", ""),
    "string_type": ("must be a text", "put it in quotes"),
    "model_type": ("must be a group of settings", "write its keys below it, or leave it out"),
    "dict_type": ("must be keys with values", "write them below it, or {} for none"),
    "tuple_type": ("must be a list", "write [a, b], or a line with - for each"),
}
_BOUNDS = {
    "greater_than_equal": ("must be {ge:g} or more", ""),
    "greater_than": ("must be more than {gt:g}", ""),
    "less_than_equal": ("must be {le:g} or less", ""),
    "string_too_short": ("must have {min_length} characters or more", ""),
    "too_short": ("must have {min_length} or more", ""),
}


def fault(detail: Any, values: Mapping[str, Any]) -> Fault:
    """The fault that pydantic found, at the place where somebody wrote it."""
    kind, context = detail["type"], detail.get("ctx", {})
    steps = _steps(detail["loc"], values, missing=kind == "missing")
    here, value = path(steps), _shown(detail["input"])
    match kind:
        case "extra_forbidden":
            scalar = isinstance(detail["input"], str | int | float)
            return Fault(
                here, "unknown key", meant(str(steps[-1]), _siblings(detail["loc"])), value if scalar else None
            )
        case "missing":
            return Fault(here, "is required")
        case "union_tag_not_found":
            known = [tag for model in models_at(detail["loc"]) for tag in flavours(model)]
            return Fault(f"{here}.flavour", "is required", f"one of {', '.join(known)}")
        case "union_tag_invalid":
            known = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
            return Fault(
                f"{here}.flavour",
                f"must be one of {', '.join(known)}",
                meant(context["tag"], known),
                _shown(context["tag"]),
            )
        case "literal_error":
            known = [name.strip("' ") for name in context["expected"].replace(" or ", ", ").split(",")]
            near = get_close_matches(str(detail["input"]), known, n=1)
            return Fault(here, f"must be one of {', '.join(known)}", f"did you mean {near[0]}?" if near else "", value)
        case "string_pattern_mismatch":
            return Fault(here, f"must be {WORDS[context['pattern']]}", "", value)
        case "value_error":
            reason, _, hint = str(context["error"]).partition("; ")
            return Fault(here, reason, hint, value)
    reason, hint = (_TYPES | _BOUNDS).get(kind, (detail["msg"], ""))
    if kind in {"bool_type", "int_type", "float_type"} and isinstance(detail["input"], str):
        hint = "write it without quotes"
    return Fault(here, reason.format(**context), hint, value)


def meant(word: str, known: Sequence[str]) -> str:
    """The known word that is most like an unknown one, or all."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(set(known)))}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _steps(loc: Sequence[str | int], values: Any, *, missing: bool) -> list[str | int]:
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


def _siblings(loc: Sequence[str | int]) -> list[str]:
    """The keys that would have been known where an unknown one was found."""
    return [name for model in models_at(loc[:-1]) for name in model.model_fields]
