"""The application: its requests, PHP's workers, the WebSocket service."""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel, said_by
from components.monitoring.rules import Alert
from components.monitoring.subjects import service_levels
from components.settings import Alerts


def alerts(thresholds: Alerts) -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="ServerErrors",
        expr=f"sum(rate({service_levels.SERVER_ERRORS}[5m])) > {thresholds.server_errors_per_second}",
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
    yield from service_levels.alerts(thresholds)
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


def page(thresholds: Alerts) -> Dashboard:
    """The page."""
    # Probes are many and quick: with them every page would look fast.
    seconds = f"vision_week_http_request_duration_seconds_bucket{{{service_levels.VISITED}}}"
    by_route = f"histogram_quantile(0.95, sum by (le, route) (rate({seconds}[$__rate_interval])))"
    shares = {
        f"{percent} %": f"histogram_quantile({percent / 100:g}, sum by (le) (rate({seconds}[$__rate_interval])))"
        for percent in (50, 95, 99)
    }
    websocket, of_websocket = "vision_week_websocket", said_by("app", "websocket")
    return Dashboard(
        name="application",
        title="Application",
        logs=said_by("app", "app"),
        rows={
            "Requests": (
                Panel(
                    title="By status",
                    questions={"{{status}}": f"sum by (status) (rate({service_levels.REQUESTS}[$__rate_interval]))"},
                    unit="reqps",
                ),
                Panel(
                    title="By route",
                    questions={"{{route}}": f"sum by (route) (rate({service_levels.REQUESTS}[$__rate_interval]))"},
                    unit="reqps",
                ),
                Panel(
                    title="Errors of ours",
                    questions={
                        "5xx": f"sum(rate({service_levels.SERVER_ERRORS}[$__rate_interval])) or vector(0)",
                    },
                    unit="reqps",
                    limit=thresholds.server_errors_per_second,
                ),
            ),
            "Time to answer": (
                Panel(
                    title="All routes",
                    questions=shares,
                    unit="s",
                    limit=thresholds.latency_goal_ms / 1000,
                    exemplars=True,
                ),
                Panel(title="95 % by route", questions={"{{route}}": by_route}, unit="s", exemplars=True),
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
                Panel(title="Connections", questions={"{{instance}}": f"{websocket}_connections"}, logs=of_websocket),
                Panel(
                    title="Messages",
                    questions={
                        "received, {{result}}": "sum by (result) "
                        f"(rate({websocket}_messages_received_total[$__rate_interval]))",
                        "delivered": f"sum(rate({websocket}_messages_delivered_total[$__rate_interval]))",
                    },
                    unit="ops",
                    logs=of_websocket,
                ),
                Panel(
                    title="Attempts to connect",
                    questions={
                        "{{result}}": f"sum by (result) (rate({websocket}_handshakes_total[$__rate_interval]))",
                    },
                    unit="ops",
                    logs=of_websocket,
                ),
            ),
        },
    )
