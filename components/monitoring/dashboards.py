"""What Grafana shows: a dashboard for each thing that people look at, as code.

Each panel is a question about the numbers that the rules and the targets give; `tests/cluster/test_monitoring.py` asks
every one of them of a running Prometheus and wants an answer. What has a service level shows it as a line.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from components.monitoring import rules
from components.settings import Alerts

SOURCE = "prometheus"
_TAG = "vision-week"
# Of Grafana's grid, 24 wide: three graphs beside each other, or six numbers.
_WIDE, _NARROW, _HIGH, _LOW = 8, 4, 8, 4

# What is chosen at the top of the page of containers.
_CHOSEN = '{namespace=~"$namespace",pod=~"$pod"}'
# A version of the application where it wasn't five minutes before: when it came, and when it came back.
RELEASES = "count by (version) (vision_week_build_info) unless count by (version) (vision_week_build_info offset 5m)"

Kind = Literal["graph", "number", "list"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One question.

    questions: legend -> PromQL; `{{label}}` in a legend is that label's value. unit: Grafana's name of it.
    limit: from here on it is bad; or, where `least`, below it.
    """

    title: str
    questions: Mapping[str, str]
    unit: str = "short"
    kind: Kind = "graph"
    limit: float | None = None
    least: bool = False


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page.

    rows: title -> what stands under it; together they fill the width.
    choices: what is chosen at its top, some or all -> which values there are, as Grafana asks Prometheus for them.
    """

    name: str
    title: str
    rows: Mapping[str, Sequence[Panel]]
    choices: Mapping[str, str] = field(default_factory=dict)


def files(thresholds: Alerts) -> dict[str, str]:
    """File name -> a dashboard as Grafana reads it; that of logs is `log_page.py`'s."""
    return {f"{each.name}.json": _rendered(each) for each in dashboards(thresholds)}


def dashboards(thresholds: Alerts) -> Iterator[Dashboard]:
    """Every page that there is."""
    yield _service_levels(thresholds)
    yield _application(thresholds)
    yield _business()
    yield _postgres()
    yield _redis()
    yield _containers(thresholds)
    yield _nodes(thresholds)
    yield _watching()


def _service_levels(thresholds: Alerts) -> Dashboard:
    # Percents to a ten-thousandth; more digits are the computer's.
    goal = round(thresholds.availability_percent / 100, 6)
    budget = round(1 - goal, 6)
    failed, late = "vision_week:requests:failed_share", "vision_week:api:late_share"
    return Dashboard(
        name="service-levels",
        title="Service levels",
        rows={
            "Now": (
                Panel(
                    title="Requests that succeed, 3 days",
                    questions={"": f'1 - {failed}{{window="3d"}}'},
                    unit="percentunit",
                    kind="number",
                    limit=goal,
                    least=True,
                ),
                Panel(
                    title="Budget used in 3 days, share of the month's",
                    questions={"": f'{failed}{{window="3d"}} / {budget:g} / 10'},
                    unit="percentunit",
                    kind="number",
                    limit=0.1,
                ),
                Panel(
                    title="API answers in time, 3 days",
                    questions={"": f'1 - {late}{{window="3d"}}'},
                    unit="percentunit",
                    kind="number",
                    limit=0.95,
                    least=True,
                ),
                Panel(
                    title="95 % of API answers within",
                    questions={"": "vision_week:api:latency_p95_seconds"},
                    unit="s",
                    kind="number",
                    limit=thresholds.latency_ms / 1000,
                ),
                Panel(
                    title="Alerts firing",
                    questions={"": 'count(ALERTS{alertstate="firing",severity!="heartbeat"}) or vector(0)'},
                    kind="number",
                    limit=1,
                ),
                Panel(
                    title="Targets down",
                    questions={"": "count(up == 0) or vector(0)"},
                    kind="number",
                    limit=1,
                ),
            ),
            "The public address, asked as visitors do": (
                Panel(
                    title="Answers",
                    questions={"{{url}}": "max by (url) (probe_success)"},
                    unit="percentunit",
                    limit=1,
                    least=True,
                ),
                Panel(title="Time to answer", questions={"{{url}}": "max by (url) (probe_duration_seconds)"}, unit="s"),
                Panel(
                    title="Until its certificate is over",
                    questions={"{{url}}": "min by (url) (probe_ssl_earliest_cert_expiry) - time()"},
                    unit="s",
                    limit=rules.ENDING,
                    least=True,
                ),
            ),
            "How fast the month's budgets are used up; 1 is as fast as may be": (
                Panel(
                    title="Requests that fail",
                    questions={"{{window}}": f"{failed} / {budget:g}"},
                    limit=1,
                ),
                Panel(
                    title="API answers that come late",
                    questions={"{{window}}": f"{late} / 0.05"},
                    limit=1,
                ),
                Panel(
                    title="95 % of API answers within",
                    questions={"95 %": "vision_week:api:latency_p95_seconds"},
                    unit="s",
                    limit=thresholds.latency_goal_ms / 1000,
                ),
            ),
        },
    )


