"""The WebSocket service: everyone hears everyone, nobody can spoil it for the others, and a restart loses nobody."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.app.raw import UPGRADE, connected, request, status
from tests.app.realtime import Instance, hear, say
from tests.app.relay import Relay
from tests.app.servers import Redis
from tests.app.site import Site
from tests.app.test_app_headers import SECURITY
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def first(folder: Path, redis: Redis, site: Site) -> Iterator[Instance]:
    """The instance that the site's nginx leads to."""
    instance = Instance(folder, redis, port=site.websocket)
    yield instance
    instance.process.stop()


@pytest.fixture(scope="module")
def second(folder: Path, redis: Redis) -> Iterator[Instance]:
    instance = Instance(folder, redis)
    yield instance
    instance.process.stop()


def closed(connection: ClientConnection) -> tuple[int, str]:
    """How the other side ended it."""
    _, code, reason = until_closed(connection)
    return code, reason


def until_closed(connection: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """What is still heard, and how the other side ended it."""
    heard = []
    try:
        while True:
            heard.append(hear(connection, seconds=20))
    except ConnectionClosed as ended:
        if ended.rcvd is None:
            raise
        return heard, ended.rcvd.code, ended.rcvd.reason


def refused(instance: Instance, origin: str | None = None) -> int:
    with pytest.raises(InvalidStatus) as refusal, instance.connect(origin):
        pass
    return refusal.value.response.status_code


def test_clients_of_two_instances_hear_each_other(first: Instance, second: Instance) -> None:
    with first.connect() as ada, second.connect() as grace:
        assert {c.response.headers["X-Instance"] for c in (ada, grace) if c.response} == {first.name, second.name}
        say(ada, "anyone there?")
        heard = hear(grace)
        assert heard["text"] == "anyone there?"
        assert hear(ada) == heard
        say(grace, "Ja, hier! 👋")
        assert hear(ada)["text"] == "Ja, hier! 👋"
        assert hear(grace)["from"] != heard["from"]


def test_messages_arrive_in_the_order_of_their_numbers(first: Instance, second: Instance) -> None:
    with first.connect() as ada, second.connect() as grace:
        for number in range(8):
            say(ada, str(number))
        heard = [hear(grace) for _ in range(8)]
    assert [message["text"] for message in heard] == [str(number) for number in range(8)]
    numbers = [message["id"] for message in heard]
    assert numbers == sorted(set(numbers))


def test_who_comes_later_can_ask_for_what_was_said(first: Instance, second: Instance) -> None:
    with first.connect() as ada:
        say(ada, "before you came")
        said = hear(ada)
    with second.connect() as grace:
        grace.send(json.dumps({"type": "history"}))
        history = hear(grace)
    assert history["type"] == "history"
    assert history["messages"][-1] == said
    assert len(history["messages"]) <= 50


def test_the_application_tells_everyone_about_a_new_exhibit(second: Instance, member: httpx.Client) -> None:
    with second.connect() as grace:
        exhibit = member.post("/api/exhibits", json={"title": "Fresh"}).json()
        assert hear(grace) == {"type": "exhibit", "id": exhibit["id"], "title": "Fresh"}


def test_the_applications_nginx_leads_to_the_service(first: Instance, site: Site) -> None:
    """S3.4"""
    origin = f"http://127.0.0.1:{site.public}"
    with connect(f"ws://127.0.0.1:{site.public}/ws", additional_headers={"Origin": origin}) as ada:
        assert ada.response
        assert ada.response.headers["X-Instance"] == first.name
        assert ada.response.headers["X-Content-Type-Options"] == "nosniff"
        say(ada, "through nginx")
        assert hear(ada)["text"] == "through nginx"
    with site.client() as client:
        assert client.get("/ws").status_code == 426


@pytest.mark.usefixtures("first")
def test_what_the_service_answers_through_nginx_carries_the_security_headers_once(site: Site) -> None:
    """S3.1"""
    secure, key = "X-Forwarded-Proto: https", UPGRADE.strip()
    asked = {
        101: request("GET /ws HTTP/1.1", secure, key),
        403: request("GET /ws HTTP/1.1", secure, key, "Origin: https://elsewhere.example", "Connection: close"),
        426: request("GET /ws HTTP/1.1", secure, "Connection: close"),
        431: request("GET /ws HTTP/1.1", secure, key, *(f"X-Odd-{number}: x" for number in range(200))),
    }
    for code, sent in asked.items():
        with connected(site.public, sent) as connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
        assert status(head) == code, head
        lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        for name, value in SECURITY.items():
            assert [line for line in lines if line.startswith(f"{name}: ")] == [f"{name}: {value}"], code
        for name in ("Content-Security-Policy", "X-Request-Id"):
            assert len([line for line in lines if line.startswith(f"{name}: ")]) == 1, (code, name)


def test_a_silent_websocket_has_an_hour(site: Site) -> None:
    """S3.4: the service pings every 20 s."""
    (location,) = re.findall(r"location = /ws {([^}]+)}", (site.folder / "etc/nginx.conf").read_text())
    for directive in ("proxy_read_timeout 1h;", "proxy_send_timeout 1h;"):
        assert directive in location


def test_pages_of_other_sites_cannot_connect(first: Instance) -> None:
    for origin in ("https://elsewhere.example", "null", f"http://127.0.0.1:{first.port}.elsewhere.example"):
        assert refused(first, origin) == 403, origin
    with first.connect(f"http://127.0.0.1:{first.port}"):
        pass


def test_named_origins_are_the_only_ones(folder: Path, redis: Redis) -> None:
    origins = "https://vision-week.example, https://www.vision-week.example"
    instance = Instance(folder, redis, ALLOWED_ORIGINS=origins)
    try:
        with instance.connect("https://www.vision-week.example"):
            pass
        assert refused(instance, f"http://127.0.0.1:{instance.port}") == 403
        assert instance.value('handshakes_total{result="origin"}') == 1
    finally:
        instance.process.stop()


def test_health_asks_nobody_and_readiness_asks_redis(first: Instance, redis: Redis) -> None:
    redis.stop()
    try:
        wait_for(lambda: first.status("/ready") == 503, "the instance notices")
        assert httpx.get(f"http://127.0.0.1:{first.port}/health").status_code == 200
        assert first.value("redis_connected") == 0
    finally:
        redis.start()
    wait_for(lambda: first.status("/ready") == 200, "the instance recovers")


def test_only_the_internal_port_has_metrics_and_only_the_public_one_talks(first: Instance) -> None:
    assert httpx.get(f"http://127.0.0.1:{first.port}/metrics").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{first.port}/ready").status_code == 404
    answer = first.inside("/metrics")
    assert answer.headers.get_list("Content-Type") == ["text/plain; version=0.0.4; charset=utf-8"]
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{first.metrics_port}/ws"):
        pass


def test_clients_are_counted(first: Instance) -> None:
    before = first.value("connections")
    with first.connect(), first.connect():
        assert first.value("connections") == before + 2
    wait_for(lambda: first.value("connections") == before, "the clients have left")


def test_a_client_stays_while_redis_is_away_and_is_told(first: Instance, second: Instance, redis: Redis) -> None:
    with first.connect() as ada, second.connect() as grace:
        redis.stop()
        try:
            say(ada, "into the void")
            assert hear(ada)["code"] == "failed"
        finally:
            redis.start()
        wait_for(lambda: first.status("/ready") == second.status("/ready") == 200, "the instances recover")
        assert hear(grace)["type"] == "history"
        say(ada, "back again")
        assert hear(grace)["text"] == "back again"


def test_what_was_said_while_an_instance_heard_nothing_is_told_when_it_hears_again(
    folder: Path, redis: Redis, second: Instance
) -> None:
    relay = Relay(redis)
    cut_off = Instance(folder, redis, REDIS_PORT=str(relay.port))
    with cut_off.connect() as ada, second.connect() as grace:
        say(grace, "heard")
        assert hear(ada)["text"] == "heard"
        relay.refuses = 1000
        relay.cut()
        wait_for(lambda: cut_off.status("/ready") == 503, "it hears nothing")
        for text in ("missed", "missed, too"):
            say(grace, text)
            hear(grace)
        relay.refuses = 0
        told = hear(ada)
        assert told["type"] == "history"
        assert [message["text"] for message in told["messages"]][-3:] == ["heard", "missed", "missed, too"]
        wait_for(lambda: cut_off.status("/ready") == 200, "it hears again")
        say(grace, "and goes on")
        assert hear(ada)["text"] == "and goes on"
    cut_off.process.stop()
    relay.stop()


def test_a_message_waits_for_a_hand_over(folder: Path, redis: Redis) -> None:
    relay = Relay(redis)
    instance = Instance(folder, redis, REDIS_PORT=str(relay.port))
    with instance.connect() as ada:
        relay.refuses = 4
        relay.cut()
        say(ada, "in the midst of it")
        heard: list[dict[str, Any]] = []
        while not any(one.get("text") == "in the midst of it" for one in heard):
            message = hear(ada)
            heard += message.get("messages", [message])
        assert relay.refuses == 0
    instance.process.stop()
    relay.stop()


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        "7",
        '{"type": "message"}',
        '{"type": "message", "text": ""}',
        '{"type": "message", "text": "   "}',
        '{"type": "message", "text": 5}',
        json.dumps({"type": "message", "text": "x" * 501}),
        '{"type": "shutdown"}',
        "[" * 2000,
        b"\x00\x01\x02",
    ],
)
def test_what_makes_no_sense_is_answered_and_passed_on_to_nobody(first: Instance, frame: str | bytes) -> None:
    with first.connect() as ada, first.connect() as grace:
        ada.send(frame)
        assert hear(ada)["code"] == "malformed"
        say(grace, "still fine")
        assert hear(ada)["text"] == hear(grace)["text"] == "still fine"


