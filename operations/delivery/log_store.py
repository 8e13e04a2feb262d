"""The stack's Loki, asked through a tunnel: nobody is admitted to it but by `kubectl port-forward`."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

_PORT: Final = 3100
# Lines that one answer has at most: Loki's own limit is 5000.
_PAGE: Final = 2000
# Seconds that a line may take from its pod to here: one that comes later than others is not passed over.
_LATE: Final = 15


@dataclass(frozen=True)
class Kept:
    """A line that is kept. nanoseconds: its node's time. labels: where it is from, and what is known of it."""

    nanoseconds: int
    labels: frozenset[tuple[str, str]]
    text: str

    def label(self, name: str) -> str:
        return dict(self.labels).get(name, "")


class LogStore:
    """Loki, open to us for a while."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def between(self, question: str, start: int, end: int) -> Iterator[Kept]:
        """All lines of a time, in its order. start, end: nanoseconds; the end is not part of it."""
        given: set[Kept] = set()
        while True:
            page = self._page(question, start, end)
            yield from (each for each in page if each not in given)
            if len(page) < _PAGE:
                return
            # Others of the last moment may be on the next page; a moment that fills a page is passed over.
            last = page[-1].nanoseconds
            given = {each for each in page if each.nanoseconds == last}
            start = last if last > start else last + 1

    def as_they_come(self, question: str, start: int) -> Iterator[Kept]:
        """Lines, for ever."""
        given: dict[Kept, int] = {}
        while True:
            now = time.time_ns()
            for each in self.between(question, start, now + 1):
                if each not in given:
                    yield each
                given[each] = each.nanoseconds
            start = max(start, now - _LATE * 10**9)
            given = {each: when for each, when in given.items() if when >= start}
            time.sleep(1)

    def _page(self, question: str, start: int, end: int) -> list[Kept]:
        asked: dict[str, str | int] = {"query": question, "start": start, "end": end, "limit": _PAGE}
        try:
            answer = self._client.get("/loki/api/v1/query_range", params={**asked, "direction": "forward"})
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise DeliveryError(
                f"Loki answers with {error.response.status_code}: {error.response.text.strip()}",
                "mend what it names",
                Exit.BROKEN,
            ) from None
        except httpx.HTTPError as error:
            raise DeliveryError(f"Loki doesn't answer: {error}.", "run the command again", Exit.BROKEN) from None
        streams: list[dict[str, Any]] = answer.json()["data"]["result"]
        found = [
            Kept(int(when), frozenset(stream["stream"].items()), text)
            for stream in streams
            for when, text in stream["values"]
        ]
        return sorted(found, key=lambda each: each.nanoseconds)


def is_ready(target: Target) -> bool:
    """Whether the stack has a Loki, and it is there."""
    if not (target.settings.monitoring.enabled and target.settings.monitoring.logs):
        return False
    pods = target.listed("monitoring", "pods", "app.kubernetes.io/name=loki")
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for pod in pods
        for each in pod["status"].get("conditions", ())
    )


@contextmanager
def opened(target: Target) -> Iterator[LogStore]:
    """The stack's Loki, for as long as a block lasts."""
    forward = target.kubectl_command("-n", target.namespaces["monitoring"], "port-forward", "pod/loki-0", f":{_PORT}")
    with subprocess.Popen(
        forward, env=target.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tunnel:
        try:
            assert tunnel.stdout is not None and tunnel.stderr is not None  # noqa: S101, PT018  PIPE gives both
            port = tunnel.stdout.readline().partition("127.0.0.1:")[2].partition(" ")[0]
            if not port:
                raise DeliveryError(f"There is no way to Loki: {tunnel.stderr.read().strip()}", "mend what it names")
            with httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                # The tunnel's end has been proved by the API server, which looks at who we are, too.
                verify=False,  # noqa: S501
                trust_env=False,
                timeout=60,
            ) as client:
                yield LogStore(client)
        finally:
            tunnel.terminate()


def question(namespaces: list[str], least: int) -> str:
    """All lines of these namespaces that are at least so bad. least: OpenTelemetry's number of a level."""
    of = json.dumps("|".join(namespaces))
    return f"{{k8s_namespace_name=~{of}}} | severity_number >= {least}"
