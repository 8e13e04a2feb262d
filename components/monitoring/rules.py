"""What Prometheus concludes from the numbers: recorded series, and alerts by the service levels.

Each alert is about something that a person has to do. Its page in `docs/runbooks/` says what it means, what to look at
and what to do; `tests/unit/test_monitoring_alerts.py` has numbers that raise it and numbers that don't, for promtool.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from components.monitoring import collector, scraping
from components.settings import Alerts
from components.settings.monitoring import Severity, Team

# What visitors ask for; the rest is asked by probes, and by Prometheus itself.
VISITED = 'route!~"/health|/ready|/metrics|/api/health"'
REQUESTS = f"vision_week_http_requests_total{{{VISITED}}}"
SERVER_ERRORS = f'vision_week_http_requests_total{{{VISITED},status=~"5.."}}'
_API = 'route=~"/api/.+",route!="/api/health"'
# Windows in which the error budget is looked at, the long ones of the rules below and the short ones that end them.
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# How much faster than the budget allows, over the long window and still in the short one, and how bad that is. 14.4
# times is 2 % of 30 days' budget in an hour, 6 times 5 % in six hours, 3 and 1 times 10 % in a day and in three: the
# numbers of "Alerting on SLOs" in Google's Site Reliability Workbook.
_BURNS: tuple[tuple[float, str, str, Severity], ...] = (
    (14.4, "1h", "5m", "critical"),
    (6, "6h", "30m", "critical"),
    (3, "1d", "2h", "warning"),
    (1, "3d", "6h", "warning"),
)
# Bytes of write-ahead log that a replica may be behind for five minutes: one segment.
LAG = 16 * 1024**2
# Share of a limit from which on somebody should know: there is still time to do something.
NEAR = 0.9
# Share of the write-ahead log that a member keeps for a replica that is away: at all of it the replica is given up, and
# must be copied anew.
WAITING = 0.5
# Seconds that a transaction may stand open and do nothing: rows that it could still see are not cleared away.
IDLE = 600
# Seconds that a backup may be late: it is caught up within an hour, and takes another one.
LATE = 7200
_EACH = "by (namespace, pod, container)"
# Of a node: processors that are not idle, memory that is not to be had any more, what of its disks is left.
NODE_CPU_SHARE = (
    '1 - sum by (instance) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[2m]))'
    ' / count by (instance) (node_cpu_seconds_total{mode="idle"})'
)
NODE_MEMORY_SHARE = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
NODE_DISK_LEFT = "node_filesystem_avail_bytes / node_filesystem_size_bytes"
# Somewhat before the kubelet puts pods off a node for it, at a tenth.
DISK_LEFT = 0.15
# Series that one Prometheus is meant to hold; each takes some kilobytes of its memory. A label that grows without bound
# shows here before memory runs out.
SERIES_BUDGET = 20_000
# Seconds before its end within which a certificate should have been renewed: Google's, Let's Encrypt's and the stack's
# own are a month before it.
ENDING = 14 * 24 * 3600
# In which somebody should leave other work for it.
ENDING_SOON = 3 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Record:
    """A series that is computed once, for many to read. name: `vision_week:…`."""

    name: str
    expr: str
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A condition that somebody has to be told of.

    minutes: how long it must hold. team: who can do something about it.
    window: over which it is, where there are several of one name.
    summary: what is wrong, in a line. description: what that means, with the numbers.
    """

    name: str
    expr: str
    minutes: int
    severity: Severity
    team: Team
    summary: str
    description: str
    window: str | None = None

    @property
    def runbook(self) -> str:
        """The page on it, in this repository."""
        return f"docs/runbooks/{self.name}.md"


