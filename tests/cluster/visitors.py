"""Visitors who keep coming while something happens to the platform, and remember every answer."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException

from operations.live import LiveConnection
from tests.cluster.stack import HOST, PORT

# Three visitors who write and read: below the 10 a second that one address may ask of the API (S3.2).
_PAUSE = 0.3
# A message needs milliseconds; a client that is just told to go, a few seconds.
_LAST_WORD_SECONDS = 20


@dataclass
class Visits:
    """What the visitors saw: how many good answers, and every other one in words."""

    good: int = 0
    bad: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def visitors(*clients: httpx.Client) -> Iterator[Visits]:
    """Ask for a page and for the API through each client, three times a second, until the block ends.

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
                # With a cookie, or nginx would answer most by itself.
                answer = client.get(path, headers={"Cookie": "seen=before"})
            except httpx.HTTPError as error:
                visits.bad.append(f"{began} {path}: {error!r}")
                continue
            if answer.status_code == 200:
                visits.good += 1
            else:
                visits.bad.append(f"{began} {path}: {answer.status_code} {answer.text[:200]}")


@contextmanager
def member_adding(member: httpx.Client) -> Iterator[Visits]:
    """Add an exhibit each second through a client that is logged in, until the block ends."""
    visits = Visits()

    def add() -> None:
        while not visits.ended.wait(1):
            try:
                answer = member.post("/api/exhibits", json={"title": "One more", "description": ""})
            except httpx.HTTPError as error:
                visits.bad.append(f"{time.strftime('%H:%M:%S')} an exhibit: {error!r}")
                continue
            if answer.status_code == 201:
                visits.good += 1
            else:
                visits.bad.append(f"{time.strftime('%H:%M:%S')} an exhibit: {answer.status_code} {answer.text[:200]}")

    thread = threading.Thread(target=add, daemon=True)
    thread.start()
    try:
        yield visits
    finally:
        visits.ended.set()
        thread.join()


@dataclass
class Conversation:
    """What somebody at a WebSocket saw.

    said: messages that were passed on, to this client too. heard: those that arrived, live or from the history.
    codes: how connections were ended. refused: connections that could not be made, and other trouble, in words.
    """

    said: list[str] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    codes: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    listening: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def conversation(trusted: ssl.SSLContext, *names: str) -> Iterator[tuple[Conversation, ...]]:
    """Everybody says something twice a second, and connects again at once when told to go, as the front end does.

    At the end nobody leaves before the last word has reached all of them.
    """
    talks = tuple(Conversation() for _ in names)
    threads = [
        threading.Thread(target=_talk, args=(trusted, name, talk), daemon=True)
        for name, talk in zip(names, talks, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield talks
    finally:
        for talk in talks:
            talk.silent.set()
        for talk in talks:
            talk.listening.wait(_LAST_WORD_SECONDS)
        until = time.monotonic() + _LAST_WORD_SECONDS
        said = {text for talk in talks for text in talk.said}
        while any(said - talk.heard for talk in talks) and time.monotonic() < until:
            time.sleep(0.1)
        for talk in talks:
            talk.ended.set()
        for thread in threads:
            thread.join()


def _talk(trusted: ssl.SSLContext, name: str, talk: Conversation) -> None:
    number = 0
    while not talk.ended.is_set():
        try:
            with open_socket(trusted) as connection:
                connection.send(json.dumps({"type": "history"}))
                while not talk.silent.is_set():
                    number += 1
                    _say(connection, f"{name} {number}", talk)
                talk.listening.set()
                while not talk.ended.is_set():
                    _listen(connection, talk)
        except ConnectionClosed as closed:
            talk.codes.append(closed.rcvd.code if closed.rcvd else 1006)
        except (OSError, WebSocketException) as error:
            talk.refused.append(f"{time.strftime('%H:%M:%S')} {error!r}")
            talk.ended.wait(_PAUSE)


def _say(connection: LiveConnection, text: str, talk: Conversation) -> None:
    """Say it, and listen for half a second: when it comes back, everybody has it."""
    connection.send(json.dumps({"type": "message", "text": text}))
    _listen(connection, talk, own=text)


def _listen(connection: LiveConnection, talk: Conversation, own: str | None = None) -> None:
    until = time.monotonic() + 0.5
    while (left := until - time.monotonic()) > 0:
        try:
            message = json.loads(connection.recv(timeout=left))
        except TimeoutError:
            return
        for one in message.get("messages", [message]):
            text = one.get("text", "")
            talk.heard.add(text)
            if text == own:
                talk.said.append(text)


def open_socket(trusted: ssl.SSLContext) -> LiveConnection:
    """A connection of the site's own page, through the edge."""
    return LiveConnection(f"{HOST}:{PORT}", ("127.0.0.1", PORT), trusted)
