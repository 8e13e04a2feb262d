"""Writes into Redis without a pause, and says of each attempt how it ended. It runs in the WebSocket service's image.

Two connections take turns: one waits until a replica has each write (`WAIT 1`), the other is content with the primary's
word. A write that failed isn't tried again, since it may have been done all the same: each has a number of its own.
"""

import json
import os
import time
from itertools import count
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry


def connect() -> Redis:
    return Redis(
        host=os.environ["REDIS_HOST"],
        port=int(os.environ["REDIS_PORT"]),
        username=os.environ["REDIS_USER"],
        password=Path(os.environ["REDIS_PASSWORD_FILE"]).read_text(),
        ssl=True,
        ssl_ca_certs=os.environ["REDIS_CA_FILE"],
        ssl_check_hostname=True,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=True,
    )


connections: dict[str, Redis] = {}
for number in count():
    kind = ("confirmed", "plain")[number % 2]
    said: dict[str, object] = {"kind": kind, "number": number}
    try:
        if kind not in connections:
            connections[kind] = connect()
        redis = connections[kind]
        redis.sadd(f"vision-week:live:drill:{kind}", number)
        if kind == "confirmed" and not redis.wait(1, 1000):
            raise RedisError("no replica has it")
    except (RedisError, OSError) as error:
        said["failed"] = str(error)
        connections.pop(kind, None)
    print(json.dumps({**said, "at": time.time()}), flush=True)  # noqa: T201
    time.sleep(0.005)
