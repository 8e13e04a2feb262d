"""Every nginx of ours: the load balancer's where that is our own, and the application's.

What they count has no statuses (`nginx_exporter.py`), and probes are among the requests.
"""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel, label
from components.monitoring.rules import NEAR, Alert
from components.settings import NGINX_CONNECTIONS

# Share of the connections that it may have: its clients', and one to who is asked in turn for each that it answers.
_TAKEN = f"(nginx_connections_active + nginx_connections_writing) / {NGINX_CONNECTIONS}"


def alerts() -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="NginxUnseen",
        expr="nginx_up == 0",
        minutes=2,
        severity="warning",
        team="platform",
        summary="nginx of {{ $labels.service }} at {{ $labels.instance }} gives no numbers",
        description="The exporter beside it gets no answer; what is concluded from them is blind.",
    )
    yield Alert(
        name="NginxConnectionsNearLimit",
        expr=f"{_TAKEN} > {NEAR}",
        minutes=2,
        severity="critical",
        team="platform",
        summary="nginx of {{ $labels.service }} at {{ $labels.instance }} has {{ $value | humanizePercentage }} of its"
        " connections open",
        description=f"It may have {NGINX_CONNECTIONS}. Who comes when it has is not let in.",
    )
    yield Alert(
        name="NginxDropsConnections",
        expr="increase(nginx_connections_accepted[5m]) - increase(nginx_connections_handled[5m]) > 0",
        minutes=0,
        severity="critical",
        team="platform",
        summary="nginx of {{ $labels.service }} at {{ $labels.instance }} has dropped {{ $value | humanize }}"
        " connections in five minutes",
        description="It had as many as it may have: visitors are turned away.",
    )


def page() -> Dashboard:
    """The page."""
    return Dashboard(
        name="edge",
        title="Edge",
        logs=f'{{service_name="{label("service")}"}}',
        rows={
            "Requests, those of probes too": (
                Panel(
                    title="Requests",
                    questions={"{{service}}": "sum by (service) (rate(nginx_http_requests_total[$__rate_interval]))"},
                    unit="reqps",
                ),
                Panel(
                    title="Requests of each pod",
                    questions={"{{service}} {{instance}}": "rate(nginx_http_requests_total[$__rate_interval])"},
                    unit="reqps",
                ),
                Panel(
                    title="Requests of a connection",
                    questions={
                        "{{service}}": "sum by (service) (rate(nginx_http_requests_total[$__rate_interval]))"
                        " / sum by (service) (rate(nginx_connections_accepted[$__rate_interval]))",
                    },
                ),
            ),
            "Connections": (
                Panel(
                    title="Taken, share of all that there may be",
                    questions={"{{service}} {{instance}}": _TAKEN},
                    unit="percentunit",
                    limit=NEAR,
                ),
                Panel(
                    title="By what they do",
                    questions={
                        f"{what}, {{{{service}}}}": f"sum by (service) (nginx_connections_{what})"
                        for what in ("reading", "writing", "waiting")
                    },
                ),
                Panel(
                    title="Coming in, and dropped",
                    questions={
                        "{{service}}": "sum by (service) (rate(nginx_connections_accepted[$__rate_interval]))",
                        "dropped, {{service}}": "sum by (service) (rate(nginx_connections_accepted[$__rate_interval])"
                        " - rate(nginx_connections_handled[$__rate_interval]))",
                    },
                    unit="cps",
                ),
            ),
        },
    )
