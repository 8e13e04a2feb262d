"""What the policy pack sees of a program that ran on mocks, and what it would report."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import struct_pb2

from policies.analyzer import findings, findings_together, plain, remedies
from policies.exemptions import Stack
from policies.rules import Resource
from tests.unit.recording import Recording

TODAY = datetime.date(2026, 12, 1)


def resources_of(recording: Recording) -> list[Resource]:
    """What the program registered, with secrets and unknowns marked."""
    return [
        Resource(
            urn=one.urn,
            type=one.type,
            name=one.name,
            props={key: plain(value) for key, value in one.sent.fields.items()},
            protect=one.protect,
        )
        for one in recording.made
    ]


def found(resources: Sequence[Resource], settings: Stack, today: datetime.date = TODAY) -> set[tuple[str, str]]:
    """Rule and name of the resource of everything that the pack would report."""
    pairs = [*(pair for one in resources for pair in findings(one, settings, today))]
    pairs += findings_together(list(resources), settings, today)
    return {(rule.name, finding.urn.rpartition("::")[2]) for rule, finding in pairs}


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Values as the engine sends them."""
    made = struct_pb2.Struct()
    made.update(values)
    return made


def mended(resource: Resource, settings: Stack, today: datetime.date = TODAY) -> tuple[Resource, list[str]]:
    """The resource with what rules add to it, and which rules did."""
    done = list(remedies(resource, struct(resource.props), settings, today))
    props = {key: plain(value) for key, value in done[-1][1].fields.items()} if done else resource.props
    return dataclasses.replace(resource, props=props), [rule.name for rule, _ in done]
