"""Visitors who keep coming while something happens to the platform, and remember every answer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

# Of the API: well below the 10 a second that one address may ask for (S3.2).
_PAUSE = 0.2


@dataclass
class Visits:
    """What the visitors saw: how many good answers, and every other one in words."""

    good: int = 0
    bad: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def visitors(*clients: httpx.Client) -> Iterator[Visits]:
    """Ask for a page and for the API through each client, five times a second, until the block ends.

    A client that keeps its connections and one that makes a new one each time see different things.
    """
    visits = Visits()
    threads = [threading.Thread(target=_come, args=(client, visits), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        visits.ended.set()
        for thread in threads:
            thread.join()


def _come(client: httpx.Client, visits: Visits) -> None:
    while not visits.ended.wait(_PAUSE):
        for path in ("/", "/api/exhibits"):
            began = time.strftime("%H:%M:%S")
            try:
                answer = client.get(path)
            except httpx.HTTPError as error:
                visits.bad.append(f"{began} {path}: {error!r}")
                continue
            if answer.status_code == 200:
                visits.good += 1
            else:
                visits.bad.append(f"{began} {path}: {answer.status_code} {answer.text[:200]}")
