"""PostgreSQL, its pooler, its log on the way to the backups, and its backups."""

from collections.abc import Iterator

from components.monitoring import scraping
from components.monitoring.pages import Dashboard, Panel, label, said_by, said_by_pod
from components.monitoring.rules import NEAR, Alert
from components.monitoring.subjects import claims
from components.settings import Alerts

# Bytes of write-ahead log that a replica may be behind for five minutes: one segment.
_LAG = 16 * 1024**2
# Share of the write-ahead log that a member keeps for a replica that is away: at all of it the replica is given up, and
# must be copied anew.
_WAITING = 0.5
# Seconds that a transaction may stand open and do nothing: rows that it could still see are not cleared away.
_IDLE = 600
# Seconds that a backup may be late: it is caught up within an hour, and takes another one.
_LATE = 7200
_LOGS = said_by("data", "postgres")


def alerts(archived: int | None, thresholds: Alerts) -> Iterator[Alert]:
    """Every alert. archived: seconds within which WAL must be with the backups; None where there are none."""
    yield from _of_the_database()
    yield from _of_the_pooler(thresholds)
    if archived is not None:
        yield from _of_the_archive(archived)
    yield from _of_backups()


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
        # While PostgreSQL doesn't run Patroni says 0, which is no timeline.
        expr="max by (namespace)"
        f' (changes((patroni_postgres_timeline{{service="postgres"}} > 0)[15m:{scraping.INTERVAL}s])) > 0',
        minutes=0,
        severity="warning",
        team="platform",
        summary="PostgreSQL has another primary than a quarter of an hour ago",
        description="It went by itself; somebody should know why.",
    )
    yield Alert(
        name="ReplicaBehind",
        expr=f'scalar(max(patroni_xlog_location{{service="postgres"}}))'
        f' - (patroni_xlog_replayed_location{{service="postgres"}} > 0) > {_LAG}',
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
        f' (pg_stat_activity_max_tx_duration{{state=~"idle in transaction.*"}}) > {_IDLE}',
        minutes=1,
        severity="warning",
        team="application",
        summary="A transaction in {{ $labels.datname }} stands open and idle for {{ $value | humanizeDuration }}",
        description="Nothing that was deleted since it began is cleared away, and what it has locked stays locked.",
    )
    yield Alert(
        name="ReplicaLogWaits",
        expr="pg_replication_slots_pg_wal_lsn_diff / on (namespace, service, instance) group_left ()"
        f" (pg_settings_max_slot_wal_keep_size_bytes > 0) > {_WAITING}",
        minutes=1,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of the log that may wait for {{ $labels.slot_name }} does",
        description="At all of it PostgreSQL gives the replica up, and it has to be copied anew.",
    )


def _of_the_pooler(thresholds: Alerts) -> Iterator[Alert]:
    """By what PgBouncer beside each member counts (`files/pooler-exporter.py`)."""
    yield Alert(
        name="PoolerUnseen",
        expr='pgbouncer_up{service="postgres"} == 0',
        minutes=2,
        severity="warning",
        team="platform",
        summary="The pooler at {{ $labels.instance }} gives no numbers",
        description="It can't be asked; that somebody waits for a connection would not be told.",
    )
    yield Alert(
        name="PoolerClientsWait",
        # Whoever waits has said what it wants, and its visitor waits with it.
        expr="max by (namespace, service, instance) (pgbouncer_pools_client_maxwait_seconds)"
        f" > {thresholds.latency_ms / 1000:g}",
        minutes=2,
        severity="critical",
        team="platform",
        summary="Clients of the pooler at {{ $labels.instance }} wait {{ $value | humanizeDuration }} for a connection",
        description="All connections to PostgreSQL are lent. Who waits longer than a statement may take is refused.",
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
        expr=f"time() - vision_week_job_succeeded_timestamp_seconds > vision_week_job_interval_seconds + {_LATE}",
        minutes=0,
        severity="critical",
        team="platform",
        summary="{{ $labels.cronjob }} has not gone well for {{ $value | humanizeDuration }}",
        description="It was not begun, is still at it, or has failed each time.",
    )


