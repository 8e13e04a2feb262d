"""The WebSocket service as its image runs it, and clients of it."""

import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.app.processes import Process, free_port
from tests.app.servers import Redis

SOURCE = Path(__file__).parents[2] / "images/websocket"

_numbers = itertools.count(1)


class Instance:
    """One pod of the service.

    ready: what its readiness is answered with, where it doesn't become ready.
    """

    def __init__(
        self, folder: Path, redis: Redis, *, port: int | None = None, ready: int = 200, **environment: str
    ) -> None:
        self.name = f"websocket-{next(_numbers)}"
        self.port = port or free_port()
        self.metrics_port = free_port()
        password = folder / f"{self.name}-password"
        password.write_text(f"{redis.password}\n")
        self.process = Process(
            [sys.executable, "-m", "vision_week_websocket"],
            log=folder / f"{self.name}.log",
            environment={
                "PYTHONPATH": str(SOURCE),
                "LISTEN_ADDRESS": "127.0.0.1",
                "LISTEN_PORT": str(self.port),
                "METRICS_PORT": str(self.metrics_port),
                "REDIS_PORT": str(redis.port),
                "REDIS_USER": "websocket",
                "REDIS_PASSWORD_FILE": str(password),
                "HOSTNAME": self.name,
                "DRAIN_SECONDS": "1",
                **environment,
            },
            user=None,  # the tests' Python may lie where only its owner gets
        )
        self.process.wait_until(lambda: self.status("/ready") == ready, f"{self.name} answers {ready}")

    def inside(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.metrics_port}{path}")

    def status(self, path: str) -> int | None:
        try:
            return self.inside(path).status_code
        except httpx.TransportError:
            return None

    def value(self, series: str) -> float:
        lines = self.inside("/metrics").text.splitlines()
        [line] = [line for line in lines if line.startswith(f"vision_week_websocket_{series} ")]
        return float(line.rsplit(" ", 1)[1])

    @contextmanager
    def connect(self, origin: str | None = None) -> Iterator[ClientConnection]:
        url = f"ws://127.0.0.1:{self.port}/ws"
        headers = {"Origin": origin} if origin else {}
        with connect(url, additional_headers=headers, compression=None, close_timeout=5) as connection:
            yield connection


def say(connection: ClientConnection, text: str) -> None:
    connection.send(json.dumps({"type": "message", "text": text}))


def hear(connection: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(timeout=seconds))
    return message
