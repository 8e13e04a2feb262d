"""The alerts on promtool: numbers that raise each of them, and numbers that don't."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring import rules, scraping, subjects
from components.settings import Alerts
from tests.unit.recording import CHECKOUT, Recording

SERVICES = ("app", "collector", "websocket")
ARCHIVED = 30
ALERTS = tuple(subjects.alerts(Alerts(), SERVICES, ARCHIVED))
NAMES = tuple(dict.fromkeys(alert.name for alert in ALERTS))
RUNBOOKS = CHECKOUT / "docs" / "runbooks"


def waiting(reason: str) -> str:
    """A container that waits for a reason."""
    return f'kube_pod_container_status_waiting_reason{{pod="app-1",container="php",reason="{reason}"}}'


def failed(job: str) -> str:
    """Whether a Job has failed."""
    return f'kube_job_failed{{job_name="{job}",condition="true"}}'


def pods_by_load(least: int, most: int, wanted: int, of: str = "app") -> dict[str, str]:
    """What an autoscaler says of itself."""
    labels = f'{{horizontalpodautoscaler="{of}"}}'
    return {
        f"kube_horizontalpodautoscaler_spec_min_replicas{labels}": f"{least}x60",
        f"kube_horizontalpodautoscaler_spec_max_replicas{labels}": f"{most}x60",
        f"kube_horizontalpodautoscaler_status_desired_replicas{labels}": f"{wanted}x60",
    }


def quota(used: int, hard: int, of: str = "pods") -> dict[str, str]:
    """What of a quota is used."""
    return {
        f'kube_resourcequota{{resource="{of}",type="used"}}': f"{used}x60",
        f'kube_resourcequota{{resource="{of}",type="hard"}}': f"{hard}x60",
    }


def container(*, cpu: str = "0x60", memory: str = "0x60") -> dict[str, str]:
    """What a container uses, of half a processor and of 100 bytes."""
    labels = '{pod="app-1",container="php"}'
    return {
        f"container_cpu_usage_seconds_total{labels}": cpu,
        f"container_spec_cpu_quota{labels}": "50000x60",
        f"container_spec_cpu_period{labels}": "100000x60",
        f"container_memory_rss{labels}": memory,
        f"container_spec_memory_limit_bytes{labels}": "100x60",
    }


@dataclass(frozen=True)
class Case:
    """Series by name, one value a minute, as promtool writes them, and the minute that is looked at."""

    raising: dict[str, str]
    quiet: dict[str, str]
    minute: int = 20


_REQUESTS = "vision_week_http_requests_total"
_BUCKET = "vision_week_http_request_duration_seconds_bucket"
_COUNT = "vision_week_http_request_duration_seconds_count"
_LISTED = '{method="GET",route="/api/exhibits",status='
_PHP = '{pod="app-1",container="php"}'
_PROBED = '{method="GET",route="/ready",status='


def answers(good: str, bad: str, *, probes: str = "0x5000") -> dict[str, str]:
    """What visitors got, and what probes got, which don't count."""
    return {
        f'{_REQUESTS}{_LISTED}"200"}}': good,
        f'{_REQUESTS}{_LISTED}"500"}}': bad,
        f'{_REQUESTS}{_PROBED}"503"}}': probes,
    }


def latency(within: str, slower: str, *, probes: str = "0x5000") -> dict[str, str]:
    """Answers of the API within half a second, and all of them, which came within two and a half."""
    labels = 'route="/api/exhibits"'
    return {
        f'{_BUCKET}{{{labels},le="0.5"}}': within,
        f'{_BUCKET}{{{labels},le="1"}}': within,
        f'{_BUCKET}{{{labels},le="2.5"}}': slower,
        f'{_BUCKET}{{{labels},le="+Inf"}}': slower,
        f"{_COUNT}{{{labels}}}": slower,
        f'{_BUCKET}{{route="/ready",le="0.5"}}': "0x5000",
        f'{_BUCKET}{{route="/ready",le="+Inf"}}': probes,
        f'{_COUNT}{{route="/ready"}}': probes,
    }


