"""The three stacks keep every rule of the policy pack, and no exemption is there in vain."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from components.configuration import parse
from policies.exemptions import STRICT, Stack, of_settings
from tests.policies.seen import found, resources_of
from tests.unit.conftest import Stacks
from tests.unit.recording import Recording
from tests.unit.stacks import buildable

# Grafana, which operators can be without for a minute: the stacks' files will have to say so, as an exemption, once
# more than one is demanded.
# What watches the backups is missed by an alert after minutes, which is soon enough for what happens every hour; so are
# what tells of the cluster's objects and what asks for the public address. What Loki is to keep waits on the nodes
# while it is away.
SINGLE = {
    ("workload-replicated", name)
    for name in ("grafana", "kube-state-metrics", "loki", "postgres-backups-watch", "probes")
}


def settings_of(stack: str) -> Stack:
    """What the stack's settings say to the pack."""
    config: Mapping[str, Any] = buildable(stack)
    own = {key.removeprefix("vision-week:"): value for key, value in config.items() if key.startswith("vision-week:")}
    return of_settings(parse(own))


def test_a_stack_keeps_every_rule(program: Recording, stack: str) -> None:
    assert found(resources_of(program), settings_of(stack)) == set()


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_what_people_rely_on_keeps_the_rules_for_that_too(stacks: Stacks, stack: str) -> None:
    settings = settings_of(stack)
    relied_on = dataclasses.replace(settings, demands=dataclasses.replace(settings.demands, relied_on=True))
    assert found(resources_of(stacks(stack)), relied_on) <= SINGLE


def test_every_exemption_is_from_a_rule_that_would_be_broken(stacks: Stacks, stack: str) -> None:
    settings = settings_of(stack)
    broken = found(resources_of(stacks(stack)), dataclasses.replace(settings, exemptions=()))
    assert broken >= {(one.rule, one.resource) for one in settings.exemptions}


def test_without_settings_nothing_is_excused(development: Recording) -> None:
    broken = found(resources_of(development), STRICT)
    assert ("image-by-digest", "redis") in broken
    assert ("data-protected", "postgres") in broken
