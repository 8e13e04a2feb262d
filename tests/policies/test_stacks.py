"""The three stacks keep every rule, and each exemption has somebody who answers for it."""

import dataclasses
import datetime

import pytest

from components.settings import Exemption
from policies.analyzer import findings, findings_together
from policies.exemptions import STRICT, Stack, of_file, stack_of
from policies.rules import Resource
from tests.policies.examples import in_container
from tests.policies.stacks import resources_of, settings_of
from tests.unit.recording import CHECKOUT

TODAY = datetime.date(2026, 12, 1)
# What is found because the program can't build it yet, or builds it with a replacement (tests/unit/stacks.py).
NOT_BUILT_YET = {("workload-replicated", "redis")}


def found(resources: list[Resource], settings: Stack, today: datetime.date = TODAY) -> set[tuple[str, str]]:
    """Rule and name of the resource of everything that the pack would report."""
    pairs = [*(pair for one in resources for pair in findings(one, settings, today))]
    pairs += findings_together(resources, settings, today)
    return {(rule.name, finding.urn.rpartition("::")[2]) for rule, finding in pairs}


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("stack", ["development", "staging", "production"])
def test_a_stack_keeps_every_rule(stack: str, *, preview: bool) -> None:
    assert found(resources_of(stack, preview=preview), settings_of(stack)) == set()


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_what_people_rely_on_keeps_the_rules_for_that_too(stack: str) -> None:
    settings = settings_of(stack)
    relied_on = dataclasses.replace(settings, demands=dataclasses.replace(settings.demands, relied_on=True))
    assert found(resources_of(stack), relied_on) == NOT_BUILT_YET


@pytest.mark.parametrize("stack", ["development", "staging", "production"])
def test_no_stack_needs_an_exemption(stack: str) -> None:
    assert settings_of(stack).exemptions == ()


def test_without_settings_nothing_is_excused() -> None:
    assert ("image-by-digest", "redis") in found(resources_of("development"), STRICT)
    assert ("data-protected", "postgres") in found(resources_of("development"), STRICT)


def exemption(**changes: str) -> Exemption:
    """An exemption for a variable in the open."""
    given = {
        "rule": "pod-no-secret-literal",
        "resource": "web",
        "reason": "a public demonstration key, which is printed in the manual",
        "owner": "platform team",
        "expires": "2026-12-01",
    }
    return Exemption(**{**given, **changes})


CULPRIT = in_container("env", [{"name": "DEMO_TOKEN", "value": "public"}])


def reported(today: datetime.date, *exemptions: Exemption) -> set[tuple[str, str]]:
    relied_on = dataclasses.replace(settings_of("development").demands, registries=["registry.example"])
    return found([CULPRIT], Stack(demands=relied_on, exemptions=exemptions), today)


def test_an_exemption_holds_to_the_end_of_its_last_day() -> None:
    assert ("pod-no-secret-literal", "web") in reported(TODAY)
    assert reported(TODAY, exemption()) == set()


def test_an_exemption_that_is_over_fails_and_excuses_nothing() -> None:
    assert reported(TODAY + datetime.timedelta(days=1), exemption()) == {
        ("exemption-holds", ""),
        ("pod-no-secret-literal", "web"),
    }


def test_a_day_that_does_not_exist_is_over() -> None:
    assert ("exemption-holds", "") in reported(TODAY, exemption(expires="2027-02-30"))


@pytest.mark.parametrize("changes", [{"rule": "pod-no-secret-literals"}, {"resource": "webb"}], ids=str)
def test_a_misspelt_exemption_fails(changes: dict[str, str]) -> None:
    assert reported(TODAY, exemption(**changes)) == {("exemption-holds", ""), ("pod-no-secret-literal", "web")}


def test_an_exemption_is_from_one_rule_only() -> None:
    assert ("pod-no-secret-literal", "web") in reported(TODAY, exemption(rule="pod-limits"))


@pytest.mark.parametrize("stack", ["development", "staging", "production"])
def test_the_stack_s_file_is_read_where_the_engine_hands_nothing_over(stack: str) -> None:
    settings = of_file(stack, CHECKOUT)
    assert settings is not None
    assert settings.demands.relied_on is (stack != "development")


def test_a_stack_without_a_file_has_no_settings() -> None:
    assert of_file("nowhere", CHECKOUT) is None


def test_a_urn_names_its_stack() -> None:
    assert stack_of("urn:pulumi:production::vision-week::kubernetes:core/v1:Secret::app") == "production"
