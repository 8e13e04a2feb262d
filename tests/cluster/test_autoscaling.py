"""The autoscaler follows the load, at the pace of S6.1, and the program doesn't argue with it."""

import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
TALKERS = 12


@pytest.fixture
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


@pytest.mark.usefixtures("autoscaled")
def test_load_adds_pods_step_by_step_and_quiet_takes_them_away_and_nobody_notices(
    stack: Stack,
    visitor: Callable[..., httpx.Client],
    trusted: ssl.SSLContext,
    gather: Gather,
    record_property: Callable[[str, object], None],
) -> None:
    """S6.1: by half a minute, so from one to two to three; down later, and to no less than the least."""
    for service in MOST:
        wait_for(
            lambda service=service: "cpu" in metrics(stack, service),  # type: ignore[misc]
            f"the autoscaler to know what the pods of {service} use",
            patience=180,
            every=2,
        )
    seen = {service: [replicas(stack, service)] for service in MOST}
    began = time.monotonic()
    after: list[str] = []

    def look(wanted: Mapping[str, int]) -> bool:
        for service, steps in seen.items():
            if (now := replicas(stack, service)) != steps[-1]:
                steps.append(now)
                after.append(f"{service} {now} after {time.monotonic() - began:.0f} s")
        return all(steps[-1] == wanted[service] for service, steps in seen.items())

    least = dict.fromkeys(MOST, 1)
    with gather() as crowd:
        names = [f"Talker {number}" for number in range(TALKERS)]
        with load(visitor()) as bad, conversation(trusted, *names) as talks:
            wait_for(lambda: look(MOST), "the most pods", patience=600, every=1)
            stack.pulumi("preview", "--expect-no-changes")
        assert {service: sorted(steps) for service, steps in seen.items()} == seen
        wait_for(lambda: look(least), "the least pods", patience=1200, every=5)
        wait_for(lambda: pods(stack) == least, "the others to be gone")
    record_property("pods", ", ".join(after))
    assert seen == {"app": [1, 2, 3, *seen["app"][3:]], "websocket": [1, 2, 1]}
    assert seen["app"][2:] == sorted(seen["app"][2:], reverse=True)
    crowd.noticed_nothing()
    assert bad == []
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


def pods(stack: Stack) -> dict[str, int]:
    """How many there are of each service, those that are going too."""
    return {service: len(stack.objects("app", "pods", f"app.kubernetes.io/name={service}")) for service in MOST}


def metrics(stack: Stack, service: str) -> str:
    """What the autoscaler knows of the pods."""
    scaler = json.loads(stack.kubectl("-n", f"{PREFIX}-app", "get", "hpa", service, "-o", "json"))
    return json.dumps(scaler["status"].get("currentMetrics"))