def render(thresholds: Alerts, services: Sequence[str], archived: int | None) -> str:
    """The rules as Prometheus reads them; `services` are those whose numbers must be there.

    archived: seconds within which WAL must be with the backups; None where there are none.
    """
    groups = {
        "recorded": [_recorded(each) for each in records(thresholds)],
        "alerts": [_told(each) for each in alerts(thresholds, services, archived)],
    }
    return yaml.safe_dump(
        {"groups": [{"name": name, "rules": rules} for name, rules in groups.items()]}, sort_keys=False, width=1000
    )


def records(thresholds: Alerts) -> Iterator[Record]:
    """Shares of requests that failed, and of API answers that came too late, over each window."""
    goal = thresholds.latency_goal_ms / 1000
    # Prometheus 3 writes the bound 1 as 1.0.
    bound = f'le=~"{goal:g}|{goal}"'
    for window in _WINDOWS:
        yield Record(
            name="vision_week:requests:failed_share",
            labels={"window": window},
            # Without one request nothing failed.
            expr=f"(sum(rate({SERVER_ERRORS}[{window}])) or vector(0)) / (sum(rate({REQUESTS}[{window}])) > 0)",
        )
        name = "vision_week_http_request_duration_seconds"
        yield Record(
            name="vision_week:api:late_share",
            labels={"window": window},
            expr=f"1 - sum(rate({name}_bucket{{{_API},{bound}}}[{window}]))"
            f" / (sum(rate({name}_count{{{_API}}}[{window}])) > 0)",
        )
    yield Record(
        name="vision_week:api:latency_p95_seconds",
        expr="histogram_quantile(0.95, sum by (le) "
        f"(rate(vision_week_http_request_duration_seconds_bucket{{{_API}}}[5m])))",
    )


def alerts(thresholds: Alerts, services: Sequence[str], archived: int | None) -> Iterator[Alert]:
    """Every alert, by what it is about."""
    yield from _of_targets(thresholds, services)
    yield from _of_the_public_address(thresholds)
    yield from _of_the_application(thresholds)
    yield from _of_the_database()
    if archived is not None:
        yield from _of_the_archive(archived)
    yield from _of_backups()
    yield from _of_redis()
    if collector.NAME in services:
        yield from _of_containers(thresholds)
    yield from _of_nodes(thresholds)
    yield from _of_objects()
    yield from _of_logs()
    yield from _of_prometheus()
    yield from _of_the_way_to_people()


def _of_targets(thresholds: Alerts, services: Sequence[str]) -> Iterator[Alert]:
    yield Alert(
        name="TargetDown",
        expr="up == 0",
        minutes=thresholds.target_down_minutes,
        severity="critical",
        team="platform",
        summary="{{ $labels.service }} at {{ $labels.instance }} does not answer",
        description="Its numbers ({{ $labels.job }}) are asked for in vain.",
    )
    yield Alert(
        name="ServiceMissing",
        expr=" or ".join(f'absent(up{{service="{name}"}})' for name in services),
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $labels.service }} has no pod",
        description="Nothing of {{ $labels.service }} runs, or Prometheus can't find it.",
    )


def _of_the_public_address(thresholds: Alerts) -> Iterator[Alert]:
    """By what somebody hears who asks as visitors do (`probes.py`)."""
    yield Alert(
        name="PublicUrlFails",
        expr="max by (url) (probe_success) == 0",
        minutes=thresholds.target_down_minutes,
        severity="critical",
        team="platform",
        summary="{{ $labels.url }} does not answer visitors",
        description="Its name, its certificate, the edge or the application fails them all.",
    )
    levels: tuple[tuple[int, Severity], ...] = ((ENDING, "warning"), (ENDING_SOON, "critical"))
    for seconds, severity in levels:
        yield Alert(
            name="CertificateExpires",
            expr=f"min by (url) (probe_ssl_earliest_cert_expiry) - time() < {seconds}",
            minutes=15,
            severity=severity,
            team="platform",
            summary="The certificate of {{ $labels.url }} is over in {{ $value | humanizeDuration }}",
            description="It should have been renewed by now; when it is over browsers let nobody through.",
        )


