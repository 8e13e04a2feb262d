"""The program that comes before all others in a project of Google Cloud: docs/state.md says how it is run."""

import sys
from pathlib import Path
from typing import Annotated

import pulumi
from pydantic import Field

# Pulumi wants a project's program in its own directory, and finds nothing above it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bootstrap.configuration import Member, load
from components.google.state import State, StateArgs
from components.values import Project, Region, Strict


class Configuration(Strict):
    """What `pulumi config set` is given, with the namespace's own name left out."""

    project: Project
    project_number: int = Field(ge=1)
    region: Region
    pipeline: Member
    break_glass: Member
    readers: Annotated[tuple[Member, ...], Field(strict=False)] = ()
    key_rotation_days: int = Field(default=90, ge=1, le=365)


chosen = load("vision-week-state", Configuration)
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
