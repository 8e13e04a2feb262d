"""Objects kept up to date: listed once, then watched, and listed again whenever a watch breaks.

A thread per source writes into one queue, so that who waits, waits in one place. A broken watch, a server that restarts
or a version that it has forgotten cost a new list and nothing else.
"""

import contextlib
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from localcloud.plugins.kubernetes.awaiting.readiness import Source
from localcloud.plugins.kubernetes.client import PATIENCE, Client, Stream
from localcloud.plugins.kubernetes.discovery import Discovery
from localcloud.plugins.kubernetes.errors import ApiError, NoSuchKind, Unreachable
from localcloud.plugins.values import Values

_WATCH: Final = 300  # seconds: the server ends a watch after this, and a new one begins
_PAUSE: Final = 1.0  # seconds before trying again


@dataclass(frozen=True)
class News:
    """All objects of a source as they are now, by uid."""

    source: Source
    objects: Mapping[str, Values]


class Follower:
    """Follows sources while its block lasts. `news` has what changed."""

    def __init__(self, client: Client, discovery: Discovery, sources: Sequence[Source]) -> None:
        self.news: queue.Queue[News] = queue.Queue()
        self._client = client
        self._discovery = discovery
        self._sources = sources
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()

    def __enter__(self) -> "Follower":
        for source in self._sources:
            threading.Thread(target=self._follow, args=(source,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            for stream in self._streams:
                stream.close()

    def _follow(self, source: Source) -> None:
        while not self._over.is_set():
            try:
                self._follow_once(source)
            except (Unreachable, ApiError, NoSuchKind) as error:
                if isinstance(error, ApiError) and error.forbidden:
                    self.news.put(News(source, {}))  # we may not look; what depends on it goes without
                    return
                self._over.wait(_PAUSE)

    def _follow_once(self, source: Source) -> None:
        listing = look(self._client, self._discovery, source)
        objects = {item["metadata"]["uid"]: item for item in _items(listing)}
        self.news.put(News(source, dict(objects)))
        version = listing["metadata"].get("resourceVersion", "")
        query = {**_query(source), "resourceVersion": version, "timeoutSeconds": _WATCH}
        stream = self._client.watch(_path(self._discovery, source), query)
        with self._open(stream):
            for event in stream:
                item = event["object"]
                if event["type"] == "ERROR":
                    return
                uid = item["metadata"]["uid"]
                if event["type"] == "DELETED":
                    objects.pop(uid, None)
                else:
                    objects[uid] = item
                self.news.put(News(source, dict(objects)))

    @contextlib.contextmanager
    def _open(self, stream: Stream) -> Iterator[None]:
        with self._lock:
            if self._over.is_set():
                stream.close()
            self._streams.add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)


def look(client: Client, discovery: Discovery, source: Source, patience: float = PATIENCE) -> Values:
    """The source's objects now, as a list object."""
    listing: Values = client.request("GET", _path(discovery, source), query=_query(source), patience=patience)
    return listing


def found(client: Client, discovery: Discovery, source: Source, patience: float = PATIENCE) -> list[Values]:
    """The source's objects now; none where we may not look."""
    try:
        return _items(look(client, discovery, source, patience))
    except (ApiError, NoSuchKind):
        return []


def _items(listing: Mapping[str, Any]) -> list[Values]:
    """A list's items say neither kind nor version themselves."""
    kind, version = str(listing.get("kind", "")).removesuffix("List"), listing.get("apiVersion", "")
    return [{"apiVersion": version, "kind": kind, **item} for item in listing.get("items") or ()]


def _path(discovery: Discovery, source: Source) -> str:
    return discovery.find(source.api_version, source.kind).path(source.namespace)


def _query(source: Source) -> dict[str, Any]:
    query = {}
    if source.name:
        query["fieldSelector"] = f"metadata.name={source.name}"
    if source.labels:
        query["labelSelector"] = source.labels
    return query
