"""The REST API: exhibits in PostgreSQL, read through the cache, and refusals that say what is wrong."""

import uuid
from typing import Any

import httpx
import pytest

from tests.app.servers import DATABASE, Postgres, Redis
from tests.app.site import Site
from tests.waiting import wait_for

JSON = {"Content-Type": "application/json"}


def add(member: httpx.Client, **fields: str) -> dict[str, Any]:
    answer = member.post("/api/exhibits", json={"title": "A heron", **fields})
    assert answer.status_code == 201, answer.text
    exhibit: dict[str, Any] = answer.json()
    return exhibit


def test_an_added_exhibit_is_a_row_and_can_be_read(
    member: httpx.Client, client: httpx.Client, postgres: Postgres
) -> None:
    answer = member.post("/api/exhibits", json={"title": "  A heron ", "description": "Grey, patient."})
    assert answer.status_code == 201
    exhibit = answer.json()
    assert answer.headers["Location"] == f"/api/exhibits/{exhibit['id']}"
    rows = postgres.sql("SELECT title, description FROM exhibits WHERE id = :'id'", DATABASE, id=exhibit["id"])
    assert rows == [["A heron", "Grey, patient."]]
    assert client.get(answer.headers["Location"]).json() == exhibit


def test_text_that_looks_like_sql_is_only_text(member: httpx.Client, postgres: Postgres) -> None:
    title = "'; DROP TABLE exhibits; --"
    exhibit = add(member, title=title)
    assert postgres.sql("SELECT title FROM exhibits WHERE id = :'id'", DATABASE, id=exhibit["id"]) == [[title]]


def test_the_second_read_comes_from_the_cache_and_a_write_ends_that(member: httpx.Client, client: httpx.Client) -> None:
    client.headers["Cookie"] = "seen=before"  # nginx keeps nothing for those who have one
    first = add(member)
    page = {"limit": "7"}
    assert client.get("/api/exhibits", params=page).headers["X-Cache"] == "miss"
    cached = client.get("/api/exhibits", params=page)
    assert cached.headers["X-Cache"] == "hit"
    assert cached.json()["items"][0]["id"] == first["id"]
    second = add(member)
    fresh = client.get("/api/exhibits", params=page)
    assert fresh.headers["X-Cache"] == "miss"
    assert [item["id"] for item in fresh.json()["items"][:2]] == [second["id"], first["id"]]


def test_for_a_second_nginx_answers_whoever_has_no_cookie_by_itself(member: httpx.Client, client: httpx.Client) -> None:
    add(member)
    page = {"limit": "8"}
    kept = client.get("/api/exhibits", params=page)
    again = client.get("/api/exhibits", params=page)
    assert again.content == kept.content
    assert again.headers["X-Request-Id"] != kept.headers["X-Request-Id"]
    assert "X-Accel-Expires" not in again.headers
    # PHP would have found it in its own cache.
    assert [answer.headers["X-Cache"] for answer in (kept, again)] == ["miss", "miss"]
    added = add(member)
    assert member.get("/api/exhibits", params=page).json()["items"][0]["id"] == added["id"]
    assert wait_for(
        lambda: client.get("/api/exhibits", params=page).json()["items"][0]["id"] == added["id"],
        "the answer is renewed",
    )


def test_an_answer_that_is_one_persons_is_nobody_elses(member: httpx.Client, client: httpx.Client) -> None:
    assert member.get("/api/session").json()["user"] is not None
    assert client.get("/api/session").json()["user"] is None


def test_without_redis_reads_bypass_the_cache_and_writes_say_that_they_cannot_be_done(
    site: Site, member: httpx.Client, client: httpx.Client, redis: Redis
) -> None:
    exhibit = add(member)
    redis.stop()
    try:
        read = client.get(f"/api/exhibits/{exhibit['id']}")
        write = member.post("/api/exhibits", json={"title": "Lost"})
    finally:
        redis.start()
    assert (read.status_code, read.headers["X-Cache"]) == (200, "bypass")
    assert write.status_code == 503
    assert write.headers["Retry-After"] == "5"
    logged = site.logs_of(write)
    assert any("refused" in line.get("cause", "") for line in logged), logged


def test_without_the_database_the_answer_is_503_and_the_log_knows_why(
    site: Site, member: httpx.Client, postgres: Postgres
) -> None:
    postgres.stop()
    try:
        answer = member.post("/api/exhibits", json={"title": "Lost"})
    finally:
        postgres.start()
    assert answer.status_code == 503
    assert "127.0.0.1" not in answer.text
    logged = site.logs_of(answer)
    assert any("127.0.0.1" in line.get("cause", "") for line in logged), logged


def test_pages_follow_each_other_while_others_add(member: httpx.Client, client: httpx.Client) -> None:
    added = [add(member)["id"] for _ in range(5)]
    first = client.get("/api/exhibits", params={"limit": 2}).json()
    add(member)
    second = client.get("/api/exhibits", params={"limit": 2, "before": first["next"]}).json()
    seen = [item["id"] for item in first["items"] + second["items"]]
    assert seen == added[:0:-1]


def test_the_last_page_says_so(client: httpx.Client) -> None:
    assert client.get("/api/exhibits", params={"limit": 100, "before": 1}).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"", JSON, 400),
        (b"[1, 2]", JSON, 400),
        (b'"text"', JSON, 400),
        (b'{"title": "\xff\xfe"}', JSON, 400),
        (b"[" * 100 + b"]" * 100, JSON, 400),
        (b'{"title": "x"}', {"Content-Type": "text/plain"}, 415),
        (b"title=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b'{"title": "' + b"x" * 70_000 + b'"}', JSON, 413),
        (b'{"title": ""}', JSON, 422),
        (b'{"title": 7}', JSON, 422),
        (b'{"title": null}', JSON, 422),
        (b'{"title": "x\\u0000y"}', JSON, 422),
        (b'{"title": "' + b"x" * 121 + b'"}', JSON, 422),
        (b'{"titel": "x"}', JSON, 422),
        (b'{"title": {"a": 1}}', JSON, 422),
    ],
)
def test_a_wrong_body_is_refused_in_json(
    member: httpx.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = member.post("/api/exhibits", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["detail"]


def test_every_wrong_field_is_named_at_once(member: httpx.Client) -> None:
    answer = member.post("/api/exhibits", json={"title": "", "description": 5, "colour": "red"})
    assert {error["field"] for error in answer.json()["errors"]} == {"title", "description", "colour"}


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "1e9"}, {"before": "-1"}, {"page": "2"}, {"limit[]": "5"}])
def test_a_wrong_query_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    assert client.get("/api/exhibits", params=query).status_code == 422


def test_an_unknown_exhibit_is_not_found(client: httpx.Client) -> None:
    for _ in range(2):
        answer = client.get(f"/api/exhibits/{uuid.uuid4()}")
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_wrong_method_says_which_are_right(client: httpx.Client) -> None:
    answer = client.delete("/api/exhibits")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_answers_of_the_api_are_kept_by_nobody(client: httpx.Client) -> None:
    assert client.get("/api/exhibits").headers["Cache-Control"] == "no-store"
