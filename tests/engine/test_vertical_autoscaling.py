"""A real API server takes what the program asks of the vertical autoscaler, and refuses what has no meaning (S6.2).

The kind's definition is upstream's, from its Go module.
"""

import copy
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from localcloud import toolchain
from localcloud.cluster import vertical_autoscaling
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import Api, Stack
from tests.unit.vertical import built

pytestmark = pytest.mark.engine

TOKEN = "kubernetes:autoscaling.k8s.io/v1:VerticalPodAutoscaler"

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kubectl(plane: ControlPlane) -> Kubectl:
    """kubectl, of an API server that knows the kind."""

    def run(*words: str, objects: Sequence[Mapping[str, Any]]) -> subprocess.CompletedProcess[str]:
        command = [str(toolchain.binary("kubectl")), f"--kubeconfig={plane.kubeconfig}", *words]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    kinds: list[dict[str, Any]] = json.loads(vertical_autoscaling.kinds().read_text())
    for words in (
        ("apply", "--server-side", "-f", "-"),
        ("wait", "--for=condition=Established", "--timeout=30s", "-f", "-"),
    ):
        done = run(*words, objects=kinds)
        assert done.returncode == 0, done.stderr
    return run


def autoscalers(namespace: str) -> list[dict[str, Any]]:
    return [copy.deepcopy(dict(one.inputs)) for one in built(namespace).of("VerticalPodAutoscaler")]


STRICTLY = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-")


def test_every_autoscaler_of_the_program_is_taken(kubectl: Kubectl, api: Api) -> None:
    made = autoscalers(api.namespace)
    answer = kubectl(*STRICTLY, objects=made)
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.split()) == len(made) == 5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "updatePolicy", "updateMode"), "Sometimes"),
        (("spec", "resourcePolicy", "containerPolicies", 0, "controlledValues"), "LimitsOnly"),
        (("spec", "resourcePolicy", "containerPolicies", 0, "maxAllowed", "cpu"), "much"),
        (("spec", "minimum"), "1"),
    ],
)
def test_what_is_wrong_in_one_is_not(kubectl: Kubectl, api: Api, path: tuple[str | int, ...], value: str) -> None:
    (wrong,) = (one for one in autoscalers(api.namespace) if one["metadata"]["name"] == "redis")
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert kubectl(*STRICTLY, objects=[wrong]).returncode != 0


@pytest.mark.usefixtures("kubectl")
def test_a_recommendation_is_no_change(stack: Stack, api: Api) -> None:
    """The recommender writes into the object every few seconds; the program has nothing to put right."""
    (postgres,) = (one for one in autoscalers(api.namespace) if one["metadata"]["name"] == "postgres")
    stack.up(TOKEN, "postgres", postgres)
    found = {"containerName": "postgres", "target": {"cpu": "1", "memory": "4Gi"}}
    status = {"status": {"recommendation": {"containerRecommendations": [found]}}}
    path = "verticalpodautoscalers.autoscaling.k8s.io/postgres"
    api.patch(path, status, manager="recommender", subresource="status")
    assert api.get(path)["status"]["recommendation"]["containerRecommendations"][0]["target"]["cpu"] == "1"
    stack.refresh("postgres")
    assert not stack.diff(TOKEN, "postgres", postgres).changes
