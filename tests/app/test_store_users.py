"""What each user of Redis may do and may not: the program's rights on a real Redis.

That they are enough is what all other tests of the application and of the WebSocket service show.
"""

import subprocess
from collections.abc import Iterator

import pytest

from components.redis import RIGHTS
from tests.app.processes import program
from tests.app.servers import Redis

REFUSED = "NOPERM"


@pytest.fixture(scope="module", autouse=True)
def kept(redis: Redis) -> Iterator[None]:
    """Something of everybody's."""
    keys = ("vision-week:session:one", "vision-week:live:history", "elsewhere")
    for key in keys:
        redis.command("SET", key, "kept")
    yield
    redis.command("DEL", *keys)


def told(redis: Redis, user: str, *words: str) -> str:
    done = subprocess.run(
        [program("redis-cli"), "-p", str(redis.port), "--user", user, *words],
        env={"REDISCLI_AUTH": redis.password},
        text=True,
        capture_output=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("user", RIGHTS)
@pytest.mark.parametrize(
    "command", ["KEYS *", "FLUSHALL", "CONFIG GET requirepass", "ACL LIST", "MONITOR", "SHUTDOWN", "CLIENT LIST"]
)
def test_nobody_sees_or_stops_what_is_not_theirs(redis: Redis, user: str, command: str) -> None:
    assert told(redis, user, *command.split()).startswith(REFUSED)


def test_the_application_reaches_its_own_keys_and_channels_alone(redis: Redis) -> None:
    assert told(redis, "app", "GET", "vision-week:session:one") == "kept"
    assert told(redis, "app", "GET", "elsewhere").startswith(REFUSED)
    assert told(redis, "app", "PUBLISH", "vision-week:live", "x").isdigit()
    assert told(redis, "app", "PUBLISH", "elsewhere", "x").startswith(REFUSED)


def test_the_websocket_service_reads_no_session(redis: Redis) -> None:
    assert told(redis, "websocket", "GET", "vision-week:live:history") == "kept"
    assert told(redis, "websocket", "GET", "vision-week:session:one").startswith(REFUSED)
    assert told(redis, "websocket", "EVAL", "return 1", "0").startswith(REFUSED)


def test_haproxy_learns_who_is_primary_and_nothing_else(redis: Redis) -> None:
    assert "role:master" in told(redis, "haproxy", "INFO", "replication")
    assert told(redis, "haproxy", "GET", "vision-week:live:history").startswith(REFUSED)
    assert told(redis, "haproxy", "PING").startswith(REFUSED)


def test_the_exporter_learns_what_redis_counts_and_nothing_else(redis: Redis) -> None:
    assert "used_memory:" in told(redis, "exporter", "INFO", "ALL")
    for command in ("GET vision-week:live:history", "SLOWLOG GET", "CLIENT LIST", "CONFIG GET maxmemory", "EVAL 0 0"):
        assert told(redis, "exporter", *command.split()).startswith(REFUSED), command
