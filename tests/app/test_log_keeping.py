"""What becomes of a line that is kept: Loki itself, as the platform configures it, asked as `deploy.sh logs` asks it.

Drills, because Loki takes long to be built: `make test` does without it.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.levels import SEVERITIES
from components.monitoring import log_page
from operations.delivery import log_store
from tests.app.log_keeping import Keeping, keeping
from tests.app.test_log_collector import line
from tests.waiting import wait_for

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeping]:
    with keeping(tmp_path_factory.mktemp("node")) as one:
        yield one


def test_a_line_is_found_as_it_was_written_with_where_it_is_from(running: Keeping) -> None:
    """S8.3"""
    written = line(message="somebody came", request_id="found-0001")
    running.write([written])
    kept = running.found("found-0001")
    assert kept.text == written
    where = ("k8s_namespace_name", "service_name", "k8s_pod_name", "k8s_container_name")
    assert [kept.label(name) for name in where] == ["vision-week-app", "app", "app-7c9d8b6f5d-x2k4p", "php"]


def test_what_makes_a_stream_is_bounded(running: Keeping) -> None:
    """A pod's name would make a stream of each roll-out's."""
    running.write([line(message="labels-0002")])
    running.found("labels-0002")
    with running.client() as client:
        names = client.get("/loki/api/v1/labels").json()["data"]
    assert set(names) == {"k8s_namespace_name", "k8s_container_name", "service_name"}


def test_lines_are_chosen_by_how_bad_they_are(running: Keeping) -> None:
    running.write([line(level=level, message=f"bad-{level}") for level in ("info", "warning", "error")])
    running.found("bad-error")
    told = {json.loads(each.text)["message"] for each in running.kept(SEVERITIES["warning"])}
    assert {"bad-warning", "bad-error"} <= told
    assert "bad-info" not in told


def test_lines_are_read_page_by_page(running: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one answer of Loki's holds."""
    running.write([line(message=f"page-{each:04}") for each in range(50)], pod="redis-0", container="redis")
    running.found("page-0049")
    whole = running.kept()
    monkeypatch.setattr(log_store, "_PAGE", 7)
    assert running.kept() == whole


def test_lines_are_heard_as_they_come_each_once(running: Keeping) -> None:
    with running.heard() as heard:
        for number in range(3):
            running.write([line(message=f"heard-{number}")])
            assert json.loads(next(heard).text)["message"] == f"heard-{number}"


def test_every_question_of_the_page_of_logs_has_an_answer(running: Keeping) -> None:
    """S8.2. Grafana itself isn't there."""
    running.write([line(level="error", message="asked-0001")])
    running.found("asked-0001")
    now = time.time_ns()
    for question in (*(expr for _, expr in log_page.COUNTS.values()), *log_page.LINES.values()):
        expr = question.replace("$service", ".+").replace("$text", "ASKED-").replace("$__auto", "1m")
        asked: dict[str, str | int] = {"query": expr, "start": now - 600 * 10**9, "end": now + 10**9, "step": 60}
        with running.client() as client:
            answer = client.get("/loki/api/v1/query_range", params=asked)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["result"], expr


def test_nothing_is_lost_while_loki_is_away_and_nothing_is_there_twice(tmp_path: Path) -> None:
    """S8.3. At last the collector begins with empty hands, as a new pod of it does."""
    wanted = [f"kept-{number:06}" for number in range(2000)]
    with keeping(tmp_path) as one:

        def there() -> list[str]:
            return sorted(json.loads(each.text)["message"] for each in one.kept())

        one.write([line(message=message) for message in wanted[:500]])
        wait_for(lambda: len(there()) == 500, "the first ones", every=1)
        one.down("loki")
        one.write([line(message=message) for message in wanted[500:1000]])
        one.down()
        one.write([line(message=message) for message in wanted[1000:]])
        one.up()
        one.loki_up()
        wait_for(lambda: set(there()) == set(wanted), "all lines to be there", every=1)
        one.down()
        for file in one.queue.iterdir():
            file.unlink()
        one.up()
        one.write([line(message="kept-last")])
        wait_for(lambda: "kept-last" in there(), "the last one", every=1)
        assert there() == [*wanted, "kept-last"]