def _of_the_application(thresholds: Alerts) -> Iterator[Alert]:
    yield Alert(
        name="ServerErrors",
        expr=f"sum(rate({SERVER_ERRORS}[5m])) > {thresholds.server_errors_per_second}",
        minutes=5,
        severity="critical",
        team="application",
        summary="{{ $value | humanize }} answers a second are errors of ours",
        description=f"More than {thresholds.server_errors_per_second} a second for five minutes.",
    )
    yield Alert(
        name="LatencyHigh",
        expr=f"vision_week:api:latency_p95_seconds > {thresholds.latency_ms / 1000:g}",
        minutes=5,
        severity="warning",
        team="application",
        summary="One of twenty API answers takes longer than {{ $value | humanizeDuration }}",
        description=f"The 95th percentile is above {thresholds.latency_ms} ms.",
    )
    for name, series, budget, what in (
        (
            "ErrorBudgetBurns",
            "vision_week:requests:failed_share",
            (100 - thresholds.availability_percent) / 100,
            f"{thresholds.availability_percent:g} % of requests succeed",
        ),
        (
            "LatencyBudgetBurns",
            "vision_week:api:late_share",
            0.05,
            f"95 % of API answers come within {thresholds.latency_goal_ms} ms",
        ),
    ):
        for times, long, short, severity in _BURNS:
            # Faster than everything at once can't be.
            if (limit := round(times * budget, 7)) < 1:
                yield Alert(
                    name=name,
                    expr=f'{series}{{window="{long}"}} > {limit:g} and ignoring(window) '
                    f'{series}{{window="{short}"}} > {limit:g}',
                    minutes=2,
                    severity=severity,
                    team="application",
                    window=long,
                    summary=f"The month's budget is used up {times:g} times too fast",
                    description=f"Promised is that {what}; over {long} {{{{ $value | humanizePercentage }}}} were not.",
                )
    yield Alert(
        name="PhpWorkersBusy",
        expr="min by (namespace, service, instance) (phpfpm_idle_processes) == 0",
        minutes=5,
        severity="warning",
        team="application",
        summary="All PHP workers of {{ $labels.instance }} are busy",
        description="Requests wait for a worker; what lasts that long is slow, or too much.",
    )
    yield Alert(
        name="WebSocketWithoutRedis",
        expr="vision_week_websocket_redis_connected == 0",
        minutes=1,
        severity="critical",
        team="platform",
        summary="A pod of the WebSocket service ({{ $labels.instance }}) has lost Redis",
        description="Its clients hear nothing from those of other pods.",
    )


