"""Traces: what the application tells of a request, by what number its lines and its SQL are found, and that nobody
waits for who is told."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.collecting import Span, Store
from tests.app.processes import free_port
from tests.app.servers import APP, Postgres, Redis
from tests.app.site import Site
from tests.waiting import wait_for

# It has made the schema.
pytestmark = pytest.mark.usefixtures("site")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


def told_to(port: int, percent: float = 100) -> dict[str, str]:
    """Variables of a stack that follows so many of its requests."""
    share = f"{percent / 100:g}"
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_TRACES_SAMPLER_ARG": share}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = Store(free_port(), None)
    store.up()
    yield store
    store.down()


@pytest.fixture(scope="module")
def followed(folder: Path, postgres: Postgres, redis: Redis, store: Store) -> Iterator[Site]:
    """A site all of whose requests are followed."""
    followed = Site(folder / "followed", postgres, redis, environment=told_to(store.port))
    followed.start()
    yield followed
    followed.stop()


def spans_of(store: Store, trace: str) -> list[Span]:
    """All of a request's, once they are there; they come together."""
    return wait_for(lambda: [span for span in list(store.spans) if span.trace == trace], f"spans of {trace}")


def spans_of_one(store: Store, ask: Callable[[], str]) -> list[Span]:
    """Of one of several requests like each other. ask: makes one, and gives its number.

    A store that is too slow for one, as on a busy machine, is left alone for a while.
    """
    numbers: list[str] = []

    def told() -> list[Span]:
        numbers.append(ask())
        return [span for span in list(store.spans) if span.trace in numbers]

    return wait_for(told, "spans of one of them", every=0.5)


def test_a_trace_that_somebody_began_goes_on_to_sql(followed: Site, store: Store) -> None:
    """S8.3: from whoever asks, over nginx and PHP, to Redis and PostgreSQL."""
    with followed.client() as client:
        answer = client.get("/api/exhibits?limit=7", headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    assert answer.status_code == 200
    spans = spans_of(store, TRACE)
    (root,) = (span for span in spans if span.caller == CALLER)
    assert root.name == "GET /api/exhibits"
    assert root.about["http.response.status_code"] == "200"
    assert root.about["request.id"] == answer.headers["X-Request-Id"]
    assert root.about["service.name"] == "app"
    parts = {span.name: span for span in spans if span is not root}
    assert {span.caller for span in parts.values()} == {root.number}
    assert {"wait for a worker", "Redis", "connect to the database", "SELECT"} == set(parts)
    assert all(0 <= span.seconds <= root.seconds for span in parts.values())
    assert "limit" in parts["SELECT"].about["db.query.text"].lower()
    assert "7" not in parts["SELECT"].about["db.query.text"]


def test_both_logs_have_the_number_of_the_trace(followed: Site) -> None:
    trace = "0123456789abcdef0123456789abcdef"
    with followed.client() as client:
        headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
        answer = client.post("/login", json={"email": "nobody@example.org", "password": "x"}, headers=headers)
    lines = followed.logs_of(answer)
    assert {line["service"] for line in lines} == {"app", "nginx"}
    assert {line["trace_id"] for line in lines} == {trace}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "not one",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{TRACE.upper()}-{CALLER}-01",
    ],
)
def test_a_trace_that_begins_here_has_the_requests_number(followed: Site, store: Store, header: str | None) -> None:
    """So that whoever knows the one knows the other. W3C: a header that makes no sense begins a new trace."""
    with followed.client() as client:

        def ask() -> str:
            answer = client.get("/api/session", headers={"traceparent": header} if header else {})
            number: str = answer.headers["X-Request-Id"]
            assert re.fullmatch("[0-9a-f]{32}", number)
            assert [line["trace_id"] for line in followed.logs_of(answer)] == [number]
            return number

        assert "" in {span.caller for span in spans_of_one(store, ask)}


def test_what_the_database_is_doing_says_for_which_request(followed: Site, postgres: Postgres) -> None:
    """S8.3: its list of what runs, and its log of what took long, lead to the request."""
    number, asked = "from-the-edge-0042", []
    question = (
        r"SELECT regexp_replace(query, '\s+', ' ', 'g') FROM pg_stat_activity "
        "WHERE usename = :'user' AND query LIKE '%' || :'number' || '%'"
    )
    headers = {"X-Request-Id": number, "traceparent": f"00-{TRACE}-{CALLER}-01"}
    with followed.client() as client:

        def ask() -> None:
            asked.append(client.get("/api/exhibits?limit=9", headers=headers))

        thread = threading.Thread(target=ask, daemon=True)
        with postgres.locked("exhibits"):
            thread.start()
            ((query,),) = wait_for(lambda: postgres.sql(question, user=APP, number=number), "the question to be seen")
        thread.join()
    assert re.search(rf"/\*request_id='{number}',traceparent='00-{TRACE}-[0-9a-f]{{16}}-01'\*/$", query)
    assert asked[0].status_code == 200


