"""What a program is told that comes before a stack: by `pulumi config set`, in its own namespace."""

import json
from typing import Annotated, Any, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import BaseModel, ValidationError

from components.values import form
from components.wording import fault

Member = Annotated[
    str,
    form(
        r"^(serviceAccount|group):[^@\s]+@[^@\s]+$",
        "a member as IAM names it, like group:operators@vision-week.example or serviceAccount:…",
    ),
]
Model = TypeVar("Model", bound=BaseModel)


def load(namespace: str, model: type[Model]) -> Model:
    """The stack's configuration; every fault at once, in words, ends the program (`pulumi.RunError`)."""
    config = {**get_config_env(), **CONFIG.get()}
    own = {key.partition(":")[2]: _read(value) for key, value in config.items() if key.startswith(f"{namespace}:")}
    try:
        return model.model_validate(own)
    except ValidationError as error:
        faults = [fault(detail, own) for detail in error.errors()]
        told = "\n".join(f"  {namespace}:{one.path}: {one.reason}" for one in faults)
        raise pulumi.RunError(f"Nothing was changed. What is set by `pulumi config set` is wrong:\n{told}") from None


def _read(value: str) -> Any:
    """Pulumi hands every value over as text, numbers and lists as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value
