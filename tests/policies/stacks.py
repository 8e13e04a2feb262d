"""The three stacks as the policy pack sees them: what the program registers, with secrets and unknowns marked."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from components.configuration import parse
from policies.analyzer import plain
from policies.exemptions import Stack, of_settings
from policies.rules import Resource
from tests.unit.recording import run_stack
from tests.unit.stacks import buildable


@cache
def resources_of(stack: str, *, preview: bool = False) -> list[Resource]:
    """What the program of a stack registers."""
    recording = run_stack(buildable(stack), preview=preview)
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


def settings_of(stack: str, **changes: Any) -> Stack:
    """What the stack's settings say to the pack; `changes` by the settings' names."""
    config: Mapping[str, Any] = buildable(stack)
    own = {key.removeprefix("vision-week:"): value for key, value in config.items() if key.startswith("vision-week:")}
    return of_settings(parse({**own, **changes}))