def test_what_fails_is_a_span_that_failed(followed: Site, store: Store, redis: Redis) -> None:
    trace = "f" * 16 + "00000000000000aa"
    member = followed.logged_in()
    redis.stop()
    try:
        answer = member.get("/api/session", headers={"traceparent": f"00-{trace}-{CALLER}-01"})
    finally:
        redis.start()
        member.close()
    assert answer.status_code == 503
    spans = {span.name: span for span in spans_of(store, trace)}
    assert spans["Redis"].failed
    assert spans["GET /api/session"].failed


def test_probes_are_not_followed(followed: Site, store: Store) -> None:
    with followed.inside() as inside, followed.client() as client:
        inside.get("/ready")
        inside.get("/metrics")
        client.get("/health")
        spans_of_one(store, lambda: client.get("/api/session").headers["X-Request-Id"])
    assert {span.name for span in store.spans} & {"GET /ready", "GET /metrics", "GET /health"} == set()


def test_which_requests_are_followed_is_the_traces_own(
    folder: Path, postgres: Postgres, redis: Redis, store: Store
) -> None:
    """A tenth: those whose number is in the lowest tenth, by its lower half, as OpenTelemetry's libraries choose."""
    few = Site(folder / "few", postgres, redis, environment=told_to(store.port, 10))
    few.start()
    try:
        with few.client() as client:
            for lower in ("1999999900000000", "19999a0000000000", "ffffffffffffffff"):
                client.get("/api/session", headers={"traceparent": f"00-{'a' * 16}{lower}-{CALLER}-01"})
            client.get("/api/session", headers={"traceparent": f"00-{'b' * 16}{'0' * 15}1-{CALLER}-00"})
        spans_of(store, f"{'b' * 16}{'0' * 15}1")
    finally:
        few.stop()
    assert {span.trace for span in store.spans if span.trace.startswith("a" * 16)} == {f"{'a' * 16}1999999900000000"}


def test_nobody_notices_that_who_is_told_is_away(folder: Path, postgres: Postgres, redis: Redis) -> None:
    alone = Site(folder / "unheard", postgres, redis, environment={**told_to(free_port()), "LOG_LEVEL": "debug"})
    alone.start()
    try:
        with alone.client() as client:
            answers = [client.get("/api/session") for _ in range(3)]
            lost = wait_for(lambda: alone.logged("message", "a trace is lost"), "a line of it")
    finally:
        alone.stop()
    assert [answer.status_code for answer in answers] == [200] * 3
    # The others didn't try.
    assert len(lost) == 1


def test_a_collector_that_says_nothing_is_left_alone_for_a_while(
    folder: Path, postgres: Postgres, redis: Redis
) -> None:
    """As one on a node that stands still: connections come about, and no answer does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {**told_to(silent.getsockname()[1]), "LOG_LEVEL": "debug"}
        patient = Site(folder / "patient-traces", postgres, redis, environment=environment)
        patient.start()
        try:
            with patient.client() as client:
                assert client.get("/api/session").status_code == 200
                wait_for(lambda: patient.logged("cause", "no answer in time"), "a line of it")
                assert client.get("/api/session").status_code == 200
        finally:
            patient.stop()
        assert len(patient.logged("message", "a trace is lost")) == 1


def test_a_bucket_of_latencies_has_an_example_for_who_can_read_it(followed: Site, store: Store) -> None:
    """S8.1: from a number to the trace of a request that made it."""
    with followed.client() as client:
        number = client.get("/api/session").headers["X-Request-Id"]
    spans_of(store, number)
    with followed.inside() as inside:
        plain = inside.get("/metrics")
        open_metrics = inside.get(
            "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"}
        )
    assert plain.headers["Content-Type"].startswith("text/plain")
    assert "trace_id" not in plain.text
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")
    assert re.search(
        rf'_seconds_bucket{{route="/api/session",le="[^"]+"}} \d+ # {{trace_id="{number}"}} 0\.\d+ \d+\.\d+\n',
        open_metrics.text,
    )


def test_what_has_examples_is_open_metrics(followed: Site) -> None:
    """What a reader of OpenMetrics insists on: a counter's name without its end, and an end."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: PLC0415

    with followed.inside() as there:
        text = there.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text
    families = {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    assert families["vision_week_http_requests"].type == "counter"
    assert families["vision_week_http_request_duration_seconds"].type == "histogram"
    assert "vision_week_build_info" in families
