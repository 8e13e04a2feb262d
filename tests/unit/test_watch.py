"""What is told of the backups' jobs. That the API server is asked, and Prometheus told, is tried on pods."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components import watch
from components.files.watch import series
from tests.app.processes import Process, answers, free_port

MADE = {"metadata": {"creationTimestamp": "1970-01-01T00:01:00Z"}}


def told(status: dict[str, Any]) -> dict[str, str]:
    lines = [line.rpartition(" ") for line in series("full", 86400, {**MADE, "status": status})]
    assert all(name.endswith('{cronjob="full"}') for name, _, _ in lines)
    return {name.removeprefix("vision_week_job_").partition("{")[0]: value for name, _, value in lines}


def test_one_that_was_never_begun_is_as_late_as_if_it_had_gone_well_when_it_was_made() -> None:
    assert told({}) == {"interval_seconds": "86400", "running": "0", "succeeded_timestamp_seconds": "60"}


def test_one_that_runs_says_so() -> None:
    found = told({"active": [{"name": "one"}], "lastScheduleTime": "1970-01-01T00:02:00Z"})
    assert (found["running"], found["scheduled_timestamp_seconds"], found["succeeded_timestamp_seconds"]) == (
        "1",
        "120",
        "60",
    )


def test_one_that_went_well_is_told_by_its_end() -> None:
    found = told({"lastScheduleTime": "1970-01-01T00:02:00Z", "lastSuccessfulTime": "1970-01-01T00:03:00Z"})
    assert found["succeeded_timestamp_seconds"] == "180"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[str]:
    """It runs where no API server can be asked."""
    port = free_port()
    script = Path(watch.__file__).parent / "files" / "watch.py"
    process = Process(
        [sys.executable, str(script), str(port), "full=86400"],
        log=tmp_path / "log",
        environment={},
        user=None,
    )
    process.wait_until(lambda: answers(port), "its port")
    yield f"http://127.0.0.1:{port}"
    process.stop()


def test_without_the_api_server_there_are_no_numbers_and_it_lives_on(alone: str) -> None:
    assert httpx.get(f"{alone}/metrics").status_code == 503
    assert httpx.get(f"{alone}/").status_code == 200
