"""What each user of Redis may do and may not: the program's rights on a real Redis.

That they are enough is what all other tests of the application and of the WebSocket service show.
"""

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.redis import RIGHTS
from tests.app.processes import USER, give, program
from tests.app.servers import Redis, remove

REFUSED = "NOPERM"
# Seconds, by which a test that is slow is no other one.
LONGEST_ENDING = 3600
USERS = Path(__file__).parents[2] / "components" / "files" / "redis-users.sh"


@pytest.fixture(scope="module", autouse=True)
def kept(redis: Redis) -> Iterator[None]:
    """Something of everybody's."""
    keys = ("vision-week:session:one", "vision-week:live:history", "elsewhere")
    for key in keys:
        redis.command("SET", key, "kept")
    yield
    redis.command("DEL", *keys)


def told(redis: Redis, user: str, *words: str, password: str | None = None) -> str:
    done = subprocess.run(
        [program("redis-cli"), "-p", str(redis.port), "--user", user, *words],
        env={"REDISCLI_AUTH": password or redis.password},
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


class Member:
    """A Redis that is told users as a member of the platform's is, and what it says of it."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self._redis, self._folder = redis, folder
        for name in ("secrets", "serving", "data", "redis"):
            (folder / name).mkdir()
            give(folder / name, USER)

    def tell(self, *generations: int, served: int | None = None, seconds: int = LONGEST_ENDING) -> str:
        """The application's passwords of these generations. served: what the last whole roll-out gave to all pods, so
        many seconds ago."""
        hashes = " ".join(f"#{hashlib.sha256(word(one).encode()).hexdigest()}" for one in generations)
        known = " ".join(map(str, generations))
        line = f"# generations: {known}\nuser app on {hashes} {RIGHTS['app']}\n"
        offered = self._folder / "secrets" / "users.conf"
        offered.unlink(missing_ok=True)
        offered.write_text(line)
        # As a Secret's files are: for the pod's own group to read.
        offered.chmod(0o440)
        give(offered, USER)
        if served:
            word_of_it = self._folder / "serving" / "generation"
            word_of_it.write_text(str(served))
            at = time.time() - seconds
            os.utime(word_of_it, (at, at))
        script = USERS.read_text().replace("=/data/", f"={self._folder}/data/")
        for place in ("/etc/vision-week/secrets", "/etc/vision-week/serving", "/run/redis"):
            script = script.replace(place, str(self._folder / place.rpartition("/")[2]))
        # As redis-members.sh has it, in clear.
        asking = f'port={self._redis.port}\ncli() {{ redis-cli "$@"; }}'
        done = subprocess.run(
            ["sh", "-eu", "-c", f"{asking}\n{script}\ntake_users\ntell_users"],
            env={
                "PATH": os.environ["PATH"],
                "REDISCLI_AUTH": self._redis.password,
                "LONGEST_ENDING": str(LONGEST_ENDING),
            },
            text=True,
            capture_output=True,
            check=True,
            user=USER if os.geteuid() == 0 else None,
        )
        return done.stderr

    def knows(self, generation: int) -> bool:
        return told(self._redis, "app", "EXISTS", "vision-week:session:one", password=word(generation)) == "1"


def word(generation: int) -> str:
    return f"the application's, {generation}"


@pytest.fixture
def member(redis: Redis) -> Iterator[Member]:
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    folder.chmod(0o755)
    yield Member(redis, folder)
    remove(folder)
    redis.command("ACL", "SETUSER", "app", "reset", "on", f">{redis.password}", *RIGHTS["app"].split())


def test_the_next_password_is_valid_beside_the_present_one_until_the_next_but_one(member: Member) -> None:
    member.tell(1)
    member.tell(1, 2, served=1)
    assert (member.knows(1), member.knows(2)) == (True, True)
    member.tell(2, 3, served=2)
    assert (member.knows(1), member.knows(2), member.knows(3)) == (False, True, True)


def test_a_generation_that_was_left_out_takes_no_password_from_the_applications_pods(member: Member) -> None:
    member.tell(1, served=1)
    assert "secrets.generation goes up by one at a time" in member.tell(2, 3, served=1)
    assert (member.knows(1), member.knows(2), member.knows(3)) == (True, False, False)


def test_going_back_takes_no_password_before_everybody_is_back(member: Member) -> None:
    member.tell(1, 2, served=2)
    member.tell(1)
    assert (member.knows(1), member.knows(2)) == (True, True)
    member.tell(1, served=1)
    assert (member.knows(1), member.knows(2)) == (True, False)


def test_a_password_ends_no_sooner_than_the_last_pod_that_has_it(member: Member) -> None:
    """A roll-out is whole while pods of before still answer their last requests: those failed on the way back."""
    member.tell(1, 2, served=2)
    member.tell(1, served=1, seconds=0)
    assert (member.knows(1), member.knows(2)) == (True, True)
    member.tell(1, served=1)
    assert (member.knows(1), member.knows(2)) == (True, False)


def test_a_store_that_served_another_stack_takes_the_passwords_of_this_one(member: Member) -> None:
    """Its volume was kept; nobody was given a password yet."""
    member.tell(4, 5)
    member.tell(1)
    assert (member.knows(1), member.knows(5)) == (True, False)


def test_whoever_is_connected_stays_so_while_passwords_change(redis: Redis, member: Member) -> None:
    member.tell(1)
    with subprocess.Popen(
        [program("redis-cli"), "-p", str(redis.port), "--user", "app"],
        env={"REDISCLI_AUTH": word(1)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write("EXISTS vision-week:session:one\n")
        session.stdin.flush()
        assert session.stdout.readline() == "1\n"
        member.tell(1, 2)
        answer, _ = session.communicate("EXISTS vision-week:session:one\n", timeout=10)
    assert answer == "1\n"