def _of_the_database() -> Iterator[Alert]:
    yield Alert(
        name="DatabaseWithoutPrimary",
        expr='sum by (namespace) (patroni_primary{service="postgres"}) == 0',
        minutes=1,
        severity="critical",
        team="platform",
        summary="PostgreSQL has no primary",
        description="Nothing can be written.",
    )
    yield Alert(
        name="DatabaseFailedOver",
        expr='max by (namespace) (changes(patroni_postgres_timeline{service="postgres"}[15m])) > 0',
        minutes=0,
        severity="warning",
        team="platform",
        summary="PostgreSQL has another primary than a quarter of an hour ago",
        description="It went by itself; somebody should know why.",
    )
    yield Alert(
        name="ReplicaBehind",
        expr=f'scalar(max(patroni_xlog_location{{service="postgres"}}))'
        f' - (patroni_xlog_replayed_location{{service="postgres"}} > 0) > {LAG}',
        minutes=5,
        severity="warning",
        team="platform",
        summary="{{ $labels.name }} is {{ $value | humanize1024 }}B behind the primary",
        description="If it took over now, it would first have to catch up.",
    )
    yield Alert(
        name="DatabaseUnseen",
        expr='pg_up{service="postgres"} == 0 or pg_exporter_last_scrape_error{service="postgres"} == 1',
        minutes=2,
        severity="warning",
        team="platform",
        summary="PostgreSQL at {{ $labels.instance }} gives no numbers, or not all",
        description="The exporter beside it can't log in, or is refused an answer; other alerts are blind there.",
    )
    yield Alert(
        name="ConnectionsNearLimit",
        expr="sum by (namespace, service, instance) (pg_stat_database_numbackends)"
        f" / on (namespace, service, instance) pg_settings_max_connections > {NEAR}",
        minutes=2,
        severity="critical",
        team="platform",
        summary="{{ $value | humanizePercentage }} of PostgreSQL's connections at {{ $labels.instance }} are taken",
        description="Who comes when all are is refused: requests fail.",
    )
    yield Alert(
        name="TransactionsIdle",
        expr="max by (namespace, service, instance, datname)"
        f' (pg_stat_activity_max_tx_duration{{state=~"idle in transaction.*"}}) > {IDLE}',
        minutes=1,
        severity="warning",
        team="application",
        summary="A transaction in {{ $labels.datname }} stands open and idle for {{ $value | humanizeDuration }}",
        description="Nothing that was deleted since it began is cleared away, and what it has locked stays locked.",
    )
    yield Alert(
        name="ReplicaLogWaits",
        expr="pg_replication_slots_pg_wal_lsn_diff / on (namespace, service, instance) group_left ()"
        f" (pg_settings_max_slot_wal_keep_size_bytes > 0) > {WAITING}",
        minutes=1,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of the log that may wait for {{ $labels.slot_name }} does",
        description="At all of it PostgreSQL gives the replica up, and it has to be copied anew.",
    )


def _of_the_archive(seconds: int) -> Iterator[Alert]:
    """By how long finished WAL waits for the backups to take it (`files/postgres-exporter.yaml`)."""
    yield Alert(
        name="ArchivingLate",
        expr=f'max by (namespace, service, instance) (pg_archive_waiting_seconds{{service="postgres"}}) > {seconds}',
        minutes=0,
        severity="critical",
        team="platform",
        summary="PostgreSQL's log at {{ $labels.instance }} has waited {{ $value | humanizeDuration }} for the backups",
        description="With the cluster lost now, more would be lost than was promised (postgres.backups.archive_alert).",
    )
    yield Alert(
        name="ArchivingFails",
        expr="increase(pg_stat_archiver_failed_count[2m]) > 0",
        minutes=5,
        severity="critical",
        team="platform",
        summary="PostgreSQL at {{ $labels.instance }} can't hand its log over to the backups",
        description="What is written now is in no backup: all of it would be lost with the cluster.",
    )


def _of_backups() -> Iterator[Alert]:
    """By what is told of their jobs (`watch.py`)."""
    yield Alert(
        name="BackupFailed",
        expr="vision_week_job_scheduled_timestamp_seconds > vision_week_job_succeeded_timestamp_seconds"
        " and vision_week_job_running == 0",
        minutes=1,
        severity="critical",
        team="platform",
        summary="{{ $labels.cronjob }} has failed",
        description="It was begun at its time, tried again, and did not go well.",
    )
    yield Alert(
        name="BackupMissing",
        expr=f"time() - vision_week_job_succeeded_timestamp_seconds > vision_week_job_interval_seconds + {LATE}",
        minutes=0,
        severity="critical",
        team="platform",
        summary="{{ $labels.cronjob }} has not gone well for {{ $value | humanizeDuration }}",
        description="It was not begun, is still at it, or has failed each time.",
    )


