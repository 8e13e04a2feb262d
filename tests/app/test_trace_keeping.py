"""What becomes of a trace that is kept: Jaeger itself, as the platform configures it, asked as Grafana asks it.

Drills, because Jaeger takes long to be built: `make test` does without it.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.monitoring import jaeger
from tests.app.collecting import Node
from tests.app.processes import free_port
from tests.app.telling import tell
from tests.waiting import wait_for

pytestmark = pytest.mark.drill


class Keeping(Node):
    """A node with its collector, and Jaeger, which brings nothing to Loki."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, encoding="proto")
        (folder / "jaeger").mkdir()
        self.traces = free_port()
        self._pages, self._health_of_jaeger, self.numbers = free_port(), free_port(), free_port()

    def jaeger_up(self) -> None:
        file = self.folder / "files/jaeger.yaml"
        ports = (self.traces, self._pages, self._health_of_jaeger, self.numbers)
        files, data = str(self.folder / "files"), str(self.folder / "jaeger")
        file.write_text(jaeger.configuration(1, address="127.0.0.1", ports=ports, files=files, data=data))
        self.start("jaeger", f"--config={file}")

        def ready() -> bool:
            try:
                there = f"http://127.0.0.1:{self._health_of_jaeger}/status"
                return httpx.get(there, trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        self.wait("jaeger", ready)

    def asked(self, path: str, **parameters: str) -> Any:
        there = f"https://127.0.0.1:{self._pages}/api/{path}"
        answer = httpx.get(there, params=parameters, verify=False, trust_env=False)  # noqa: S501  made here
        return answer.json()["data"] if answer.status_code == 200 else None

    def found(self, trace: str) -> dict[str, Any]:
        """The only span of the trace, once it is there."""
        ((span,),) = wait_for(lambda: [each["spans"] for each in self.asked(f"traces/{trace}") or []], trace, every=0.3)
        kept: dict[str, Any] = span
        return kept


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeping]:
    one = Keeping(tmp_path_factory.mktemp("node"))
    try:
        one.jaeger_up()
        one.up()
        yield one
    finally:
        one.stop()


def test_a_trace_is_found_by_its_number(running: Keeping) -> None:
    """S8.3"""
    trace = tell(running.spans, "GET /api/exhibits", **{"request.id": "from-the-edge-0001"})
    span = running.found(trace)
    assert span["operationName"] == "GET /api/exhibits"
    assert {"key": "request.id", "type": "string", "value": "from-the-edge-0001"} in span["tags"]


def test_a_trace_is_found_by_the_requests_number(running: Keeping) -> None:
    trace = tell(running.spans, "GET /api/exhibits", **{"request.id": "from-the-edge-0002"})
    running.found(trace)
    now = time.time_ns() // 1000
    span_of_time = {"start": str(now - 3600 * 10**6), "end": str(now + 10**6)}
    found = running.asked("traces", service="app", tags='{"request.id":"from-the-edge-0002"}', **span_of_time)
    assert [each["traceID"] for each in found] == [trace]


def test_what_was_kept_is_there_when_it_was_started_again(running: Keeping) -> None:
    trace = tell(running.spans, "before")
    running.found(trace)
    running.down("jaeger", signal.SIGTERM)
    waits = tell(running.spans, "meanwhile")
    running.jaeger_up()
    assert running.found(trace)["operationName"] == "before"
    assert running.found(waits)["operationName"] == "meanwhile"


def test_its_numbers_are_those_that_prometheus_takes_in(running: Keeping) -> None:
    """Of all that it has, few, under these names."""
    running.found(tell(running.spans, "counted"))
    told = httpx.get(f"http://127.0.0.1:{running.numbers}/metrics", trust_env=False).text
    assert "otelcol_receiver_accepted_spans{" in told
