"""Grafana's page of logs: how many lines there are, which of them tell of something bad, and what a service said.

Its questions go to Loki; `tests/app/test_log_keeping.py` asks each of them of a running one.
"""

from functools import reduce

from grafana_foundation_sdk.builders import common, dashboard, loki, timeseries
from grafana_foundation_sdk.builders import logs as lines
from grafana_foundation_sdk.models.common import GraphDrawStyle, LogsSortOrder, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from components.levels import SEVERITIES
from components.monitoring import dashboards

NAME = "logs"
SOURCE = "loki"
_BAD = f"severity_number >= {SEVERITIES['warning']}"
# What is chosen at the top of the page: services, and a pattern that a line has in it.
_CHOSEN = '{service_name=~"$service"} |~ `(?i)$text`'
# Title -> legend, and how many lines.
COUNTS = {
    "Lines by service": ("{{service_name}}", f"sum by (service_name) (count_over_time({_CHOSEN} [$__auto]))"),
    "Lines by level": ("{{severity_text}}", f"sum by (severity_text) (count_over_time({_CHOSEN} [$__auto]))"),
    "Warnings and errors by service": (
        "{{service_name}}",
        f"sum by (service_name) (count_over_time({_CHOSEN} | {_BAD} [$__auto]))",
    ),
}
# Title -> the lines themselves.
LINES = {"Warnings and errors": f"{_CHOSEN} | {_BAD}", "All lines": _CHOSEN}


def rendered() -> str:
    """The page as Grafana reads it."""
    page = dashboards.page(NAME, "Logs").with_variable(_SERVICES).with_variable(dashboard.TextBoxVariable("text"))
    page = page.with_row(dashboard.Row("How many"))
    page = reduce(lambda so_far, title: so_far.with_panel(_count(title)), COUNTS, page)
    for title, question in LINES.items():
        page = page.with_row(dashboard.Row(title)).with_panel(_lines(title, question))
    return dashboards.written(page)


def _count(title: str) -> timeseries.Panel:
    legend, question = COUNTS[title]
    return (
        timeseries.Panel()
        .title(title)
        .span(24 // len(COUNTS))
        .height(8)
        .datasource(_REFERENCE)
        .unit("short")
        .min(0)
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(100)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .with_target(loki.Dataquery().expr(question).legend_format(legend).query_type("range").ref_id("A"))
    )


def _lines(title: str, question: str) -> lines.Panel:
    return (
        lines.Panel()
        .title(title)
        .span(24)
        .height(12)
        .datasource(_REFERENCE)
        .unit("short")
        .show_time(True)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(LogsSortOrder.DESCENDING)
        .with_target(loki.Dataquery().expr(question).max_lines(500).query_type("range").ref_id("A"))
    )


_REFERENCE = DataSourceRef(type_val="loki", uid=SOURCE)
# Of labels of Loki's: its own form of the question, 1 for the values of one.
_SERVICES = dashboards.choice("service", _REFERENCE, {"type": 1, "label": "service_name"})
