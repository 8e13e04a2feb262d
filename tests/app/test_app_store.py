"""The connection to Redis that a worker keeps: used again, and replaced when it leads nowhere or to the wrong place."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.relay import Relay
from tests.app.servers import Postgres, Redis
from tests.app.site import Site
from tests.waiting import wait_for


def leave(site: Site) -> int:
    """What somebody who logs out is answered with: 204 where Redis forgot the session, 503 where it couldn't."""
    with site.client() as client:
        return client.post("/logout", headers={"Cookie": f"__Host-session={'0' * 64}"}).status_code


def connections(redis: Redis) -> int:
    """How many there have been since Redis started."""
    found = re.search(r"^total_connections_received:(\d+)", redis.command("INFO", "stats"), re.MULTILINE)
    assert found
    return int(found[1])


@pytest.fixture(scope="module")
def former(folder: Path, redis: Redis) -> Iterator[Redis]:
    """One that is the primary until a test takes that away, with the password that both have."""
    (folder / "former").mkdir()
    server = Redis(folder / "former", redis.password)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def relay(former: Redis) -> Iterator[Relay]:
    relay = Relay(former)
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def alone(folder: Path, postgres: Postgres, redis: Redis, site: Site, relay: Relay) -> Iterator[Site]:
    """One worker, whose way to Redis leads through the relay."""
    assert site.uploads.is_dir()  # it made the schema
    changed = {"PHP_FPM_WORKERS": "1", "REDIS_PORT": str(relay.port)}
    alone = Site(folder / "alone", postgres, redis, environment=changed)
    alone.start()
    yield alone
    alone.stop()


def test_a_worker_keeps_its_connection(site: Site, redis: Redis) -> None:
    workers = int(site.environment["PHP_FPM_WORKERS"])
    before = connections(redis)
    assert {leave(site) for _ in range(10 * workers)} == {204}
    # The workers' own, the probes' two, and the one that asks.
    assert connections(redis) - before <= workers + 2 + 1


def test_a_connection_that_died_meanwhile_is_replaced_and_not_noticed(site: Site, redis: Redis) -> None:
    """Redis hangs up when it restarts, and on its clients when another one becomes the primary."""
    for _ in range(5):
        assert leave(site) == 204
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert leave(site) == 204


def test_a_kept_connection_is_worth_nothing_without_the_password_of_now(site: Site, redis: Redis) -> None:
    file = site.folder / "etc/secrets/redis-password"
    assert leave(site) == 204
    file.write_text("another")
    try:
        assert leave(site) == 503
    finally:
        file.write_text(redis.password)
    assert leave(site) == 204


def test_a_rotated_password_is_used_without_a_restart(site: Site, redis: Redis) -> None:
    file, old = site.folder / "etc/secrets/redis-password", redis.password
    assert leave(site) == 204
    redis.command("ACL", "SETUSER", "app", "resetpass", ">rotated")
    try:
        file.write_text("rotated")
        assert leave(site) == 204
    finally:
        redis.command("ACL", "SETUSER", "app", "resetpass", f">{old}")
        file.write_text(old)
    assert leave(site) == 204


def test_after_a_fail_over_a_kept_connection_to_the_former_primary_is_left(
    alone: Site, relay: Relay, former: Redis, redis: Redis
) -> None:
    """Who answers READONLY is not whom to ask again."""
    assert leave(alone) == 204
    before = connections(former)
    assert leave(alone) == 204
    assert connections(former) - before == 1, "the worker came on a new connection; only the one that asks may"

    former.command("REPLICAOF", "127.0.0.1", str(redis.port))
    wait_for(lambda: "master_link_status:up" in former.command("INFO", "replication"), "the replica is in step")
    relay.leads_to = redis
    assert leave(alone) == 204


def test_a_hand_over_is_waited_for(alone: Site, relay: Relay) -> None:
    """Meanwhile HAProxy leads nowhere."""
    assert leave(alone) == 204
    relay.refuses = 4
    relay.cut()
    assert leave(alone) == 204
    assert relay.refuses == 0


def test_a_store_that_stays_away_is_said_to_be_and_a_cache_is_done_without(alone: Site, relay: Relay) -> None:
    assert leave(alone) == 204
    relay.refuses = 1000
    relay.cut()
    try:
        with alone.client() as client:
            before = len(relay.came)
            assert client.get("/api/exhibits").headers["X-Cache"] == "bypass"
            assert len(relay.came) - before == 2, "a cache is asked once more and no further"
            answer = client.post("/logout", headers={"Cookie": f"__Host-session={'0' * 64}"})
            assert (answer.status_code, answer.json()["detail"]) == (
                503,
                "The session and cache store can't be reached at the moment.",
            )
    finally:
        relay.refuses = 0
    assert leave(alone) == 204
