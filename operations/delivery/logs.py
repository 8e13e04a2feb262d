"""The lines that the stack's pods have logged, chosen and made readable.

Every service writes one JSON object a line; what isn't one is passed on as a message without a level. They are read
from the pods, through the API server: what a pod that is gone has said needs the log store.
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

from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

# What each writes, from the least; PostgreSQL and Patroni have words of their own for some.
LEVELS: Final = ("debug", "info", "warning", "error")
_SAME: Final = {
    **dict.fromkeys(("trace", "debug1", "debug2", "debug3", "debug4", "debug5"), "debug"),
    **dict.fromkeys(("log", "notice", "statement"), "info"),
    "warn": "warning",
    **dict.fromkeys(("fatal", "panic", "critical", "crit", "alert", "emerg"), "error"),
}
_COLOURS: Final = {"debug": "dim", "info": "default", "warning": "yellow", "error": "bold red"}
_NAME: Final = "app.kubernetes.io/name"
_OURS: Final = "app.kubernetes.io/part-of=vision-week"
_EVERY: Final = 2  # seconds between two looks for new pods
_TOLD: Final = {"time", "timestamp", "asctime", "level", "levelname", "error_severity", "service", "message"}


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
        named = found.get("level") or found.get("levelname") or found.get("error_severity")
        level = str(named or "info").lower()
        # An access log's line without a message is told by what was asked for.
        message = found.get("message") or " ".join(str(found[key]) for key in ("method", "path") if key in found)
        return cls(
            _utc(seen),
            _SAME.get(level, level if level in LEVELS else "info"),
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
    lines = [
        Line.of(text, source)
        for source in sources(target)
        for text in target.kubectl(*_arguments(source, wanted.since)).splitlines()
    ]
    known = {line.source.service for line in lines} | {line.service for line in lines}
    if wanted.service and not any(wanted.takes(line) for line in lines) and wanted.service not in known:
        raise DeliveryError(
            f"No service {wanted.service} has logged anything.", f"name one of {', '.join(sorted(known))}"
        )
    yield from sorted((line for line in lines if wanted.takes(line)), key=lambda line: line.time)


def follow(target: Target, wanted: Wanted) -> Iterator[Line]:
    """Lines as they come, for ever, also those of pods that come later."""
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