def _of_redis() -> Iterator[Alert]:
    """By what the HAProxy beside each member finds the members to be (components/haproxy.py has its two lists)."""
    primaries = 'haproxy_server_status{service="redis",proxy="alone",state="UP"}'
    replicated = 'haproxy_server_status{service="redis",proxy="replicated",state="UP"}'
    yield Alert(
        name="RedisWithoutPrimary",
        expr=f"max by (namespace) ({primaries}) == 0",
        minutes=1,
        severity="critical",
        team="platform",
        summary="Redis has no primary",
        description="No member says that it is one: nobody can log in, and messages reach nobody.",
    )
    yield Alert(
        name="RedisTakesNoWrites",
        expr=f"max by (namespace) ({replicated}) == 0"
        f" and count by (namespace) (count by (namespace, server) ({replicated})) > 1",
        minutes=2,
        severity="critical",
        team="platform",
        summary="Redis' primary has no replica that follows",
        description="With several members it takes no writes then, so that none is lost.",
    )
    yield Alert(
        name="RedisFailedOver",
        expr=f"count by (namespace) (max by (namespace, server) (max_over_time({primaries}[15m])) > 0) > 1",
        minutes=0,
        severity="warning",
        team="platform",
        summary="Redis has had {{ $value }} primaries within a quarter of an hour",
        description="It went by itself; if nothing was rolled out, somebody should know why.",
    )
    yield Alert(
        name="RedisUnseen",
        expr='redis_up{service="redis"} == 0',
        minutes=2,
        severity="warning",
        team="platform",
        summary="Redis at {{ $labels.instance }} gives no numbers",
        description="The exporter beside it can't log in, or gets no answer; what is concluded from them is blind.",
    )
    yield Alert(
        name="RedisMemoryNearLimit",
        expr=f"redis_memory_used_bytes / (redis_memory_max_bytes > 0) > {NEAR}",
        minutes=5,
        severity="warning",
        team="platform",
        summary="Redis at {{ $labels.instance }} has filled {{ $value | humanizePercentage }} of its memory",
        description="When it is full keys go before their time, and where none may go writes are refused.",
    )
    yield Alert(
        name="RedisEvicts",
        expr="increase(redis_evicted_keys_total[5m]) > 0",
        minutes=0,
        severity="warning",
        team="platform",
        summary="Redis at {{ $labels.instance }} has thrown {{ $value | humanize }} keys out in five minutes",
        description="Its memory is full. Sessions may be among them: who has one that went must log in again.",
    )
    yield Alert(
        name="RedisRefusesConnections",
        expr="increase(redis_rejected_connections_total[5m]) > 0",
        minutes=0,
        severity="critical",
        team="platform",
        summary="Redis at {{ $labels.instance }} has refused {{ $value | humanize }} connections in five minutes",
        description="It has as many as it may have: requests fail.",
    )
    yield Alert(
        name="RedisCantWriteDown",
        expr="redis_aof_last_write_status == 0 or redis_rdb_last_bgsave_status == 0",
        minutes=2,
        severity="critical",
        team="platform",
        summary="Redis at {{ $labels.instance }} can't write to its disk",
        description="It takes no writes until it can, or would lose what it has in memory with its pod.",
    )


def _of_containers(thresholds: Alerts) -> Iterator[Alert]:
    """By what the nodes say of them (`containers.py`)."""
    yield Alert(
        name="ContainerCpuBusy",
        expr=f"{cpu_share()} > {thresholds.cpu_percent / 100:g}",
        minutes=5,
        severity="warning",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} uses {{ $value | humanizePercentage }} of its processor",
        description="At its limit it is made to wait, and so is everybody who asks it.",
    )
    yield Alert(
        name="ContainerMemoryNearLimit",
        expr=f"{memory_share()} > {thresholds.memory_percent / 100:g}",
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} has {{ $value | humanizePercentage }} of its memory",
        description="At its limit it is killed.",
    )


