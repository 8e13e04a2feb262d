"""The wire's side of a plugin: the engine's messages to a `Provider`, its answers and errors back."""

# ruff: noqa: N802, ARG002  the protocol's names and arguments

import functools
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, Protocol, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2

from localcloud.plugins import process
from localcloud.plugins.changes import Diff
from localcloud.plugins.protocol import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from localcloud.plugins.provider import (
    Check,
    Comparison,
    Create,
    Delete,
    Failed,
    Incomplete,
    Naming,
    Provider,
    Read,
    Refused,
    Resource,
    Update,
)
from localcloud.plugins.values import from_struct, to_struct
from localcloud.problem import Problem

_MODES: Final[dict[int, Literal["propose", "enforce", "disable"]]] = {0: "propose", 1: "enforce", 2: "disable"}

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def serve(provider: Provider) -> NoReturn:
    """Answer the engine that started this process, until it closes the plugin or is gone."""
    provider.engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    process.serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server),
        on_end=provider.cancelled.set,
    )


class _Named(Protocol):
    urn: str
    type: str
    name: str


def _resource(request: _Named) -> Resource:
    """Engines before 3.13x send the URN alone: `urn:pulumi:<stack>::<project>::<parents$type>::<name>`."""
    kind = request.type or request.urn.split("::")[2].rpartition("$")[2]
    return Resource(request.urn, kind, request.name or request.urn.split("::", 3)[3])


def _answers(method: Callable[["Servicer", Request], Answer]) -> Callable[["Servicer", Request, Any], Answer]:
    """Turn what a plugin raises into the status that the engine understands."""

    @functools.wraps(method)
    def answer(self: "Servicer", request: Request, context: grpc.ServicerContext) -> Answer:
        try:
            return method(self, request)
        except Incomplete as error:
            context.abort_with_status(_incomplete(error))
        except Problem as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{error.what}\n{error.hint}")
        except (Failed, Refused) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            name = self.provider.name
            message = f"a fault in the local {name} plugin: {type(error).__name__}: {error} ({where})"
            context.abort(grpc.StatusCode.INTERNAL, message)
        raise AssertionError  # every abort raises

    return answer


