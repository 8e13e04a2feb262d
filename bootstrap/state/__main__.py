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
from components.values import Name, Project, Region, Strict, form


class Configuration(Strict):
    """What `pulumi config set` is given, with the namespace's own name left out."""

    project: Project
    project_number: int = Field(ge=1)
    region: Region
    # On GitHub: OWNER/NAME, its number, and the environment that changes the stack; the others are
    # ENVIRONMENT-preview and ENVIRONMENT-nightly.
    repository: Annotated[str, form(r"^[-\w.]+/[-\w.]+$", "OWNER/NAME")]
    repository_id: int = Field(ge=1)
    environment: Name
    break_glass: Member
    readers: Annotated[tuple[Member, ...], Field(strict=False)] = ()
    auditors: Annotated[tuple[Member, ...], Field(strict=False)] = ()
    # A year, and the quarter in which it is reviewed. It is locked: it can be made longer, and never shorter.
    evidence_days: int = Field(default=457, ge=1, le=3650)
    key_rotation_days: int = Field(default=90, ge=1, le=365)


chosen = load("vision-week-state", Configuration)
state = State(
    "state",
    StateArgs(
        project=chosen.project,
        number=chosen.project_number,
        region=chosen.region,
        repository=chosen.repository,
        repository_id=chosen.repository_id,
        environment=chosen.environment,
        break_glass=chosen.break_glass,
        readers=chosen.readers,
        auditors=chosen.auditors,
        evidence_days=chosen.evidence_days,
        rotation_days=chosen.key_rotation_days,
    ),
)
pulumi.export("backend", state.backend)
pulumi.export("secrets_provider", state.secrets_provider)
pulumi.export("workload_identity_provider", state.pipeline.provider)
pulumi.export(
    "service_accounts",
    {"pipeline": state.pipeline.changes, "preview": state.pipeline.previews, "nightly": state.pipeline.looks},
)
pulumi.export("evidence", state.evidence.bucket.apply(lambda name: f"gs://{name}"))
pulumi.export("evidence_key", state.evidence.key)