def _of_nodes(thresholds: Alerts) -> Iterator[Alert]:
    """By what they say of themselves (`node_exporter.py`)."""
    yield Alert(
        name="NodeDiskFull",
        expr=f"{NODE_DISK_LEFT} < {DISK_LEFT}",
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of {{ $labels.mountpoint }} is left on the node of"
        " {{ $labels.instance }}",
        description="At a tenth the kubelet puts pods off the node, and takes no new ones.",
    )
    yield Alert(
        name="NodeDiskFull",
        # What is half empty may well be filled fast for a while: by images, on a node that is new.
        expr=f"predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600) < 0 and {NODE_DISK_LEFT} < 0.5",
        minutes=15,
        severity="critical",
        team="platform",
        summary="{{ $labels.mountpoint }} on the node of {{ $labels.instance }} will be full within four hours",
        description="As it went in the last hour. The kubelet puts pods off the node before that.",
    )
    yield Alert(
        name="NodeMemoryLow",
        expr=f"{NODE_MEMORY_SHARE} > {thresholds.memory_percent / 100:g}",
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $value | humanizePercentage }} of the memory is taken on the node of {{ $labels.instance }}",
        description="When there is none left the kernel kills processes, not always those that took it.",
    )


def _of_objects() -> Iterator[Alert]:
    """By what the cluster says of our objects (`kube_state.py`)."""
    yield Alert(
        name="ContainerDoesNotStart",
        # Between two tries it runs for a moment.
        expr="max by (namespace, pod, container, reason) (max_over_time("
        'kube_pod_container_status_waiting_reason{reason!~"ContainerCreating|PodInitializing"}[5m])) == 1',
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} does not start: {{ $labels.reason }}",
        description="Kubernetes tries it again and again.",
    )
    yield Alert(
        name="ContainerRestarts",
        expr="sum by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total[30m])) > 2",
        minutes=0,
        severity="warning",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} began {{ $value | humanize }} times in half an hour",
        description="It ends by itself, or is ended because it does not answer or takes too much memory.",
    )
    yield Alert(
        name="ReplicasMissing",
        expr="label_replace(kube_deployment_spec_replicas - kube_deployment_status_replicas_available > 0,"
        ' "workload", "$1", "deployment", "(.+)")'
        " or label_replace(kube_statefulset_replicas - kube_statefulset_status_replicas_ready > 0,"
        ' "workload", "$1", "statefulset", "(.+)")',
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $labels.workload }} lacks {{ $value }} of its pods",
        description="The others carry on; one more that fails may be one too many.",
    )
    # Those of CronJobs have an alert of their own (BackupFailed), which goes when the next one is well.
    yield Alert(
        name="JobFailed",
        expr='max by (namespace, job_name) (kube_job_failed{condition="true",job_name!~".+-[0-9]{8,}"}) == 1',
        minutes=0,
        severity="critical",
        team="platform",
        summary="{{ $labels.job_name }} has failed",
        description="It was tried as often as it may be.",
    )
    yield Alert(
        name="AutoscalerAtMaximum",
        expr="kube_horizontalpodautoscaler_status_desired_replicas >= kube_horizontalpodautoscaler_spec_max_replicas"
        " > kube_horizontalpodautoscaler_spec_min_replicas",
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $labels.horizontalpodautoscaler }} has all the pods that it may",
        description="What is asked for beyond that makes everyone wait.",
    )
    yield Alert(
        name="QuotaNearlyUsed",
        expr='max by (namespace, resource) (kube_resourcequota{type="used"})'
        ' / (max by (namespace, resource) (kube_resourcequota{type="hard"}) > 0) > 0.9',
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of {{ $labels.resource }} is used in {{ $labels.namespace }}",
        description="Beyond it no pod is admitted, not even in the place of one that failed.",
    )


