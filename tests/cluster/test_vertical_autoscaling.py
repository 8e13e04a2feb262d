"""The vertical autoscaler at work on real pods: it recommends from what they use, and changes those it may (S6.2)."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from components.values import amount
from localcloud.cluster import vertical_autoscaling
from localcloud.problem import Problem
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

# Workload -> its area and containers.
WORKLOADS = {
    "app": ("app", {"nginx", "php"}),
    "websocket": ("app", {"websocket"}),
    "postgres": ("data", {"postgres"}),
    "redis": ("data", {"redis", "sentinel", "haproxy", "exporter"}),
    "edge": ("edge", {"nginx"}),
}


@pytest.fixture(scope="module", autouse=True)
def _sized(stack: Stack) -> Iterator[None]:
    """The stack with an application that the other autoscaler follows, and a Redis that is given less than the least
    that is recommended: 25m for a pod."""
    vertical_autoscaling.up(lambda _: None)
    before = copy.deepcopy(stack.settings)
    try:
        stack.set("app.replicas", {"min": 1, "max": 2})
        stack.set("redis.resources.cpu", "5m")
        stack.set("redis.sentinel_resources.cpu", "5m")
        stack.set("redis.haproxy_resources.cpu", "5m")
        stack.set("redis.exporter_resources.cpu", "5m")
        stack.set("vertical_autoscaling", True)
        stack.pulumi("up", "--yes", "--skip-preview")
        yield
    finally:
        stack.settings = before
        stack.set("vertical_autoscaling", False)
        stack.pulumi("up", "--yes", "--skip-preview")
        vertical_autoscaling.down(lambda _: None)


def recommended(stack: Stack, name: str) -> dict[str, Any]:
    """Container -> what is recommended for it, empty as long as nothing is."""
    area, _ = WORKLOADS[name]
    found = json.loads(stack.kubectl("-n", f"{PREFIX}-{area}", "get", "vpa", name, "-o", "json"))
    listed = found.get("status", {}).get("recommendation", {}).get("containerRecommendations", [])
    return {each["containerName"]: each for each in listed}


def pods(stack: Stack, name: str) -> list[dict[str, Any]]:
    """The pods that aren't going."""
    area, _ = WORKLOADS[name]
    found = stack.objects(area, "pods", f"app.kubernetes.io/name={name}")
    return [each for each in found if "deletionTimestamp" not in each["metadata"]]


def asked(pod: dict[str, Any]) -> dict[str, str]:
    """Container -> the processor time that is kept for it."""
    return {each["name"]: each["resources"]["requests"]["cpu"] for each in pod["spec"]["containers"]}


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def identities(stack: Stack, name: str) -> set[str]:
    return {each["metadata"]["uid"] for each in pods(stack, name)}


def replaced(stack: Stack, name: str) -> dict[str, Any]:
    """A pod that comes after those of a workload, ready."""
    area, _ = WORKLOADS[name]
    before = identities(stack, name)
    stack.kubectl("-n", f"{PREFIX}-{area}", "delete", "pod", "--wait=false", "-l", f"app.kubernetes.io/name={name}")

    def others() -> list[dict[str, Any]]:
        return [each for each in pods(stack, name) if each["metadata"]["uid"] not in before and is_ready(each)]

    wait_for(others, f"the next pod of {name}", patience=180, every=1)
    return others()[0]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_container_gets_a_recommendation(stack: Stack, name: str) -> None:
    _, containers = WORKLOADS[name]
    wait_for(lambda: recommended(stack, name).keys() == containers, f"what {name} needs", patience=240, every=2)
    for found in recommended(stack, name).values():
        assert amount(found["target"]["cpu"]) > 0
        assert amount(found["uncappedTarget"]["memory"]) > 0


def test_kubectl_shows_what_is_recommended(stack: Stack) -> None:
    table = stack.kubectl("-n", f"{PREFIX}-data", "get", "vpa")
    assert {line.split()[0]: line.split()[1] for line in table.splitlines()[1:]} == {
        "postgres": "Initial",
        "redis": "Initial",
    }
    assert "CPU" in table.splitlines()[0]