class _Status(grpc.Status):  # type: ignore[misc]  # grpc brings no types
    """A status with details, as grpc's own helper package makes it."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Any) -> None:
        packed = any_pb2.Any()
        packed.Pack(details)
        status = status_pb2.Status(code=code.value[0], message=message, details=[packed])
        self.code = code
        self.details = message
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


def _incomplete(error: Incomplete) -> _Status:
    details = provider_pb2.ErrorResourceInitFailed(
        id=error.id,
        properties=to_struct(error.outputs),
        inputs=to_struct(error.inputs),
        reasons=list(error.reasons),
    )
    return _Status(grpc.StatusCode.UNKNOWN, str(error), details)


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol's methods, each a few lines over the provider's."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    # The provider itself.

    @_answers
    def Handshake(self, request: provider_pb2.ProviderHandshakeRequest) -> provider_pb2.ProviderHandshakeResponse:
        self.provider.engine = request.engine_address or self.provider.engine
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True,
            supports_autonaming_configuration=self.provider.autonaming,
        )

    @_answers
    def Attach(self, request: plugin_pb2.PluginAttach) -> empty_pb2.Empty:
        self.provider.engine = request.address
        return empty_pb2.Empty()

    @_answers
    def GetPluginInfo(self, request: empty_pb2.Empty) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.provider.version)

    @_answers
    def GetSchema(self, request: provider_pb2.GetSchemaRequest) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=self.provider.schema())

    @_answers
    def CheckConfig(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        return _checked(self.provider.check_config, request)

    @_answers
    def DiffConfig(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        return _compared(self.provider.diff_config, request)

    @_answers
    def Configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        self.provider.configure(from_struct(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            supports_autonaming_configuration=self.provider.autonaming,
        )

    @_answers
    def Cancel(self, request: empty_pb2.Empty) -> empty_pb2.Empty:
        self.provider.cancelled.set()
        return empty_pb2.Empty()

    # Its resources.

    @_answers
    def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        return _checked(self.provider.check, request)

    @_answers
    def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        return _compared(self.provider.diff, request)

    @_answers
    def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        inputs = from_struct(request.properties)
        made, outputs = self.provider.create(Create(_resource(request), inputs, request.timeout, request.preview))
        return provider_pb2.CreateResponse(id=made, properties=to_struct(outputs))

    @_answers
    def Read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        found = self.provider.read(
            Read(
                _resource(request),
                request.id,
                inputs=from_struct(request.inputs),
                outputs=from_struct(request.properties),
                timeout=request.timeout,
            )
        )
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.id, inputs=to_struct(found.inputs), properties=to_struct(found.outputs)
        )

    @_answers
    def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        outputs = self.provider.update(
            Update(
                _resource(request),
                request.id,
                old_inputs=from_struct(request.old_inputs),
                old_outputs=from_struct(request.olds),
                new=from_struct(request.news),
                timeout=request.timeout,
                preview=request.preview,
                ignore_changes=list(request.ignoreChanges),
            )
        )
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    @_answers
    def Delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        self.provider.delete(
            Delete(
                _resource(request),
                request.id,
                inputs=from_struct(request.old_inputs),
                outputs=from_struct(request.properties),
                timeout=request.timeout,
            )
        )
        return empty_pb2.Empty()

    @_answers
    def Invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        try:
            result = self.provider.invoke(request.tok, from_struct(request.args), request.preview)
        except Refused as refusal:
            return provider_pb2.InvokeResponse(failures=_failures(refusal))
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").CopyFrom(to_struct(result))  # the field's name is a keyword here
        return answer

    # Asked for by authors of packages and by converters alone; the engine has a way without each.

    def _unimplemented(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the local {self.provider.name} plugin has no such method")
        raise AssertionError  # every abort raises

    Call = Construct = GetMapping = GetMappings = List = Parameterize = _unimplemented


def _failures(refusal: Refused) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in refusal.failures]


def _checked(
    check: Callable[[Check], Mapping[str, Any]], request: provider_pb2.CheckRequest
) -> provider_pb2.CheckResponse:
    naming = None
    if request.HasField("autonaming"):
        naming = Naming(_MODES[request.autonaming.mode], request.autonaming.proposed_name)
    try:
        inputs = check(
            Check(
                _resource(request),
                old=from_struct(request.olds),
                new=from_struct(request.news),
                seed=request.randomSeed,
                naming=naming,
            )
        )
    except Refused as refusal:
        return provider_pb2.CheckResponse(failures=_failures(refusal))
    return provider_pb2.CheckResponse(inputs=to_struct(inputs))


def _compared(compare: Callable[[Comparison], Diff], request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
    diff = compare(
        Comparison(
            _resource(request),
            request.id,
            old_inputs=from_struct(request.old_inputs),
            old_outputs=from_struct(request.olds),
            new=from_struct(request.news),
            ignore_changes=list(request.ignoreChanges),
        )
    )
    detailed = {
        path: provider_pb2.PropertyDiff(
            kind=provider_pb2.PropertyDiff.Kind.Value(change.kind.value + ("_REPLACE" if change.replace else "")),
            inputDiff=change.of_inputs,
        )
        for path, change in diff.changes.items()
    }
    top_level = {path: path.partition(".")[0].partition("[")[0] for path in diff.changes}
    return provider_pb2.DiffResponse(
        changes=getattr(provider_pb2.DiffResponse, "DIFF_SOME" if detailed or diff.due else "DIFF_NONE"),
        diffs=sorted(set(top_level.values())),
        replaces=sorted({top_level[path] for path, change in diff.changes.items() if change.replace}),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=diff.delete_before_replace,
        stables=diff.stables,
    )
