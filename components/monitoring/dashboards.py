"""What Grafana shows: the pages of `subjects` as its files.

Each panel is a question about the numbers that the rules and the targets give; `tests/cluster/test_monitoring.py` asks
every one of them of a running Prometheus and wants an answer. What has a service level shows it as a line.
"""

import json
import re
from collections.abc import Mapping
from functools import reduce
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from components.monitoring import subjects
from components.monitoring.pages import Dashboard, Panel
from components.settings import Alerts

SOURCE = "prometheus"
_TAG = "vision-week"
# Of Grafana's grid, 24 wide: three graphs beside each other, or six numbers.
_WIDE, _NARROW, _HIGH, _LOW = 8, 4, 8, 4
# A version of the application where it wasn't five minutes before: when it came, and when it came back.
RELEASES = "count by (version) (vision_week_build_info) unless count by (version) (vision_week_build_info offset 5m)"


def files(thresholds: Alerts, *, logs: str | None) -> dict[str, str]:
    """File name -> a dashboard as Grafana reads it; that of logs is `log_page.py`'s.

    logs: the source that panels lead to; None where none are kept.
    """
    return {f"{each.name}.json": _rendered(each, logs) for each in subjects.pages(thresholds)}


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


def _rendered(page_: Dashboard, logs: str | None) -> str:
    built = page(page_.name, page_.title)
    for name, query in page_.choices.items():
        # Grafana's number for a question of this form.
        built = built.with_variable(choice(name, _REFERENCE, {"qryType": 1, "query": query}))
    for title, panels in page_.rows.items():
        built = reduce(
            lambda so_far, panel: so_far.with_panel(_panel(panel, _ways(panel.logs or page_.logs, logs))),
            panels,
            built.with_row(dashboard.Row(title)),
        )
    return written(built)


def _ways(lines: str | None, source: str | None) -> list[Builder[DashboardLink]]:
    """From a panel to the lines about it, at the time that is looked at."""
    if lines is None or source is None:
        return []
    asked = {"refId": "A", "datasource": {"type": "loki", "uid": source}, "expr": lines}
    pane = {"datasource": source, "queries": [asked], "range": {"from": "${__from}", "to": "${__to}"}}
    # Grafana finds what it is to put in where that is written as it is.
    panes = "".join(
        part if part.startswith("${") else quote(part)
        for part in re.split(r"(\$\{[\w.]+\})", json.dumps({"logs": pane}))
    )
    return [dashboard.DashboardLink("Logs").url(f"/explore?schemaVersion=1&panes={panes}")]


def _panel(panel: Panel, ways: list[Builder[DashboardLink]]) -> timeseries.Panel | stat.Panel | table.Panel:
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
    if ways:
        made = made.data_links(ways)
    for number, (legend, expr) in enumerate(panel.questions.items()):
        question = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + number))
        match panel.kind:
            case "graph":
                question = question.range()
            case "number":
                question = question.instant()
            case "list":
                question = question.instant().format(PromQueryFormat.TABLE)
        if panel.exemplars and number == 0:
            question = question.exemplar(True)
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
