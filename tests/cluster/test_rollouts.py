"""Roll-outs, drained nodes and lost pods that nobody at the edge notices (S5.1).

Visitors ask for pages, a member writes through the API and two people talk over WebSockets all the while. The first
test is of every `make test`; the others are drills.
"""

import socket
import ssl
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.cluster.releases import change
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.visitors import Conversation, Visits, conversation, member_adding, visitors
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

# The service goes, or restarts: connect again (RFC 6455, 7.4.1, and IANA's registry of close codes).
TOLD_TO_GO = {1001, 1012}
# No goodbye: nginx can't say it in another's protocol to those who are still there 70 s after it was told to end.
CUT_OFF = 1006


@dataclass(frozen=True)
class Crowd:
    """Everybody who is there."""

    visits: Visits
    additions: Visits
    talks: tuple[Conversation, ...]

    def noticed_nothing(self, ends: Collection[int] = TOLD_TO_GO) -> None:
        """Every request was answered well; whose connection was ended could connect again, and missed no message."""
        assert self.visits.bad == []
        assert self.additions.bad == []
        assert self.visits.good > 0
        assert self.additions.good > 0
        said = {text for talk in self.talks for text in talk.said}
        assert said
        for talk in self.talks:
            assert talk.refused == []
            assert set(talk.codes) <= set(ends)
            assert said - talk.heard == set()


@contextmanager
def forwarded(pod: str) -> Iterator[int]:
    """The port of this machine that leads to a pod's nginx, without the edge in between."""
    command = ["kubectl", "-n", f"{PREFIX}-app", "port-forward", f"pod/{pod}", ":8080"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert forwarding.stdout is not None
            yield int(forwarding.stdout.readline().split()[2].rpartition(":")[2])
        finally:
            forwarding.terminate()


Gather = Callable[[], AbstractContextManager[Crowd]]


@pytest.fixture
def gather(trusted: ssl.SSLContext, visitor: Callable[..., httpx.Client], member: httpx.Client) -> Gather:
    """Brings the crowd, for as long as a block lasts."""

    @contextmanager
    def crowd() -> Iterator[Crowd]:
        with ExitStack() as here:
            visits = here.enter_context(visitors(visitor(), visitor(keep=False)))
            additions = here.enter_context(member_adding(member))
            yield Crowd(visits, additions, here.enter_context(conversation(trusted, "Ada", "Grace")))

    return crowd


@pytest.fixture(scope="module", autouse=True)
def two_of_each(stack: Stack) -> Iterator[None]:
    """Two pods of each service, as a stack for people has at least."""
    for service in ("app", "edge"):
        stack.set(f"{service}.replicas", 2)
    stack.pulumi("up", "--yes", "--skip-preview")
    yield
    for service in ("app", "edge"):
        stack.set(f"{service}.replicas", 1)
    stack.pulumi("up", "--yes", "--skip-preview")


def test_a_new_release_of_everything_goes_unnoticed(stack: Stack, release: Path, gather: Gather) -> None:
    """Two new images, another configuration of the edge: every pod is replaced."""
    before = pods(stack)
    change(release / "app/src/Health/Checks.php", "'SELECT 1 AS one'", "'SELECT 2 AS one'")
    change(
        release / "images/websocket/vision_week_websocket/__main__.py", "    settings =", "    _ = 2\n    settings ="
    )
    change(release / "components/files/edge.conf", "keepalive_timeout 75s;", "keepalive_timeout 70s;")
    with gather() as crowd:
        stack.pulumi("up", "--yes", "--skip-preview", checkout=release)
        wait_for(lambda: not before & pods(stack), "the old pods to be gone")
    crowd.noticed_nothing()
    assert {code for talk in crowd.talks for code in talk.codes} != set()


def test_the_slowest_request_of_a_pod_that_goes_is_answered(stack: Stack) -> None:
    """Its body is whole only when nginx takes nothing new any more: PHP is still there for it."""
    pod = ready(stack)[0]
    body = b'{"email":"nobody@example.org","password":"wrong"}'
    # Two: a forwarding ends, with all its connections, when one is refused.
    with forwarded(pod) as port, forwarded(pod) as other, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(
            b"POST /login HTTP/1.1\r\nHost: app\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", pod, "--wait=false")
        left = iter(body[:-1])

        def takes_nothing_new() -> bool:
            slow.send(bytes([next(left)]))
            with suppress(OSError, httpx.HTTPError):
                return httpx.get(f"http://127.0.0.1:{other}/health").status_code != 200
            return True

        wait_for(takes_nothing_new, "nginx to be told to go", every=0.5)
        slow.sendall(bytes(left) + body[-1:])
        answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.drill
def test_a_drained_node_goes_unnoticed(stack: Stack, gather: Gather) -> None:
    """Of the pods that serve: the one PostgreSQL and the one Redis of this stack have nowhere to fail over to."""
    node = stack.objects("edge", "pods", "app.kubernetes.io/name=edge")[0]["spec"]["nodeName"]
    services = "--pod-selector=app.kubernetes.io/name in (app, websocket, edge)"
    try:
        with gather() as crowd:
            stack.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s", services)
            for area, name in (("app", "app"), ("app", "websocket"), ("edge", "edge")):
                stack.kubectl("-n", f"{PREFIX}-{area}", "rollout", "status", f"deploy/{name}", "--timeout=120s")
    finally:
        stack.kubectl("uncordon", node)
    crowd.noticed_nothing(TOLD_TO_GO | {CUT_OFF})


@pytest.mark.drill
def test_a_pod_that_is_killed_takes_only_what_it_was_answering(stack: Stack, gather: Gather) -> None:
    """Three visitors ask one thing at a time each: so many answers can be lost, and no more."""
    victim = stack.objects("app", "pods", "app.kubernetes.io/name=app")[0]["metadata"]["name"]
    with gather() as crowd:
        wait_for(lambda: crowd.visits.good > 20, "visitors")
        stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", victim, "--grace-period=0", "--force")
        wait_for(lambda: victim not in pods(stack) and len(ready(stack)) == 2, "another pod in its place")
    assert len(crowd.visits.bad) + len(crowd.additions.bad) <= 3


def ready(stack: Stack) -> list[str]:
    """The application's pods that are ready."""
    return [
        pod["metadata"]["name"]
        for pod in stack.objects("app", "pods", "app.kubernetes.io/name=app")
        if {"type": "Ready", "status": "True"}.items()
        <= next((one for one in pod["status"].get("conditions", []) if one["type"] == "Ready"), {}).items()
    ]


def pods(stack: Stack) -> set[str]:
    """The names of all that serve."""
    found: set[str] = set()
    for area, name in (("app", "app"), ("app", "websocket"), ("edge", "edge")):
        found |= {pod["metadata"]["name"] for pod in stack.objects(area, "pods", f"app.kubernetes.io/name={name}")}
    return found
