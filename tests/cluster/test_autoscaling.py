"""The autoscaler follows the load, at the pace of S6.1, and the program doesn't argue with it."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from localcloud.cluster import layout
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.visitors import visitors
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

MOST = 3


@pytest.fixture
def autoscaled(stack: Stack) -> Iterator[None]:
    """One pod of the application, and more under load, which comes through a proxy that is believed."""
    stack.set("app.replicas", {"min": 1, "max": MOST})
    stack.set("edge.trusted_proxies", [layout.SUBNET])
    stack.pulumi("up", "--yes", "--skip-preview")
    yield
    stack.set("app.replicas", 1)
    stack.set("edge.trusted_proxies", [])
    stack.pulumi("up", "--yes", "--skip-preview")


@pytest.mark.usefixtures("autoscaled")
def test_load_adds_pods_step_by_step_and_quiet_takes_them_away_and_nobody_notices(
    stack: Stack, visitor: Callable[..., httpx.Client], record_property: Callable[[str, object], None]
) -> None:
    """S6.1: by half a minute, so from one to two to three; down later, and to no less than the least."""
    wait_for(lambda: "cpu" in metrics(stack), "the autoscaler to know what the pods use", patience=180, every=2)
    seen = [replicas(stack)]
    began = time.monotonic()
    after: list[str] = []

    def look(wanted: int) -> bool:
        if (now := replicas(stack)) != seen[-1]:
            seen.append(now)
            after.append(f"{now} after {time.monotonic() - began:.0f} s")
        return now == wanted

    with visitors(visitor(), visitor(keep=False)) as visits:
        with load(visitor()) as bad:
            wait_for(lambda: look(MOST), "the most pods", patience=600, every=1)
            stack.pulumi("preview", "--expect-no-changes")
        assert seen == [1, 2, 3]
        wait_for(lambda: look(1), "the least pods", patience=1200, every=5)
        wait_for(lambda: len(stack.objects("app", "pods", "app.kubernetes.io/name=app")) == 1, "the others to be gone")
    assert seen == sorted(seen[:3]) + sorted(seen[3:], reverse=True)
    assert visits.bad == []
    assert visits.good > 0
    assert bad == []
    record_property("pods", ", ".join(after))


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


def replicas(stack: Stack) -> int:
    """How many pods the autoscaler wants."""
    (deployment,) = stack.objects("app", "deployments", "app.kubernetes.io/name=app")
    wanted: int = deployment["spec"]["replicas"]
    return wanted


def metrics(stack: Stack) -> str:
    """What the autoscaler knows of the pods."""
    scaler = json.loads(stack.kubectl("-n", f"{PREFIX}-app", "get", "hpa", "app", "-o", "json"))
    return json.dumps(scaler["status"].get("currentMetrics"))
