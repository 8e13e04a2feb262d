"""The alerts on promtool: numbers that raise each of them, and numbers that don't."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import moments
from components.monitoring import rules, scraping, subjects
from components.settings import Alerts
from tests.unit.alarms import ALWAYS, CASES, certificate, claim, disk, moment, spans
from tests.unit.recording import CHECKOUT, Recording

SERVICES = ("app", "collector", "websocket")
ARCHIVED = 30
ALERTS = tuple(subjects.alerts(Alerts(), SERVICES, ARCHIVED))
NAMES = tuple(dict.fromkeys(alert.name for alert in ALERTS))
RUNBOOKS = CHECKOUT / "docs" / "runbooks"


def promtool(*words: str, folder: Path) -> str:
    """What promtool says of files in a folder; it must be content."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool isn't installed; `make test` installs it")
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def tried(tmp_path: Path, series: dict[str, str], minute: int, expected: list[dict[str, Any]], expr: str) -> None:
    """One run of the rules on these series: of those that record, and of the alerts that the question names."""
    named = [alert for alert in ALERTS if f'"{alert.name}"' in expr]
    (tmp_path / "rules.yml").write_text(rules.render(subjects.records(Alerts()), named))
    question = {"expr": expr, "eval_time": f"{minute}m", "exp_samples": expected}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": [question]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    promtool("test", "rules", "test.yml", folder=tmp_path)


def firing(name: str) -> str:
    return f'group(ALERTS{{alertname="{name}",alertstate="firing"}})'


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_raised_by_what_it_is_about(name: str, tmp_path: Path) -> None:
    tried(tmp_path, CASES[name].raising, CASES[name].minute, [{"labels": "{}", "value": 1}], firing(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ALWAYS])
def test_an_alert_is_not_raised_by_what_is_near_to_it(name: str, tmp_path: Path) -> None:
    tried(tmp_path, CASES[name].quiet, CASES[name].minute, [], firing(name))


def test_every_alert_has_numbers_that_raise_it_and_a_page_of_its_own() -> None:
    assert set(CASES) == set(NAMES)
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_an_alert_means_what_to_look_at_and_what_to_do(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        f"# {name}",
        "## What it means",
        "## What to look at",
        "## What to do",
    ]


def test_the_levels_of_the_service_are_the_thresholds() -> None:
    """Service levels: 5xx > 0.1/s for 5 min critical, p95 > 1 s for 5 min, target down 1 min critical."""
    said = {alert.name: (alert.expr.rpartition("> ")[2], alert.minutes, alert.severity) for alert in ALERTS}
    assert said["ServerErrors"] == ("0.1", 5, "critical")
    assert said["LatencyHigh"] == ("1", 5, "warning")
    assert said["TargetDown"] == ("up == 0", 1, "critical")


@pytest.mark.parametrize(("days", "severities"), [(15, []), (13, ["warning"]), (2, ["critical", "warning"])])
def test_a_certificate_that_ends_soon_is_a_warning_and_one_that_ends_very_soon_critical(
    days: int, severities: list[str], tmp_path: Path
) -> None:
    asked = 'group by (severity) (ALERTS{alertname="CertificateExpires",alertstate="firing"})'
    expected = [{"labels": f'{{severity="{severity}"}}', "value": 1} for severity in severities]
    tried(tmp_path, certificate(days), 20, expected, asked)


@pytest.mark.parametrize(
    ("left", "severities"),
    [
        # A fifth of it in an hour, of which there are not two left; the same of a disk that is mostly empty; slowly.
        ("80-0.34x140", ["critical"]),
        ("100-0.34x140", []),
        ("45-0.08x140", []),
    ],
)
def test_a_disk_that_fills_fast_is_critical_and_one_that_fills_slowly_is_not(
    left: str, severities: list[str], tmp_path: Path
) -> None:
    asked = 'group by (severity) (ALERTS{alertname="NodeDiskFull",alertstate="firing"})'
    expected = [{"labels": f'{{severity="{severity}"}}', "value": 1} for severity in severities]
    tried(tmp_path, disk(left), 120, expected, asked)