def test_a_frame_that_is_too_large_ends_the_connection(first: Instance) -> None:
    with first.connect() as ada:
        ada.send("x" * 5000)
        assert closed(ada)[0] == 1009


def test_fragments_that_never_end_are_too_large_at_some_point(first: Instance) -> None:
    def fragments() -> Iterator[str]:
        while True:
            yield "x" * 100

    with first.connect() as ada, pytest.raises(ConnectionClosed) as ended:
        ada.send(fragments())
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1009


def raw_frame(instance: Instance, frame: bytes) -> bytes:
    """Send bytes that no library would, and give what comes back."""
    with socket.create_connection(("127.0.0.1", instance.port)) as connection:
        connection.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        connection.sendall(frame)
        connection.settimeout(20)
        return connection.recv(100)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x81\x05hello", id="unmasked"),
        pytest.param(b"\xf1\x80\0\0\0\0", id="reserved bits"),
        pytest.param(b"\x80\x80\0\0\0\0", id="continues nothing"),
    ],
)
def test_frames_that_break_the_protocol_end_the_connection(first: Instance, frame: bytes) -> None:
    answer = raw_frame(first, frame)
    assert answer[0] == 0x88
    assert int.from_bytes(answer[2:4]) == 1002


def test_who_sends_too_much_is_told_and_then_disconnected(first: Instance) -> None:
    with first.connect() as ada, first.connect() as grace:
        for number in range(40):
            say(ada, str(number))
        answers, code, reason = until_closed(ada)
        assert "limited" in {answer.get("code") for answer in answers}
        assert (code, reason) == (1008, "too many messages")
        heard = [hear(grace)["text"] for _ in range(10)]
    assert heard == [str(number) for number in range(10)]


