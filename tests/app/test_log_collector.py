"""What becomes of a line that somebody writes, before it is kept: the collector itself, as the platform configures it.

What stands in for Loki takes what it brings. `test_log_keeping.py` has Loki.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.collecting import Line, Node, Store, collecting
from tests.app.site import Site
from tests.waiting import wait_for

Running = tuple[Node, Store]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with collecting(tmp_path_factory.mktemp("node")) as both:
        yield both


def line(**fields: str) -> str:
    return json.dumps({"time": "2026-01-01T00:00:00Z", "level": "info", "service": "app", **fields})


def found(store: Store, text: str) -> Line:
    """The line with this in it, once it is there."""

    def lines() -> list[Line]:
        return [each for each in list(store.lines) if text in each.text]

    (one,) = wait_for(lines, f"a line with {text}")
    return one


def test_a_line_arrives_as_it_was_written_with_where_it_is_from(running: Running) -> None:
    """S8.3"""
    node, store = running
    written = line(message="somebody came", request_id="found-0001")
    node.write([written])
    one = found(store, "found-0001")
    assert one.text == written
    assert one.where == {
        "k8s.namespace.name": "vision-week-app",
        "k8s.pod.name": "app-7c9d8b6f5d-x2k4p",
        "k8s.container.name": "php",
        "k8s.container.restart_count": "0",
        "service.name": "app",
    }


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("redis-0", "redis"),
        ("collector-x2k4p", "collector"),
        ("postgres-backups-watch-5f7b8c9d6-bcdfg", "postgres-backups-watch"),
        ("migrations-1a2b3c4d-xz2wp", "migrations"),
        ("postgres-backups-full-29012345-bcd22", "postgres-backups-full"),
    ],
)
def test_the_service_is_told_by_the_name_of_the_pod(running: Running, pod: str, service: str) -> None:
    node, store = running
    node.write([f"of {pod}"], pod=pod)
    assert found(store, f"of {pod}").where["service.name"] == service


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (line(level="warning", message="level-0003"), "warning"),
        ('{"error_severity":"FATAL","message":"level-0004"}', "error"),
        ('{"levelname":"DEBUG","message":"level-0005"}', "debug"),
        ('{"message":"level-0006"}', "info"),
        ("12:M 1 Jan 2026 00:00:00.000 * level-0007", "info"),
        ('{"level":"error","message":"level-0008', "info"),
    ],
)
def test_how_bad_a_line_is_follows_its_own_word_for_it(running: Running, text: str, level: str) -> None:
    node, store = running
    node.write([text])
    mark = text[text.index("level-") :][:10]
    assert found(store, mark).level == level


def test_a_long_line_is_one_line_again(running: Running) -> None:
    """containerd cuts at 16 KiB; a secret that is cut in two would not be recognised."""
    node, store = running
    long = line(message="long-0001", filled="x" * 20000)
    node.write([long[:16384]], part="P")
    node.write([long[16384:]])
    assert found(store, "long-0001").text == long


def test_what_the_kubelet_puts_aside_is_read_to_its_end(running: Running) -> None:
    node, store = running
    node.write([line(message="aside-0001")], pod="redis-1")
    found(store, "aside-0001")
    node.put_aside("redis-1", [line(message="aside-0002")])
    node.write([line(message="aside-0003")], pod="redis-1")
    for number in (2, 3, 1):
        assert found(store, f"aside-000{number}").where["k8s.pod.name"] == "redis-1"


SECRET = "Tr0ub4dor-and-3"
HIDDEN = (SECRET, SECRET.replace("-", "x"))
PLANTED = {
    "in JSON": line(message="planted", password=SECRET),
    "in JSON, with a quote in it": line(message="planted", db_password=f'{SECRET}"{SECRET}'),
    "in JSON under a name that ends so": line(message="planted", redis_api_key=SECRET),
    "in JSON in a text": line(message=json.dumps({"token": f'{SECRET}"{SECRET}', "a": 1})),
    "in a header": f"Authorization: Bearer {SECRET}{SECRET}",
    "in a query": f"GET /reset?token={SECRET}&next=/ HTTP/1.1",
    "in a form": f"password={SECRET}; next",
    "in an address": f"postgres://vision_week:{SECRET}@postgres:5432/vision_week",
    "as a key": line(message=f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----"),
    "as a JSON Web Token": f"it came with eyJhbGciOiJIUzI1NiJ9.{SECRET.replace('-', 'x')}.c2lnbmF0dXJl",
}


def test_planted_secrets_are_taken_out_before_a_line_is_queued(tmp_path: Path) -> None:
    """S7.3: none leaves the node, and none is in what waits there while the store is away."""
    with collecting(tmp_path) as (node, store):
        store.down()
        node.write([f"{text} plant-{number:04}" for number, text in enumerate(PLANTED.values())])
        wait_for(lambda: node.number("otelcol_receiver_accepted_log_records") >= len(PLANTED), "all to be read")
        waiting = b"".join(file.read_bytes() for file in node.queue.iterdir())
        assert b"plant-0000" in waiting
        assert [text for text in HIDDEN if text.encode() in waiting] == []
        store.up()
        for number, how in enumerate(PLANTED):
            text = found(store, f"plant-{number:04}").text
            assert not any(hidden in text for hidden in HIDDEN), how
            assert "[redacted]" in text, how


ADDRESSES = {
    "203.0.113.77": "203.0.113.0",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1::",
    "2001:db8::77": "2001:db8::",
    # Pods', by which one knows who was asked; and what is no address.
    "10.64.3.17": "10.64.3.17",
    "172.31.240.9": "172.31.240.9",
    "12:34:56": "12:34:56",
    "Exhibit::all": "Exhibit::all",
}


@pytest.mark.parametrize(("written", "kept"), ADDRESSES.items())
def test_the_last_part_of_an_address_stays_out(running: Running, written: str, kept: str) -> None:
    """DECISIONS: personal data"""
    node, store = running
    mark = f"address-{list(ADDRESSES).index(written)}"
    node.write([f"client: {written}, {mark}"])
    assert found(store, mark).text == f"client: {kept}, {mark}"


def test_addresses_are_whole_where_a_setting_says_so(tmp_path: Path) -> None:
    with collecting(tmp_path, truncated=False) as (node, store):
        node.write(["client: 203.0.113.77, whole-0001"])
        assert found(store, "whole-0001").text == "client: 203.0.113.77, whole-0001"


def test_what_nginx_answered_is_counted_by_status(tmp_path: Path, site: Site, client: httpx.Client) -> None:
    """S8.1. What it answered by itself, too: nginx, its log and the collector are real."""
    given = [client.get(path) for path in ["/nothing-is-here", "/", *["/api/session"] * 40]]
    asked = Counter(answer.status_code for answer in given)
    assert {200, 404, 429} <= set(asked)
    numbers = {answer.headers["X-Request-Id"] for answer in given}
    for answer in given:
        site.logs_of(answer)
    lines = [text for text in site.access_log.read_text().splitlines() if json.loads(text)["request_id"] in numbers]
    with collecting(tmp_path) as (node, _):
        # What others call a status is none, and what is old was counted when it was new.
        node.write(['{"status":200}'])
        node.write(lines, container="nginx", age=600)
        for part in (lines[:5], lines[5:]):
            node.write(part, container="nginx")
            wait_for(node.answered, "numbers")
        expected = {f'namespace="vision-week-app",service="app",status="{code}"': n for code, n in asked.items()}
        wait_for(lambda: node.answered() == expected, f"{expected}")


def test_nothing_is_lost_while_the_store_is_away_and_the_collector_is_killed(tmp_path: Path) -> None:
    """S8.3. What it had sent and not written down it sends again: Loki knows a line by its time and text."""
    wanted: list[str] = []
    with collecting(tmp_path) as (node, store):

        def more() -> None:
            numbers = range(len(wanted), len(wanted) + 500)
            wanted.extend(f"kept-{number:06}" for number in numbers)
            node.write([line(message=message) for message in wanted[-500:]])

        more()
        store.down()
        for _ in range(3):
            more()
            wait_for(lambda: node.number("otelcol_receiver_accepted_log_records") > 0, "some to be read")
            node.down()
            more()
            node.up()
        more()
        store.up()
        wait_for(lambda: {json.loads(each.text)["message"] for each in list(store.lines)} == set(wanted), "all lines")


def test_a_full_queue_lets_the_files_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.monitoring.collector.QUEUE", 1)
    lines = [line(message=f"waits-{each:06}", filled="x" * 1000) for each in range(4000)]
    with collecting(tmp_path) as (node, store):
        store.down()
        node.write(lines)
        size, capacity = (f"otelcol_exporter_queue_{what}" for what in ("size", "capacity"))
        # Spans have a queue of their own.
        of = 'exporter="otlp_http"'
        wait_for(lambda: node.number(size, of) > 0.8 * node.number(capacity, of), "a full queue")
        assert node.number("otelcol_exporter_enqueue_failed_log_records") == 0
        store.up()
        wait_for(lambda: {each.text for each in list(store.lines)} == set(lines), "all lines to be there")