def _of_logs() -> Iterator[Alert]:
    yield Alert(
        name="LogsWait",
        expr="otelcol_exporter_queue_size / otelcol_exporter_queue_capacity > 0.5",
        minutes=5,
        severity="warning",
        team="platform",
        summary="The collector at {{ $labels.instance }} has {{ $value | humanizePercentage }} of its queue full",
        description="Loki does not take in what it brings. Nothing is lost yet: a full queue lets the files wait.",
    )
    yield Alert(
        name="LogsLost",
        # What comes too fast is brought again, and what comes too late is mostly there: a new collector reads all.
        expr='sum by (reason) (increase(loki_discarded_samples_total{reason!~"rate_limited|.*rate_limit|too_far_behind|'
        'greater_than_max_sample_age"}[5m])) > 0',
        minutes=0,
        severity="warning",
        team="platform",
        summary="Loki refused {{ $value | humanize }} lines for good: {{ $labels.reason }}",
        description="Nobody will find them.",
    )


def _of_prometheus() -> Iterator[Alert]:
    yield Alert(
        name="RulesFail",
        expr="increase(prometheus_rule_evaluation_failures_total[5m]) > 0",
        minutes=5,
        severity="critical",
        team="platform",
        summary="Prometheus at {{ $labels.instance }} can't evaluate its rules",
        description="Alerts that depend on them are not raised.",
    )
    yield Alert(
        name="ScrapeTooLarge",
        expr="increase(prometheus_target_scrapes_exceeded_sample_limit_total[15m]) > 0",
        minutes=0,
        severity="warning",
        team="platform",
        summary=f"A target gives more than {scraping.SAMPLES} series",
        description="Nothing of it is taken in.",
    )
    yield Alert(
        name="TooManySeries",
        expr=f"prometheus_tsdb_head_series > {SERIES_BUDGET}",
        minutes=15,
        severity="warning",
        team="platform",
        summary="Prometheus at {{ $labels.instance }} holds {{ $value | humanize }} series",
        description=f"More than the {SERIES_BUDGET} that it is sized for.",
    )


def _of_the_way_to_people() -> Iterator[Alert]:
    yield Alert(
        name="Watchdog",
        expr="vector(1)",
        minutes=0,
        severity="heartbeat",
        team="platform",
        summary="Alerts get through",
        description="Always raised. Who hears of it no more knows that nothing else gets through either.",
    )
    yield Alert(
        name="NotificationsFail",
        expr="sum by (namespace, instance) (increase(alertmanager_notifications_failed_total[5m])) > 0",
        minutes=5,
        severity="critical",
        team="platform",
        summary="Alertmanager at {{ $labels.instance }} can't reach a receiver",
        description="Somebody is not told of alerts.",
    )
    yield Alert(
        name="AlertmanagersApart",
        expr='alertmanager_cluster_members < scalar(count(up{job="alertmanager"}))',
        minutes=15,
        severity="warning",
        team="platform",
        summary="Alertmanager at {{ $labels.instance }} knows of {{ $value }} of its kind, and there are more",
        description="Each alert is told by several, and a silence holds for some.",
    )


def cpu_share(chosen: str = "") -> str:
    """Of its limit that a container uses. chosen: which of them, `{pod="app-1"}`."""
    return (
        f"sum {_EACH} (rate(container_cpu_usage_seconds_total{chosen}[2m]))"
        f" / max {_EACH} (container_spec_cpu_quota > 0) * max {_EACH} (container_spec_cpu_period)"
    )


def memory_share(chosen: str = "") -> str:
    """The same of memory: what it has allocated. Caches of files are given back when somebody needs the room, and what
    it shares with others (PostgreSQL's buffers) is not in it."""
    return f"max {_EACH} (container_memory_rss{chosen}) / max {_EACH} (container_spec_memory_limit_bytes > 0)"


def _recorded(record: Record) -> dict[str, Any]:
    return {"record": record.name, "expr": record.expr, **({"labels": dict(record.labels)} if record.labels else {})}


def _told(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": f"{alert.minutes}m",
        "labels": {
            "severity": alert.severity,
            "team": alert.team,
            **({"window": alert.window} if alert.window else {}),
        },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": alert.runbook,
        },
    }
