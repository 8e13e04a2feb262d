"""A provider plugin spoken to as the engine does: a process of its own, over the provider protocol.

Which plugin is taken from the environment: with CONFORMANCE_KUBERNETES_PLUGIN=/path/to/pulumi-resource-kubernetes the
tests of conformance run against the official one, unchanged. So nothing here may rest on how ours is made.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import empty_pb2

from localcloud import paths
from localcloud.plugins.changes import Change, Diff, Kind
from localcloud.plugins.protocol import (
    MESSAGE_LIMIT,
    engine_pb2,
    engine_pb2_grpc,
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
    Found,
    Incomplete,
    Read,
    Refused,
    Resource,
    Update,
)
from localcloud.plugins.values import Values, from_struct, to_struct
from tests.engine.planes import Stack

VARIABLE: Final = "CONFORMANCE_KUBERNETES_PLUGIN"
OFFICIAL: Final = bool(os.environ.get(VARIABLE))
_URN: Final = "urn:pulumi:test::test::pulumi:providers:kubernetes::"
_OPTIONS: Final = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
# What a person's shell may bring along, and a test must not depend on.
_FOREIGN: Final = ("KUBECONFIG", "PULUMI_CONFIG")


class _Engine(engine_pb2_grpc.EngineServicer):
    """The engine's side: it hears what the plugin says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802, ARG002
        self.said.append(request.message)
        return empty_pb2.Empty()


class _Cancel:
    """`provider.cancelled.set()`, over the wire."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub) -> None:
        self._stub = stub

    def set(self) -> None:
        self._stub.Cancel(empty_pb2.Empty())


class Plugin:
    """One process of the plugin under test, with the methods that `Stack` asks of a provider."""

    def __init__(self, settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._engine = _Engine()
        self.said = self._engine.said
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        engine_pb2_grpc.add_EngineServicer_to_server(self._engine, self._server)
        address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        self._process = subprocess.Popen(
            [*_command(), address],
            env={**inherited, "PYTHONPATH": str(paths.CHECKOUT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        threading.Thread(target=self._process.stdout.read, daemon=True).start()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self._port}", options=_OPTIONS)
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self.cancelled = _Cancel(self._stub)
        try:
            self._stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=address))
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
        self.settings = dict(settings)

    def close(self) -> None:
        """End the process, as the engine does."""
        self._channel.close()
        self._process.terminate()
        self._process.wait(60)
        self._server.stop(None)

    # The provider itself.

    def check_config(self, settings: Values, name: str = "it") -> Values:
        """The settings, completed; raises `Refused`."""
        request = provider_pb2.CheckRequest(urn=_URN + name, news=to_struct(_texts(settings)))
        return self._checked(self._stub.CheckConfig, request)

    def replaced_by(self, old: Values, new: Values) -> bool:
        """Whether a change of the settings replaces the provider, and so all that it made."""
        before, after = to_struct(_texts(old)), to_struct(_texts(new))
        request = provider_pb2.DiffRequest(urn=f"{_URN}it", olds=before, old_inputs=before, news=after)
        return bool(self._asked(self._stub.DiffConfig, request).replaces)

    def configure(self) -> None:
        """Give the plugin its settings."""
        texts = _texts(self.settings)
        request = provider_pb2.ConfigureRequest(
            variables={f"kubernetes:config:{name}": value for name, value in texts.items()},
            args=to_struct(texts),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )
        self._asked(self._stub.Configure, request)

    def information(self) -> str:
        """The version that the plugin says it has."""
        return str(self._asked(self._stub.GetPluginInfo, empty_pb2.Empty()).version)

    # Its resources.

    def check(self, request: Check) -> Values:
        """The inputs, completed; raises `Refused`."""
        return self._checked(
            self._stub.Check,
            provider_pb2.CheckRequest(
                **_names(request.resource),
                olds=to_struct(request.old),
                news=to_struct(request.new),
                randomSeed=request.seed,
            ),
        )

    def diff(self, request: Comparison) -> Diff:
        """What an update would change."""
        answer = self._asked(
            self._stub.Diff,
            provider_pb2.DiffRequest(
                **_names(request.resource),
                id=request.id,
                old_inputs=to_struct(request.old_inputs),
                olds=to_struct(request.old_outputs),
                news=to_struct(request.new),
                ignoreChanges=request.ignore_changes,
            ),
        )
        return Diff(
            {path: _change(answer, path) for path in answer.detailedDiff},
            delete_before_replace=answer.deleteBeforeReplace,
            due=answer.changes == provider_pb2.DiffResponse.DIFF_SOME,
        )

    def create(self, request: Create) -> tuple[str, Values]:
        """Make the resource; raises `Incomplete` where it was made and isn't ready."""
        answer = self._asked(
            self._stub.Create,
            provider_pb2.CreateRequest(
                **_names(request.resource),
                properties=to_struct(request.inputs),
                timeout=request.timeout,
                preview=request.preview,
            ),
        )
        return answer.id, from_struct(answer.properties)

    def read(self, request: Read) -> Found | None:
        """Look the resource up; None when it isn't there."""
        answer = self._asked(
            self._stub.Read,
            provider_pb2.ReadRequest(
                **_names(request.resource),
                id=request.id,
                inputs=to_struct(request.inputs),
                properties=to_struct(request.outputs),
            ),
        )
        return Found(answer.id, from_struct(answer.inputs), from_struct(answer.properties)) if answer.id else None

    def update(self, request: Update) -> Values:
        """Change the resource in place."""
        answer = self._asked(
            self._stub.Update,
            provider_pb2.UpdateRequest(
                **_names(request.resource),
                id=request.id,
                old_inputs=to_struct(request.old_inputs),
                olds=to_struct(request.old_outputs),
                news=to_struct(request.new),
                timeout=request.timeout,
                preview=request.preview,
                ignoreChanges=request.ignore_changes,
            ),
        )
        return from_struct(answer.properties)

    def delete(self, request: Delete) -> None:
        """Remove the resource."""
        self._asked(
            self._stub.Delete,
            provider_pb2.DeleteRequest(
                **_names(request.resource),
                id=request.id,
                old_inputs=to_struct(request.inputs),
                properties=to_struct(request.outputs),
                timeout=request.timeout,
            ),
        )

    def _checked(self, method: Any, request: Any) -> Values:
        answer = self._asked(method, request)
        if answer.failures:
            raise Refused([(failure.property, failure.reason) for failure in answer.failures])
        return from_struct(answer.inputs)

    def _asked(self, method: Any, request: Any) -> Any:
        try:
            return method(request)
        except grpc.RpcError as error:
            _raise(error)


