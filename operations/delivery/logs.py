"""The lines that the stack's pods have logged, chosen and made readable.

Every service writes one JSON object a line; what isn't one is passed on as a message without a level. They are read
from Loki, where the stack has one: it knows what pods that are gone have said. Otherwise, and while Loki is away, from
the pods that are there, through the API server.
"""

import json
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.markup import escape

from components.levels import KEYS, LEVELS, SEVERITIES, WORDS
from operations.delivery import log_store
from operations.delivery.log_store import Kept
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

_COLOURS: Final = {"debug": "dim", "info": "default", "warning": "yellow", "error": "bold red"}
_NAME: Final = "app.kubernetes.io/name"
_OURS: Final = "app.kubernetes.io/part-of=vision-week"
_EVERY: Final = 2  # seconds between two looks for new pods
_TOLD: Final = {"time", "timestamp", "asctime", *KEYS, "service", "message"}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Source:
    """A container that logs. since: it began then; a container that is started again is another one."""

    namespace: str
    pod: str
    container: str
    service: str
    since: str


@dataclass(frozen=True)
class Line:
    """One line. fields: all that it has besides."""

    time: str
    level: str
    service: str
    source: Source
    message: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, text: str, source: Source) -> "Line":
        """From what `kubectl logs --timestamps` prints: the node's time, then the line."""
        seen, _, rest = text.partition(" ")
        try:
            found = json.loads(rest)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            return cls(_utc(seen), "info", source.service, source, rest, {})
        named = next((found[key] for key in KEYS if found.get(key)), "info")
        level = str(named).lower()
        # An access log's line without a message is told by what was asked for.
        message = found.get("message") or " ".join(str(found[key]) for key in ("method", "path") if key in found)
        return cls(
            _utc(seen),
            WORDS.get(level, level if level in LEVELS else "info"),
            str(found.get("service") or source.service),
            source,
            str(message),
            {key: value for key, value in found.items() if key not in _TOLD},
        )

    def as_json(self) -> str:
        where = {"namespace": self.source.namespace, "pod": self.source.pod, "container": self.source.container}
        line = {"time": self.time, "level": self.level, "service": self.service, "message": self.message}
        return json.dumps({**line, **where, "fields": self.fields}, ensure_ascii=False)

    def as_markup(self) -> str:
        """For a terminal."""
        fields = " ".join(f"{key}={_short(value)}" for key, value in self.fields.items())
        colour = _COLOURS[self.level]
        return (
            f"[dim]{self.time[11:23]}[/dim] [{colour}]{self.level:7}[/{colour}] [cyan]{escape(self.service):10}[/cyan] "
            f"{escape(self.message)} [dim]{escape(fields)} {escape(self.source.pod)}[/dim]"
        )


@dataclass(frozen=True)
class Wanted:
    """Which lines: of a service, from a level on, matching an expression, not older than `10m`."""

    service: str | None = None
    level: str = "debug"
    grep: re.Pattern[str] | None = None
    since: str = "10m"

    def takes(self, line: Line) -> bool:
        return (
            (self.service is None or self.service in {line.service, line.source.service, line.source.container})
            and LEVELS.index(line.level) >= LEVELS.index(self.level)
            and (self.grep is None or self.grep.search(line.as_json()) is not None)
        )


def read(target: Target, wanted: Wanted) -> Iterator[Line]:
    """All lines that there are, in the order of their times."""
    lines = list(_kept(target, wanted) if log_store.is_ready(target) else _of_pods(target, wanted))
    known = {line.source.service for line in lines} | {line.service for line in lines}
    if wanted.service and not any(wanted.takes(line) for line in lines) and wanted.service not in known:
        raise DeliveryError(
            f"No service {wanted.service} has logged anything.", f"name one of {', '.join(sorted(known))}"
        )
    yield from sorted((line for line in lines if wanted.takes(line)), key=lambda line: line.time)


def _kept(target: Target, wanted: Wanted) -> Iterator[Line]:
    with log_store.opened(target) as store:
        now = time.time_ns()
        yield from map(_line, store.between(_question(target, wanted), now - _nanoseconds(wanted.since), now))


def _of_pods(target: Target, wanted: Wanted) -> Iterator[Line]:
    for source in sources(target):
        for text in target.kubectl(*_arguments(source, wanted.since)).splitlines():
            yield Line.of(text, source)


def follow(target: Target, wanted: Wanted) -> Iterator[Line]:
    """Lines as they come, for ever, also those of pods that come later."""
    if not log_store.is_ready(target):
        yield from _followed(target, wanted)
        return
    with log_store.opened(target) as store:
        for each in store.as_they_come(_question(target, wanted), time.time_ns() - _nanoseconds(wanted.since)):
            if wanted.takes(line := _line(each)):
                yield line


def _question(target: Target, wanted: Wanted) -> str:
    return log_store.question(list(target.namespaces.values()), SEVERITIES[wanted.level])


def _nanoseconds(since: str) -> int:
    return int(since[:-1]) * _SECONDS[since[-1]] * 10**9


def _line(kept: Kept) -> Line:
    """A line that is kept, as if the pod had been asked."""
    source = Source(
        kept.label("k8s_namespace_name"),
        kept.label("k8s_pod_name"),
        kept.label("k8s_container_name"),
        kept.label("service_name"),
        "",
    )
    when = datetime.fromtimestamp(kept.nanoseconds // 10**6 / 1000, UTC)
    return Line.of(f"{when.isoformat(timespec='milliseconds')} {kept.text}", source)


def _followed(target: Target, wanted: Wanted) -> Iterator[Line]:
    """From the pods that are there."""
    heard: queue.SimpleQueue[Line] = queue.SimpleQueue()
    followed: dict[Source, subprocess.Popen[str]] = {}
    since = wanted.since
    try:
        while True:
            for source in set(sources(target)) - followed.keys():
                followed[source] = _listen(target, source, since, heard)
            since = "1h"  # a pod that came later has said nothing before it came
            until = time.monotonic() + _EVERY
            while (left := until - time.monotonic()) > 0:
                try:
                    line = heard.get(timeout=left)
                except queue.Empty:
                    break
                if wanted.takes(line):
                    yield line
    finally:
        for process in followed.values():
            process.terminate()


def sources(target: Target) -> list[Source]:
    """Every container of the stack that has begun."""
    found = []
    for area, namespace in target.namespaces.items():
        for pod in target.listed(area, "pods", _OURS):
            status = pod["status"]
            for each in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
                began = each["state"].get("running") or each["state"].get("terminated")
                if began:
                    name, service = pod["metadata"]["name"], pod["metadata"]["labels"][_NAME]
                    found.append(Source(namespace, name, each["name"], service, began.get("startedAt") or ""))
    return found


def _listen(target: Target, source: Source, since: str, heard: "queue.SimpleQueue[Line]") -> subprocess.Popen[str]:
    command = target.kubectl_command(*_arguments(source, since), "--follow")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def hear() -> None:
        assert process.stdout is not None  # noqa: S101  PIPE gives one
        for text in process.stdout:
            heard.put(Line.of(text.rstrip("\n"), source))

    threading.Thread(target=hear, daemon=True).start()
    return process


def _arguments(source: Source, since: str) -> list[str]:
    where = ["-n", source.namespace, "logs", source.pod, "-c", source.container]
    return [*where, "--timestamps", f"--since={since}"]


def _utc(seen: str) -> str:
    """The node's time to the millisecond; lines of several nodes are put in order by it."""
    try:
        when = datetime.fromisoformat(seen).astimezone(UTC)
    except ValueError:
        when = datetime.now(UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
