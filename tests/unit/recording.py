"""Runs programs and components on Pulumi's mocks, and keeps what they would have made.

In a preview nothing is computed, as with the real engine: passwords, certificates, addresses and digests stay unknown.
What the API server says to an object, and whether its pods run, needs `tests/cluster`.
"""

import asyncio
import base64
import gc
import hashlib
import json
import os
import runpy
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pulumi
import yaml
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from pulumi.output import Unknown
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest, RegisterResourceResponse
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.settings import get_root_resource

CHECKOUT = Path(__file__).resolve().parents[2]
UNKNOWN = "(unknown)"
COMMANDS = Path(__file__).parent / "commands"


@dataclass(frozen=True)
class Made:
    """One resource that was registered."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    urn: str
    parent: str
    provider: str
    protect: bool
    depends_on: frozenset[str]
    sent: Any  # its inputs as the engine gets them, secrets with their mark

    @cached_property
    def kind(self) -> str:
        """`Deployment` of `kubernetes:apps/v1:Deployment`."""
        return self.type.rpartition(":")[2]

    @cached_property
    def clear(self) -> str:
        """Every text among its inputs that is not marked as secret."""
        return "\n".join(_clear(json_format.MessageToDict(self.sent)))

    @property
    def is_kubernetes(self) -> bool:
        return self.type.startswith("kubernetes:")

    @property
    def metadata(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.inputs["metadata"]
        return found

    @cached_property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace", ""))

    @property
    def object_name(self) -> str:
        """The name in the cluster: the program's, or the one that the provider would give."""
        return str(self.metadata.get("name", f"{self.name}-1234abcd"))

    def at(self, *path: str | int) -> Any:
        """The value at a path, None where there is nothing."""
        value: Any = self.inputs
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


@dataclass
class Recording:
    """All that a program registered, and what it exported."""

    made: list[Made]
    outputs: Mapping[str, Any]
    registered_outputs: Mapping[str, frozenset[str]]  # component's urn -> names

    def without(self, dropped: Iterable[Made]) -> "Recording":
        """The same program, had it not made these."""
        gone = {one.urn for one in dropped}
        made = [one for one in self.made if one.urn not in gone]
        return Recording(made, self.outputs, self.registered_outputs)

    def of(self, kind: str) -> list[Made]:
        return self._by_kind.get(kind, [])

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Made]]:
        found: dict[str, list[Made]] = {}
        for one in self.made:
            found.setdefault(one.kind, []).append(one)
        return found

    def one(self, kind: str, name: str) -> Made:
        found = [one for one in self.of(kind) if one.name == name]
        assert len(found) == 1, f"{len(found)} of {kind} {name}; there are {[one.name for one in self.of(kind)]}"
        return found[0]

    @property
    def objects(self) -> list[Made]:
        """What would be objects in the cluster."""
        return [one for one in self.made if one.is_kubernetes]

    @property
    def secrets(self) -> list[Made]:
        """Kubernetes' own; Google has another kind of the same name."""
        return [one for one in self.objects if one.kind == "Secret"]

    def pods(self) -> Iterator[tuple[Made, Mapping[str, Any]]]:
        """Every workload, with its pod template."""
        for one in self.objects:
            template = one.at("spec", "template") or one.at("spec", "jobTemplate", "spec", "template")
            if template is not None:
                yield one, template