def job(name: str, *, begun: int, well: int, running: int = 0, every: int = 3600) -> dict[str, str]:
    """What is told of a scheduled job, in seconds of the test's time."""
    told = {
        "scheduled_timestamp_seconds": begun,
        "succeeded_timestamp_seconds": well,
        "running": running,
        "interval_seconds": every,
    }
    return {f'vision_week_job_{what}{{cronjob="{name}"}}': f"{value}x400" for what, value in told.items()}


def connections(*, app: int, others: int) -> dict[str, str]:
    """Of a hundred that a member takes."""
    return {
        f'pg_stat_database_numbackends{{{_COUNTED},datname="vision_week"}}': f"{app}x60",
        f'pg_stat_database_numbackends{{{_COUNTED},datname="postgres"}}': f"{others}x60",
        f"pg_settings_max_connections{{{_COUNTED}}}": "100x60",
    }


def memory(*, used: int, limit: int) -> dict[str, str]:
    return {
        f"redis_memory_used_bytes{{{_MEMBER}}}": f"{used}x60",
        f"redis_memory_max_bytes{{{_MEMBER}}}": f"{limit}x60",
    }


def waiting_lines(share: int) -> dict[str, str]:
    """Of a hundred that a collector may queue."""
    return {"otelcol_exporter_queue_size": f"{share}x60", "otelcol_exporter_queue_capacity": "100x60"}


def refused(**lines: str) -> dict[str, str]:
    """By Loki, and why."""
    return {f'loki_discarded_samples_total{{reason="{reason}"}}': values for reason, values in lines.items()}


def up(app: str, websocket: str) -> dict[str, str]:
    instances = {
        'up{job="app",service="app",instance="10.0.0.1:8081"}': app,
        'up{job="collector",service="collector",instance="10.0.0.3:8888"}': "1x60",
        'up{job="websocket",service="websocket",instance="10.0.0.2:8091"}': websocket,
    }
    return {series: values for series, values in instances.items() if values}


def disk(left: str) -> dict[str, str]:
    """What is left of a hundred bytes."""
    labels = '{instance="10.0.0.8:9100",mountpoint="/"}'
    return {f"node_filesystem_avail_bytes{labels}": left, f"node_filesystem_size_bytes{labels}": "100x200"}


def node_memory(available: int) -> dict[str, str]:
    """Of a hundred bytes."""
    return {"node_memory_MemAvailable_bytes": f"{available}x60", "node_memory_MemTotal_bytes": "100x60"}


def certificate(days: int) -> dict[str, str]:
    """One that is over after as many days."""
    return {f"probe_ssl_earliest_cert_expiry{{{_PUBLIC}}}": f"{days * 24 * 3600}x60"}


