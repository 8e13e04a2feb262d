"""What no honest client sends: it is refused in words, harms nobody else, and what it costs has a limit."""

import contextlib
import os
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.processes import children
from tests.app.raw import UPGRADE, answer, ask, connected, request, status
from tests.app.realtime import Instance, hear, say
from tests.app.servers import Redis
from tests.app.site import Site
from tests.app.test_app_uploads import picture, upload
from tests.waiting import wait_for

CLOSE = "Connection: close"
JSON = "Content-Type: application/json"
POST = "POST /api/exhibits HTTP/1.1"
FORM = "Content-Type: multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def websocket(folder: Path, redis: Redis, site: Site) -> Iterator[Instance]:
    """The instance that the site's nginx leads to."""
    instance = Instance(folder, redis, port=site.websocket)
    yield instance
    instance.process.stop()


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stored(site: Site, folder: str) -> list[int]:
    """Sizes of the files there that nginx has open; their names are gone by then."""
    sizes = []
    for file in (file for child in children(site.nginx.pid) for file in Path(f"/proc/{child}/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):
            if f"/{folder}/" in str(file.readlink()):
                sizes.append(file.stat().st_size)
    return sizes


def refused(connections: Iterable[socket.socket], number: int) -> Counter[int]:
    """The status of so many answers, to whichever of these requests."""
    waiting, codes = list(connections), Counter[int]()
    while codes.total() < number:
        ready, _, _ = select.select(waiting, [], [], 10)
        assert ready, codes
        for each in ready:
            codes[status(each.recv(1000))] += 1
            waiting.remove(each)
    return codes


@contextlib.contextmanager
def unharmed(site: Site, *others: int, room: int = 32 * 2**20) -> Iterator[None]:
    """Nothing crashed meanwhile: every worker is still the same one, and none took more than some room."""
    before = {pid: resident(pid) for pid in (*children(site.nginx.pid), *children(site.php.pid), *others)}
    yield
    after = {pid: resident(pid) for pid in (*children(site.nginx.pid), *children(site.php.pid), *others)}
    assert after.keys() == before.keys()
    assert {pid: grown for pid in after if (grown := after[pid] - before[pid]) > room} == {}


# --- requests that are none

REFUSED: dict[str, tuple[bytes, int]] = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (request("GET / HTTP/1.1", "Host: elsewhere.example", CLOSE), 400),
    "host that is none": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "method that is none": (request("G@T / HTTP/1.1", CLOSE), 400),
    "method that nobody knows": (request("BREW /api/exhibits HTTP/1.1", CLOSE), 405),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
    "NUL in a header": (request("GET / HTTP/1.1", b"X-Odd: a\0b", CLOSE), 400),
    "NUL in the address": (request("GET /api/%00 HTTP/1.1", CLOSE), 400),
    "negative length": (request(POST, JSON, "Content-Length: -1", CLOSE), 400),
    "length that is no number": (request(POST, JSON, "Content-Length: ten", CLOSE), 400),
    "two lengths": (request(POST, JSON, "Content-Length: 2", "Content-Length: 3", CLOSE, body=b"{} "), 400),
    "length and chunks": (
        request(POST, JSON, "Content-Length: 2", "Transfer-Encoding: chunked", CLOSE, body=b"0\r\n\r\n"),
        400,
    ),
    "coding that nobody knows": (request("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked", CLOSE), 501),
    "version that nobody knows": (request("GET / HTTP/3.7", CLOSE), 505),
    "chunk without a size": (request(POST, JSON, "Transfer-Encoding: chunked", CLOSE, body=b"zz\r\n{}\r\n"), 400),
    "chunk of any size": (
        request(POST, JSON, "Transfer-Encoding: chunked", CLOSE, body=b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n"),
        400,
    ),
    "chunks over the limit": (
        request(POST, JSON, "Transfer-Encoding: chunked", CLOSE, body=b"a00001\r\n" + b"x" * 10_485_761),
        413,
    ),
    "many headers": (request("GET / HTTP/1.1", *(f"X-Odd-{n}: {'x' * 100}" for n in range(400)), CLOSE), 400),
    "large cookie": (request("GET /api/session HTTP/1.1", f"Cookie: session={'x' * 9000}", CLOSE), 400),
    "form without a boundary": (
        request(
            "POST /api/uploads HTTP/1.1", "Content-Type: multipart/form-data", "Content-Length: 2", CLOSE, body=b"xx"
        ),
        401,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_is_none_is_refused(site: Site, name: str) -> None:
    sent, expected = REFUSED[name]
    with unharmed(site):
        said = ask(site.public, sent)
    assert status(said) == expected, said[:400]
    assert b"X-Content-Type-Options: nosniff" in said
    assert said.count(b"HTTP/1.1 ") == 1, "nothing of a body may be read as another request"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/%252e%252e/%252e%252e/etc/passwd",
        "/..%5c..%5c..%5cetc%5cpasswd",
        "/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
        "/....//....//etc/passwd",
        "//etc/passwd",
        "/index.html/../../../etc/passwd",
        "/api/uploads/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/api/../../src/Settings.php",
        "/./index.php",
        "/index.php/api/exhibits",
        "/%ff%fe",
        "/api/%ff%fe",
    ],
)
def test_a_path_leads_out_of_the_site_to_nowhere(site: Site, path: str) -> None:
    with unharmed(site):
        said = ask(site.public, request(f"GET {path} HTTP/1.1", CLOSE))
    assert status(said) in {400, 404}, said[:400]
    assert b"root:" not in said
    assert b"<?php" not in said


@pytest.mark.parametrize(
    ("ask_for", "expected"),
    [
        (lambda c: c.get("/api/exhibits?limit=%ff%fe"), 422),
        (lambda c: c.get("/api/exhibits?%ff%fe=1"), 422),
        (lambda c: c.get("/api/session", headers={b"Cookie": b"session=\xff\xfe"}), 200),
        (lambda c: c.get("/api/exhibits", headers={b"User-Agent": b"\xff\xfe\x80"}), 200),
        (lambda c: c.post("/login", content=b"{}", headers={b"Content-Type": b"application/\xff"}), 415),
        (
            lambda c: c.post(
                "/login", content=b'{"email": "\xff", "password": "x"}', headers={"Content-Type": "application/json"}
            ),
            400,
        ),
    ],
)
def test_what_is_not_utf8_is_refused_or_without_meaning(
    site: Site, client: httpx.Client, ask_for: Callable[[httpx.Client], httpx.Response], expected: int
) -> None:
    with unharmed(site):
        got = ask_for(client)
    assert got.status_code == expected, got.text
    assert got.headers["Content-Type"] == "application/json" if expected == 200 else "application/problem+json"
    # A line that isn't JSON would be lost to whoever searches the logs.
    assert site.logs_of(got)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", 422, id="nothing"),
        pytest.param(b"garbage", 422, id="no part"),
        pytest.param(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc', 400, id="no end"),
        pytest.param(b'--x\r\nContent-Disposition: form-data; name="file\r\n', 422, id="half a header"),
        pytest.param(
            b'--x\r\nContent-Disposition: form-data; name="' + b"[" * 500 + b'"\r\n\r\na\r\n--x--\r\n', 422, id="nested"
        ),
        pytest.param(
            b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\na\r\n' % n for n in range(5000))
            + b"--x--\r\n",
            422,
            id="too many parts",
        ),
    ],
)
def test_a_malformed_form_is_refused(site: Site, member: httpx.Client, body: bytes, expected: int) -> None:
    with unharmed(site):
        got = member.post("/api/uploads", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert got.status_code == expected, got.text
    assert got.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_that_nobody_reads_costs_no_worker(site: Site, client: httpx.Client, method: str) -> None:
    """PHP waited for the end of the body, nginx for the end of the answer: ten such requests, and a pod stood still."""
    large = {"title": "x", "description": "x" * 500}
    member = site.logged_in()
    for _ in range(15):
        assert member.post("/api/exhibits", json=large).status_code == 201
    client.timeout = httpx.Timeout(5)
    for more in ({"content": b"x" * 500_000}, {"content": iter([b"x" * 500_000])}):
        refused = client.request(method, "/api/exhibits?limit=100", **more)
        assert refused.status_code == 400
    assert len(client.get("/api/exhibits?limit=100", headers={"Content-Length": "0"}).content) > 8192


def test_floods_of_it_leave_the_memory_as_it_was(site: Site) -> None:
    def flood() -> None:
        for number in range(20):
            for sent, _ in REFUSED.values():
                if len(sent) < 2**20:
                    ask(site.public, sent.replace(b"203.0.114.1", b"203.0.115.%d" % number))

    flood()  # what is made once is made now
    with unharmed(site, room=2 * 2**20):
        flood()


# --- clients that are slow on purpose


def test_who_never_finishes_a_request_loses_the_connection_and_nobody_else_does(
    site: Site, websocket: Instance, client: httpx.Client, member: httpx.Client
) -> None:
    """The service's handshake has 10 s, nginx's header 10 s, a body and an answer 15 s between two pieces. nginx hangs
    up without an answer; its log has 408, and of an answer that nobody takes in that it isn't finished."""
    url = upload(member, picture(5_000_000)).json()["url"]
    never = {
        "header": (site.public, b"GET / HTTP/1.1\r\nHost: vision-week.example\r\nX-Odd: "),
        "handshake through nginx": (site.public, b"GET /ws HTTP/1.1\r\nHost: vision-week.example\r\n" + UPGRADE),
        "handshake": (websocket.port, b"GET /ws HTTP/1.1\r\nHost: x\r\n" + UPGRADE),
        "nothing at all": (websocket.port, b""),
        "JSON": (site.public, request(POST, JSON, "Content-Length: 100", body=b'{"title": ')),
        "upload": (
            site.public,
            request("POST /api/uploads HTTP/1.1", FORM, "Content-Length: 5000000", body=b"--x\r\n"),
        ),
        "chunks": (site.public, request(POST, JSON, "Transfer-Encoding: chunked", body=b"5\r\n{}")),
    }
    reading = request(f"GET {url} HTTP/1.1", "X-Request-Id: a-reader-that-stops")
    with unharmed(site, websocket.process.pid), contextlib.ExitStack() as stack:
        began = time.monotonic()
        open_ones = [stack.enter_context(connected(*each)) for each in never.values()]
        ended = select.poll()
        ended.register(stack.enter_context(connected(site.public, reading, buffer=4096)), select.POLLHUP)
        assert client.get("/api/exhibits").status_code == 200
        with websocket.connect() as ada:
            say(ada, "still here")
            assert hear(ada)["text"] == "still here"
        said = dict(zip(never, [answer(each) for each in open_ones], strict=True))
        assert time.monotonic() - began < 20
        wait_for(lambda: ended.poll(0), "the reader to be hung up on", patience=60)
    assert {name for name, each in said.items() if each} <= {"handshake", "nothing at all"}, "the service's own words"
    assert {status(each) for each in said.values()} <= {0, 408}
    wait_for(lambda: site.logged("request_id", "a-reader-that-stops"), "the reader's line in the log")
    assert site.logged("request_id", "a-reader-that-stops")[0]["finished"] == ""
    late = {line["path"] for line in site.lines_of_nginx() if line["status"] == 408}
    assert late >= {"/", "/ws", "/api/exhibits", "/api/uploads"}


def begin(client: str) -> bytes:
    """An upload whose end doesn't come."""
    there = b"--x\r\n" + b"x" * 200_000
    return request("POST /api/uploads HTTP/1.1", FORM, "Content-Length: 10000000", client=client, body=there)


def test_slow_bodies_do_not_fill_the_disk(site: Site) -> None:
    """They did: 26 uploads of 10 MB that never end were more than the pod's /tmp holds, which ends the pod."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connected(site.public, begin(f"198.51.100.{number}"))) for number in range(40)]
        assert refused(sockets, 16) == {429: 16}
        wait_for(lambda: len(stored(site, "nginx-client-body")) == 24, "the others' bodies", patience=20)
        with site.client() as other:
            assert other.post("/login", json={"email": "a@example.org", "password": "x"}).status_code == 401
            assert other.get("/").status_code == 200
    wait_for(lambda: not stored(site, "nginx-client-body"), "the files to go with their clients")
    member = site.logged_in()
    wait_for(lambda: upload(member, picture(200_000)).status_code == 201, "uploads to be taken again", every=1)


def test_one_client_has_four_slow_bodies_at_once(site: Site) -> None:
    """Whichever of the addresses of its network it uses."""
    for clients in (["198.51.100.99"] * 6, [f"2001:db8:1:2::{number}" for number in range(1, 7)]):
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(connected(site.public, begin(client))) for client in clients]
            assert refused(sockets, 2) == {429: 2}
        wait_for(lambda: not stored(site, "nginx-client-body"), "the files to go with their clients")


def test_slow_readers_do_not_fill_the_disk_and_keep_no_worker(site: Site, member: httpx.Client) -> None:
    """PHP hands its file over and is free; what waits for slow clients has a limit."""
    url = upload(member, picture(5_000_000)).json()["url"]
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(
                connected(site.public, request(f"GET {url} HTTP/1.1", client=f"198.51.101.{number}"), buffer=4096)
            )
            for number in range(80)
        ]
        codes = Counter(status(each.recv(1000)) for each in sockets)
        assert codes == {200: 64, 429: 16}
        sizes = stored(site, "nginx-fastcgi")
        assert 0 < len(sizes) <= 64
        assert max(sizes) <= 5_000_000
        with site.client() as other:
            assert other.get("/api/exhibits").status_code == 200


# --- the WebSocket service, through nginx as pages reach it


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(b"\x81\x05hello", 1002, id="unmasked"),
        pytest.param(b"\x83\x80\0\0\0\0", 1002, id="a kind that nobody knows"),
        pytest.param(b"\x09\x80\0\0\0\0", 1002, id="ping in pieces"),
        pytest.param(b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002, id="long ping"),
        pytest.param(b"\x81\xff" + b"\x7f" * 8 + bytes(4), 1009, id="as large as can be said"),
        pytest.param(b"\x81\x82\0\0\0\0\xff\xfe", 1007, id="not UTF-8"),
        pytest.param(b"\x01\x81\0\0\0\0a" + b"\x00\x81\0\0\0\0b" * 5000, 1009, id="more pieces than fit"),
    ],
)
def test_a_frame_that_breaks_the_protocol_ends_that_connection_alone(
    site: Site, websocket: Instance, frame: bytes, code: int
) -> None:
    opening = request("GET /ws HTTP/1.1", UPGRADE.strip())
    with unharmed(site, websocket.process.pid), websocket.connect() as grace:
        with connected(site.public, opening) as connection:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            assert status(head) == 101
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(frame)
            said = answer(connection)
        assert said[0] == 0x88
        assert int.from_bytes(said[2:4]) == code
        say(grace, "still here")
        assert hear(grace)["text"] == "still here"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(["Origin: https://elsewhere.example"], 403, id="foreign origin"),
        pytest.param(
            ["Origin: https://vision-week.example", "Origin: https://elsewhere.example"], 403, id="two origins"
        ),
        pytest.param(["Origin: https://vision-week.example.elsewhere.example"], 403, id="origin that begins like ours"),
        pytest.param([f"X-Odd-{n}: {'x' * 60}" for n in range(150)], 431, id="more headers than the service reads"),
        pytest.param([f"X-Odd-{n}: {'x' * 100}" for n in range(400)], 400, id="more headers than nginx reads"),
    ],
)
def test_a_handshake_that_is_not_ours_is_refused(
    site: Site, websocket: Instance, headers: list[str], expected: int
) -> None:
    sent = request("GET /ws HTTP/1.1", UPGRADE.strip(), *headers)
    with unharmed(site, websocket.process.pid), connected(site.public, sent) as connection:
        said = connection.recv(4096)
    assert status(said) == expected, said[:400]


@pytest.mark.drill
@pytest.mark.usefixtures("websocket")
def test_who_never_finishes_a_frame_is_disconnected(site: Site) -> None:
    """A ping after 20 s, and 20 s for its answer, which can't come in the middle of a frame."""
    with connected(site.public, request("GET /ws HTTP/1.1", UPGRADE.strip())) as connection:
        connection.recv(4096)
        connection.sendall(b"\x81\xfe\x03\xe8\0\0\0\0half")
        connection.settimeout(60)
        began = time.monotonic()
        assert int.from_bytes(answer(connection).rpartition(b"\x88")[2][1:3]) == 1011
        assert time.monotonic() - began < 50
