"""Redis between the pods: what one publishes, all hear.

Pub/sub keeps nothing for who isn't listening, so the last messages are also kept in a list; a client that comes (back)
asks for them. While Redis is away nobody is disconnected: senders are told, the subscription is taken up again as soon
as it can be, and what was said meanwhile is handed on from the list.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ReadOnlyError, RedisError

CHANNEL = "vision-week:live"
HISTORY = "vision-week:live:history"
SEQUENCE = "vision-week:live:sequence"

KEPT = 50  # messages that somebody who comes in gets to see
KEPT_SECONDS = 24 * 3600
_HEALTH_SECONDS = 10  # a frozen Redis is noticed after this and the time-out of a read
_LONGEST_PAUSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class BusError(Exception):
    """Redis can't be reached."""


class _PasswordFile(CredentialProvider):
    """Reads the password when a connection is made: rotation needs no restart."""

    def __init__(self, user: str, file: Path) -> None:
        self._user = user
        self._file = file

    def get_credentials(self) -> tuple[str, str]:
        return self._user, self._file.read_text().rstrip("\r\n")


class Bus:
    """A subscription that mends itself, and the way to publish."""

    def __init__(
        self,
        host: str,
        port: int,
        heard: Callable[[str], None],
        *,
        user: str = "default",
        password_file: Path | None = None,
        ca_file: Path | None = None,
    ) -> None:
        def connect(retry: Retry) -> Redis:
            return Redis(
                host=host,
                port=port,
                credential_provider=_PasswordFile(user, password_file) if password_file else None,
                ssl=ca_file is not None,
                ssl_ca_certs=str(ca_file) if ca_file else None,
                ssl_check_hostname=True,
                decode_responses=True,
                socket_connect_timeout=2,
                socket_timeout=5,
                socket_keepalive=True,
                health_check_interval=_HEALTH_SECONDS,
                retry=retry,
                retry_on_error=[ReadOnlyError],
            )

        # After a fail-over a pooled connection is dead, or leads to who was primary, and a primary hands over within a
        # second: what is tried for one and a half finds the new one. A message that goes out twice has one number. The
        # subscription doesn't try again by itself, so that readiness is the truth.
        self._redis = connect(Retry(ExponentialBackoff(base=0.1, cap=0.4), 5))
        self._subscriber = connect(Retry(NoBackoff(), 0))
        self._heard = heard
        self.connected = False

    async def listen(self) -> None:
        """Hand everything that is published to `heard`, for ever."""
        pause, new = 0.1, True
        while True:
            try:
                async with self._subscriber.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    while True:
                        message = await subscription.get_message(timeout=1)
                        if message is None:
                            continue
                        if message["type"] == "subscribe":
                            if not new:
                                # What was said meanwhile is in it. Clients tell by the number what they have.
                                self._heard(await self.history())
                            self.connected, new, pause = True, False, 0.1
                            _log.info("subscribed to Redis")
                        elif message["type"] == "message":
                            self._heard(message["data"])
            except (RedisError, OSError, BusError) as error:
                _log.warning("Redis is away", extra={"fields": {"cause": str(error), "was_connected": self.connected}})
                self.connected = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def publish(self, message: dict[str, Any]) -> None:
        """Number the message, keep it and tell every pod, this one included."""
        try:
            message["id"] = await self._redis.incr(SEQUENCE)
            text = json.dumps(message, ensure_ascii=False)
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.rpush(HISTORY, text)
                pipeline.ltrim(HISTORY, -KEPT, -1)
                pipeline.expire(HISTORY, KEPT_SECONDS)
                pipeline.publish(CHANNEL, text)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise BusError(str(error)) from error

    async def history(self) -> str:
        """`{"type": "history", "messages": […]}` with the last messages, the oldest first."""
        try:
            kept = await self._redis.lrange(HISTORY, 0, -1)
        except (RedisError, OSError) as error:
            raise BusError(str(error)) from error
        return json.dumps({"type": "history", "messages": [json.loads(text) for text in kept]}, ensure_ascii=False)

    async def close(self) -> None:
        for redis in (self._redis, self._subscriber):
            with contextlib.suppress(RedisError, OSError):
                await redis.aclose()
