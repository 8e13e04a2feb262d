"""What becomes of a span that somebody tells, before it is kept: the collector itself, as the platform configures it.

What stands in for Jaeger, for Loki and for Google takes what it brings. `test_trace_keeping.py` has Jaeger.
"""

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.monitoring import traces
from components.monitoring.collector import COUNTED
from tests.app.collecting import Node, Span, Store, collecting
from tests.app.processes import free_port
from tests.app.telling import tell
from tests.app.test_log_collector import SECRET, found, line
from tests.waiting import wait_for

Running = tuple[Node, Store]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with collecting(tmp_path_factory.mktemp("node")) as both:
        yield both


def span(store: Store, trace: str) -> Span:
    """The only one of the trace, once it is there."""
    (one,) = wait_for(lambda: [each for each in list(store.spans) if each.trace == trace], f"a span of {trace}")
    return one


def test_a_span_arrives_as_it_was_told(running: Running) -> None:
    """S8.3"""
    node, store = running
    arrived = span(store, tell(node.spans, "GET /api/exhibits", **{"http.route": "/api/exhibits"}))
    assert arrived.name == "GET /api/exhibits"
    assert arrived.about == {"service.name": "app", "http.route": "/api/exhibits"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url.query", f"token={SECRET}&next=/"),
        ("http.request.header.authorization", f"Bearer {SECRET}{SECRET}"),
        ("db.query.text", f"ALTER ROLE app PASSWORD 'x' -- password={SECRET}"),
        ("password", SECRET),
    ],
)
def test_planted_secrets_are_taken_out(running: Running, name: str, value: str) -> None:
    """S7.3: as out of lines, whatever an application tells."""
    node, store = running
    arrived = span(store, tell(node.spans, "planted", **{name: value}))
    assert SECRET not in str(arrived)


def test_the_last_part_of_an_address_stays_out(running: Running) -> None:
    """DECISIONS: personal data"""
    node, store = running
    arrived = span(
        store, tell(node.spans, "asked", **{"client.address": "203.0.113.77", "server.address": "10.64.3.17"})
    )
    assert (arrived.about["client.address"], arrived.about["server.address"]) == ("203.0.113.0", "10.64.3.17")


def test_spans_wait_for_a_store_that_is_away(tmp_path: Path) -> None:
    with collecting(tmp_path) as (node, store):
        store.down()
        trace = tell(node.spans, "waits")
        wait_for(lambda: node.number("otelcol_receiver_accepted_spans") == 1, "it to be taken in")
        store.up()
        assert span(store, trace).name == "waits"


def test_spans_without_room_are_refused_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By this number the alert SpansLost knows."""
    monkeypatch.setattr(traces, "QUEUE", {"sizer": "bytes", "queue_size": 2000, "num_consumers": 1})
    with collecting(tmp_path) as (node, store):
        store.down()
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            deque(tell(node.spans, "too many") for _ in range(1000))
        wait_for(lambda: node.number("otelcol_exporter_enqueue_failed_spans") == 1, "it to be counted")
        assert re.fullmatch(COUNTED, "otelcol_exporter_enqueue_failed_spans")


def test_a_line_knows_its_trace(running: Running) -> None:
    """So that what keeps lines finds those of a trace without reading all."""
    node, store = running
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    node.write([line(message="traced-0001", trace_id=trace), line(message="traced-0002", trace_id="not one")])
    assert found(store, "traced-0001").trace == trace
    assert found(store, "traced-0002").trace == ""


def test_google_gets_what_loki_gets_and_its_absence_stops_nothing(tmp_path: Path) -> None:
    """With a stand-in for its API, and without logging in: redacted lines, and where they are from in its words."""
    google = Store(free_port(), None)
    node = Node(tmp_path, google=google.port)
    loki = Store(node.port, tmp_path / "files")
    try:
        loki.up()
        node.up()
        node.write([line(message="away-0001", password=SECRET)])
        assert "away-0001" in found(loki, "away-0001").text
        google.up()
        one = found(google, "away-0001")
        assert SECRET not in one.text
        assert one.where["gcp.project_id"] == "a-project"
        assert one.where["k8s.cluster.name"] == "vision-week"
        assert one.where["k8s.pod.name"] == "app-7c9d8b6f5d-x2k4p"
        assert span(google, tell(node.spans, "GET /")).about["gcp.project_id"] == "a-project"
        assert loki.spans == []
    finally:
        node.stop()
        for store in (loki, google):
            store.down()