_PUBLIC = 'url="https://a.example"'
_POD = 'service="postgres",name='
_REDIS = 'haproxy_server_status{service="redis",state="UP",proxy='
_COUNTED = 'namespace="data",service="postgres",instance="10.0.0.5:9187"'
_OPEN = f'pg_stat_activity_max_tx_duration{{{_COUNTED},datname="vision_week",state='
_SLOT = f'pg_replication_slots_pg_wal_lsn_diff{{{_COUNTED},slot_name="postgres_1"}}'
_SLOT_LIMIT = "pg_settings_max_slot_wal_keep_size_bytes"
_MEMBER = 'namespace="data",service="redis",instance="10.0.0.6:9121"'
_WITHOUT_LIMIT = {'redis_memory_used_bytes{instance="b"}': "91x60", 'redis_memory_max_bytes{instance="b"}': "0x60"}
_TOLD = 'instance="10.0.0.7:9093"'
_MEMBERS = f"alertmanager_cluster_members{{{_TOLD}}}"
# Always raised, whatever the numbers are.
ALWAYS = {"Watchdog"}
CASES = {
    "Watchdog": Case(up("1x60", "1x60"), {}),
    "NotificationsFail": Case(
        {f"alertmanager_notifications_failed_total{{{_TOLD}}}": "0+1x60"},
        {f"alertmanager_notifications_failed_total{{{_TOLD}}}": "7x60"},
    ),
    "AlertmanagersApart": Case(
        {_MEMBERS: "1x60", f'up{{job="alertmanager",{_TOLD}}}': "1x60", 'up{job="alertmanager",instance="b"}': "1x60"},
        {_MEMBERS: "2x60", f'up{{job="alertmanager",{_TOLD}}}': "1x60", 'up{job="alertmanager",instance="b"}': "1x60"},
        minute=30,
    ),
    "TargetDown": Case(up("1x5 0x30", "1x60"), up("1x5 0 1x30", "1x60")),
    "ServiceMissing": Case(up("1x60", ""), up("1x60", "0x60")),
    # Prometheus asks several times a minute, and each of its kind by itself.
    "PublicUrlFails": Case(
        {f"probe_success{{{_PUBLIC}}}": "1x5 0x60"},
        {f"probe_success{{{_PUBLIC}}}": "1x19 0x60", 'probe_success{url="https://b.example"}': "1x5 0x5 1x60"},
    ),
    # Thirteen days before its end, and fifteen.
    "CertificateExpires": Case(certificate(13), certificate(15)),
    # 0.2 a second, and 0.05 a second; what probes get is no visitor's.
    "ServerErrors": Case(answers("0+600x60", "0+12x60"), answers("0+600x60", "0+3x60", probes="0+60x60")),
    "LatencyHigh": Case(latency("0+90x60", "0+100x60"), latency("0+96x60", "0+100x60", probes="0+600x60")),
    # One of 50, and half of what may fail.
    "ErrorBudgetBurns": Case(
        answers("0+98x400", "0+2x400"), answers("0+2000x400", "0+1x400", probes="0+600x400"), minute=35
    ),
    "LatencyBudgetBurns": Case(latency("0+20x400", "0+100x400"), latency("0+97x400", "0+100x400"), minute=35),
    "PhpWorkersBusy": Case({"phpfpm_idle_processes": "0x60"}, {"phpfpm_idle_processes": "0x3 1 0x3 1 0x3 1x60"}),
    "WebSocketWithoutRedis": Case(
        {"vision_week_websocket_redis_connected": "1x5 0x60"}, {"vision_week_websocket_redis_connected": "1x60"}
    ),
    "DatabaseWithoutPrimary": Case(
        {f'patroni_primary{{{_POD}"postgres-0"}}': "1x5 0x60", f'patroni_primary{{{_POD}"postgres-1"}}': "0x60"},
        {f'patroni_primary{{{_POD}"postgres-0"}}': "1x5 0x60", f'patroni_primary{{{_POD}"postgres-1"}}': "0x5 1x60"},
    ),
    "DatabaseFailedOver": Case(
        {f'patroni_postgres_timeline{{{_POD}"postgres-0"}}': "1x15 2x60"},
        {f'patroni_postgres_timeline{{{_POD}"postgres-0"}}': "2x60"},
    ),
    "ReplicaBehind": Case(
        {
            f'patroni_xlog_location{{{_POD}"postgres-0"}}': "100000000x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-0"}}': "0x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-1"}}': "80000000x60",
        },
        {
            f'patroni_xlog_location{{{_POD}"postgres-0"}}': "100000000x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-0"}}': "0x60",
            f'patroni_xlog_replayed_location{{{_POD}"postgres-1"}}': "99000000x60",
        },
    ),
    "DatabaseUnseen": Case(
        {f"pg_up{{{_COUNTED}}}": "1x60", f"pg_exporter_last_scrape_error{{{_COUNTED}}}": "0x5 1x60"},
        {f"pg_up{{{_COUNTED}}}": "1x5 0 1x60", f"pg_exporter_last_scrape_error{{{_COUNTED}}}": "0x5 1 0x60"},
    ),
    # 91 of 100, and 90.
    "ConnectionsNearLimit": Case(connections(app=60, others=31), connections(app=60, others=30)),
    "TransactionsIdle": Case(
        {f'{_OPEN}"idle in transaction"}}': "0+60x60", f'{_OPEN}"active"}}': "0x60"},
        # What is at work may take its time, and what begins anew is not idle for long.
        {f'{_OPEN}"active"}}': "0+60x60", f'{_OPEN}"idle in transaction"}}': "0 60 120 0 60 120 0 60x60"},
    ),
    # Nine of sixteen, and half; a bound of -1 is none.
    "ReplicaLogWaits": Case(
        {_SLOT: "9000x60", f"{_SLOT_LIMIT}{{{_COUNTED}}}": "16000x60"},
        {
            _SLOT: "8000x60",
            f"{_SLOT_LIMIT}{{{_COUNTED}}}": "16000x60",
            _SLOT.replace("0.5:", "0.6:"): "9000x60",
            f"{_SLOT_LIMIT}{{{_COUNTED}}}".replace("0.5:", "0.6:"): "-1x60",
        },
    ),
    "ArchivingLate": Case(
        {f"pg_archive_waiting_seconds{{{_COUNTED}}}": "0x19 31x5"},
        {f"pg_archive_waiting_seconds{{{_COUNTED}}}": "30x60"},
    ),
    # Once a minute, as PostgreSQL tries again; and once, when the repository was rolled out.
    "ArchivingFails": Case(
        {f"pg_stat_archiver_failed_count{{{_COUNTED}}}": "0x5 0+1x60"},
        {f"pg_stat_archiver_failed_count{{{_COUNTED}}}": "0x17 3x60"},
    ),
    # Begun in the second minute and not well since; one that is still at it, and one that has gone well.
    "BackupFailed": Case(
        job("full", begun=120, well=60),
        {**job("full", begun=120, well=60, running=1), **job("incr", begun=120, well=180)},
    ),
    # Two hours and an hour, and a second more; with a day there is time.
    "BackupMissing": Case(
        job("check", begun=0, well=59, every=3600), job("full", begun=0, well=59, every=86400), minute=181
    ),
    "RedisWithoutPrimary": Case(
        {f'{_REDIS}"alone",server="redis-0"}}': "1x5 0x60", f'{_REDIS}"alone",server="redis-1"}}': "0x60"},
        {f'{_REDIS}"alone",server="redis-0"}}': "1x5 0x60", f'{_REDIS}"alone",server="redis-1"}}': "0x5 1x60"},
    ),
    "RedisTakesNoWrites": Case(
        {f'{_REDIS}"replicated",server="redis-{number}"}}': "0x60" for number in range(3)},
        # The only member there is has nobody who could follow.
        {f'{_REDIS}"replicated",server="redis-0"}}': "0x60", f'{_REDIS}"alone",server="redis-0"}}': "1x60"},
    ),
    "RedisFailedOver": Case(
        {f'{_REDIS}"alone",server="redis-0"}}': "1x15 0x60", f'{_REDIS}"alone",server="redis-1"}}': "0x15 1x60"},
        {f'{_REDIS}"alone",server="redis-0"}}': "1x15 0 1x60", f'{_REDIS}"alone",server="redis-1"}}': "0x60"},
    ),
    "RedisUnseen": Case({f"redis_up{{{_MEMBER}}}": "1x5 0x60"}, {f"redis_up{{{_MEMBER}}}": "1x5 0 1x60"}),
    "RedisMemoryNearLimit": Case(memory(used=91, limit=100), {**memory(used=90, limit=100), **_WITHOUT_LIMIT}),
    "RedisEvicts": Case(
        {f"redis_evicted_keys_total{{{_MEMBER}}}": "0x15 9x60"}, {f"redis_evicted_keys_total{{{_MEMBER}}}": "9x60"}
    ),
    "RedisRefusesConnections": Case(
        {f"redis_rejected_connections_total{{{_MEMBER}}}": "0x15 1x60"},
        {f"redis_rejected_connections_total{{{_MEMBER}}}": "1x60"},
    ),
    "RedisCantWriteDown": Case(
        {f"redis_aof_last_write_status{{{_MEMBER}}}": "1x5 0x60", f"redis_rdb_last_bgsave_status{{{_MEMBER}}}": "1x60"},
        {
            f"redis_aof_last_write_status{{{_MEMBER}}}": "1x60",
            f"redis_rdb_last_bgsave_status{{{_MEMBER}}}": "1x5 0 1x60",
        },
    ),
    "ContainerDoesNotStart": Case(
        {waiting("CrashLoopBackOff"): "1x60"},
        {waiting("CrashLoopBackOff"): "1x3 0x60", waiting("ContainerCreating"): "1x60"},
    ),
    # 27 of 30 seconds that it may have in a minute, and 23.
    "ContainerCpuBusy": Case(container(cpu="0+27x60"), container(cpu="0+23x60")),
    "ContainerMemoryNearLimit": Case(container(memory="91x60"), container(memory="89x60")),
    # Of a hundred: fourteen, and fifteen.
    "NodeDiskFull": Case(disk("14x60"), disk("15x60")),
    # 91 of a hundred, and 90.
    "NodeMemoryLow": Case(node_memory(9), node_memory(10)),
    "ContainerRestarts": Case(
        {f"kube_pod_container_status_restarts_total{_PHP}": "0x5 1x4 2x4 3x60"},
        {f"kube_pod_container_status_restarts_total{_PHP}": "0x5 1x60"},
    ),
    "ReplicasMissing": Case(
        {
            'kube_statefulset_replicas{statefulset="postgres"}': "3x60",
            'kube_statefulset_status_replicas_ready{statefulset="postgres"}': "2x60",
        },
        {
            'kube_deployment_spec_replicas{deployment="app"}': "2x5 3x60",
            'kube_deployment_status_replicas_available{deployment="app"}': "2x10 3x60",
        },
    ),
    "JobFailed": Case(
        {failed("app-migrations-1a2b3c4d"): "1x60"},
        {failed("postgres-backups-full-29012345"): "1x60", failed("app-migrations-1a2b3c4d"): "0x60"},
    ),
    # One that may not grow is no sign of too much being asked for.
    "AutoscalerAtMaximum": Case(pods_by_load(2, 10, 10), {**pods_by_load(2, 10, 9), **pods_by_load(1, 1, 1, of="b")}),
    "QuotaNearlyUsed": Case(quota(91, 100), {**quota(90, 100), **quota(0, 0, of="services.loadbalancers")}),
    # A queue that is half full may empty itself again.
    "LogsWait": Case(waiting_lines(51), waiting_lines(50)),
    "LogsLost": Case(refused(stream_limit="0+1x60"), refused(stream_limit="7x60", too_far_behind="0+1x60")),
    "RulesFail": Case(
        {"prometheus_rule_evaluation_failures_total": "0+1x60"}, {"prometheus_rule_evaluation_failures_total": "7x60"}
    ),
    "ScrapeTooLarge": Case(
        {"prometheus_target_scrapes_exceeded_sample_limit_total": "0+1x60"},
        {"prometheus_target_scrapes_exceeded_sample_limit_total": "3x60"},
    ),
    "TooManySeries": Case(
        {"prometheus_tsdb_head_series": "20001x60"}, {"prometheus_tsdb_head_series": "20000x60"}, minute=30
    ),
}


def promtool(*words: str, folder: Path) -> str:
    """What promtool says of files in a folder; it must be content."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool isn't installed; `make test` installs it")
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def tried(tmp_path: Path, series: dict[str, str], minute: int, expected: list[dict[str, Any]], expr: str) -> None:
    """One run of the rules on these series."""
    (tmp_path / "rules.yml").write_text(rules.render(subjects.records(Alerts()), ALERTS))
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
