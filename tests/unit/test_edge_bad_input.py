"""What no honest client sends to the edge: it is refused, no service hears of it, and what it costs has a limit."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ssl import SSLSocket

import pytest

from tests.app.raw import answer, status
from tests.unit.balancer import Echo, Front, running
from tests.unit.edges import HOST, HOSTS
from tests.unit.test_edge import SECURITY, resident
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(tmp_path_factory.mktemp("edge"), HOSTS) as front:
        yield front


@contextmanager
def unharmed(front: Front, room: int = 16 * 2**20) -> Iterator[None]:
    """The worker is the same one afterwards, took no more than some room, and serves."""
    worker = front.worker()
    before = resident(worker)
    yield
    assert front.get("/afterwards").status_code == 200
    assert front.worker() == worker
    assert resident(worker) - before < room


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, f"Host: {HOST}", "Connection: close", *headers, "", ""]).encode("latin-1") + body


SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST = "POST /api/exhibits HTTP/1.1"
REFUSED: dict[str, tuple[bytes, int]] = {
    "many headers": (request("GET / HTTP/1.1", *(f"X-Odd-{n}: {'x' * 100}" for n in range(400))), 400),
    "large cookie": (request("GET / HTTP/1.1", f"Cookie: session={'x' * 9000}"), 400),
    "long address": (request(f"GET /{'x' * 9000} HTTP/1.1"), 414),
    "length and chunks": (
        request(POST, f"Content-Length: {len(SMUGGLED)}", "Transfer-Encoding: chunked", body=SMUGGLED),
        400,
    ),
    "chunks and length": (
        request(POST, "Transfer-Encoding: chunked", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED),
        400,
    ),
    "two lengths": (request(POST, "Content-Length: 2", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), 400),
    "two codings": (request(POST, "Transfer-Encoding: chunked", "Transfer-Encoding: x", body=SMUGGLED), 400),
    "coding that nobody knows": (request(POST, "Transfer-Encoding: xchunked", body=SMUGGLED), 501),
    "chunk without a size": (request(POST, "Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n" + SMUGGLED), 400),
    "negative length": (request(POST, "Content-Length: -1", body=SMUGGLED), 400),
    "two hosts": (request("GET / HTTP/1.1", "Host: elsewhere.example"), 400),
    "NUL in a header": (request("GET / HTTP/1.1", "X-Odd: a\0b"), 400),
    "out of the site": (request("GET /../../etc/passwd HTTP/1.1"), 400),
    "proxy for others": (request("CONNECT elsewhere.example:443 HTTP/1.1"), 400),
    "other host's address": (request("GET https://elsewhere.example/ HTTP/1.1"), 421),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_is_none_is_refused(front: Front, name: str) -> None:
    sent, expected = REFUSED[name]
    Echo.heard.clear()
    with unharmed(front):
        said = front.ask(sent)
    assert status(said) == expected, said[:400]
    assert said.count(b"HTTP/1.1 ") == 1, "nothing of a body may be read as another request"
    assert Echo.heard == ["GET /afterwards"], "no service may hear of it"
    named = [name for name in SECURITY if name != "Strict-Transport-Security" or expected != 414]
    assert {name: said.count(f"\r\n{name}: ".encode()) for name in named} == dict.fromkeys(named, 1)


def test_who_never_finishes_a_request_loses_the_connection(front: Front) -> None:
    """A header has 10 s, a body 15 s between two pieces. nginx hangs up without an answer; its log has 408."""
    never = [
        b"",
        b"GET /slow-header HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nX-Odd: ",
        request("POST /slow-body HTTP/1.1", "Content-Length: 100", body=b"some"),
    ]
    with unharmed(front), ExitStack() as stack:
        said = [answer(each) for each in [stack.enter_context(front.connected(sent)) for sent in never]]
    assert said == [b""] * len(never)
    timed_out = {line["path"] for line in front.lines() if line["status"] == 408}
    assert timed_out >= {"/slow-header", "/slow-body"}


# --- HTTP/2 (RFC 9113), by hand: no library would send this

HEADERS, RESET, GO_AWAY, CONTINUATION = 1, 3, 7, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


OPENING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
# GET, https and / are numbers of HPACK's table (RFC 7541), and so is the name of the host's header.
GET = b"\x82\x87\x84\x01" + bytes([len(HOST)]) + HOST.encode()
SETTLED = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)


def frames(connection: SSLSocket) -> Iterator[tuple[int, int, bytes]]:
    """Kind, stream and content of what the other side says, until it hangs up."""

    def exactly(length: int) -> bytes:
        said = b""
        while len(said) < length and (more := connection.recv(length - len(said))):
            said += more
        return said

    try:
        while len(head := exactly(9)) == 9:
            yield head[3], int.from_bytes(head[5:9], "big"), exactly(int.from_bytes(head[:3], "big"))
    except ConnectionResetError:
        return


def test_http_2_is_spoken(front: Front) -> None:
    with front.connected(OPENING + SETTLED, protocols=["h2"]) as connection:
        headers = next(content for kind, stream, content in frames(connection) if (kind, stream) == (HEADERS, 1))
    assert headers[0] == 0x88, "HPACK's number of :status 200"


def test_requests_that_are_taken_back_at_once_cost_little(front: Front) -> None:
    """As many on one connection as nginx lets one have, and then some (CVE-2023-44487)."""
    cancelled = b"".join(
        frame(HEADERS, END_STREAM | END_HEADERS, stream, GET) + frame(RESET, 0, stream, bytes([0, 0, 0, 8]))
        for stream in range(1, 2001, 2)
    )
    with unharmed(front), front.connected(OPENING, protocols=["h2"]) as connection:
        # It may hang up before it has heard all of it.
        try:
            connection.sendall(cancelled)
        except OSError:
            return
        assert GO_AWAY in {kind for kind, _, _ in frames(connection)}


def test_a_header_without_an_end_is_refused(front: Front) -> None:
    """It comes in pieces, and none of them is the last."""
    piece = b"".join(b"\x00\x05x-odd\x64" + b"x" * 100 for _ in range(100))
    with unharmed(front), front.connected(OPENING, protocols=["h2"]) as connection:
        connection.sendall(frame(HEADERS, END_STREAM, 1, GET))

        def refused() -> bool:
            try:
                connection.sendall(frame(CONTINUATION, 0, 1, piece))
            except OSError:  # reset or broken, as it happens
                return True
            return False

        wait_for(refused, "the connection to end", patience=60, every=0)
