"""What is recommended, what is given, and within which bounds (S6.2)."""

from typing import Any

import pytest

from tests.unit.conftest import Stacks
from tests.unit.faults import GATEWAY
from tests.unit.recording import Made, Recording, run_stack
from tests.unit.stacks import buildable
from tests.unit.vertical import built


def modes(recording: Recording) -> dict[str, str]:
    return {
        one.object_name: one.at("spec", "updatePolicy", "updateMode") for one in recording.of("VerticalPodAutoscaler")
    }


def test_databases_are_sized_at_creation_and_what_the_other_autoscaler_follows_is_only_watched() -> None:
    """DECISIONS: VPA."""
    assert modes(built()) == {
        "app": "Off",
        "websocket": "Off",
        "postgres": "Initial",
        "redis": "Initial",
        "edge": "Recreate",
    }


@pytest.mark.parametrize("name", ["app", "websocket"])
def test_a_service_with_a_fixed_number_of_pods_is_sized_by_replacing_them(name: str) -> None:
    fixed: dict[str, Any] = {name: {"replicas": 3}}
    assert modes(built(**fixed))[name] == "Recreate"


def test_an_edge_without_pods_is_not_sized() -> None:
    assert "edge" not in modes(built(edge=GATEWAY))


def test_the_two_autoscalers_never_act_on_one_workload(program: Recording) -> None:
    """S6, beyond: VPA and HPA never fight over the same resource."""
    followed = {one.object_name for one in program.of("HorizontalPodAutoscaler")}
    acting = {
        one.object_name for one in program.of("VerticalPodAutoscaler") if modes(program)[one.object_name] != "Off"
    }
    assert not followed & acting


def policies(one: Made) -> dict[str, dict[str, Any]]:
    listed = one.at("spec", "resourcePolicy", "containerPolicies") or []
    return {each["containerName"]: each for each in listed}


def test_what_is_given_is_between_the_settings_request_and_limit() -> None:
    resources = {"cpu": "1", "cpu_limit": "3", "memory": "4Gi"}
    postgres = policies(built(postgres={"resources": resources}).one("VerticalPodAutoscaler", "postgres-vertical"))
    assert postgres["postgres"] == {
        "containerName": "postgres",
        "minAllowed": {"cpu": "1", "memory": "4Gi"},
        "maxAllowed": {"cpu": "3", "memory": "4Gi"},
        "controlledValues": "RequestsOnly",
    }


def test_a_container_that_nobody_has_bounds_for_is_left_alone() -> None:
    recording = built()
    for name in ("postgres", "redis", "edge"):
        assert policies(recording.one("VerticalPodAutoscaler", f"{name}-vertical"))["*"]["mode"] == "Off"


def test_a_recommendation_that_nobody_acts_on_has_no_bounds() -> None:
    """It says what is really used."""
    assert not policies(built().one("VerticalPodAutoscaler", "app-vertical"))


def test_every_container_of_what_is_sized_has_the_bounds_of_what_it_asks_for() -> None:
    config = buildable("development") | {"vision-week:vertical_autoscaling": True}
    program = run_stack(config)
    sized = program.of("VerticalPodAutoscaler")
    assert {one.object_name for one in sized} == {"app", "websocket", "postgres", "redis", "edge"}
    for one in sized:
        workload = program.one(one.at("spec", "targetRef", "kind"), one.object_name)
        for container in workload.at("spec", "template", "spec", "containers"):
            assert policies(one)[container["name"]]["minAllowed"] == container["resources"]["requests"]
            assert policies(one)[container["name"]]["maxAllowed"] == container["resources"]["limits"]


def test_a_stack_without_it_has_none(stacks: Stacks) -> None:
    assert not stacks("development").of("VerticalPodAutoscaler")
    assert stacks("production").of("VerticalPodAutoscaler")
