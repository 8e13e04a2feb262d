"""What a stack asks for and the program does not build: refused, because a setting without effect is a broken promise.

Two kinds. A setting that is marked `LATER` where it is declared may not be given, and what is on unless switched off
must be switched off, in so many words, in the stack's file. A flavour whose component doesn't exist can't be chosen.
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
    return [*_flavours(settings), *_bucket(settings), *_several_redis(settings), *_later(settings, "")]


def _flavours(settings: Settings) -> Iterator[Fault]:
    if isinstance(settings.cluster, GoogleCluster):
        yield Fault("cluster.flavour", f"{settings.cluster.flavour} is not built yet", "use existing")


def _bucket(settings: Settings) -> Iterator[Fault]:
    backups = settings.postgres.backups
    if backups.enabled and backups.repository == "bucket" and backups.bucket is None:
        yield Fault(
            "postgres.backups.bucket", "no bucket is made yet", "name one that is there, or set repository to volume"
        )


def _several_redis(settings: Settings) -> Iterator[Fault]:
    if settings.redis.members > 1:
        yield Fault("redis.members", "nothing leads clients to the primary among several yet", "use 1")


def _later(model: BaseModel, path: str) -> Iterator[Fault]:
    for name, info in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}.{name}".removeprefix(".")
        if LATER in info.metadata:
            switch = getattr(value, "enabled", None)
            if switch is True:
                yield Fault(f"{here}.enabled", "is on unless switched off, and not built yet", "write false")
            elif switch is None and name in model.model_fields_set:
                yield Fault(here, "is not built yet, and would have no effect", "leave it out")
        elif isinstance(value, BaseModel):
            yield from _later(value, here)
