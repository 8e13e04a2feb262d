"""Pulumi's analyzer protocol: how the engine hands resources to the rules and hears what they found.

Written on the protocol itself, which `pulumi` brings along. The package for packs in Python, pulumi-policy, holds
protobuf at a version that is no longer maintained (1.21: 5.29), reads every resource anew for every rule, and gives
rules the values of secrets; here each resource is read once, and no rule ever sees a secret.
"""

# ruff: noqa: N802, ARG002  the protocol's names and arguments

import datetime
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from components.configuration import SettingsError
from policies import google, objects, pods, stack
from policies.exemptions import EXPIRED, STRICT, Stack, exempted, lapsed, of_config, of_file, stack_of
from policies.mending import SIGNATURE, mended
from policies.rules import SECRET, UNKNOWN, Finding, Framework, Resource, Rule

NAME: Final = "vision-week"
VERSION: Final = "1.0.0"
RULES: Final[tuple[Rule, ...]] = (*pods.RULES, *objects.RULES, *google.RULES, *stack.RULES)
# Not a rule among the others: nobody can be exempted from it.
HOLDS: Final = Rule(
    name=EXPIRED,
    says="Every exemption is somebody's, of something, and for a while (S12.2).",
    severity="high",
    framework=Framework(name="Platform specification", item="S12.2"),
    mend="Mend what was exempted, or have vision-week:policies.exemptions renewed by who answers for it.",
)
_MESSAGE_LIMIT: Final = 400 * 2**20  # bytes, as other packs take
_SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  the protocol's mark of one
# What stands for a value that isn't known in a preview, one for each type; and for a secret that
# `pulumi policy analyze` can't decrypt.
_OPAQUE: Final = {
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7": UNKNOWN,
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421": UNKNOWN,
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9": UNKNOWN,
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2": UNKNOWN,
    "030794c1-ac77-496b-92df-f27374a8bd58": UNKNOWN,
    "e48ece36-62e2-4504-bad9-02848725956a": UNKNOWN,
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff": UNKNOWN,
    "[secret]": SECRET,
}
_BY_ITSELF: Final = " Where nothing is said, what is missing is added by itself."
_SEVERITIES: Final = {
    "low": analyzer_pb2.POLICY_SEVERITY_LOW,
    "medium": analyzer_pb2.POLICY_SEVERITY_MEDIUM,
    "high": analyzer_pb2.POLICY_SEVERITY_HIGH,
    "critical": analyzer_pb2.POLICY_SEVERITY_CRITICAL,
}


def findings(resource: Resource, settings: Stack, today: datetime.date) -> Iterator[tuple[Rule, Finding]]:
    """What the rules that look at one resource find, but for what is exempted."""
    for rule in RULES:
        if rule.resource is not None and not exempted(rule.name, resource.name, settings.exemptions, today):
            for said in rule.resource(resource, settings.demands):
                yield rule, Finding(message=said, urn=resource.urn)


def remedies(
    resource: Resource, properties: struct_pb2.Struct, settings: Stack, today: datetime.date
) -> Iterator[tuple[Rule, struct_pb2.Struct]]:
    """What a resource is after each rule that adds something to it, but for what is exempted."""
    for rule in RULES:
        if rule.adds is not None and not exempted(rule.name, resource.name, settings.exemptions, today):
            more = mended(properties, rule.adds(resource))
            if more != properties:
                properties = more
                yield rule, more


def findings_together(
    resources: list[Resource], settings: Stack, today: datetime.date
) -> Iterator[tuple[Rule, Finding]]:
    """What the rules that look at the whole stack find, but for what is exempted; and exemptions that don't hold."""
    known = _known(resources)
    for rule in RULES:
        for found in rule.stack(known, settings.demands) if rule.stack is not None else ():
            if not exempted(rule.name, found.urn.rpartition("::")[2], settings.exemptions, today):
                yield rule, found
    for found in lapsed(resources, settings.exemptions, [rule.name for rule in RULES], today):
        yield HOLDS, found


