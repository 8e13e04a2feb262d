"""The program that comes before all others in a project of Google Cloud: docs/state.md says how it is run."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import Field, ValidationError

# Pulumi wants a project's program in its own directory, and finds nothing above it.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from components.google.state import State, StateArgs
from components.values import Project, Region, Strict, form
from components.wording import fault

NAMESPACE = "vision-week-state"
Member = Annotated[
    str,
    form(
        r"^(serviceAccount|group):[^@\s]+@[^@\s]+$",
        "a member as IAM names it, like group:operators@vision-week.example or serviceAccount:…",
    ),
]


class Configuration(Strict):
    """What `pulumi config set` is given, with the namespace's own name left out."""

    project: Project
    project_number: int = Field(ge=1)
    region: Region
    pipeline: Member
    break_glass: Member
    readers: Annotated[tuple[Member, ...], Field(strict=False)] = ()
    key_rotation_days: int = Field(default=90, ge=1, le=365)


def load() -> Configuration:
    """The stack's configuration; every fault at once, in words."""
    config = {**get_config_env(), **CONFIG.get()}
    own = {key.partition(":")[2]: read(value) for key, value in config.items() if key.startswith(f"{NAMESPACE}:")}
    try:
        return Configuration.model_validate(own)
    except ValidationError as error:
        faults = [fault(detail, own) for detail in error.errors()]
        told = "\n".join(f"  {NAMESPACE}:{one.path}: {one.reason}" for one in faults)
        raise pulumi.RunError(f"Nothing was changed. What is set by `pulumi config set` is wrong:\n{told}") from None


def read(value: str) -> Any:
    """Pulumi hands every value over as text, numbers and lists as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


chosen = load()
state = State(
    "state",
    StateArgs(
        project=chosen.project,
        number=chosen.project_number,
        region=chosen.region,
        pipeline=chosen.pipeline,
        break_glass=chosen.break_glass,
        readers=chosen.readers,
        rotation_days=chosen.key_rotation_days,
    ),
)
pulumi.export("backend", state.backend)
pulumi.export("secrets_provider", state.secrets_provider)
