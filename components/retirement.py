"""Tells PostgreSQL and Redis which generation of passwords everybody is at, once everybody is: the ones before end.

Apart from both, because it comes last: after the pods that were given the new passwords have taken the place of
those that had the old ones. An update that stops before leaves both valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_kubernetes import core

from components.kubernetes import Namespace, metadata
from components.logins import SERVING


@dataclass(frozen=True, kw_only=True)
class RetirementArgs:
    """generation: that of the clients. clients: what must be ready with it before those before end."""

    namespace: Namespace
    generation: int
    clients: Sequence[Resource]


class Retirement(ComponentResource):
    """The word that the members wait for."""

    def __init__(self, name: str, args: RetirementArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:postgres:Retirement", name, None, opts)
        core.v1.ConfigMap(
            SERVING,
            metadata=metadata(SERVING, args.namespace.name, app=SERVING),
            data={"generation": str(args.generation)},
            # Not a moment before the last of them uses the new password.
            opts=ResourceOptions(parent=self, depends_on=list(args.clients)),
        )
        self.register_outputs({})
