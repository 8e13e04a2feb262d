"""The service: who may connect, what a client may say, and how it all ends.

A client sends `{"type": "message", "text": …}` and everyone, on every pod, gets `{"type": "message", "id", "from",
"text", "at"}`. `{"type": "history"}` is answered with the last messages, `{"type": "history", "messages": […]}`, which
everyone gets unasked where this pod may have missed some. What the application publishes on the same channel is passed
on as it is.
"""

import asyncio
import contextlib
import json
import logging
import signal
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from .bus import Bus, BusError
from .hub import Client, Hub
from .metrics import Metrics
from .settings import Settings

LARGEST_FRAME = 4096
LONGEST_TEXT = 500
# Refused in a row before the connection is ended: somebody who doesn't listen.
PATIENCE = 20

_log = logging.getLogger(__name__)


class Service:
    """Two ports over one hub: the public one and the one for probes and monitoring."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.hub = Hub(self.metrics)
        self.bus = Bus(
            settings.redis_host,
            settings.redis_port,
            self.hub.broadcast,
            user=settings.redis_user,
            password_file=settings.redis_password_file,
            ca_file=settings.redis_ca_file,
        )
        self.draining = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then send everyone away politely."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        settings = self.settings
        listening = asyncio.create_task(self.bus.listen())
        public = serve(
            self.talk,
            settings.listen_address,
            settings.listen_port,
            process_request=self.admit,
            process_response=self.sign,
            server_header=None,
            compression=None,  # messages are short, and a compressor costs memory for every connection
            max_size=LARGEST_FRAME,
            max_queue=8,
            open_timeout=10,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=5,
        )
        internal = serve(
            _nobody,
            settings.listen_address,
            settings.metrics_port,
            process_request=self.report,
            server_header=None,
            open_timeout=10,
        )
        try:
            async with internal, public:
                _log.info("listening", extra={"fields": {"port": settings.listen_port}})
                await stop.wait()
                self.draining = True
                await self.hub.drain(settings.drain_seconds)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            await self.bus.close()
        _log.info("stopped")

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what isn't a WebSocket, refuse whom we don't serve."""
        path = urlsplit(request.path).path
        if path == "/health":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if path != "/ws":
            return self._refuse(connection, "path", HTTPStatus.NOT_FOUND, "There is nothing at this path.\n")
        if not self._is_ours(request):
            return self._refuse(connection, "origin", HTTPStatus.FORBIDDEN, "Pages of other sites can't connect.\n")
        if self.draining:
            return self._refuse(connection, "draining", HTTPStatus.SERVICE_UNAVAILABLE, "This instance is stopping.\n")
        if len(self.hub) >= self.settings.max_connections:
            return self._refuse(connection, "full", HTTPStatus.SERVICE_UNAVAILABLE, "This instance is full.\n")
        return None

    def sign(self, _connection: ServerConnection, _request: Request, response: Response) -> Response:
        """Which instance answered, for those who look for one."""
        response.headers["X-Instance"] = self.settings.instance
        return response

    def report(self, connection: ServerConnection, request: Request) -> Response:
        """The internal port: never a WebSocket."""
        path = urlsplit(request.path).path
        if path == "/metrics":
            self.metrics.redis.set(self.bus.connected)
            response = connection.respond(HTTPStatus.OK, self.metrics.render().decode())
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
            return response
        if path == "/ready":
            state = {"redis": self.bus.connected, "draining": self.draining, "connections": len(self.hub)}
            ready = self.bus.connected and not self.draining
            return connection.respond(
                HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(state) + "\n"
            )
        return connection.respond(HTTPStatus.NOT_FOUND, "There is nothing at this path.\n")

    async def talk(self, connection: ServerConnection) -> None:
        """One client, from its arrival to its end."""
        self.metrics.handshakes.labels("accepted").inc()
        client = Client(connection)
        self.hub.join(client)
        delivery = asyncio.create_task(self.hub.deliver(client))
        try:
            async for frame in connection:
                await self._hear(client, frame)
        except ConnectionClosed:
            pass
        finally:
            self.hub.leave(client)
            delivery.cancel()

    async def _hear(self, client: Client, frame: str | bytes) -> None:
        if not client.bucket.admits():
            self._reject(client, "limited", "Too many messages. Wait a little.")
            client.refused += 1
            if client.refused >= PATIENCE:
                self.hub.drop(client, "limited", CloseCode.POLICY_VIOLATION, "too many messages")
            return
        client.refused = 0
        match _parse(frame):
            case {"type": "message", "text": str(text)} if 0 < len(text := text.strip()) <= LONGEST_TEXT:
                await self._publish(client, text)
            case {"type": "history"}:
                await self._recall(client)
            case _:
                self._reject(client, "malformed", f"Send a message with a text of 1 to {LONGEST_TEXT} characters.")

    async def _publish(self, client: Client, text: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        try:
            await self.bus.publish({"type": "message", "from": client.name, "text": text, "at": at})
        except BusError:
            self._reject(client, "failed", "Your message could not be passed on. Try again in a moment.")
        else:
            self.metrics.received.labels("published").inc()

    async def _recall(self, client: Client) -> None:
        try:
            history = await self.bus.history()
        except BusError:
            self._reject(client, "failed", "The last messages can't be had right now.")
        else:
            self.metrics.received.labels("history").inc()
            self.hub.tell(client, history)

    def _reject(self, client: Client, code: str, detail: str) -> None:
        self.metrics.received.labels(code).inc()
        self.hub.tell(client, json.dumps({"type": "error", "code": code, "detail": detail}))

    def _is_ours(self, request: Request) -> bool:
        """Browsers always name the page's origin. A program that names none carries no visitor's cookies either."""
        origins = request.headers.get_all("Origin")
        if not origins:
            return True
        origin = origins[0].lower()
        if len(origins) > 1:
            return False
        if self.settings.allowed_origins:
            return origin in self.settings.allowed_origins
        return urlsplit(origin).netloc == request.headers.get("Host", "").lower()

    def _refuse(self, connection: ServerConnection, result: str, status: HTTPStatus, words: str) -> Response:
        self.metrics.handshakes.labels(result).inc()
        response = connection.respond(status, words)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = "1"
        return response


def _parse(frame: str | bytes) -> object:
    try:
        value: object = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    return value


async def _nobody(connection: ServerConnection) -> None:
    await connection.close()
