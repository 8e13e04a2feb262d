"""Redis that speaks TLS alone, as the platform's members do: clients are heard, and believe nobody else."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.realtime import Instance, hear, say
from tests.app.servers import Authority, Postgres, Redis
from tests.app.site import Site
from tests.app.test_app_store import connections, leave
from tests.waiting import wait_for

# What the certificate says, and what it doesn't: the same server by its number.
NAME = "localhost"
NUMBER = "127.0.0.1"

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder / "authority", NAME)


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    """Who signs for the same name as well."""
    return Authority(folder / "stranger", NAME)


@pytest.fixture(scope="module")
def private(folder: Path, authority: Authority) -> Iterator[Redis]:
    (folder / "private").mkdir()
    server = Redis(folder / "private", authority=authority)
    yield server
    server.stop()


@pytest.fixture
def start(folder: Path, postgres: Postgres, private: Redis, site: Site) -> Iterator[Callable[[str, Authority], Site]]:
    """The application with one worker, that looks for Redis at a host and trusts an authority."""
    assert site.uploads.is_dir()  # it made the schema
    started: list[Site] = []

    def start(host: str, trusted: Authority) -> Site:
        changed = {"REDIS_HOST": host, "REDIS_CA_FILE": str(trusted.certificate), "PHP_FPM_WORKERS": "1"}
        made = Site(folder / f"private-{next(_numbers)}", postgres, private, environment=changed)
        made.start()
        started.append(made)
        return made

    yield start
    for each in started:
        each.stop()


def test_the_application_keeps_its_connection_over_tls(
    start: Callable[[str, Authority], Site], authority: Authority, private: Redis
) -> None:
    here = start(NAME, authority)
    assert leave(here) == 204
    before = connections(private)
    assert {leave(here) for _ in range(5)} == {204}
    assert connections(private) - before == 1, "the worker came on a new connection; only the one that asks may"


def test_a_connection_over_tls_that_died_meanwhile_is_replaced_and_not_noticed(
    start: Callable[[str, Authority], Site], authority: Authority, private: Redis
) -> None:
    here = start(NAME, authority)
    for _ in range(3):
        assert leave(here) == 204
        private.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert leave(here) == 204


def test_a_redis_that_stops_in_the_midst_of_a_question_is_away_and_no_fault_of_the_application(
    start: Callable[[str, Authority], Site], authority: Authority, private: Redis
) -> None:
    here = start(NAME, authority)
    assert leave(here) == 204
    private.command("CLIENT", "PAUSE", "60000", "WRITE")
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(leave, here)
        wait_for(lambda: "blocked_clients:1" in private.command("INFO", "clients"), "the question to be heard")
        os.kill(private.process.pid, signal.SIGSTOP)
        try:
            assert answered.result() == 503
        finally:
            os.kill(private.process.pid, signal.SIGCONT)
            private.command("CLIENT", "UNPAUSE")
    assert leave(here) == 204


def test_the_application_believes_no_redis_that_somebody_else_signed_for(
    start: Callable[[str, Authority], Site], stranger: Authority
) -> None:
    assert leave(start(NAME, stranger)) == 503


def test_the_application_believes_no_redis_of_another_name(
    start: Callable[[str, Authority], Site], authority: Authority
) -> None:
    assert leave(start(NUMBER, authority)) == 503


def test_the_websocket_service_hears_over_tls(folder: Path, private: Redis, authority: Authority) -> None:
    instance = Instance(folder, private, REDIS_HOST=NAME, REDIS_CA_FILE=str(authority.certificate))
    with instance.connect() as ada, instance.connect() as grace:
        say(ada, "anyone there?")
        assert hear(grace)["text"] == "anyone there?"
    instance.process.stop()


@pytest.mark.parametrize(("host", "signer"), [(NAME, "stranger"), (NUMBER, "authority")])
def test_the_websocket_service_believes_nobody_else(
    folder: Path, private: Redis, host: str, signer: str, request: pytest.FixtureRequest
) -> None:
    trusted: Authority = request.getfixturevalue(signer)
    instance = Instance(folder, private, ready=503, REDIS_HOST=host, REDIS_CA_FILE=str(trusted.certificate))
    wait_for(lambda: "certificate verify failed" in instance.process.log.read_text(), "the refusal to be logged")
    assert instance.status("/ready") == 503
    instance.process.stop()
