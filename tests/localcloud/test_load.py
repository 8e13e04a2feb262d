"""The load test, with the real k6 and a small server in the place of what is deployed.

On the local cluster `./scripts/deploy.sh development load` does it: how long answers take is measured, not tested.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from operations.delivery.load import Load, load
from operations.delivery.target import Target

SLOW = 0.7  # seconds; the level is 0.5


@dataclass
class Deployed:
    """As much of a stack as the load test asks for, and how it answers: path -> status, seconds."""

    answers: Callable[[str], tuple[int, float]] = lambda _: (200, 0)
    asked: list[str] = field(default_factory=list)
    address: str = ""
    settings: Any = None

    def outputs(self) -> dict[str, str]:
        return {"url": self.address, "ca_certificate": ""}

    def put_to_the_test(self) -> Load:
        return load(cast("Target", self), seconds=5, pages=4)


@pytest.fixture
def deployed() -> Iterator[Deployed]:
    found = Deployed(settings=Target.named("staging").settings)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            status, seconds = found.answers(self.path)
            time.sleep(seconds)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def test_it_asks_for_the_page_and_for_four_fifths_of_what_one_address_may_have_of_the_api(deployed: Deployed) -> None:
    found = deployed.put_to_the_test()
    pages, reads = found.measured
    assert set(deployed.asked) == {"/", "/api/exhibits"}
    # 20 and 40, give or take the first, which k6 makes at once, and the last.
    assert pages.count <= 21
    assert reads.count <= 41
    assert pages.count + reads.count + found.never >= 58
    assert (pages.failed, reads.failed) == (0, 0)


def test_answers_that_take_too_long_break_the_level(deployed: Deployed) -> None:
    deployed.answers = lambda path: (200, SLOW if path.startswith("/api") else 0)
    found = deployed.put_to_the_test()
    assert not found.held
    assert found.measured[1].p95 >= SLOW * 1000


def test_answers_that_are_no_good_break_it_too(deployed: Deployed) -> None:
    deployed.answers = lambda path: (503 if path == "/" else 200, 0)
    found = deployed.put_to_the_test()
    assert not found.held
    assert [each.failed for each in found.measured] == [1, 0]
