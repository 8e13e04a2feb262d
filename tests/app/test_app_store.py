"""The connection to Redis that a worker keeps: used again, and replaced when it leads nowhere or to the wrong place."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.servers import Postgres, Redis
from tests.app.site import EMAIL, Site
from tests.waiting import wait_for


def attempt(site: Site) -> int:
    """What a login with a wrong password is answered with: 401 where Redis counted it, 503 where it couldn't."""
    with site.client() as client:
        return client.post("/login", json={"email": EMAIL, "password": "wrong"}).status_code


def connections(redis: Redis) -> int:
    """How many there have been since Redis started."""
    found = re.search(r"^total_connections_received:(\d+)", redis.command("INFO", "stats"), re.MULTILINE)
    assert found
    return int(found[1])


class Relay:
    """Passes connections on to a Redis; those that are open stay where they lead when the next ones lead elsewhere."""

    def __init__(self, redis: Redis) -> None:
        self.leads_to = redis
        self._listener = socket.create_server(("127.0.0.1", 0))
        port: int = self._listener.getsockname()[1]
        self.port = port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # of the listener that was closed
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self.leads_to.port))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def former(folder: Path) -> Iterator[Redis]:
    """One that is the primary until a test takes that away."""
    (folder / "former").mkdir()
    server = Redis(folder / "former")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def relay(former: Redis) -> Iterator[Relay]:
    relay = Relay(former)
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def alone(folder: Path, postgres: Postgres, site: Site, relay: Relay) -> Iterator[Site]:
    """One worker, whose way to Redis leads through the relay."""
    assert site.uploads.is_dir()  # it made the schema
    alone = Site(folder / "alone", postgres, relay.leads_to, environment={"PHP_FPM_WORKERS": "1"})
    alone.redis_port = relay.port
    alone.start()
    yield alone
    alone.stop()


def test_a_worker_keeps_its_connection(site: Site, redis: Redis) -> None:
    workers = int(site.environment["PHP_FPM_WORKERS"])
    before = connections(redis)
    assert {attempt(site) for _ in range(10 * workers)} == {401}
    # The workers' own, the probes' two, and the one that asks.
    assert connections(redis) - before <= workers + 2 + 1


def test_a_connection_that_died_meanwhile_is_replaced_and_not_noticed(site: Site, redis: Redis) -> None:
    """Redis hangs up when it restarts, and on its clients when another one becomes the primary."""
    for _ in range(5):
        assert attempt(site) == 401
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert attempt(site) == 401


def test_a_kept_connection_is_worth_nothing_without_the_password_of_now(site: Site, redis: Redis) -> None:
    file = site.folder / "etc/secrets/redis-password"
    assert attempt(site) == 401
    file.write_text("another")
    try:
        assert attempt(site) == 503
    finally:
        file.write_text(redis.password)
    assert attempt(site) == 401


def test_a_rotated_password_is_used_without_a_restart(site: Site, redis: Redis) -> None:
    file, old = site.folder / "etc/secrets/redis-password", redis.password
    assert attempt(site) == 401
    redis.command("CONFIG", "SET", "requirepass", "rotated")
    redis.password = "rotated"
    try:
        file.write_text("rotated")
        assert attempt(site) == 401
    finally:
        redis.command("CONFIG", "SET", "requirepass", old)
        redis.password = old
        file.write_text(old)
    assert attempt(site) == 401


def test_after_a_fail_over_a_kept_connection_to_the_former_primary_is_left(
    alone: Site, relay: Relay, former: Redis, redis: Redis
) -> None:
    """Who answers READONLY is not whom to ask again."""
    assert attempt(alone) == 401
    before = connections(former)
    assert attempt(alone) == 401
    assert connections(former) - before == 1, "the worker came on a new connection; only the one that asks may"

    former.command("REPLICAOF", "127.0.0.1", str(redis.port))
    (alone.folder / "etc/secrets/redis-password").write_text(redis.password)
    former.command("CONFIG", "SET", "requirepass", redis.password)
    former.password = redis.password
    former.command("CONFIG", "SET", "masterauth", redis.password)
    wait_for(lambda: "master_link_status:up" in former.command("INFO", "replication"), "the replica is in step")
    relay.leads_to = redis
    assert attempt(alone) == 401