def _application(thresholds: Alerts) -> Dashboard:
    # Probes are many and quick: with them every page would look fast.
    seconds = f"vision_week_http_request_duration_seconds_bucket{{{rules.VISITED}}}"
    by_route = f"histogram_quantile(0.95, sum by (le, route) (rate({seconds}[$__rate_interval])))"
    shares = {
        f"{percent} %": f"histogram_quantile({percent / 100:g}, sum by (le) (rate({seconds}[$__rate_interval])))"
        for percent in (50, 95, 99)
    }
    websocket = "vision_week_websocket"
    return Dashboard(
        name="application",
        title="Application",
        rows={
            "Requests": (
                Panel(
                    title="By status",
                    questions={"{{status}}": f"sum by (status) (rate({rules.REQUESTS}[$__rate_interval]))"},
                    unit="reqps",
                ),
                Panel(
                    title="By route",
                    questions={"{{route}}": f"sum by (route) (rate({rules.REQUESTS}[$__rate_interval]))"},
                    unit="reqps",
                ),
                Panel(
                    title="Errors of ours",
                    questions={
                        "5xx": f"sum(rate({rules.SERVER_ERRORS}[$__rate_interval])) or vector(0)",
                    },
                    unit="reqps",
                    limit=thresholds.server_errors_per_second,
                ),
            ),
            "Time to answer": (
                Panel(title="All routes", questions=shares, unit="s", limit=thresholds.latency_goal_ms / 1000),
                Panel(title="95 % by route", questions={"{{route}}": by_route}, unit="s"),
                Panel(
                    title="Reads through the cache",
                    questions={
                        "{{result}}": "sum by (result) (rate(vision_week_cache_reads_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
            "PHP": (
                Panel(
                    title="Workers",
                    questions={
                        "busy, {{instance}}": "phpfpm_active_processes",
                        "idle, {{instance}}": "phpfpm_idle_processes",
                    },
                ),
                Panel(title="Requests waiting for a worker", questions={"{{instance}}": "phpfpm_listen_queue"}),
                Panel(
                    title="Versions that run",
                    questions={"{{version}}": "count by (version) (vision_week_build_info)"},
                ),
            ),
            "WebSocket": (
                Panel(title="Connections", questions={"{{instance}}": f"{websocket}_connections"}),
                Panel(
                    title="Messages",
                    questions={
                        "received, {{result}}": "sum by (result) "
                        f"(rate({websocket}_messages_received_total[$__rate_interval]))",
                        "delivered": f"sum(rate({websocket}_messages_delivered_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Attempts to connect",
                    questions={
                        "{{result}}": f"sum by (result) (rate({websocket}_handshakes_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
        },
    )


def _business() -> Dashboard:
    def in_range(name: str) -> str:
        return f"sum(increase({name}[$__range]))"

    return Dashboard(
        name="business",
        title="Visitors",
        rows={
            "In the time that is shown": (
                Panel(
                    title="Exhibits opened",
                    questions={"": in_range("vision_week_exhibits_viewed_total")},
                    kind="number",
                ),
                Panel(
                    title="Exhibits added",
                    questions={"": in_range("vision_week_exhibits_created_total")},
                    kind="number",
                ),
                Panel(
                    title="Logins",
                    questions={"": in_range('vision_week_logins_total{result="accepted"}')},
                    kind="number",
                ),
                Panel(
                    title="Logins refused",
                    questions={"": in_range('vision_week_logins_total{result!="accepted"}')},
                    kind="number",
                ),
                Panel(title="Uploads", questions={"": in_range("vision_week_uploads_total")}, kind="number"),
                Panel(
                    title="Uploaded",
                    questions={"": in_range("vision_week_upload_bytes_total")},
                    unit="bytes",
                    kind="number",
                ),
            ),
            "Over time": (
                Panel(
                    title="Exhibits opened",
                    questions={"opened": "sum(rate(vision_week_exhibits_viewed_total[$__rate_interval]))"},
                    unit="ops",
                ),
                Panel(
                    title="Logins",
                    questions={"{{result}}": "sum by (result) (rate(vision_week_logins_total[$__rate_interval]))"},
                    unit="ops",
                ),
                Panel(title="Visitors connected", questions={"now": "sum(vision_week_websocket_connections)"}),
            ),
        },
    )


def _postgres() -> Dashboard:
    behind = (
        'scalar(max(patroni_xlog_location{service="postgres"}))'
        ' - (patroni_xlog_replayed_location{service="postgres"} > 0)'
    )
    ours = '{datname="vision_week"}'
    return Dashboard(
        name="postgresql",
        title="PostgreSQL",
        rows={
            "Members": (
                Panel(title="Primary", questions={"{{name}}": "patroni_primary"}),
                Panel(title="Running", questions={"{{name}}": "patroni_postgres_running"}),
                Panel(
                    title="Synchronous replicas",
                    questions={"{{name}}": "patroni_sync_standby"},
                ),
            ),
            "Replication": (
                Panel(
                    title="Bytes behind the primary",
                    questions={"{{name}}": behind},
                    unit="bytes",
                    limit=rules.LAG,
                ),
                Panel(
                    title="Written to the log by the primary",
                    questions={
                        "{{name}}": "rate(patroni_xlog_location[$__rate_interval]) and patroni_xlog_location > 0",
                    },
                    unit="Bps",
                ),
                Panel(
                    title="Timeline: one more with each fail-over", questions={"{{name}}": "patroni_postgres_timeline"}
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
                    limit=rules.NEAR,
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
            "What is waited for": (
                Panel(
                    title="Longest transaction",
                    questions={"{{state}}": f"max by (state) (pg_stat_activity_max_tx_duration{ours})"},
                    unit="s",
                    limit=rules.IDLE,
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
                ),
                Panel(
                    title="Late by",
                    questions={
                        "{{cronjob}}": "clamp_min(time() - vision_week_job_succeeded_timestamp_seconds"
                        " - vision_week_job_interval_seconds, 0)",
                    },
                    unit="s",
                    limit=rules.LATE,
                ),
                Panel(title="Jobs at work", questions={"{{cronjob}}": "vision_week_job_running"}),
            ),
        },
    )


def _redis() -> Dashboard:
    """By what the HAProxy beside each member finds (`alone` is whoever says it is primary, `replicated` a primary that
    replicas follow), and by what each member counts."""

    def found(proxy: str) -> str:
        return f'max by (server) (haproxy_server_status{{service="redis",proxy="{proxy}",state="UP"}})'

    clients = '{service="redis",proxy="redis"}'
    return Dashboard(
        name="redis",
        title="Redis",
        rows={
            "Members": (
                Panel(title="Primary", questions={"{{server}}": found("alone")}),
                Panel(title="Primary that replicas follow", questions={"{{server}}": found("replicated")}),
                Panel(
                    title="Time to say what it is",
                    questions={
                        "{{server}}": "max by (server) "
                        '(haproxy_server_check_duration_seconds{service="redis",proxy="alone"})',
                    },
                    unit="s",
                ),
            ),
            "Clients": (
                Panel(title="Connected", questions={"{{instance}}": f"haproxy_frontend_current_sessions{clients}"}),
                Panel(
                    title="Connecting",
                    questions={
                        "{{instance}}": f"rate(haproxy_frontend_connections_total{clients}[$__rate_interval])",
                    },
                    unit="cps",
                ),
                Panel(
                    title="Traffic",
                    questions={
                        "from clients": f"sum(rate(haproxy_frontend_bytes_in_total{clients}[$__rate_interval]))",
                        "to clients": f"sum(rate(haproxy_frontend_bytes_out_total{clients}[$__rate_interval]))",
                    },
                    unit="Bps",
                ),
            ),
            "Memory": (
                Panel(
                    title="Filled, share of what data may take",
                    questions={"{{instance}}": "redis_memory_used_bytes / (redis_memory_max_bytes > 0)"},
                    unit="percentunit",
                    limit=rules.NEAR,
                ),
                Panel(
                    title="Taken from the machine",
                    questions={"{{instance}}": "redis_memory_used_rss_bytes"},
                    unit="bytes",
                ),
                Panel(
                    title="Keys that went",
                    questions={
                        "their time was over": "sum(rate(redis_expired_keys_total[$__rate_interval]))",
                        "thrown out": "sum(rate(redis_evicted_keys_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
            "Work": (
                Panel(
                    title="Commands",
                    questions={
                        "{{instance}}": "rate(redis_commands_processed_total[$__rate_interval])",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Reads",
                    questions={
                        "found": "sum(rate(redis_keyspace_hits_total[$__rate_interval]))",
                        "not there": "sum(rate(redis_keyspace_misses_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
                Panel(
                    title="Connections",
                    questions={
                        "{{instance}}": "redis_connected_clients",
                        "refused": "sum(increase(redis_rejected_connections_total[$__rate_interval]))",
                    },
                ),
            ),
        },
    )


def _containers(thresholds: Alerts) -> Dashboard:
    return Dashboard(
        name="containers",
        title="Containers",
        choices={
            "namespace": "label_values(container_memory_rss, namespace)",
            "pod": 'label_values(container_memory_rss{namespace=~"$namespace"}, pod)',
        },
        rows={
            "Of their limits": (
                Panel(
                    title="Processor",
                    questions={"{{pod}} {{container}}": f"topk(20, {rules.cpu_share(_CHOSEN)})"},
                    unit="percentunit",
                    limit=thresholds.cpu_percent / 100,
                ),
                Panel(
                    title="Time in which it was made to wait",
                    questions={
                        "{{pod}} {{container}}": "topk(20, sum by (namespace, pod, container)"
                        f" (rate(container_cpu_cfs_throttled_periods_total{_CHOSEN}[$__rate_interval]))"
                        " / sum by (namespace, pod, container)"
                        " (rate(container_cpu_cfs_periods_total[$__rate_interval])))"
                    },
                    unit="percentunit",
                ),
                Panel(
                    title="Memory of the limit",
                    questions={"{{pod}} {{container}}": f"topk(20, {rules.memory_share(_CHOSEN)})"},
                    unit="percentunit",
                    limit=thresholds.memory_percent / 100,
                ),
            ),
            "In all": (
                Panel(
                    title="Processors used",
                    questions={
                        "{{namespace}}": "sum by (namespace)"
                        f" (rate(container_cpu_usage_seconds_total{_CHOSEN}[$__rate_interval]))"
                    },
                ),
                Panel(
                    title="Memory allocated",
                    questions={"{{namespace}}": f"sum by (namespace) (container_memory_rss{_CHOSEN})"},
                    unit="bytes",
                ),
                Panel(
                    title="Memory with the files that are in use",
                    questions={"{{namespace}}": f"sum by (namespace) (container_memory_working_set_bytes{_CHOSEN})"},
                    unit="bytes",
                ),
            ),
        },
    )


def _nodes(thresholds: Alerts) -> Dashboard:
    return Dashboard(
        name="nodes",
        title="Nodes",
        rows={
            "Taken": (
                Panel(title="Processors", questions={"{{instance}}": rules.NODE_CPU_SHARE}, unit="percentunit"),
                Panel(
                    title="Memory",
                    questions={"{{instance}}": rules.NODE_MEMORY_SHARE},
                    unit="percentunit",
                    limit=thresholds.memory_percent / 100,
                ),
                Panel(
                    title="Disks",
                    questions={"{{instance}} {{mountpoint}}": f"1 - {rules.NODE_DISK_LEFT}"},
                    unit="percentunit",
                    limit=1 - rules.DISK_LEFT,
                ),
            ),
            "Left": (
                Panel(
                    title="Processors",
                    questions={
                        "idle, {{instance}}": "sum by (instance)"
                        ' (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
                        "waiting for disks, {{instance}}": "sum by (instance)"
                        ' (rate(node_cpu_seconds_total{mode="iowait"}[$__rate_interval]))',
                    },
                ),
                Panel(title="Memory", questions={"{{instance}}": "node_memory_MemAvailable_bytes"}, unit="bytes"),
                Panel(
                    title="Disks",
                    questions={"{{instance}} {{mountpoint}}": "node_filesystem_avail_bytes"},
                    unit="bytes",
                ),
            ),
        },
    )


def _watching() -> Dashboard:
    return Dashboard(
        name="monitoring",
        title="Alerts and monitoring",
        rows={
            "Alerts": (
                Panel(
                    title="Raised now",
                    questions={"": 'ALERTS{severity!="heartbeat"}'},
                    kind="list",
                ),
            ),
            "Prometheus and Alertmanager": (
                Panel(
                    title="Series",
                    questions={"{{instance}}": "prometheus_tsdb_head_series"},
                    limit=rules.SERIES_BUDGET,
                ),
                Panel(
                    title="Memory",
                    questions={"{{service}} {{instance}}": "process_resident_memory_bytes"},
                    unit="bytes",
                ),
                Panel(
                    title="Messages to receivers",
                    questions={
                        "sent": "sum(rate(alertmanager_notifications_total[$__rate_interval]))",
                        "failed": "sum(rate(alertmanager_notifications_failed_total[$__rate_interval]))",
                    },
                    unit="ops",
                ),
            ),
            "Targets": (
                Panel(title="Up", questions={"{{job}}": "avg by (job) (up)"}, unit="percentunit"),
                Panel(
                    title="Time to ask",
                    questions={"{{job}}": "max by (job) (scrape_duration_seconds)"},
                    unit="s",
                    limit=10,
                ),
                Panel(
                    title="Series of a target",
                    questions={"{{job}}": "max by (job) (scrape_samples_scraped)"},
                ),
            ),
        },
    )


def page(name: str, title: str) -> dashboard.Dashboard:
    """An empty page, from which all others are one step away, at the time that is looked at; releases are marked."""
    releases = dashboard.AnnotationQuery().name("Releases").datasource(_REFERENCE).enable(True).icon_color("blue")
    others = dashboard.DashboardLink("Pages").type(DashboardLinkType.DASHBOARDS).tags([_TAG])
    return (
        dashboard.Dashboard(title)
        .uid(name)
        .tags([_TAG])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(others.as_dropdown(True).keep_time(True))
        .annotation(releases.expr(RELEASES))
    )


def written(page_: dashboard.Dashboard) -> str:
    """A page as Grafana reads it."""
    made = json.loads(json.dumps(page_.build(), cls=JSONEncoder))
    for mark in made["annotations"]["list"]:
        # Prometheus' own fields, which the library doesn't have.
        mark |= {"titleFormat": "Release {{version}}", "tagKeys": "version", "step": "60s"}
    return json.dumps(made, indent=1, sort_keys=True)


def choice(name: str, source: DataSourceRef, query: Mapping[str, Any]) -> dashboard.QueryVariable:
    """Values of which some or all are chosen. query: which there are, in the source's own form."""
    return (
        dashboard.QueryVariable(name)
        .datasource(source)
        .query({**query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _rendered(page_: Dashboard) -> str:
    built = page(page_.name, page_.title)
    for name, query in page_.choices.items():
        # Grafana's number for a question of this form.
        built = built.with_variable(choice(name, _REFERENCE, {"qryType": 1, "query": query}))
    for title, panels in page_.rows.items():
        built = reduce(
            lambda so_far, panel: so_far.with_panel(_panel(panel)), panels, built.with_row(dashboard.Row(title))
        )
    return written(built)


def _panel(panel: Panel) -> timeseries.Panel | stat.Panel | table.Panel:
    made: timeseries.Panel | stat.Panel | table.Panel
    match panel.kind:
        case "graph":
            made = timeseries.Panel().span(_WIDE).height(_HIGH).legend(_LEGEND).min(0)
            if panel.limit is not None:
                made = made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
        case "number":
            made = stat.Panel().span(_NARROW).height(_LOW)
        case "list":
            hidden = dict.fromkeys(("Time", "Value", "__name__"), True)
            made = (
                table.Panel()
                .span(24)
                .height(_HIGH)
                .with_transformation(DataTransformerConfig(id_val="organize", options={"excludeByName": hidden}))
            )
    made = made.title(panel.title).datasource(_REFERENCE).unit(panel.unit).thresholds(_thresholds(panel))
    for number, (legend, expr) in enumerate(panel.questions.items()):
        question = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + number))
        match panel.kind:
            case "graph":
                question = question.range()
            case "number":
                question = question.instant()
            case "list":
                question = question.instant().format(PromQueryFormat.TABLE)
        made = made.with_target(question)
    return made


_REFERENCE = DataSourceRef(type_val="prometheus", uid=SOURCE)
_LEGEND = (
    common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    """Green up to the limit, red from there on; or the other way round."""
    good, bad = ("red", "green") if panel.least else ("green", "red")
    steps = [Threshold(value=None, color=good)]
    if panel.limit is not None:
        steps.append(Threshold(value=panel.limit, color=bad))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
