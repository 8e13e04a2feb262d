"""The monitoring itself: who answers, who concludes, and whether people hear of it."""

from collections.abc import Iterator, Sequence

from components.monitoring import scraping
from components.monitoring.pages import Dashboard, Panel
from components.monitoring.rules import Alert
from components.settings import Alerts

# Series that one Prometheus is meant to hold; each takes some kilobytes of its memory. A label that grows without bound
# shows here before memory runs out.
SERIES_BUDGET = 20_000


def of_targets(thresholds: Alerts, services: Sequence[str]) -> Iterator[Alert]:
    """Who doesn't answer; `services` are those whose numbers must be there."""
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


def alerts() -> Iterator[Alert]:
    """Every other alert."""
    yield from _of_logs()
    yield from _of_traces()
    yield from _of_prometheus()
    yield from _of_the_way_to_people()


_TO_LOKI = '{exporter="otlp_http"}'


def _of_logs() -> Iterator[Alert]:
    yield Alert(
        name="LogsWait",
        # Traces have queues of their own, which give up instead of waiting.
        expr=f"otelcol_exporter_queue_size{_TO_LOKI} / otelcol_exporter_queue_capacity{_TO_LOKI} > 0.5",
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


def _of_traces() -> Iterator[Alert]:
    # The collector tells of each when it has some, never of none: of the first moment there is no increase.
    no_room, refused = (
        f"sum by (instance) (increase(otelcol_exporter_{what}_failed_spans[5m])) > 0" for what in ("enqueue", "send")
    )
    yield Alert(
        name="SpansLost",
        expr=f"{no_room} or {refused}",
        minutes=0,
        severity="warning",
        team="platform",
        summary="The collector at {{ $labels.instance }} has lost {{ $value | humanize }} spans",
        description="Traces have holes, or are not there at all. Nothing else is lost.",
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


def page() -> Dashboard:
    """The page."""
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
                    limit=SERIES_BUDGET,
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
