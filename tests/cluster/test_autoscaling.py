"""The autoscaler follows the load, at the pace of S6.1, and the program doesn't argue with it."""

import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from localcloud.cluster import layout
from tests.cluster.crowd import Gather
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.visitors import conversation
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

MOST = {"app": 3, "websocket": 2}
# As many at once say something twice a second, and each of them hears it.
TALKERS = 8


@pytest.fixture(scope="module")
def autoscaled(stack: Stack) -> Iterator[None]:
    """One pod of each service, and more under load, which comes through a proxy that is believed."""
    for service, most in MOST.items():
        stack.set(f"{service}.replicas", {"min": 1, "max": most})
    stack.set("edge.trusted_proxies", [layout.SUBNET])
    stack.pulumi("up", "--yes", "--skip-preview")
    yield
    stack.set("app.replicas", 1)
    stack.set("websocket.replicas", 2)
    stack.set("edge.trusted_proxies", [])
    stack.pulumi("up", "--yes", "--skip-preview")


class Steps:
    """How many pods the autoscaler of a service has wanted, one after the other."""

    def __init__(self, stack: Stack, service: str) -> None:
        self._stack, self._service = stack, service
        wait_for(
            lambda: "cpu" in metrics(stack, service), "the autoscaler to know what its pods use", patience=180, every=2
        )
        self._began = time.monotonic()
        self.seen = [replicas(stack, service)]
        self.told: list[str] = []

    def at(self, number: int) -> bool:
        """Whether it wants so many now."""
        if (now := replicas(self._stack, self._service)) != self.seen[-1]:
            self.seen.append(now)
            self.told.append(f"{now} after {time.monotonic() - self._began:.0f} s")
        return now == number

    def until_least(self) -> None:
        """Wait until one pod is wanted, and no other is there."""
        wait_for(lambda: self.at(1), "the least pods", patience=1200, every=5)
        label = f"app.kubernetes.io/name={self._service}"
        wait_for(lambda: len(self._stack.objects("app", "pods", label)) == 1, "the others to be gone")


@pytest.mark.usefixtures("autoscaled")
def test_load_adds_pods_step_by_step_and_quiet_takes_them_away_and_nobody_notices(
    stack: Stack,
    visitor: Callable[..., httpx.Client],
    gather: Gather,
    record_property: Callable[[str, object], None],
) -> None:
    """S6.1: by half a minute, so from one to two to three; down later, and to no less than the least."""
    steps = Steps(stack, "app")
    with gather() as crowd:
        with load(visitor()) as bad:
            wait_for(lambda: steps.at(MOST["app"]), "the most pods", patience=600, every=1)
            stack.pulumi("preview", "--expect-no-changes")
        steps.until_least()
    record_property("pods", ", ".join(steps.told))
    assert steps.seen[:3] == [1, 2, 3]
    assert steps.seen[2:] == sorted(steps.seen[2:], reverse=True)
    crowd.noticed_nothing()
    assert bad == []


@pytest.mark.usefixtures("autoscaled")
def test_talk_adds_a_pod_of_the_websocket_service_and_silence_takes_it_away_and_nobody_is_lost(
    stack: Stack, trusted: ssl.SSLContext, record_property: Callable[[str, object], None]
) -> None:
    """S6.1"""
    steps = Steps(stack, "websocket")
    with conversation(trusted, *(f"Talker {number}" for number in range(TALKERS))) as talks:
        wait_for(lambda: steps.at(MOST["websocket"]), "another pod", patience=300, every=1)
        stack.pulumi("preview", "--expect-no-changes")
    steps.until_least()
    record_property("pods", ", ".join(steps.told))
    assert steps.seen == [1, 2, 1]
    assert [(talk.refused, talk.codes) for talk in talks] == [([], [])] * TALKERS


@contextmanager
def load(client: httpx.Client) -> Iterator[list[str]]:
    """Many visitors, four at a time without a pause, each from an address of its own, until the block ends; gives what
    was not answered well."""
    ended = threading.Event()
    numbers = itertools.count()
    bad: list[str] = []

    def ask() -> None:
        while not ended.is_set():
            number = next(numbers)
            # Addresses of the Internet that are nobody's (RFC 2544), and a cookie, or nginx would answer by itself.
            address = f"198.{18 + number // 65536 % 2}.{number // 256 % 256}.{number % 256}"
            headers = {"X-Forwarded-For": address, "Cookie": "seen=before"}
            try:
                answer = client.get("/api/exhibits", headers=headers)
            except httpx.HTTPError as error:
                bad.append(repr(error))
                continue
            if answer.status_code != 200:
                bad.append(f"{answer.status_code} {answer.text[:200]}")

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield bad
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def replicas(stack: Stack, service: str) -> int:
    """How many pods the autoscaler wants."""
    (deployment,) = stack.objects("app", "deployments", f"app.kubernetes.io/name={service}")
    wanted: int = deployment["spec"]["replicas"]
    return wanted


def metrics(stack: Stack, service: str) -> str:
    """What the autoscaler knows of the pods."""
    scaler = json.loads(stack.kubectl("-n", f"{PREFIX}-app", "get", "hpa", service, "-o", "json"))
    return json.dumps(scaler["status"].get("currentMetrics"))
