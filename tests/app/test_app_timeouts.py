"""Each waits longer than the next, so that who knows most says what took so long: PostgreSQL, PHP-FPM, nginx."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components import bounds
from components.settings import App, Limits, Timeouts
from tests.app.processes import children
from tests.app.servers import Postgres, Redis
from tests.app.site import Site
from tests.app.test_app_headers import check


@contextmanager
def waiting(folder: Path, postgres: Postgres, redis: Redis, timeouts: Timeouts, **more: str) -> Iterator[Site]:
    variables = {**bounds.php_variables(App(), timeouts), "PHP_FPM_WORKERS": "2", **more}
    site = Site(folder, postgres, redis, bounds.nginx_settings(Limits(), timeouts), variables)
    site.start()
    try:
        yield site
    finally:
        site.stop()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """PHP-FPM, all of it."""
    everyone = [pid, *children(pid)]
    for each in everyone:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        # The first of them last: a worker that has ended is there until it asks.
        for each in reversed(everyone):
            os.kill(each, signal.SIGCONT)


def slowly(client: httpx.Client, path: str = "/api/exhibits?limit=13") -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return client.get(path), time.monotonic() - began


@pytest.fixture(scope="module")
def hasty(folder: Path, postgres: Postgres, redis: Redis, site: Site) -> Iterator[Site]:
    """The one whose statements have a second."""
    assert site.uploads.is_dir()  # it made the schema
    with waiting(folder / "hasty", postgres, redis, Timeouts(database=1)) as hasty:
        yield hasty


def test_the_database_ends_a_statement_that_takes_too_long(hasty: Site, postgres: Postgres) -> None:
    with hasty.client() as client, postgres.locked("exhibits"):
        answer, seconds = slowly(client)
    assert 1 <= seconds < 5
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    check(answer)
    assert any("statement timeout" in line.get("cause", "") for line in hasty.logs_of(answer))


def test_php_ends_a_request_and_nginx_one_that_nobody_answers(folder: Path, postgres: Postgres, redis: Redis) -> None:
    """A database that ends nothing, then workers that stand still."""
    timeouts = Timeouts(nginx=5, php=3, database=1)
    with waiting(folder / "patient", postgres, redis, timeouts, PGOPTIONS="") as site, site.client() as client:
        with postgres.locked("exhibits"):
            answer, seconds = slowly(client)
        assert 2 <= seconds < 5
        assert (answer.status_code, answer.headers["Content-Type"]) == (502, "application/problem+json")
        with frozen(site.php.pid):
            answer, seconds = slowly(client)
        assert 5 <= seconds < 8
        assert (answer.status_code, answer.headers["Retry-After"]) == (504, "5")
        check(answer)