class WiredStack(Stack):
    """A stack whose provider is the plugin under test."""

    def __init__(
        self, kubeconfig: str, namespace: str, variables: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        self.environment = dict(variables or {})
        super().__init__(kubeconfig, namespace, **settings)

    def _provider(self) -> Any:
        plugin = Plugin(self.settings, self.environment)
        self.said = plugin.said
        plugin.configure()
        return plugin

    def restart(self, **settings: Any) -> None:
        """The next command has a plugin of its own, which remembers nothing."""
        self.close()
        super().restart(**settings)

    def close(self) -> None:
        """End the plugin."""
        self.plugin.close()

    @property
    def plugin(self) -> Plugin:
        """The plugin, by its own type."""
        plugin: Any = self.provider
        assert isinstance(plugin, Plugin)
        return plugin


def _command() -> list[str]:
    return [os.environ[VARIABLE]] if OFFICIAL else [sys.executable, "-P", "-m", "localcloud.plugins.kubernetes"]


def _texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """The engine hands a provider's settings on as texts, and none that is empty."""
    return {name: str(value) for name, value in settings.items() if value}


def _names(resource: Resource) -> dict[str, Any]:
    return {"urn": resource.urn, "type": resource.type, "name": resource.name}


def _change(answer: provider_pb2.DiffResponse, path: str) -> Change:
    detail = answer.detailedDiff[path]
    name = provider_pb2.PropertyDiff.Kind.Name(detail.kind)
    return Change(Kind[name.removesuffix("_REPLACE")], replace=name.endswith("_REPLACE"), of_inputs=detail.inputDiff)


def _raise(error: grpc.RpcError) -> NoReturn:
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            partial = provider_pb2.ErrorResourceInitFailed()
            if detail.Unpack(partial):
                raise Incomplete(
                    partial.id, from_struct(partial.properties), from_struct(partial.inputs), list(partial.reasons)
                ) from None
    raise Failed(error.details()) from None
