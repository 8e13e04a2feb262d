"""Waiting: until an object is ready, until it is gone, or until it is clear that neither will be."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from localcloud.plugins.kubernetes.awaiting.follow import Follower, News, found
from localcloud.plugins.kubernetes.awaiting.pods import explain, headline
from localcloud.plugins.kubernetes.awaiting.readiness import Readiness, Source, Verdict, View, title, waiting
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.discovery import Discovery
from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.plugins.kubernetes.objects import field_of, name_of, namespace_of
from localcloud.plugins.values import Values

_TICK: Final = 0.5  # seconds between looks at the clock
_WORTH_SAYING: Final = 3.0  # seconds: almost everything is gone by then


@dataclass(eq=False)
class NotReady(Exception):
    """The object is there and isn't as wanted. `reasons`: why, as far as can be told, the verdict first."""

    live: Values
    reasons: list[str]

    def __str__(self) -> str:
        return "\n".join(self.reasons)


@dataclass(frozen=True)
class Waiter:
    """Waits for objects of one cluster.

    cancelled: set by the person at the keyboard. say: shows what is being waited for.
    """

    client: Client
    discovery: Discovery
    cancelled: threading.Event
    say: Callable[[str], None] = field(default=lambda _: None)

    def until_ready(self, live: Values, readiness: Readiness, timeout: float) -> Values:
        """The object as soon as it is ready; raises `NotReady`."""
        related = readiness.related(live)
        if not related and readiness.assess(View(live)).ready:
            return live
        watched = _Watched(live, related)
        verdict = waiting("nothing was heard of it")
        deadline = time.monotonic() + timeout
        with Follower(self.client, self.discovery, [watched.source, *related]) as follower:
            while True:
                for news in _news(follower):
                    watched.take(news)
                if watched.gone:
                    raise NotReady(watched.live, [f"{title(live)} was deleted while it was waited for"])
                if watched.complete:
                    view = watched.view()
                    verdict = readiness.assess(view)
                    self.say("" if verdict.ready else verdict.message + headline(readiness.pods(view)))
                if verdict.ready:
                    return watched.live
                if (over := self._over(verdict, deadline, timeout)) is not None:
                    view = self._seen_now(watched.view(), related)
                    raise NotReady(watched.live, self._reasons(over, view, readiness, verdict))

    def ready_now(self, live: Values, readiness: Readiness) -> None:
        """Look once; raises `NotReady`."""
        related = {source.kind: found(self.client, self.discovery, source) for source in readiness.related(live)}
        view = View(live, related)
        verdict = readiness.assess(view)
        if not verdict.ready:
            raise NotReady(live, self._reasons("is not ready", view, readiness, verdict))

    def until_gone(self, live: Values, timeout: float) -> None:
        """Return as soon as the object is gone; raises `NotReady` where it stays."""
        watched = _Watched(live, ())
        begin = time.monotonic()
        deadline = begin + timeout
        with Follower(self.client, self.discovery, [watched.source]) as follower:
            while True:
                for news in _news(follower):
                    watched.take(news)
                if watched.gone:
                    self.say("")
                    return
                remains = _remains(watched.live)
                if time.monotonic() > begin + _WORTH_SAYING:
                    self.say(remains)
                if self.cancelled.is_set():
                    raise NotReady(watched.live, [f"{title(live)} is not gone yet: cancelled", remains])
                if time.monotonic() > deadline:
                    raise NotReady(watched.live, [f"{title(live)} is not gone after {timeout:.0f} s", remains])

    def _seen_now(self, view: View, related: Sequence[Source]) -> View:
        """A last look around before giving up: a pod's own word may have come later than the controller's."""
        try:
            now = {source.kind: found(self.client, self.discovery, source, patience=0) for source in related}
        except Unreachable:
            return view
        return replace(view, related=now)

    def _over(self, verdict: Verdict, deadline: float, timeout: float) -> str | None:
        if verdict.hopeless:
            return "can't become ready"
        if self.cancelled.is_set():
            return "is not ready yet: cancelled"
        return f"is not ready after {timeout:.0f} s" if time.monotonic() > deadline else None

    def _reasons(self, what: str, view: View, readiness: Readiness, verdict: Verdict) -> list[str]:
        explained = explain(self.client, view.live, readiness.pods(view))
        return [f"{title(view.live)} {what}: {verdict.message}", *explained]


class _Watched:
    """An object and those around it, as the news has them."""

    def __init__(self, live: Values, related: Sequence[Source]) -> None:
        self.live = live
        self._first = live
        self.gone = False
        self.source = Source(live["apiVersion"], live["kind"], namespace_of(live), name_of(live))
        self._related: dict[str, list[Values]] = {}
        self._unheard: set[Source] = {self.source, *related}
        self._changed = time.monotonic()

    @property
    def complete(self) -> bool:
        """Whether every source has been heard of once."""
        return not self._unheard

    def take(self, news: News) -> None:
        """Bring the picture up to date."""
        self._unheard.discard(news.source)
        if news.source != self.source:
            self._related[news.source.kind] = list(news.objects.values())
            self._changed = time.monotonic()
            return
        uid = field_of(self.live, "metadata", "uid")
        self.gone = uid not in news.objects
        self.live = news.objects.get(uid, self.live)

    def view(self) -> View:
        """The picture."""
        return View(self.live, self._related, time.monotonic() - self._changed, self._first)


def _news(follower: Follower) -> Iterator[News]:
    """What has come; waits a moment if nothing has."""
    try:
        yield follower.news.get(timeout=_TICK)
        while True:
            yield follower.news.get_nowait()
    except queue.Empty:
        return


def _remains(live: Mapping[str, Any]) -> str:
    """What an object that is being deleted waits for."""
    finalizers = field_of(live, "metadata", "finalizers") or field_of(live, "spec", "finalizers") or []
    conditions = [
        str(one.get("message"))
        for one in field_of(live, "status", "conditions") or ()
        if live.get("kind") == "Namespace" and one.get("status") == "True"
    ]
    parts = ([f"finalizers: {', '.join(finalizers)}"] if finalizers else []) + conditions
    return "waiting for its deletion" + (f" ({'; '.join(parts)})" if parts else "")
