"""Code that fails as PHP makes no exception of it: an answer that a program can read, and a line that says why."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.servers import Postgres, Redis
from tests.app.site import Site
from tests.app.test_app_headers import check

ROUTES = """
    new Route('GET', '/api/throws', static fn () => throw new \\RuntimeException('on purpose')),
    new Route('GET', '/api/grows', static function () {
        for ($all = []; ; $all[] = str_repeat('x', 100)) {
        }
    }),
    new Route('GET', '/api/turns', static function () {
        for (set_time_limit(1);;) {
        }
    }),
    new Route('GET', '/api/ends', static fn () => exit()),
    new Route('GET', '/api/time', static fn () => Response::json((int) ini_get('max_execution_time'))),
"""


@pytest.fixture(scope="module")
def broken(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    site = Site(folder / "broken", postgres, redis, routes=ROUTES)
    site.start()
    yield site
    site.stop()


CAUSES = {
    "/api/throws": "on purpose",
    "/api/grows": "Allowed memory size of 67108864 bytes exhausted",
    "/api/turns": "Maximum execution time of 1 second exceeded",
    "/api/ends": "the script ended early",
}


@pytest.mark.parametrize("path", CAUSES)
def test_code_that_fails_is_a_500_for_programs_and_a_line_with_its_number(broken: Site, path: str) -> None:
    with broken.client() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert CAUSES[path] not in answer.text, "the cause is for the log"
    check(answer)
    (line,) = [line for line in broken.logs_of(answer) if line["service"] == "app"]
    assert line["level"] == "error"
    assert line["message"].startswith(CAUSES[path])


def test_code_has_less_of_the_processor_s_time_than_the_worker_of_the_clock_s(broken: Site) -> None:
    """Or PHP-FPM would end the worker first, and nobody would say why."""
    with broken.client() as client:
        assert 0 < client.get("/api/time").json() < int(broken.environment["PHP_REQUEST_TIMEOUT"])


def test_no_line_of_php_is_anything_but_json_or_its_manager_s(broken: Site) -> None:
    with broken.client() as client:
        broken.logs_of(client.get("/api/grows"))
    lines = broken.php.log.read_text().splitlines()
    assert [line for line in lines if not line.startswith(("{", "["))] == []
    assert "203.0." not in broken.nginx.log.read_text()


def test_an_application_that_cannot_start_says_why_in_php_s_own_log(
    folder: Path, postgres: Postgres, redis: Redis
) -> None:
    """Not in nginx' log, where the client's address and the query would be beside it."""
    site = Site(folder / "unstarted", postgres, redis)
    (site.folder / "html/src/Application.php").write_text("<?php this is none")
    site.start()
    try:
        with site.client("203.0.113.77") as client:
            answer: httpx.Response = client.get("/api/exhibits?token=secret-thing")
        assert answer.status_code == 500
        check(answer)
        assert "PHP Parse error" in site.php.log.read_text()
        for text in (site.php.log.read_text(), site.nginx.log.read_text()):
            assert "203.0.113.77" not in text
            assert "secret-thing" not in text
    finally:
        site.stop()
