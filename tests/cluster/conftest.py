"""The platform as real pods: one stack named `test` beside the developer's own, made once for all tests in this folder.

It is the development stack under other namespaces and another port, with as many members of PostgreSQL and Redis as a
stack for people has, brought up by the real engine. `make test` has set up the local cloud and its environment before
pytest starts.
"""

import secrets
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cluster import database, store, stored_writes
from tests.cluster.crowd import Crowd, Gather
from tests.cluster.machines import take_pods
from tests.cluster.receiver import Receiver, receiver
from tests.cluster.releases import copy_of_the_checkout
from tests.cluster.stack import HOST, NODE_PORT, PORT, PREFIX, Stack
from tests.cluster.stored_writes import StoredWrites
from tests.cluster.visitors import conversation, member_adding, visitors
from tests.cluster.writes import Writes, writer


@pytest.fixture(scope="session")
def on_call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """Who is told of the stack's alerts: there before the stack."""
    take_pods()
    with receiver(tmp_path_factory.mktemp("receiver")) as on_call:
        yield on_call


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, on_call: Receiver) -> Stack:
    """The stack, up. It stays up between the tests; the last of them takes it down."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    stack.set("namespace_prefix", PREFIX)
    stack.set("storage.class_name", "fast-ssd-test")
    stack.set("edge.node_port", NODE_PORT)
    stack.set("edge.url", f"https://{HOST}:{PORT}")
    stack.set("postgres.members", database.MEMBERS)
    stack.set("redis.members", store.MEMBERS)
    # One test after another begins with somebody who logs in, all from this machine's address.
    stack.set("app.limits", {"login_per_minute": 60})
    told = {"name": "on-call", "secret": "on-call", "severities": ["critical", "heartbeat"]}
    stack.set("monitoring.receivers", [{**told, "authority": on_call.certificate}])
    stack.set("postgres.backups", {"repository": "volume", "volume_size": "1Gi", "archive_timeout": 5, "servers": 1})
    # Passwords go forward alone, and the stack may have been left up.
    stack.set("secrets.generation", stack.generation())
    stack.ensure()
    if stayed_in_disorder(stack):
        stack.pulumi("destroy", "--yes", "--skip-preview")
    stack.set_secret("webhooks.on-call", on_call.address)
    stack.pulumi("up", "--yes", "--skip-preview")
    return stack


def stayed_in_disorder(stack: Stack) -> bool:
    """Whether a drill was broken off: the members that it kept away stay away, whatever an update does."""
    if not database.members(stack):
        return False
    try:
        database.whole(stack)
        store.whole(stack)
    except AssertionError:
        return True
    return False


@pytest.fixture(scope="module")
def prometheus(stack: Stack) -> Iterator[httpx.Client]:
    """Prometheus' API, as people reach it: no policy admits anybody, `kubectl port-forward` comes from the node."""
    monitoring = f"{PREFIX}-monitoring"
    stack.kubectl("-n", monitoring, "rollout", "status", "statefulset/prometheus", "--timeout=180s")
    words = ["kubectl", "-n", monitoring, "port-forward", "pod/prometheus-0", ":9090"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout
        port = forwarding.stdout.readline().partition("127.0.0.1:")[2].split()[0]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", trust_env=False, timeout=30) as client:
            yield client
        forwarding.terminate()


@pytest.fixture(scope="module")
def repaired(stack: Stack) -> Iterator[None]:
    """Roll-outs are given up soon. After one release upon another, bad ones too, the stack is what it was, brought
    there by nothing but an update."""
    stack.set("rollout_timeout", 60)  # seconds, in which a busy machine too starts a pod and sees it fail
    yield
    stack.unset("rollout_timeout")
    stack.pulumi("up", "--yes", "--skip-preview")
    stack.pulumi("preview", "--expect-no-changes")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A checkout to change."""
    return copy_of_the_checkout(tmp_path / "release")


@pytest.fixture(scope="session")
def trusted(stack: Stack) -> ssl.SSLContext:
    """Trusts the stack's own authority and nothing else."""
    return ssl.create_default_context(cadata=stack.outputs()["ca_certificate"])


def fresh(trusted: ssl.SSLContext) -> httpx.HTTPTransport:
    """A connection for each request."""
    return httpx.HTTPTransport(verify=trusted, limits=httpx.Limits(max_keepalive_connections=0))


class Browser(httpx.HTTPTransport):
    """Keeps connections, and asks again where one was closed while it asked, as RFC 9112 (9.3.1) has it: an edge that
    goes hangs up its idle connections, perhaps while a request is on its way there."""

    def __init__(self, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted, limits=httpx.Limits(max_keepalive_connections=None))
        self._fresh = fresh(trusted)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return super().handle_request(request)
        except httpx.RemoteProtocolError:
            if request.method not in {"GET", "HEAD"}:
                raise
            return self._fresh.handle_request(request)

    def close(self) -> None:
        self._fresh.close()
        super().close()


@pytest.fixture
def visitor(trusted: ssl.SSLContext) -> Iterator[Callable[..., httpx.Client]]:
    """Makes a browser's view of the application: the edge's published port, by TLS, with a cookie jar of its own.

    keep: it uses a connection again, as browsers do, until the edge ends it.
    """

    def name_the_host(request: httpx.Request) -> None:
        """In TLS and in the request, without asking a resolver, which may not know `.localhost`."""
        request.extensions["sni_hostname"] = HOST
        request.headers["Host"] = f"{HOST}:{PORT}"

    with ExitStack() as open_clients:

        def make(*, keep: bool = True) -> httpx.Client:
            return open_clients.enter_context(
                httpx.Client(
                    base_url=f"https://127.0.0.1:{PORT}",
                    transport=Browser(trusted) if keep else fresh(trusted),
                    timeout=30,
                    event_hooks={"request": [name_the_host]},
                )
            )

        yield make


@pytest.fixture
def client(visitor: Callable[..., httpx.Client]) -> httpx.Client:
    """One visitor."""
    return visitor()


@pytest.fixture
def member(stack: Stack, client: httpx.Client) -> httpx.Client:
    """The same, logged in as a user who was made for this test."""
    email, password = f"{secrets.token_hex(4)}@example.org", secrets.token_urlsafe(16)
    create = ["php", "bin/create-user.php", f"--email={email}", "--name=Visitor", "--password-file=-"]
    stack.kubectl("-n", f"{PREFIX}-app", "exec", "-i", "deploy/app", "-c", "php", "--", *create, stdin=password)
    answer = client.post("/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return client


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


@pytest.fixture
def writes(stack: Stack, record_property: Callable[[str, object], None]) -> Iterator[Writes]:
    """A cluster that is whole, and somebody who writes. At the end it is whole again, and has all that it promised."""
    database.whole(stack)
    with writer(stack) as writes:
        yield writes
        database.whole(stack)
        writes.go_on()
        assert writes.lost() == set()
        record_property("writes paused", f"{writes.longest_pause:.1f} s")


@pytest.fixture
def stored(stack: Stack, record_property: Callable[[str, object], None]) -> Iterator[StoredWrites]:
    """The same of Redis. What wasn't confirmed by a replica is only counted: that it stays is not promised."""
    store.whole(stack)
    with stored_writes.writer(stack) as writes:
        yield writes
        store.whole(stack)
        writes.go_on()
        assert writes.lost("confirmed") == set()
        record_property("confirmed writes paused", f"{writes.longest_pause:.1f} s")
        record_property("plain writes lost", len(writes.lost("plain")))
