"""The application behind our own load balancer: both nginx, PHP and the WebSocket service, as a visitor meets them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.realtime import Instance
from tests.app.servers import Redis
from tests.app.site import EMAIL, Site
from tests.app.test_app_headers import check
from tests.unit.balancer import Front, running

# Whoever is before the edge; here everybody connects from loopback.
BEFORE_IT = ["127.0.0.0/8", "2001:db8:cd::/48"]


@pytest.fixture(scope="module")
def front(folder: Path, site: Site, redis: Redis) -> Iterator[Front]:
    own = folder / "edge"
    own.mkdir()
    websocket = Instance(own, redis)
    services = {"app": site.public, "websocket": websocket.port}
    with running(own, {"trusted_proxies": BEFORE_IT}, services=services) as front:
        yield front
    websocket.process.stop()


def test_one_number_is_in_the_answer_and_in_the_log_of_everyone_who_had_the_request(front: Front, site: Site) -> None:
    wrong = {"email": EMAIL, "password": "wrong"}
    answer = front.request("POST", "/login", json=wrong, headers={"X-Request-Id": "chosen-by-the-client"})
    number = answer.headers["X-Request-Id"]
    assert number != "chosen-by-the-client"
    assert answer.json()["request_id"] == number
    edge = front.line_of(answer)
    assert (edge["path"], edge["status"], edge["finished"]) == ("/login", 401, "OK")
    lines = {line["service"]: line for line in site.logs_of(answer)}
    assert (lines["nginx"]["path"], lines["nginx"]["status"]) == ("/login", 401)
    assert lines["app"]["message"] == "login refused"


@pytest.mark.parametrize("given", ["4bf92f3577b34da6a3ce929d0e0e4736", None])
def test_one_trace_is_in_the_log_of_everyone_who_had_the_request(front: Front, site: Site, given: str | None) -> None:
    """S8.3: the one that somebody began, or one that begins at the edge and has the request's number."""
    headers = {"traceparent": f"00-{given}-00f067aa0ba902b7-01"} if given else {}
    answer = front.request("POST", "/login", json={"email": EMAIL, "password": "wrong"}, headers=headers)
    trace = given or answer.headers["X-Request-Id"]
    assert front.line_of(answer)["trace_id"] == trace
    lines = site.logs_of(answer)
    assert {line["service"] for line in lines} == {"app", "nginx"}
    assert {line["trace_id"] for line in lines} == {trace}


def test_every_answer_carries_the_security_headers_once(front: Front) -> None:
    """S3.1: the application's own stay, and the edge adds none to them."""
    for path, status in {"/": 200, "/app.js": 200, "/api/exhibits": 200, "/missing": 404, "/api/missing": 404}.items():
        answer = front.get(path)
        assert answer.status_code == status, path
        check(answer)


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("203.0.113.140", "203.0.113.140"),
        ("192.0.2.1, 203.0.113.141, 2001:db8:cd::7", "203.0.113.141"),
        ("2001:db8:5:7::7, 2001:db8:cd:1::7", "2001:db8:5:7::/64"),
        ("::ffff:203.0.113.142", "203.0.113.142"),
    ],
)
def test_the_application_counts_the_client_that_the_edge_found(
    front: Front, redis: Redis, said: str, counted: str
) -> None:
    front.request("POST", "/login", json={"email": EMAIL, "password": "wrong"}, headers={"X-Forwarded-For": said})
    assert redis.command("GET", f"vision-week:logins:{counted}") == "1"


def test_a_limit_of_the_application_reaches_the_client_as_it_was_said(front: Front) -> None:
    headers, fields = {"X-Forwarded-For": "203.0.113.143"}, {"email": EMAIL, "password": "wrong"}
    answers = [front.request("POST", "/login", json=fields, headers=headers) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    limited = answers[-1]
    assert len(limited.headers.get_list("Retry-After")) == 1
    assert limited.json()["request_id"] == limited.headers["X-Request-Id"]
    check(limited)
