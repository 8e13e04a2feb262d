"""The clients of this pod, and what is on its way to each of them."""

import asyncio
import logging
import secrets
import socket

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from .limits import Bucket
from .metrics import Metrics

# Messages that may wait for one client. Who is further behind than this is disconnected, so that memory stays flat.
QUEUE = 64
# Bytes that may wait for one client, with what is being sent. The longest history, 50 messages of 500 characters that
# JSON writes as six bytes each, is 153 KiB. Who waits for nothing else gets a message however long it is. The edge lets
# one address have 128 connections (`edge.conf`): if none of them listens, 32 MiB wait, a quarter of a pod's memory.
WAITING = 256 * 1024
# Bytes that the kernel may hold for one client besides; they are of the pod's memory, too. It takes twice what it is
# told, and without a word megabytes.
SENDING = 32 * 1024

_log = logging.getLogger(__name__)


class Client:
    """One connection: its name, its share of the service, its queue and how many bytes wait for it."""

    def __init__(self, connection: ServerConnection) -> None:
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING)
        self.connection = connection
        self.name = f"visitor-{secrets.token_hex(2)}"
        self.bucket = Bucket(burst=10, per_second=5)
        self.refused = 0
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        self.waiting = 0


class Hub:
    """Everybody who is connected to this pod."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._clients: set[Client] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._clients)

    def join(self, client: Client) -> None:
        self._clients.add(client)
        self._metrics.connections.set(len(self._clients))

    def leave(self, client: Client) -> None:
        self._clients.discard(client)
        self._metrics.connections.set(len(self._clients))

    def broadcast(self, text: str) -> None:
        """Queue it for everyone, waiting for nobody."""
        message = text.encode()
        for client in list(self._clients):
            self._queue(client, message)

    def tell(self, client: Client, text: str) -> None:
        self._queue(client, text.encode())

    def _queue(self, client: Client, message: bytes) -> None:
        if client not in self._clients:
            return
        if client.queue.full() or (client.waiting and client.waiting + len(message) > WAITING):
            # What waits goes now: the connection may take seconds to end.
            client.queue = asyncio.Queue(QUEUE)
            self.drop(client, "slow", CloseCode.TRY_AGAIN_LATER, "too slow")
            return
        client.queue.put_nowait(message)
        client.waiting += len(message)

    async def deliver(self, client: Client) -> None:
        """Send what is queued, until the connection ends."""
        try:
            while True:
                message = await client.queue.get()
                await client.connection.send(message, text=True)
                client.waiting -= len(message)
                self._metrics.delivered.inc()
        except ConnectionClosed:
            return

    def drop(self, client: Client, reason: str, code: CloseCode, words: str) -> None:
        """End a connection; nobody waits for the client's agreement."""
        if client not in self._clients:
            return
        self.leave(client)
        self._metrics.dropped.labels(reason).inc()
        task = asyncio.get_running_loop().create_task(client.connection.close(code, words))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def drain(self, seconds: float) -> None:
        """Send everyone to another pod, a few at a time: 1012 says that the service restarts and they may come back."""
        clients = list(self._clients)
        if clients:
            _log.info("draining", extra={"fields": {"connections": len(clients)}})
        for client in clients:
            self.drop(client, "drained", CloseCode.SERVICE_RESTART, "service restart")
            await asyncio.sleep(seconds / len(clients))
        while self._closing:
            await asyncio.wait(self._closing)
