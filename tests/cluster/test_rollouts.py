"""Roll-outs, drained nodes and lost pods that nobody at the edge notices (S5.1).

Visitors ask for pages, a member writes through the API and two people talk over WebSockets all the while. The first
test is of every `make test`; the others are drills.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.cluster.crowd import CUT_OFF, TOLD_TO_GO, Gather
from tests.cluster.machines import first_process
from tests.cluster.releases import change
from tests.cluster.stack import HOST, PORT, PREFIX, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


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
    # Who is still connected through a pod of the edge 70 s after it was told to go is cut off (docs/edge.md).
    crowd.noticed_nothing(TOLD_TO_GO | {CUT_OFF})
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
def test_other_settings_and_another_certificate_go_unnoticed(
    stack: Stack, gather: Gather, trusted: ssl.SSLContext
) -> None:
    """No new release: what PHP and nginx are told, and what the edge shows."""
    before = pods(stack, "app", "edge")
    another = f"*.{HOST}"
    assert another not in names_shown(trusted)
    stack.set("app.session_lifetime", 1800)
    stack.set("app.limits.login_per_minute", 30)
    stack.set("edge.certificate_names", [HOST, another])
    with gather() as crowd:
        stack.pulumi("up", "--yes", "--skip-preview")
        wait_for(lambda: not before & pods(stack), "the old pods to be gone")
    crowd.noticed_nothing(TOLD_TO_GO | {CUT_OFF})
    assert another in names_shown(trusted)


@pytest.mark.drill
def test_an_application_with_names_of_its_own_takes_over_unnoticed(stack: Stack, release: Path, gather: Gather) -> None:
    """Another source tree, which reads what it is told under the names that the public application has."""
    names = {
        "DATABASE_HOST": "DB_SERVERNAME",
        "DATABASE_NAME": "DB_NAME",
        "DATABASE_USER": "DB_USERNAME",
        "DATABASE_PASSWORD": "DB_PASSWORD",
    }
    application = shutil.copytree(release / "app", release / "another-app")
    for ours, theirs in names.items():
        if ours != "DATABASE_PASSWORD":
            change(application / "src/Settings.php", f"'{ours}'", f"'{theirs}'")
    by_file = "Settings::secret($settings->databasePasswordFile)"
    change(application / "src/Database.php", by_file, "(string) getenv('DB_PASSWORD')")
    constants = {"FIREBASE_PROJECT_ID": "vision-week"}
    before = pods(stack, "app")
    stack.set("source", {"path": "another-app", "variables": names, "constants": constants})
    try:
        with gather() as crowd:
            stack.pulumi("up", "--yes", "--skip-preview", checkout=release)
            wait_for(lambda: not before & pods(stack, "app"), "the old pods to be gone")
    finally:
        stack.unset("source")
    crowd.noticed_nothing()
    told = set(stack.kubectl("-n", f"{PREFIX}-app", "exec", "deploy/app", "-c", "php", "--", "env").splitlines())
    assert {f"{each[0]}={each[1]}" for each in constants.items()} <= told
    assert {line.partition("=")[0] for line in told} >= set(names.values())
    assert {line.partition("=")[0] for line in told}.isdisjoint(names)


@pytest.mark.drill
def test_a_pod_that_is_killed_takes_only_what_it_was_answering(stack: Stack, gather: Gather) -> None:
    victim = ready(stack)[0]

    def kill() -> None:
        stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", victim, "--grace-period=0", "--force")

    takes_only_what_it_was_answering(stack, gather, kill, lambda: victim not in ready(stack))


@pytest.mark.drill
def test_an_nginx_that_is_killed_takes_only_what_it_was_answering(stack: Stack, gather: Gather) -> None:
    """Its pod is still there, and listed until its node notices: whoever is led to it is refused, and asks again."""
    victim = ready(stack)[0]
    before = restarts(stack, victim)

    def kill() -> None:
        os.kill(first_process(stack, "app", victim, "nginx"), signal.SIGKILL)

    takes_only_what_it_was_answering(stack, gather, kill, lambda: restarts(stack, victim) > before)


def takes_only_what_it_was_answering(
    stack: Stack, gather: Gather, kill: Callable[[], None], gone: Callable[[], bool]
) -> None:
    """Three visitors ask one thing at a time each: so many answers can be lost, no more. Those who talk, talk on."""
    with gather() as crowd:
        wait_for(lambda: crowd.visits.good > 20, "visitors")
        kill()
        wait_for(gone, "the victim to be gone")
        wait_for(lambda: len(ready(stack)) == 2, "two to be there again")
        since = crowd.visits.good
        wait_for(lambda: crowd.visits.good > since + 20, "visitors")
    lost = crowd.visits.bad + crowd.additions.bad
    assert len(lost) <= 3, lost
    said = {text for talk in crowd.talks for text in talk.said}
    assert said
    for talk in crowd.talks:
        assert talk.refused == []
        assert talk.codes == []
        assert said - talk.heard == set()


def names_shown(trusted: ssl.SSLContext) -> set[str]:
    """Those of the certificate that the edge shows."""
    with (
        socket.create_connection(("127.0.0.1", PORT), timeout=10) as plain,
        trusted.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        shown = connection.getpeercert()
    assert shown is not None
    return {str(each[1]) for each in shown["subjectAltName"]}


def restarts(stack: Stack, pod: str) -> int:
    """How often the containers of a pod of the application were started again."""
    (found,) = (one for one in stack.objects("app", "pods") if one["metadata"]["name"] == pod)
    return sum(each["restartCount"] for each in found["status"]["containerStatuses"])


def ready(stack: Stack) -> list[str]:
    """The application's pods that are ready."""
    return [
        pod["metadata"]["name"]
        for pod in stack.objects("app", "pods", "app.kubernetes.io/name=app")
        if {"type": "Ready", "status": "True"}.items()
        <= next((one for one in pod["status"].get("conditions", []) if one["type"] == "Ready"), {}).items()
    ]


def pods(stack: Stack, *names: str) -> set[str]:
    """The names of all that serve, or of those pods of these services."""
    found: set[str] = set()
    for area, name in (("app", "app"), ("app", "websocket"), ("edge", "edge")):
        if not names or name in names:
            found |= {pod["metadata"]["name"] for pod in stack.objects(area, "pods", f"app.kubernetes.io/name={name}")}
    return found
