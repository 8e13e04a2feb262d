"""The autoscaler follows the load, at the pace of S6.1, and the program doesn't argue with it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

MOST = 3


@pytest.fixture
def autoscaled(stack: Stack) -> Iterator[None]:
    """One pod of the application, and more under load."""
    stack.set("app.replicas", {"min": 1, "max": MOST})
    stack.set("app.limits", {"api_per_second": 1000})
    stack.pulumi("up", "--yes", "--skip-preview")
    yield
    stack.set("app.replicas", 1)
    stack.set("app.limits", {})
    stack.pulumi("up", "--yes", "--skip-preview")


@pytest.mark.usefixtures("autoscaled")
def test_load_adds_pods_step_by_step_and_quiet_takes_them_away(
    stack: Stack, visitor: Callable[..., httpx.Client]
) -> None:
    """S6.1: by half a minute, so from one to two to three; down later, and to no less than the least."""
    wait_for(lambda: "cpu" in metrics(stack), "the autoscaler to know what the pods use", patience=180, every=2)
    seen = [replicas(stack)]

    def look(wanted: int) -> bool:
        if (now := replicas(stack)) != seen[-1]:
            seen.append(now)
        return now == wanted

    with load(visitor()):
        wait_for(lambda: look(MOST), "the most pods", patience=600, every=1)
        stack.pulumi("preview", "--expect-no-changes")
    assert seen == [1, 2, 3]
    wait_for(lambda: look(1), "the least pods", patience=1200, every=5)
    assert seen == sorted(seen[:3]) + sorted(seen[3:], reverse=True)


@contextmanager
def load(client: httpx.Client) -> Iterator[None]:
    """Four who ask without a pause, and with no limit that holds them from it, until the block ends."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            client.get("/health")

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def replicas(stack: Stack) -> int:
    """How many pods the autoscaler wants."""
    (deployment,) = stack.objects("app", "deployments", "app.kubernetes.io/name=app")
    wanted: int = deployment["spec"]["replicas"]
    return wanted


def metrics(stack: Stack) -> str:
    """What the autoscaler knows of the pods."""
    scaler = json.loads(stack.kubectl("-n", f"{PREFIX}-app", "get", "hpa", "app", "-o", "json"))
    return json.dumps(scaler["status"].get("currentMetrics"))
