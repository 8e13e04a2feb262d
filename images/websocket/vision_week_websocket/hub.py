"""The clients of this pod, and what is on its way to each of them."""

import asyncio
import logging
import secrets

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from .limits import Bucket
from .metrics import Metrics

# Messages that may wait for one client. Who is further behind than this is disconnected, so that memory stays flat.
QUEUE = 64

_log = logging.getLogger(__name__)


class Client:
    """One connection: its name, its share of the service and its queue."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.name = f"visitor-{secrets.token_hex(2)}"
        self.bucket = Bucket(burst=10, per_second=5)
        self.refused = 0
        self.queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)


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
        for client in list(self._clients):
            self.tell(client, text)

    def tell(self, client: Client, text: str) -> None:
        try:
            client.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.drop(client, "slow", CloseCode.TRY_AGAIN_LATER, "too slow")

    async def deliver(self, client: Client) -> None:
        """Send what is queued, until the connection ends."""
        try:
            while True:
                await client.connection.send(await client.queue.get())
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
