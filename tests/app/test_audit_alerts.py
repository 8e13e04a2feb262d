"""What a review is told of alerts by a real Prometheus, whose blocks promtool made of a week that was thought up."""

import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from components.monitoring import scraping, subjects
from components.settings import Alerts
from operations.audit.remembered import HEARTBEAT, STEP, Told, remembered
from tests.app.processes import Process, free_port, program

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
NOW = SINCE + timedelta(days=7)
BACKUPS = 'alertstate="firing",severity="critical",namespace="vision-week-data",alertname="BackupFailed"'
BEAT = f'alertstate="firing",severity="heartbeat",alertname="{HEARTBEAT}"'


def at(hours: float) -> float:
    """So many hours after the week has begun."""
    return SINCE.timestamp() + hours * 3600


def samples(labels: str, *spans: tuple[float, float]) -> Iterable[str]:
    """As rules leave them: one each time that they are evaluated. spans: in hours, the last one included."""
    for begun, last in spans:
        for moment in range(int(at(begun)), int(at(last)) + 1, STEP):
            yield f"ALERTS{{{labels}}} 1 {moment}"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """It has looked from the second day on, but for an hour of the fourth, and stopped an hour before the week ends."""
    folder = tmp_path_factory.mktemp("prometheus")
    series = [
        *samples(BEAT, (24, 80), (81, 167)),
        # Over the end of one answer, which has 10,000 points, and a second time for a minute.
        *samples(BACKUPS, (30, 50), (100, 100 + 1 / 60)),
        *samples(BACKUPS.replace("firing", "pending"), (29, 30)),
    ]
    made = "".join(f"{line}\n" for line in ("# TYPE ALERTS gauge", *series, "# EOF"))
    (folder / "week.txt").write_text(made)
    (folder / "prometheus.yml").write_text("{}")
    data = folder / "data"
    data.mkdir()
    blocks = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(folder / "week.txt"), str(data)]
    subprocess.run(blocks, check=True, capture_output=True, text=True, timeout=120)
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=400d",
        f"--web.listen-address=127.0.0.1:{port}",
        # Rules mark the end of a series, promtool can't: without this one that has ended is seen for five minutes more.
        f"--query.lookback-delta={STEP - 1}s",
    ]
    server = Process(command, log=folder / "log", environment={}, user=None)
    address = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{address}/-/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        server.wait_until(ready, "Prometheus to be ready")
        yield address
    finally:
        server.stop()


@pytest.fixture
def alerts(prometheus: str) -> Told:
    return next(iter(remembered(prometheus, SINCE, NOW)))


def test_each_time_that_an_alert_was_raised_is_told_with_its_length(alerts: Told) -> None:
    assert alerts.rows is not None
    told = [tuple(row) for row in alerts.rows if row[0] != HEARTBEAT]
    of = "namespace=vision-week-data"
    assert told == [
        ("BackupFailed", "critical", "2026-11-02T06:00:00+00:00", "2026-11-03T02:00:15+00:00", "1200.2", of),
        ("BackupFailed", "critical", "2026-11-05T04:00:00+00:00", "2026-11-05T04:01:15+00:00", "1.2", of),
    ]
    assert alerts.lines[0] == "2 times that an alert was raised, the heartbeat aside"


def test_of_which_time_nothing_is_known_is_told(alerts: Told) -> None:
    assert alerts.lines[1:] == [
        "alerts are known from 2026-11-02T00:00:00+00:00 on; of what was before that Prometheus knows nothing",
        "nobody looked 1 times, 60.0 minutes together, between the rows of Watchdog",
        "nobody has looked since 2026-11-07T23:00:00+00:00",
    ]


def test_what_is_still_raised_is_told_so(prometheus: str) -> None:
    (told, _) = remembered(prometheus, SINCE, SINCE + timedelta(hours=49))
    assert told.rows is not None
    assert [row[3] for row in told.rows] == ["still raised", "still raised"]
    assert told.lines[1:] == [
        "alerts are known from 2026-11-02T00:00:00+00:00 on; of what was before that Prometheus knows nothing"
    ]


def test_a_time_without_the_heartbeat_is_no_quiet_time(prometheus: str) -> None:
    (told, _) = remembered(prometheus, SINCE, SINCE + timedelta(hours=1))
    assert told.rows == []
    assert told.lines[1:] == ["of no time is it known whether an alert was raised: the heartbeat (Watchdog) never was"]


def test_what_prometheus_refuses_to_answer_is_told_in_its_own_words(prometheus: str) -> None:
    told = list(remembered(f"{prometheus}/nowhere", SINCE, NOW))
    assert [(each.name, each.rows) for each in told] == [("alerts.csv", None), ("backups.csv", None)]
    assert told[0].lines == ["it can't be had: 404: 404 page not found"]


def test_it_asks_as_often_as_rules_are_evaluated_and_after_the_alert_that_is_always_raised() -> None:
    assert STEP == scraping.INTERVAL
    assert HEARTBEAT in {alert.name for alert in subjects.alerts(Alerts(), (), None)}