@pytest.mark.parametrize(
    ("left", "files", "severities"),
    [
        # A fifth of it in an hour, of which there are not two left; the same of an empty one; slowly; no room.
        ("80-0.34x140", "100x200", ["critical"]),
        ("100-0.34x140", "100x200", []),
        ("45-0.08x140", "100x200", []),
        ("1x200", "100x200", ["critical", "warning"]),
        # Room for bytes, and none for files.
        ("60x200", "5x200", ["warning"]),
    ],
)
def test_a_claim_that_fills_fast_or_is_full_is_critical_and_one_without_room_for_files_is_told_of(
    left: str, files: str, severities: list[str], tmp_path: Path
) -> None:
    asked = 'group by (severity) (ALERTS{alertname="ClaimFull",alertstate="firing"})'
    expected = [{"labels": f'{{severity="{severity}"}}', "value": 1} for severity in severities]
    tried(tmp_path, claim(left, files), 120, expected, asked)


def test_a_file_system_that_makes_files_as_it_needs_them_is_not_out_of_them(tmp_path: Path) -> None:
    """It says that there are none, of none."""
    none = {name: "0x200" if "inodes" in name else values for name, values in claim("60x200").items()}
    tried(tmp_path, none, 120, [], firing("ClaimFull"))


def test_drift_that_the_first_look_has_found_is_told_of(tmp_path: Path) -> None:
    """There was none yet that found nothing."""
    tried(tmp_path, {moment(moments.CHECKED): "0x60"}, 20, [{"labels": "{}", "value": 1}], firing("DriftFound"))


@pytest.mark.parametrize(("hours", "told"), [(35, False), (37, True)])
def test_a_stack_that_is_delivered_to_and_never_looked_at_is_told_of(hours: int, told: bool, tmp_path: Path) -> None:
    """However often it is delivered to."""
    delivered = {moment(moments.DELIVERED): "0+60x2400"}
    expected = [{"labels": "{}", "value": 1}] if told else []
    tried(tmp_path, delivered, hours * 60, expected, firing("DriftUnchecked"))


def test_spans_that_a_store_refuses_are_lost_as_well_as_those_without_room(tmp_path: Path) -> None:
    tried(tmp_path, {spans("send_failed"): "1+1x60"}, 20, [{"labels": "{}", "value": 1}], firing("SpansLost"))


def test_a_budget_that_burns_fast_is_critical_and_one_that_burns_slowly_a_warning() -> None:
    burning = {alert.window: (alert.severity, alert.expr) for alert in ALERTS if alert.name == "ErrorBudgetBurns"}
    assert {window: severity for window, (severity, _) in burning.items()} == {
        "1h": "critical",
        "6h": "critical",
        "1d": "warning",
        "3d": "warning",
    }
    assert burning["1h"][1].endswith('{window="5m"} > 0.0144')


def test_promtool_takes_the_configuration_and_the_rules_of_a_stack(program: Recording, tmp_path: Path) -> None:
    files = program.one("ConfigMap", "prometheus").inputs["data"]
    for name, text in files.items():
        local = text.replace(scraping.RULES, "rules.yml").replace(scraping.AUTHORITY, "authority.pem")
        (tmp_path / name).write_text(local)
    assert "SUCCESS: 1 rule files found" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_the_goal_of_latency_is_one_of_the_bounds_that_the_application_counts_by() -> None:
    """Between two of them nothing can be said."""
    source = (CHECKOUT / "app" / "src" / "Metrics.php").read_text()
    listed = source.partition("BUCKETS = [")[2].partition("]")[0]
    bounds = {round(float(bound) * 1000) for bound in listed.split(",")}
    goals = Alerts.model_json_schema()["properties"]["latency_goal_ms"]["enum"]
    assert set(goals) == {bound for bound in bounds if bound >= 50}
