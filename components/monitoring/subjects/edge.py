"""Every nginx of ours: the load balancer's where that is our own, and the application's.

What they count has no statuses (`nginx_exporter.py`), and probes are among the requests. What they answered is counted
from their log, where logs are collected (`answers.py`).
"""

from collections.abc import Iterator

from components.monitoring.answers import COUNTED
from components.monitoring.pages import Dashboard, Panel, label
from components.monitoring.rules import NEAR, Alert
from components.settings import NGINX_CONNECTIONS, Alerts

# Share of the connections that it may have: its clients', and one to who is asked in turn for each that it answers.
_TAKEN = f"(nginx_connections_active + nginx_connections_writing) / {NGINX_CONNECTIONS}"

# The row of what only the log tells.
ANSWERS = "Answers, by the log"
# Answers of nginx by itself: nobody behind it answered, or in time; its client asked too often.
_UNANSWERED = "502|503|504"
_TOO_MANY = "429"
# Share of the requests that may be too many: one client in a hurry is no matter, everybody behind one address is.
_REFUSED = 0.05


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


def of_answers(thresholds: Alerts) -> Iterator[Alert]:
    """Alerts on what every nginx answered, where its log is counted."""
    yield Alert(
        name="RequestsUnanswered",
        expr=f"{_answered(_UNANSWERED)} > {thresholds.server_errors_per_second}",
        minutes=5,
        severity="critical",
        team="platform",
        summary="nginx of {{ $labels.service }} says {{ $value | humanize }} times a second that nobody answers",
        description=f"More than {thresholds.server_errors_per_second} a second for five minutes, with {_UNANSWERED}:"
        " who is behind it is away, or takes too long. What nginx answers itself is in no number of the application.",
    )
    yield Alert(
        name="RequestsRefused",
        expr=f"{_answered(_TOO_MANY)} / {_answered('...')} > {_REFUSED}",
        minutes=10,
        severity="warning",
        team="platform",
        summary="nginx of {{ $labels.service }} refuses {{ $value | humanizePercentage }} of the requests as too many",
        description="Somebody asks too often, or many come under one address and share its limit.",
    )


def _answered(status: str) -> str:
    """Answers a second with a status of this pattern."""
    return f'sum by (namespace, service) (rate({COUNTED}{{status=~"{status}"}}[5m]))'


def page(thresholds: Alerts) -> Dashboard:
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
            ANSWERS: (
                Panel(
                    title="By status",
                    questions={
                        "{{service}} {{status}}": f"sum by (service, status) (rate({COUNTED}[$__rate_interval]))"
                    },
                    unit="reqps",
                ),
                Panel(
                    title="Nobody behind answered",
                    questions={
                        "{{service}} {{status}}": "sum by (service, status)"
                        f' (rate({COUNTED}{{status=~"{_UNANSWERED}"}}[$__rate_interval]))'
                    },
                    unit="reqps",
                    limit=thresholds.server_errors_per_second,
                ),
                Panel(
                    title="Refused as too many, share of all",
                    questions={
                        "{{service}}": "sum by (service)"
                        f' (rate({COUNTED}{{status="{_TOO_MANY}"}}[$__rate_interval]))'
                        f" / sum by (service) (rate({COUNTED}[$__rate_interval]))"
                    },
                    unit="percentunit",
                    limit=_REFUSED,
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