class Engine(MockMonitor):
    """Answers as the engine and the providers would, as far as programs look."""

    def __init__(self, *, preview: bool) -> None:
        super().__init__(_NoProviders())
        self.preview = preview
        self.made: list[Made] = []
        self.registered_outputs: dict[str, frozenset[str]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the protocol's names
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return RegisterResourceResponse(urn=urn)
        made, response = _answered(request.SerializeToString(deterministic=True), urn, self.preview)
        self.made.append(made)
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.registered_outputs[request.urn] = frozenset(request.outputs.keys())
        return Empty()


class _NoProviders(Mocks):
    """A program that asks a provider has no preview before there is a cluster; what another stack tried is there."""

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token == "docker:index/getRegistryImage:getRegistryImage":
            return {"sha256Digest": f"sha256:{hashlib.sha256(args.args['name'].encode()).hexdigest()}"}, []
        raise AssertionError(f"the program asks a provider: {args.token}")

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise AssertionError(f"the program reads a resource: {args.typ} {args.name}")


def record(program: Callable[[], Any], *, config: Mapping[str, Any] | None = None, preview: bool = False) -> Recording:
    """Run a program to its end, with a stack's configuration as the engine would hand it over."""
    engine = Engine(preview=preview)
    set_all_config({key: _text(value) for key, value in (config or {}).items()}, [])
    pulumi.runtime.set_mocks(engine.mocks, project="vision-week", stack="test", preview=preview, monitor=engine)
    # The SDK has one root for all programs of a process: what another exported is not this one's.
    root: Any = get_root_resource()
    root.outputs.clear()
    outputs: dict[str, Any] = {}

    async def known(output: Any) -> Any:
        value = pulumi.Output.from_input(output)
        return await value.future() if await value.is_known() else UNKNOWN

    async def finish() -> None:
        for name, output in root.outputs.items():
            outputs[name] = await known(output)

    def run() -> Any:
        program()
        return finish()

    wrap: Any = pulumi.runtime.test
    # What the SDK has loaded would be searched for garbage several times in each run: half of its time. Which line of
    # the program made a resource is told by walking pytest's frames for each: a quarter. An engine that answers at once
    # needs no other thread to be waited for in.
    gc.disable()
    try:
        with (
            _no_ones_shell(),
            patch("pulumi.runtime.resource._get_stack_trace", StackTrace),
            patch("asyncio.base_events.BaseEventLoop.run_in_executor", _answer),
        ):
            wrap(run)()
    finally:
        gc.enable()
    return Recording(engine.made, outputs, engine.registered_outputs)


@cache
def _answered(message: bytes, urn: str, preview: bool) -> tuple[Made, RegisterResourceResponse]:
    """What is made of a request, and what is said to it: of one program and the next most are alike."""
    request = RegisterResourceRequest.FromString(message)
    inputs: dict[str, Any] = rpc.deserialize_properties(request.object, keep_unknowns=True)
    made = Made(
        type=request.type,
        name=request.name,
        inputs=_plain(inputs),
        urn=urn,
        parent=request.parent,
        provider=request.provider,
        protect=request.protect,
        depends_on=frozenset(request.dependencies),
        sent=request.object,
    )
    added = computed(made)
    state = {**inputs, **(_not_known_yet(inputs, added) if preview else added)}
    if made.is_kubernetes:
        state["metadata"] = {**state.get("metadata", {}), "name": made.object_name}
    for secret in request.additionalSecretOutputs:
        if secret in state:
            state[secret] = {rpc._special_sig_key: rpc._special_secret_sig, "value": state[secret]}
    serialized = _result(rpc.serialize_properties(state, {}))
    identity = "" if preview or not request.custom else f"{request.name}-id"
    return made, RegisterResourceResponse(urn=urn, id=identity, object=serialized)


def _answer(loop: asyncio.AbstractEventLoop, _: None, call: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
    """What the engine says to a call, in place of `run_in_executor`."""
    answer = loop.create_future()
    try:
        answer.set_result(call(*arguments))
    except Exception as failure:
        answer.set_exception(failure)
    return answer


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError(f"{coroutine} waits for something")


@contextmanager
def _no_ones_shell() -> Iterator[None]:
    """Without the variables from which the SDK takes a provider's defaults, and with the commands that a program only
    looks for."""
    given = dict(os.environ)
    for name in given:
        if name.startswith(("GOOGLE_", "KUBECONFIG", "PULUMI_K8S_")):
            del os.environ[name]
    os.environ["PATH"] = f"{COMMANDS}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(given)


def stack_config(stack: str) -> dict[str, Any]:
    """The configuration in a stack's file."""
    config: dict[str, Any] = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return config


def run_stack(config: Mapping[str, Any], *, preview: bool = False) -> Recording:
    """Run the whole program, as `pulumi up` does."""
    return record(lambda: runpy.run_path(str(CHECKOUT / "__main__.py")), config=config, preview=preview)


def _plain(value: Any) -> Any:
    """Numbers as they were written, secrets without their mark, what isn't known as one value to compare with."""
    if isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig:
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Unknown):
        return UNKNOWN
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _clear(value: Any) -> Iterator[str]:
    """The texts in inputs as they are sent, but for those that are marked as secret."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _clear(item)
    elif isinstance(value, dict) and value.get(rpc._special_sig_key) != rpc._special_secret_sig:
        for item in value.values():
            yield from _clear(item)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _not_known_yet(inputs: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """What a provider would add, as a preview has it."""
    return {
        key: value
        if value == inputs.get(key)
        else _not_known_yet(inputs.get(key, {}), value)
        if isinstance(value, dict)
        else rpc.UNKNOWN
        for key, value in added.items()
    }


def computed(made: Made) -> dict[str, Any]:
    """What a provider adds to a resource's inputs. Different resources get different values, the same every time."""
    seed = hashlib.sha256(f"{made.type} {made.name}".encode()).hexdigest()
    match made.type:
        case "random:index/randomPassword:RandomPassword":
            return {"result": base64.b64encode(seed.encode()).decode()[: made.inputs["length"]]}
        case "tls:index/privateKey:PrivateKey":
            return {"privateKeyPem": f"key {seed}", "publicKeyPem": f"public {seed}"}
        case "tls:index/certRequest:CertRequest":
            return {"certRequestPem": f"request {seed}"}
        case "tls:index/selfSignedCert:SelfSignedCert" | "tls:index/locallySignedCert:LocallySignedCert":
            return {"certPem": f"certificate {seed}", "validityEndTime": "2099-01-01T00:00:00Z"}
        case "docker-build:index:Image":
            return {"digest": f"sha256:{seed}", "ref": f"{made.inputs['tags'][0]}@sha256:{seed}"}
        case "kubernetes:core/v1:Service" if not made.at("spec", "clusterIP"):
            address = f"10.96.{int(seed[:2], 16)}.{int(seed[2:4], 16)}"
            return {"spec": {**made.inputs.get("spec", {}), "clusterIP": address}}
        case "gcp:container/cluster:Cluster":
            dns = {
                **made.inputs["controlPlaneEndpointsConfig"]["dnsEndpointConfig"],
                "endpoint": f"gke-{seed}.gke.goog",
            }
            return {
                "controlPlaneEndpointsConfig": {
                    **made.inputs["controlPlaneEndpointsConfig"],
                    "dnsEndpointConfig": dns,
                }
            }
        case "gcp:certificatemanager/dnsAuthorization:DnsAuthorization":
            proof = {"name": f"_acme-challenge.{made.inputs['domain']}.", "type": "CNAME", "data": f"{seed}.authorize."}
            return {"dnsResourceRecords": [proof]}
        case "gcp:storage/bucket:Bucket":
            return {"project": "a-project"}
        case "gcp:dns/managedZone:ManagedZone" if "name" not in made.inputs:
            return {"name": f"{made.name}-{seed[:7]}"}
        case "gcp:serviceaccount/account:Account":
            chosen = made.inputs.get("accountId", f"{made.name}-{seed[:7]}")
            email = f"{chosen}@a-project.iam.gserviceaccount.com"
            return {"email": email, "member": f"serviceAccount:{email}"}
        case _:
            return {}
