"""What is promised: how much of it is kept, and how fast what may fail is used up."""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel
from components.monitoring.rules import Alert, Record
from components.monitoring.subjects import public_address
from components.settings import Alerts
from components.settings.monitoring import Severity

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


def alerts(thresholds: Alerts) -> Iterator[Alert]:
    """Budgets that burn too fast."""
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


def page(thresholds: Alerts) -> Dashboard:
    """The page."""
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
                    limit=public_address.ENDING,
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
