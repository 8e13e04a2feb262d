"""An exemption is from one rule, of one resource, somebody's, and for a while."""

import datetime

import pytest

from components.settings import Exemption
from policies.exemptions import Stack, of_file, stack_of
from tests.policies.examples import DEMANDS, in_container
from tests.policies.seen import TODAY, found
from tests.unit.recording import CHECKOUT

CULPRIT = in_container("env", [{"name": "DEMO_TOKEN", "value": "public"}])


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


def reported(today: datetime.date, *exemptions: Exemption) -> set[tuple[str, str]]:
    alone = {("workload-has-budget", "web")}  # the workload has no company here
    return found([CULPRIT], Stack(demands=DEMANDS, exemptions=exemptions), today) - alone


def test_an_exemption_holds_to_the_end_of_its_last_day() -> None:
    assert reported(TODAY) == {("pod-no-secret-literal", "web")}
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


def test_images_of_the_catalogue_come_from_the_project_s_own_registry_too() -> None:
    """On Google Cloud they pass through Artifact Registry, and nothing else of that may run."""
    production = of_file("production", CHECKOUT)
    assert production is not None
    passing = [place for place in production.demands.registries if place.endswith("/docker-io/library/redis")]
    assert len(passing) == 1
    assert "-docker.pkg.dev/" in passing[0]
    development = of_file("development", CHECKOUT)
    assert development is not None
    assert not any("pkg.dev" in place for place in development.demands.registries)


def test_a_stack_without_a_file_has_no_settings() -> None:
    assert of_file("nowhere", CHECKOUT) is None


def test_a_urn_names_its_stack() -> None:
    assert stack_of("urn:pulumi:production::vision-week::kubernetes:core/v1:Secret::app") == "production"
