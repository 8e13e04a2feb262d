"""The three stacks keep every rule of the policy pack, and no exemption is there in vain."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components.configuration import parse
from policies.analyzer import remedies
from policies.exemptions import STRICT, Stack, of_settings
from tests.policies.seen import TODAY, found, resources_of
from tests.unit.conftest import Stacks
from tests.unit.recording import Recording, stack_config
from tests.unit.stacks import buildable


def settings_of(stack: str) -> Stack:
    """What the stack's settings say to the pack: as its file has them, that people rely on it too."""
    config: Mapping[str, Any] = buildable(stack)
    own = {key.removeprefix("vision-week:"): value for key, value in config.items() if key.startswith("vision-week:")}
    settings = of_settings(parse(own))
    relied_on = stack_config(stack).get("vision-week:purpose", "live") != "workbench"
    return dataclasses.replace(settings, demands=dataclasses.replace(settings.demands, relied_on=relied_on))


def test_a_stack_keeps_every_rule(program: Recording, stack: str) -> None:
    """Production's file had no exemptions, and its first update would have been refused."""
    assert found(resources_of(program), settings_of(stack)) == set()


def test_nothing_of_a_stack_needs_to_be_mended(program: Recording, stack: str) -> None:
    settings = settings_of(stack)
    sent = {one.urn: one.sent for one in program.made}
    done = [
        (rule.name, one.name)
        for one in resources_of(program)
        for rule, _ in remedies(one, sent[one.urn], settings, TODAY)
    ]
    assert done == []


def test_every_exemption_is_from_a_rule_that_would_be_broken(stacks: Stacks, stack: str) -> None:
    settings = settings_of(stack)
    broken = found(resources_of(stacks(stack)), dataclasses.replace(settings, exemptions=()))
    assert broken >= {(one.rule, one.resource) for one in settings.exemptions}


def test_without_settings_nothing_is_excused(development: Recording) -> None:
    broken = found(resources_of(development), STRICT)
    assert ("image-by-digest", "redis") in broken
    assert ("data-protected", "postgres") in broken
