"""Logs: one JSON object a line, tied together by the request's number, without what doesn't belong there."""

import re

import httpx
import pytest

from tests.app.site import EMAIL, PASSWORD, Site


def test_a_requests_number_is_in_the_answer_and_in_every_log_line(site: Site, client: httpx.Client) -> None:
    answer = client.post(
        "/login", json={"email": EMAIL, "password": PASSWORD}, headers={"X-Request-Id": "from-the-edge-0001"}
    )
    assert answer.headers["X-Request-Id"] == "from-the-edge-0001"
    lines = {line["service"]: line for line in site.logs_of(answer)}
    assert lines["app"]["message"] == "login accepted"
    assert lines["nginx"]["status"] == 200
    assert lines["nginx"]["path"] == "/login"


@pytest.mark.parametrize("number", ["short", "x" * 65, 'a"b}{malicious', "new\tline-and-more"])
def test_a_number_that_could_spoil_a_log_is_replaced(client: httpx.Client, number: str) -> None:
    answer = client.get("/api/session", headers={"X-Request-Id": number})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_addresses_are_shortened_and_queries_left_out(site: Site) -> None:
    with site.client("198.51.100.23") as client:
        answer = client.get("/api/exhibits?token=secret-thing")
    [line] = site.logs_of(answer)
    assert line["client"] == "198.51.100.0"
    assert "secret-thing" not in site.access_log.read_text()
    assert "198.51.100.23" not in site.access_log.read_text()


def test_no_log_has_a_password_or_a_token(site: Site, client: httpx.Client) -> None:
    answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
    token = answer.headers["Set-Cookie"].split(";")[0].split("=")[1]
    site.logs_of(client.post("/login", json={"email": EMAIL, "password": "a wrong password"}))
    logs = "".join(log.read_text(errors="replace") for log in (site.access_log, site.php.log, site.nginx.log))
    for secret in (PASSWORD, token, "a wrong password", *site.postgres.passwords.values(), site.redis.password):
        assert secret not in logs


def test_a_long_agent_and_strange_bytes_stay_one_line_of_json(site: Site, client: httpx.Client) -> None:
    answer = client.get("/api/session", headers={"User-Agent": '"}\\ ' + "x" * 6000})
    [line] = site.logs_of(answer)
    assert line["agent"].startswith('"}\\ xxx')


def test_probes_that_go_well_are_not_logged(site: Site, client: httpx.Client) -> None:
    answer = client.get("/health")
    site.logs_of(client.get("/api/session"))
    assert site.logged("request_id", answer.headers["X-Request-Id"]) == []
