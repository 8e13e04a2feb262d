"""The program of the project that keeps a copy of the backups: docs/backups.md says how it is run."""

import sys
from pathlib import Path
from typing import Annotated

import pulumi
from pydantic import Field

# Pulumi wants a project's program in its own directory, and finds nothing above it.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from bootstrap.configuration import load
from components.google.backup_copy import BackupCopy, BackupCopyArgs
from components.values import Bucket, Project, Region, Strict, form


class Configuration(Strict):
    """What `pulumi config set` is given, with the namespace's own name left out."""

    project: Project
    project_number: int = Field(ge=1)
    region: Region
    source: Bucket
    told: Annotated[str, form(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "a mail address")]
    # A week more than a stack keeps its backups unless it is told otherwise (postgres.backups.keep_days).
    keep_days: int = Field(default=39, ge=9, le=1000)
    key_rotation_days: int = Field(default=90, ge=1, le=365)


chosen = load("vision-week-backup-copy", Configuration)
copy = BackupCopy(
    "copy",
    BackupCopyArgs(
        project=chosen.project,
        number=chosen.project_number,
        region=chosen.region,
        source=chosen.source,
        keep_days=chosen.keep_days,
        told=chosen.told,
        rotation_days=chosen.key_rotation_days,
    ),
)
pulumi.export("bucket", copy.bucket)
