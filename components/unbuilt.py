"""What a stack asks for and the program does not build: refused, because a setting without effect is a broken promise.

A setting that is marked `LATER` where it is declared may not be given; and what is on unless switched off must be
switched off, in so many words, in the stack's file, where it can't be had.
Such settings are checked all the same: a stack file can be complete before the program is.
"""

from collections.abc import Iterator

from pulumi import RunError
from pydantic import BaseModel

from components.checks import Fault
from components.settings import GoogleCluster, Settings
from components.stack_file import NAMESPACE
from components.values import LATER


def refuse_unbuilt(settings: Settings) -> None:
    """End the program, in words, where it could not keep what the settings promise."""
    if faults := unbuilt(settings):
        told = "\n".join(f"  {NAMESPACE}:{fault.path}: {fault.reason}; {fault.hint}" for fault in faults)
        raise RunError(f"This program does not build yet what these settings ask for, and nothing was changed:\n{told}")


def unbuilt(settings: Settings) -> list[Fault]:
    """Every setting that the program can't do justice to."""
    return [*_bucket(settings), *_somebody_s_snapshots(settings), *_later(settings, "")]


def _bucket(settings: Settings) -> Iterator[Fault]:
    backups, made = settings.postgres.backups, isinstance(settings.cluster, GoogleCluster)
    if backups.enabled and backups.repository == "bucket" and not (backups.bucket or made):
        yield Fault(
            "postgres.backups.bucket",
            "no bucket is made beside a cluster that is there already",
            "name one that is there, or set postgres.backups.repository to volume",
        )


def _somebody_s_snapshots(settings: Settings) -> Iterator[Fault]:
    if settings.storage.snapshots.enabled and not isinstance(settings.cluster, GoogleCluster):
        yield Fault(
            "storage.snapshots.enabled",
            "is on unless switched off, and only made in a cluster that the program makes",
            "write false",
        )


def _later(model: BaseModel, path: str) -> Iterator[Fault]:
    for name, info in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}.{name}".removeprefix(".")
        if LATER in info.metadata:
            if name in model.model_fields_set:
                yield Fault(here, "is not built yet, and would have no effect", "leave it out")
        # What belongs to something that is switched off asks for nothing.
        elif isinstance(value, BaseModel) and getattr(value, "enabled", True):
            yield from _later(value, here)