def resident(instance: Instance) -> int:
    """Bytes of memory that it has."""
    pages = Path(f"/proc/{instance.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def deaf(instance: Instance) -> socket.socket:
    """A connection of somebody who never reads, beyond the first bytes of the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", instance.port))
    client.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def test_who_does_not_listen_is_disconnected_and_the_memory_stays_flat(first: Instance, redis: Redis) -> None:
    """Somebody who opens a connection and never reads must not make the service keep everything for them."""
    before, dropped = resident(first), first.value('clients_dropped_total{reason="slow"}')
    with deaf(first):
        sent = 0
        while first.value('clients_dropped_total{reason="slow"}') == dropped:
            assert sent < 2000, "nobody was disconnected"
            redis.command("PUBLISH", "vision-week:live", json.dumps({"type": "filler", "text": "x" * 100_000}))
            sent += 1
    assert resident(first) - before < 64 * 1024**2


@pytest.fixture
def long_history(redis: Redis) -> Iterator[str]:
    """The text of each of 50 messages. What is kept of them is as long as it can be in letters that people write."""
    key, text = "vision-week:live:history", "🖼" * 500
    message = json.dumps({"type": "message", "from": "visitor-0000", "text": text, "id": 0}, ensure_ascii=False)
    redis.command("DEL", key)
    redis.command("RPUSH", key, *[message] * 50)
    yield text
    redis.command("DEL", key)


@pytest.mark.usefixtures("long_history")
def test_many_who_ask_for_the_history_and_do_not_listen_leave_the_memory_flat(folder: Path, redis: Redis) -> None:
    """A history is a hundred kilobytes: 64 of them for each of 20 clients are more than a pod has."""
    instance = Instance(folder, redis)
    slow = 'clients_dropped_total{reason="slow"}'
    before = resident(instance)
    clients = [deaf(instance) for _ in range(20)]
    try:
        for _ in range(10):  # what a client may ask at once
            for client in clients:
                client.sendall(masked(b'{"type": "history"}'))
        wait_for(lambda: instance.value(slow) == len(clients), "all of them to be disconnected", patience=20)
        assert resident(instance) - before < 20 * 1024**2
    finally:
        for client in clients:
            client.close()
        instance.process.stop()


def test_who_listens_gets_every_history_that_they_ask_for(first: Instance, long_history: str) -> None:
    """More than may wait at a time: what was sent counts no more."""
    with first.connect() as ada:
        for _ in range(10):
            ada.send(json.dumps({"type": "history"}))
            assert [message["text"] for message in hear(ada)["messages"]] == [long_history] * 50


def masked(text: bytes) -> bytes:
    """A short text in a frame as a client sends it, masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def test_a_restart_sends_clients_away_to_come_back(folder: Path, redis: Redis) -> None:
    instance = Instance(folder, redis, DRAIN_SECONDS="4")
    with instance.connect() as ada, instance.connect() as grace:
        instance.process.signal(signal.SIGTERM)
        wait_for(lambda: instance.status("/ready") == 503, "the instance is not ready any more", patience=5)
        assert refused(instance) == 503
        assert closed(ada) == (1012, "service restart")
        assert closed(grace) == (1012, "service restart")
    assert instance.process.wait() == 0


def test_the_service_logs_json(first: Instance, redis: Redis) -> None:
    with socket.create_connection(("127.0.0.1", first.port)) as garbage:
        garbage.sendall(b"\x16\x03\x01garbage\r\n\r\n")
        garbage.recv(100)
    lines = [json.loads(line) for line in first.process.log.read_text().splitlines()]
    assert {line["service"] for line in lines} == {"websocket"}
    assert redis.password not in first.process.log.read_text()


def test_a_setting_that_is_no_number_is_explained(folder: Path, redis: Redis) -> None:
    with pytest.raises(RuntimeError, match="LISTEN_PORT must be a whole number, not 'eighty'"):
        Instance(folder, redis, LISTEN_PORT="eighty")