def test_memory_that_programs_were_planned_for_is_not_moved(stack: Stack) -> None:
    """Less than its buffers would have PostgreSQL killed."""
    assert recommended(stack, "postgres")["postgres"]["target"]["memory"] in ("512Mi", str(512 * 2**20))


def test_pods_are_replaced_one_by_one_by_those_that_ask_for_what_is_recommended(stack: Stack) -> None:
    """The WebSocket service's two ask for 20m, less than the least recommendation; one of them is always ready."""
    fewest = 2

    def done() -> bool:
        nonlocal fewest
        now = pods(stack, "websocket")
        fewest = min(fewest, sum(is_ready(each) for each in now))
        target = amount(recommended(stack, "websocket")["websocket"]["target"]["cpu"])
        return len(now) == 2 and all(is_ready(each) and amount(asked(each)["websocket"]) == target for each in now)

    wait_for(done, "both pods to be replaced", patience=300, every=1)
    assert fewest >= 1


def test_a_pod_that_is_alone_is_not_taken_away(stack: Stack) -> None:
    """The edge's asks for less than is recommended, too; nobody would answer meanwhile."""
    (pod,) = pods(stack, "edge")
    assert amount(asked(pod)["nginx"]) < amount(recommended(stack, "edge")["nginx"]["lowerBound"]["cpu"])
    assert "vpaUpdates" not in pod["metadata"].get("annotations", {})


def test_a_database_is_sized_when_its_pod_is_made_and_not_before(stack: Stack) -> None:
    assert asked(pods(stack, "redis")[0]) == dict.fromkeys(("redis", "sentinel", "haproxy", "exporter"), "5m")
    after = replaced(stack, "redis")
    found = recommended(stack, "redis")
    assert {name: amount(cpu) for name, cpu in asked(after).items()} == {
        name: amount(each["target"]["cpu"]) for name, each in found.items()
    }
    assert amount(asked(after)["redis"]) > amount("5m")
    assert "cpu request" in after["metadata"]["annotations"]["vpaUpdates"]


def test_what_the_other_autoscaler_follows_stays_as_it_is_written(stack: Stack) -> None:
    """S6, beyond: they never fight."""
    assert recommended(stack, "app")
    pod = replaced(stack, "app")
    assert asked(pod) == {"nginx": "20m", "php": "100m"}
    assert "vpaUpdates" not in pod["metadata"].get("annotations", {})


def test_the_program_has_nothing_to_put_right(stack: Stack, visitor: Callable[..., httpx.Client]) -> None:
    """Pods were changed, what they are made from was not; and the application answers."""
    stack.pulumi("preview", "--expect-no-changes")
    assert visitor().get("/health").status_code == 200


def test_it_is_not_removed_while_a_stack_has_any_of_its_objects(stack: Stack) -> None:
    """They would go with their kind, and the next update would stumble over what is missing."""
    with pytest.raises(Problem, match=f"VerticalPodAutoscalers in {PREFIX}-app, {PREFIX}-data, {PREFIX}-edge"):
        vertical_autoscaling.down(lambda _: None)
    assert len(stack.objects("data", "vpa")) == 2


def test_pods_start_as_they_are_written_while_it_does_not_answer(stack: Stack) -> None:
    """A webhook that is asked about every new pod must not be able to stop them."""
    controller = ("-n", "kube-system", "scale", "deployment", "vpa-admission-controller")
    stack.kubectl(*controller, "--replicas=0")
    try:
        gone = ("-n", "kube-system", "wait", "pod", "--for=delete", "-l", "k8s-app=vpa-admission-controller")
        stack.kubectl(*gone, "--timeout=120s")
        assert asked(replaced(stack, "redis")) == dict.fromkeys(("redis", "sentinel", "haproxy", "exporter"), "5m")
    finally:
        stack.kubectl(*controller, "--replicas=1")
