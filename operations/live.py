"""The WebSocket service, spoken to as a page of the site does: a connection for one thread.

The synchronous client of websockets reads in one thread while it writes in another, on one TLS connection, which
OpenSSL doesn't allow and Python's ssl doesn't prevent (python/cpython#151508): of a hundred openings one was lost or
never answered. So this is the asynchronous client, which has one thread, waited for.
"""

import asyncio
import socket
import ssl
from types import TracebackType
from typing import Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

_OPENING: Final = 10  # seconds for TCP, TLS and the handshake, each


class LiveConnection:
    """One open connection. Raises as websockets does: InvalidHandshake, ConnectionClosed; and OSError, TimeoutError."""

    def __init__(self, site: str, at: tuple[str, int], trusted: ssl.SSLContext) -> None:
        """Open it.

        site: host and port as in the page's URL. at: the address to connect to, whatever `site` resolves to.
        trusted: the certificates that the site's may be signed by.
        """
        # Not an asyncio.Runner: when that ends, the thread's own loop is gone, too.
        self._loop = asyncio.new_event_loop()
        try:
            there = socket.create_connection(at, timeout=_OPENING)
            self._connection = self._loop.run_until_complete(_open(site, there, trusted))
        except BaseException:
            self._loop.close()
            raise

    @property
    def instance(self) -> str:
        """The pod it ended at: the service names itself in its answer to the handshake."""
        answer = self._connection.response
        return answer.headers["X-Instance"] if answer else ""

    def send(self, text: str) -> None:
        self._loop.run_until_complete(self._connection.send(text))

    def recv(self, timeout: float) -> str:
        """Return the next message. timeout: in seconds."""
        return str(self._loop.run_until_complete(asyncio.wait_for(self._connection.recv(), timeout)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run_until_complete(self._connection.close())
        finally:
            self._loop.close()


async def _open(site: str, there: socket.socket, trusted: ssl.SSLContext) -> ClientConnection:
    origin = Origin(f"https://{site}")
    return await connect(f"wss://{site}/ws", sock=there, ssl=trusted, origin=origin, open_timeout=_OPENING)
