"""Bytes over a socket, for what no library of HTTP would send."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@contextmanager
def connected(port: int, sent: bytes, *, buffer: int | None = None) -> Iterator[socket.socket]:
    """A connection on which something was said. buffer: bytes that it takes in before somebody reads."""
    with socket.socket() as connection:
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", port))
        connection.sendall(sent)
        yield connection


def request(line: str | bytes, *headers: str | bytes, client: str = "203.0.114.1", body: bytes = b"") -> bytes:
    """A request as the proxy in front would pass it on, whatever is in it."""
    lines = [line, "Host: vision-week.example", f"X-Forwarded-For: {client}", *headers]
    return b"\r\n".join([each if isinstance(each, bytes) else each.encode() for each in lines]) + b"\r\n\r\n" + body


def answer(connection: socket.socket) -> bytes:
    """What is said until the other side hangs up."""
    said = b""
    try:
        while more := connection.recv(65536):
            said += more
    except ConnectionResetError:
        pass
    return said


def ask(port: int, sent: bytes) -> bytes:
    with connected(port, sent) as connection:
        return answer(connection)


def status(said: bytes) -> int:
    """The status of an answer; 0 where there was none."""
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0
