"""The ground that every local provider plugin stands on: Pulumi's provider protocol over plain Python values.

A plugin subclasses `Provider`, says its name and the version of the official plugin that it stands in for, and writes
check, diff, create, read, update, delete and invoke over plain values (`localcloud.plugins.values`). The engine asks in
parallel: each request runs in a thread of its own, so these methods may wait, and lock what they share.

The protocol's side is `localcloud.plugins.server`: a plugin's module ends with `serve(ItsProvider())`.
"""

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import grpc

from localcloud.plugins import schema
from localcloud.plugins.changes import Diff, compare
from localcloud.plugins.protocol import engine_pb2, engine_pb2_grpc
from localcloud.plugins.values import Values


class Failed(Exception):
    """The operation failed and nothing was made or changed. The message is for the person who runs Pulumi."""


@dataclass(eq=False)
class Refused(Exception):
    """The inputs don't do: each property with the reason."""

    failures: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        return "; ".join(f"{name}: {reason}" if name else reason for name, reason in self.failures)


@dataclass(eq=False)
class Incomplete(Exception):
    """The resource was made or changed, but is not what was asked for: it never became ready, say.

    The engine keeps it in the state with `reasons`, and the next update carries on from there.
    """

    id: str
    outputs: Mapping[str, Any]
    inputs: Mapping[str, Any]
    reasons: Sequence[str]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True)
class Resource:
    """Which resource a request is about. `type` is its token, `name` what the program calls it."""

    urn: str
    type: str
    name: str


@dataclass(frozen=True)
class Naming:
    """How the engine wants names made for resources that weren't given one (`pulumi:autonaming`)."""

    mode: Literal["propose", "enforce", "disable"]
    proposed: str


@dataclass(frozen=True)
class Check:
    """Inputs to be checked and completed. `seed` is the same for the same resource: names are made of it."""

    resource: Resource
    old: Values
    new: Values
    seed: bytes
    naming: Naming | None


@dataclass(frozen=True)
class Comparison:
    """The inputs and the state that a resource has, and the inputs that it shall have."""

    resource: Resource
    id: str
    old_inputs: Values
    old_outputs: Values
    new: Values
    ignore_changes: Sequence[str]


@dataclass(frozen=True)
class Create:
    """A resource to be made. In a preview nothing may be made. `timeout` in seconds, 0 where the program gave none."""

    resource: Resource
    inputs: Values
    timeout: float
    preview: bool


@dataclass(frozen=True)
class Read:
    """A resource to be looked up: on refresh with what is known of it, on import with its id alone."""

    resource: Resource
    id: str
    inputs: Values
    outputs: Values
    timeout: float


@dataclass(frozen=True)
class Update:
    """A resource to be changed in place. What `ignore_changes` names keeps its old value in `new`."""

    resource: Resource
    id: str
    old_inputs: Values
    old_outputs: Values
    new: Values
    timeout: float
    preview: bool
    ignore_changes: Sequence[str] = ()


@dataclass(frozen=True)
class Delete:
    """A resource to be removed. Not finding it is success."""

    resource: Resource
    id: str
    inputs: Values
    outputs: Values
    timeout: float


@dataclass(frozen=True)
class Found:
    """What a look-up found. `inputs` are those that would give the resource as it is now."""

    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


class Provider:
    """A provider of resources; see this module's docstring.

    name, version: of the official plugin.
    autonaming: whether `Check.naming` is obeyed.
    cancelled: set when the person at the keyboard has had enough; whoever waits should stop and say so.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    autonaming: ClassVar[bool] = False

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.engine: str = ""

    # The provider itself.

    def check_config(self, request: Check) -> Mapping[str, Any]:
        """The provider's own inputs, completed; raises `Refused`."""
        return request.new

    def diff_config(self, request: Comparison) -> Diff:
        """What a change of the provider's own inputs means. Replacing a provider replaces all that it made."""
        return Diff(compare(request.old_inputs, request.new))

    def configure(self, inputs: Values) -> None:
        """Take the provider's inputs, secrets among them. Unknown ones are possible in a preview."""

    def schema(self) -> str:
        """The package's schema, as JSON."""
        return schema.of(self.name, self.version)

    # Its resources.

    def check(self, request: Check) -> Mapping[str, Any]:
        """The inputs, completed; raises `Refused`."""
        return request.new

    def diff(self, request: Comparison) -> Diff:
        """What an update would change."""
        return Diff(compare(request.old_inputs, request.new))

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        """Make the resource: its id and outputs. In a preview the id may be empty and what isn't known `UNKNOWN`."""
        raise Failed(f"{request.resource.type} is not among the local {self.name} plugin's resources")

    def read(self, request: Read) -> Found | None:
        """Look the resource up; None when it isn't there. By default the state is believed."""
        return Found(request.id, request.inputs, request.outputs)

    def update(self, request: Update) -> Mapping[str, Any]:
        """Change the resource in place: its outputs."""
        raise Failed(f"{request.resource.type} can't be changed in place")

    def delete(self, request: Delete) -> None:
        """Remove the resource."""

    def invoke(self, token: str, arguments: Values, preview: bool) -> Mapping[str, Any]:  # noqa: ARG002
        """Call a function of the package; raises `Refused`."""
        raise Failed(f"{token} is not among the local {self.name} plugin's functions")

    # What it can say meanwhile.

    def say(
        self, message: str, resource: Resource | None = None, *, warning: bool = False, passing: bool = False
    ) -> None:
        """Show a message beside the resource. A passing one is the resource's status until the next."""
        if not self.engine:
            return
        severity = engine_pb2.LogSeverity.WARNING if warning else engine_pb2.LogSeverity.INFO
        urn = resource.urn if resource else ""
        try:
            self._engine_log.Log(engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=passing))
        except grpc.RpcError:
            print(message, file=sys.stderr)  # noqa: T201  the engine shows a plugin's stderr

    @cached_property
    def _engine_log(self) -> engine_pb2_grpc.EngineStub:
        return engine_pb2_grpc.EngineStub(grpc.insecure_channel(self.engine))
