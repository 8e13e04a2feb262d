"""Health, readiness, metrics and run-time configuration: what probes, monitoring and the front end ask."""

import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.app.servers import Postgres, Redis
from tests.app.site import EMAIL, Site
from tests.waiting import wait_for


@contextmanager
def stopped(server: Postgres | Redis) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def test_health_answers_while_database_and_redis_are_away(
    client: httpx.Client, postgres: Postgres, redis: Redis
) -> None:
    """A liveness probe that depended on them would restart every pod during a fail-over."""
    with stopped(postgres), stopped(redis):
        answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readiness_names_each_dependency(inside: httpx.Client) -> None:
    answer = inside.get("/ready")
    assert answer.status_code == 200
    assert {name: check["ok"] for name, check in answer.json()["checks"].items()} == {
        "database": True,
        "redis": True,
        "storage": True,
    }


def test_readiness_says_what_is_wrong_and_the_public_only_learns_that_something_is(
    inside: httpx.Client, client: httpx.Client, postgres: Postgres
) -> None:
    with stopped(postgres):
        details, brief = inside.get("/ready"), client.get("/api/health")
    assert details.status_code == 503
    assert "refused" in details.json()["checks"]["database"]["error"]
    assert details.json()["checks"]["redis"]["ok"]
    assert (brief.status_code, brief.json()) == (503, {"status": "unavailable"})
    assert (client.get("/api/health").status_code, client.get("/api/health").json()) == (200, {"status": "ok"})


def test_readiness_notices_storage_that_cannot_be_written(inside: httpx.Client, site: Site) -> None:
    moved = site.uploads.rename(site.uploads.with_name("elsewhere"))
    try:
        answer = inside.get("/ready")
    finally:
        moved.rename(site.uploads)
    assert answer.status_code == 503
    assert not answer.json()["checks"]["storage"]["ok"]


def test_the_public_reaches_neither_metrics_nor_readiness_nor_status(
    client: httpx.Client, inside: httpx.Client
) -> None:
    for path in ("/metrics", "/ready", "/fpm-status", "/nginx-status"):
        assert inside.get(path).status_code == 200, path
        assert client.get(path).status_code == 404, path
        # Not even a request that claims to come from inside.
        forged = client.get(f"/api/..{path}", headers={"VISION-WEEK-INTERNAL": "1", "X-Forwarded-For": "127.0.0.1"})
        assert forged.status_code in {400, 404}, path


def test_probes_are_answered_while_every_worker_is_busy(
    site: Site, inside: httpx.Client, client: httpx.Client, postgres: Postgres
) -> None:
    """/health, /ready and /metrics have workers of their own: load must not look like death. A visitor's /health is one
    of the visitors' requests."""

    def active() -> int:
        return int(inside.get("/fpm-status", params={"json": ""}).json()["active processes"])

    workers = int(site.environment["PHP_FPM_WORKERS"])
    with ThreadPoolExecutor(workers) as pool:
        with postgres.locked("exhibits"):
            busy = [pool.submit(client.get, f"/api/exhibits/{uuid.uuid4()}") for _ in range(workers)]
            wait_for(lambda: active() == workers, "every worker is busy")
            node = httpx.get(f"http://127.0.0.1:{site.public}/health")
            probes = [node, inside.get("/live"), inside.get("/ready"), inside.get("/metrics")]
            with pytest.raises(httpx.ReadTimeout):
                client.get("/health", timeout=1)
        assert [answer.status_code for answer in probes] == [200] * 4
        assert [answer.result().status_code for answer in busy] == [404] * workers


def test_the_workers_of_php_are_there_for_monitoring(inside: httpx.Client) -> None:
    text = inside.get("/fpm-status", params={"openmetrics": ""}).text
    assert re.search(r"^phpfpm_active_processes \d+$", text, re.MULTILINE)
    assert re.search(r"^phpfpm_max_children_reached 0$", text, re.MULTILINE)


def value(inside: httpx.Client, series: str) -> float:
    text = inside.get("/metrics").text
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, f"no series {series} in\n{text}"
    return float(found[1])


def rise(inside: httpx.Client, series: str, action: Callable[[], object]) -> float:
    before = value(inside, series)
    action()
    return value(inside, series) - before


def test_metrics_count_requests_and_their_latency(inside: httpx.Client, client: httpx.Client) -> None:
    client.get("/config.json")
    series = 'vision_week_http_requests_total{method="GET",route="/config.json",status="200"}'
    assert rise(inside, series, lambda: [client.get("/config.json") for _ in range(3)]) == 3
    histogram = "vision_week_http_request_duration_seconds"
    assert rise(inside, f'{histogram}_count{{route="/config.json"}}', lambda: client.get("/config.json")) == 1
    assert value(inside, f'{histogram}_bucket{{route="/config.json",le="+Inf"}}') == value(
        inside, f'{histogram}_count{{route="/config.json"}}'
    )
    assert value(inside, f'{histogram}_sum{{route="/config.json"}}') > 0


def test_metrics_do_not_grow_with_what_clients_make_up(inside: httpx.Client, client: httpx.Client) -> None:
    for number in range(5):
        client.get(f"/api/made-up-{number}")
        client.request(f"MADEUP{number}", "/api/exhibits")
    text = inside.get("/metrics").text
    assert "made-up" not in text
    assert "MADEUP" not in text
    assert 'route="unknown",status="404"' in text


def test_metrics_count_the_business(inside: httpx.Client, member: httpx.Client, client: httpx.Client) -> None:
    exhibit = member.post("/api/exhibits", json={"title": "Counted"}).json()
    show = f"/api/exhibits/{exhibit['id']}"
    assert rise(inside, "vision_week_exhibits_viewed_total", lambda: client.get(show)) == 1
    add = {"title": "Counted too"}
    assert rise(inside, "vision_week_exhibits_created_total", lambda: member.post("/api/exhibits", json=add)) == 1
    refused = 'vision_week_logins_total{result="refused"}'
    wrong = {"email": EMAIL, "password": "wrong"}
    assert rise(inside, refused, lambda: client.post("/login", json=wrong)) == 1
    assert value(inside, 'vision_week_build_info{version="1.2.3",environment="staging"}') == 1


def test_every_metric_says_what_it_is(inside: httpx.Client) -> None:
    answer = inside.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    described = set(re.findall(r"^# TYPE (\S+) ", answer.text, re.MULTILINE))
    names = {re.split(r"[{ ]", line)[0] for line in answer.text.splitlines() if not line.startswith("#")}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} <= described


def test_the_front_end_is_configured_when_it_starts(client: httpx.Client) -> None:
    answer = client.get("/config.json")
    assert answer.json() == {"apiPath": "/api", "websocketPath": "/ws", "environment": "staging", "version": "1.2.3"}
    assert answer.headers["Cache-Control"] == "no-cache"