def page(thresholds: Alerts) -> Dashboard:
    """The page."""
    behind = (
        'scalar(max(patroni_xlog_location{service="postgres"}))'
        ' - (patroni_xlog_replayed_location{service="postgres"} > 0)'
    )
    of_member, of_job = said_by_pod(_LOGS, "name"), f'{{service_name="{label("cronjob")}"}}'
    ours = '{datname="vision_week"}'
    return Dashboard(
        name="postgresql",
        title="PostgreSQL",
        logs=_LOGS,
        rows={
            "Members": (
                Panel(title="Primary", questions={"{{name}}": "patroni_primary"}, logs=of_member),
                Panel(title="Running", questions={"{{name}}": "patroni_postgres_running"}, logs=of_member),
                Panel(
                    title="Synchronous replicas",
                    questions={"{{name}}": "patroni_sync_standby"},
                    logs=of_member,
                ),
            ),
            "Replication": (
                Panel(
                    title="Bytes behind the primary",
                    questions={"{{name}}": behind},
                    unit="bytes",
                    limit=_LAG,
                    logs=of_member,
                ),
                Panel(
                    title="Written to the log by the primary",
                    questions={
                        "{{name}}": "rate(patroni_xlog_location[$__rate_interval]) and patroni_xlog_location > 0",
                    },
                    unit="Bps",
                ),
                Panel(
                    title="Timeline: one more with each fail-over",
                    questions={"{{name}}": "patroni_postgres_timeline"},
                    logs=of_member,
                ),
            ),
            "Work": (
                Panel(
                    title="Transactions",
                    questions={
                        "done, {{instance}}": f"sum by (instance) (rate(pg_stat_database_xact_commit{ours}"
                        "[$__rate_interval]))",
                        "undone, {{instance}}": f"sum by (instance) (rate(pg_stat_database_xact_rollback{ours}"
                        "[$__rate_interval]))",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Rows",
                    questions={
                        what: f"sum(rate(pg_stat_database_tup_{what}{ours}[$__rate_interval]))"
                        for what in ("fetched", "inserted", "updated", "deleted")
                    },
                    unit="ops",
                ),
                Panel(
                    title="Blocks of 8 KiB",
                    questions={
                        "found in memory": f"sum(rate(pg_stat_database_blks_hit{ours}[$__rate_interval]))",
                        "read": f"sum(rate(pg_stat_database_blks_read{ours}[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
            "Room": (
                Panel(
                    title="Connections, share of all that there may be",
                    questions={
                        "{{instance}}": "sum by (instance) (pg_stat_database_numbackends)"
                        " / on (instance) pg_settings_max_connections",
                    },
                    unit="percentunit",
                    limit=NEAR,
                ),
                Panel(
                    title="Connections by what they do",
                    questions={"{{state}}": f"sum by (state) (pg_stat_activity_count{ours})"},
                ),
                Panel(
                    title="Size of the database",
                    questions={"{{instance}}": f"pg_database_size_bytes{ours}"},
                    unit="bytes",
                ),
            ),
            claims.ROW: claims.panels("data-postgres-.+"),
            "The pooler": (
                Panel(
                    title="Clients",
                    questions={
                        "served, {{instance}}": "sum by (instance) (pgbouncer_pools_client_active_connections)",
                        "waiting, {{instance}}": "sum by (instance) (pgbouncer_pools_client_waiting_connections)",
                    },
                ),
                Panel(
                    title="Longest wait for a connection",
                    questions={"{{instance}}": "max by (instance) (pgbouncer_pools_client_maxwait_seconds)"},
                    unit="s",
                    limit=thresholds.latency_ms / 1000,
                ),
                Panel(
                    title="Connections lent, share of all that it may take",
                    questions={
                        "{{instance}}": "max by (instance) (pgbouncer_databases_current_connections)"
                        " / max by (instance) (pgbouncer_databases_max_connections > 0)",
                    },
                    unit="percentunit",
                    limit=NEAR,
                ),
            ),
            "Queries through the pooler": (
                Panel(
                    title="Queries",
                    questions={
                        "{{instance}}": "sum by (instance) (rate(pgbouncer_stats_queries_pooled_total"
                        "[$__rate_interval]))",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Time of a query, on average",
                    questions={
                        "all": "sum(rate(pgbouncer_stats_queries_duration_seconds_total[$__rate_interval]))"
                        " / sum(rate(pgbouncer_stats_queries_pooled_total[$__rate_interval]))",
                    },
                    unit="s",
                ),
                Panel(
                    title="Time that clients wait, in each second",
                    questions={
                        "{{instance}}": "sum by (instance) (rate(pgbouncer_stats_client_wait_seconds_total"
                        "[$__rate_interval]))",
                    },
                    unit="s",
                ),
            ),
            "What is waited for": (
                Panel(
                    title="Longest transaction",
                    questions={"{{state}}": f"max by (state) (pg_stat_activity_max_tx_duration{ours})"},
                    unit="s",
                    limit=_IDLE,
                ),
                Panel(
                    title="Locks",
                    questions={"{{mode}}": f"sum by (mode) (pg_locks_count{ours})"},
                ),
                Panel(
                    title="Deadlocks, and sorts that went to disk",
                    questions={
                        "deadlocks": f"sum(rate(pg_stat_database_deadlocks{ours}[$__rate_interval]))",
                        "files": f"sum(rate(pg_stat_database_temp_files{ours}[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
            "Backups": (
                Panel(
                    title="Since each went well",
                    questions={"{{cronjob}}": "time() - vision_week_job_succeeded_timestamp_seconds"},
                    unit="s",
                    logs=of_job,
                ),
                Panel(
                    title="Late by",
                    questions={
                        "{{cronjob}}": "clamp_min(time() - vision_week_job_succeeded_timestamp_seconds"
                        " - vision_week_job_interval_seconds, 0)",
                    },
                    unit="s",
                    limit=_LATE,
                ),
                Panel(title="Jobs at work", questions={"{{cronjob}}": "vision_week_job_running"}, logs=of_job),
            ),
        },
    )