def _known(resources: list[Resource]) -> list[Resource]:
    """Those that rules about the whole can judge.

    Before there is a cluster, a preview knows nothing of what will be in it, not even which object is in which
    namespace. Each object was looked at as the program asks for it; whether they go together shows in the update.
    """
    if all(one.props for one in resources if one.is_kubernetes):
        return resources
    return [one for one in resources if not one.is_kubernetes]


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """The protocol's methods."""

    def __init__(self, today: datetime.date) -> None:
        self._today = today
        self._configured: Stack | None = None
        self._levels: Mapping[str, analyzer_pb2.PolicyConfig] = {}

    def Handshake(
        self, request: analyzer_pb2.AnalyzerHandshakeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerHandshakeResponse:
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetAnalyzerInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> analyzer_pb2.AnalyzerInfo:
        told = [_described(rule) for rule in (*RULES, HOLDS)]
        return analyzer_pb2.AnalyzerInfo(name=NAME, version=VERSION, policies=told, supportsConfig=True)

    def Configure(
        self, request: analyzer_pb2.ConfigureAnalyzerRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """What `--policy-pack-config` says of how hard each rule is. It says nothing of what is mended."""
        self._levels = dict(request.policyConfig)
        return empty_pb2.Empty()

    def ConfigureStack(
        self, request: analyzer_pb2.AnalyzerStackConfigureRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerStackConfigureResponse:
        try:
            self._configured = of_config(request.config)
        except SettingsError:
            # Whose settings these are, the program says better; without them nothing is excused.
            self._configured = None
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Analyze(
        self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzeResponse:
        found = findings(_resource(request), self._settings(request.urn), self._today)
        return analyzer_pb2.AnalyzeResponse(diagnostics=self._diagnostics(found))

    def AnalyzeStack(
        self, request: analyzer_pb2.AnalyzeStackRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzeResponse:
        resources = [_resource(one) for one in request.resources]
        settings = self._settings(resources[0].urn) if resources else STRICT
        found = findings_together(resources, settings, self._today)
        return analyzer_pb2.AnalyzeResponse(diagnostics=self._diagnostics(found))

    def Remediate(
        self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.RemediateResponse:
        """The engine asks in previews and in updates alike, and looks at what comes of it: that is what is reviewed."""
        found = remedies(_resource(request), request.properties, self._settings(request.urn), self._today)
        return analyzer_pb2.RemediateResponse(
            remediations=[
                analyzer_pb2.Remediation(
                    policyName=rule.name,
                    policyPackName=NAME,
                    policyPackVersion=VERSION,
                    description=rule.says,
                    properties=properties,
                )
                for rule, properties in found
            ]
        )

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def _settings(self, urn: str) -> Stack:
        if self._configured is None:
            self._configured = of_file(stack_of(urn)) or STRICT
        return self._configured

    def _diagnostics(self, found: Iterable[tuple[Rule, Finding]]) -> list[analyzer_pb2.AnalyzeDiagnostic]:
        return [
            analyzer_pb2.AnalyzeDiagnostic(
                policyName=rule.name,
                policyPackName=NAME,
                policyPackVersion=VERSION,
                description=rule.says,
                message=f"{finding.message}\n{rule.framework.name}, {rule.framework.item}. What to do: {rule.mend}",
                enforcementLevel=self._level(rule),
                urn=finding.urn,
                severity=_SEVERITIES[rule.severity],
            )
            for rule, finding in found
        ]

    def _level(self, rule: Rule) -> Any:
        asked = self._levels.get(rule.name)
        return asked.enforcementLevel if asked else analyzer_pb2.MANDATORY


def plain(value: struct_pb2.Value) -> Any:
    """A value of the protocol's as Python has it, with nothing of a secret in it."""
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            if SIGNATURE in fields:
                return SECRET if fields[SIGNATURE].string_value == _SECRET_SIGNATURE else None
            return {key: plain(item) for key, item in fields.items()}
        case "list_value":
            return [plain(item) for item in value.list_value.values]
        case "string_value":
            return _OPAQUE.get(value.string_value, value.string_value)
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _resource(request: analyzer_pb2.AnalyzeRequest | analyzer_pb2.AnalyzerResource) -> Resource:
    fields: Mapping[str, struct_pb2.Value] = request.properties.fields
    return Resource(
        urn=request.urn,
        type=request.type,
        name=request.name,
        props={key: plain(value) for key, value in fields.items()},
        protect=request.options.protect,
    )


def _described(rule: Rule) -> analyzer_pb2.PolicyInfo:
    return analyzer_pb2.PolicyInfo(
        name=rule.name,
        displayName=rule.name,
        description=rule.says,
        enforcementLevel=analyzer_pb2.REMEDIATE if rule.adds else analyzer_pb2.MANDATORY,
        policy_type=analyzer_pb2.POLICY_TYPE_RESOURCE if rule.resource else analyzer_pb2.POLICY_TYPE_STACK,
        severity=_SEVERITIES[rule.severity],
        framework=analyzer_pb2.PolicyComplianceFramework(name=rule.framework.name, reference=rule.framework.item),
        remediation_steps=f"{rule.mend}{_BY_ITSELF if rule.adds else ''}",
    )


def serve() -> None:
    """Serve the engine until it tells this process to end."""
    limits = [(f"grpc.max_{way}_message_length", _MESSAGE_LIMIT) for way in ("receive", "send")]
    server = grpc.server(ThreadPoolExecutor(8), options=[*limits, ("grpc.so_reuseport", 0)])
    today = datetime.datetime.now(datetime.UTC).date()
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(today), server)
    port = server.add_insecure_port("127.0.0.1:0")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    server.start()
    sys.stdout.write(f"{port}\n")  # the engine reads the port here
    sys.stdout.flush()
    over.wait()
    server.stop(0)
    os._exit(0)
