"""The dashboards as files: what Grafana is given, read as somebody would who looks at the page."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from components import haproxy, nginx_exporter, postgres, redis
from components.monitoring import answers, containers, dashboards, kube_state, log_page, node_exporter, probes, subjects
from components.monitoring.pages import Dashboard
from components.settings import Alerts
from tests.questions import for_prometheus
from tests.unit.alarms import OBJECTS, claim
from tests.unit.conftest import Stacks
from tests.unit.recording import CHECKOUT, Recording
from tests.unit.test_monitoring_alerts import promtool, tried

PAGES = tuple(subjects.pages(Alerts()))
EXPRESSIONS = [
    for_prometheus(expr)
    for page in PAGES
    for panels in page.rows.values()
    for panel in panels
    for expr in panel.questions.values()
] + [dashboards.RELEASES]
CONDITIONS = [alert.expr for alert in subjects.alerts(Alerts(), (), 30)]
FILES = {
    name: json.loads(text)
    for name, text in {
        **dashboards.files(Alerts(), logs=log_page.SOURCE),
        f"{log_page.NAME}.json": log_page.rendered(),
    }.items()
}


@pytest.fixture
def production(stacks: Stacks) -> Recording:
    return stacks("production")


@pytest.mark.parametrize("name", FILES)
def test_panels_fill_the_width_and_none_lies_on_another(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in FILES[name]["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    assert {x for x, _ in taken} == set(range(24))
    assert len(taken) == 24 * (1 + max(y for _, y in taken))


@pytest.mark.parametrize("name", FILES)
def test_a_page_asks_the_source_that_is_provisioned_and_nobody_edits_it(name: str, production: Recording) -> None:
    sources = yaml.safe_load(production.one("ConfigMap", "grafana").inputs["data"]["source.yaml"])["datasources"]
    uid = log_page.SOURCE if name == f"{log_page.NAME}.json" else dashboards.SOURCE
    (source,) = (each for each in sources if each["uid"] == uid)
    page = FILES[name]
    assert page["uid"] == name.removesuffix(".json")
    assert page["editable"] is False
    for panel in page["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
            assert panel["targets"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
            assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("name", FILES)
def test_a_page_marks_releases_by_their_names(name: str) -> None:
    (mark,) = FILES[name]["annotations"]["list"]
    assert (mark["expr"], mark["enable"]) == (dashboards.RELEASES, True)
    assert mark["datasource"] == {"type": "prometheus", "uid": dashboards.SOURCE}
    assert mark["titleFormat"] == "Release {{version}}"


@pytest.mark.parametrize(("minute", "marked"), [(20, []), (31, ["v2"]), (50, []), (61, ["v1"])])
def test_a_release_is_marked_when_it_comes_and_when_it_comes_back(
    minute: int, marked: list[str], tmp_path: Path
) -> None:
    """v2 takes v1's place, and half an hour later it is rolled back."""
    labels = 'environment="production",version='
    series = {
        f'vision_week_build_info{{{labels}"v1"}}': "1x30 stale _x28 1x60",
        f'vision_week_build_info{{{labels}"v2"}}': "_x30 1x30 stale",
    }
    expected = [{"labels": f'{{version="{version}"}}', "value": 1} for version in marked]
    tried(tmp_path, series, minute, expected, dashboards.RELEASES)


@pytest.mark.parametrize("name", FILES)
def test_what_questions_leave_open_is_chosen_at_the_top_of_the_page(name: str) -> None:
    page = FILES[name]
    choices = {each["name"] for each in page.get("templating", {}).get("list", [])}
    asked = [target["expr"] for panel in page["panels"] for target in panel.get("targets", [])]
    assert {open_ for expr in asked for open_ in re.findall(r"\$([a-z]\w*)", expr)} == choices


def test_latencies_of_requests_show_those_of_which_there_is_a_trace() -> None:
    """S8.3: the application's histogram alone has exemplars."""
    asked = [
        (panel["title"], number, target["expr"])
        for page in FILES.values()
        for panel in page["panels"]
        for number, target in enumerate(panel.get("targets", []))
        if target.get("exemplar")
    ]
    assert [(title, number) for title, number, _ in asked] == [("All routes", 0), ("95 % by route", 0)]
    assert all("vision_week_http_request_duration_seconds_bucket" in expr for *_, expr in asked)


def links(panel: dict[str, Any]) -> list[str]:
    return [link["url"] for link in panel["fieldConfig"]["defaults"].get("links", [])]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_panel_of_what_says_something_leads_to_what_it_said_at_the_time_that_is_looked_at(page: Dashboard) -> None:
    panels = {panel["title"]: panel for panel in FILES[f"{page.name}.json"]["panels"] if panel["type"] != "row"}
    for panel in (panel for row in page.rows.values() for panel in row):
        lines = panel.logs or page.logs
        if lines is None:
            assert links(panels[panel.title]) == []
            continue
        (url,) = links(panels[panel.title])
        (pane,) = json.loads(parse_qs(urlsplit(url).query)["panes"][0]).values()
        (question,) = pane["queries"]
        assert (pane["datasource"], question["datasource"]) == (
            log_page.SOURCE,
            {"type": "loki", "uid": log_page.SOURCE},
        )
        assert question["expr"] == lines
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
        # What Grafana is to put in must be there as it is, and be a label of everything that can be clicked.
        for name in re.findall(r"\$\{__field\.labels\.(\w+)\}", lines):
            assert f"${{__field.labels.{name}}}" in url
            for legend, expr in panel.questions.items():
                assert f"{{{{{name}}}}}" in legend or re.search(rf"by \([^)]*\b{name}\b", expr)


def test_without_logs_nothing_leads_to_them() -> None:
    for text in dashboards.files(Alerts(), logs=None).values():
        assert "/explore" not in text


# What commands say.
_SAID = {
    "Allocatable",
    "Allocated resources",
    "Monitoring is not told of drift-checked",
    "Monitoring is not told of last-delivery",
}


def test_what_a_runbook_quotes_is_there_to_be_looked_at() -> None:
    """Two named a page that is called otherwise."""
    titles = {page.title for page in PAGES} | {row for page in PAGES for row in page.rows}
    titles |= {panel.title for page in PAGES for panels in page.rows.values() for panel in panels}
    for runbook in (CHECKOUT / "docs" / "runbooks").glob("*.md"):
        prose = " ".join(re.sub("`[^`]*`", "", runbook.read_text()).split())
        quoted = set(re.findall('"([^"]+)"', prose))
        assert quoted <= titles | _SAID, runbook.name


def test_pages_are_told_apart() -> None:
    assert len({page.name for page in PAGES}) == len({page.title for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_panels_of_a_row_are_told_apart(page: Dashboard) -> None:
    for panels in page.rows.values():
        assert len({panel.title for panel in panels}) == len(panels)


def test_every_question_is_promql(tmp_path: Path) -> None:
    questions = [{"record": f"question:{number}", "expr": expr} for number, expr in enumerate(EXPRESSIONS)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": questions}]}))
    assert f"{len(EXPRESSIONS)} rules found" in promtool("check", "rules", "rules.yml", folder=tmp_path)


def test_every_panel_on_the_clusters_objects_has_an_answer(tmp_path: Path) -> None:
    """S8.2. What tells of them can't be had on the local cluster: series as its documentation has them."""
    (page,) = (each for each in PAGES if each.name == "cluster")
    questions = [
        for_prometheus(expr) for row in page.rows.values() for panel in row for expr in panel.questions.values()
    ]
    told = [{"series": series, "values": values} for series, values in {**OBJECTS, **claim("80-0.1x60")}.items()]
    asked = [
        {"expr": f"group({expr})", "eval_time": "40m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for expr in questions
    ]
    test = {"interval": "1m", "input_series": told, "promql_expr_test": asked}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": [test]}))
    promtool("test", "rules", "test.yml", folder=tmp_path)
    assert {name.partition("{")[0] for name in OBJECTS} <= set(kube_state.METRICS)


def test_every_number_that_a_page_or_an_alert_asks_of_us_is_one_that_something_gives() -> None:
    """A name with a typing error is PromQL, too; its panel would be empty for ever."""
    names = re.compile(r"vision_week[\w:]+|(?:kube|pgbouncer)_\w+")
    asked = {name for expr in (*EXPRESSIONS, *CONDITIONS) for name in names.findall(expr)}
    app = set(re.findall(r"vision_week_\w+", (CHECKOUT / "app/src/Metrics.php").read_text()))
    websocket = re.findall(
        r"(Counter|Gauge)\(\s*f\"{name}(\w+)",
        (CHECKOUT / "images/websocket/vision_week_websocket/metrics.py").read_text(),
    )
    given = {f"{name}{end}" for name in app for end in ("", "_bucket")}
    given |= {f"vision_week_websocket_{name}{'_total' * (kind == 'Counter')}" for kind, name in websocket}
    given |= set(re.findall(r"vision_week_job_\w+", (CHECKOUT / "components/files/watch.py").read_text()))
    given |= set(re.findall(r"pgbouncer_\w+", (CHECKOUT / "components/files/pooler-exporter.py").read_text()))
    given |= {*kube_state.METRICS, *(record.name for record in subjects.records(Alerts()))}
    assert asked - given == set()
    assert len(asked) > 10


@pytest.mark.parametrize(
    ("family", "kept"),
    [
        ("pg", postgres.COUNTED),
        ("redis", redis.COUNTED),
        ("haproxy", haproxy.COUNTED),
        ("node", node_exporter.COUNTED),
        ("kubelet", "|".join(containers.OF_CLAIMS)),
        ("nginx", f"{nginx_exporter.COUNTED}|{answers.COUNTED}"),
        ("probe", probes.COUNTED),
    ],
)
def test_what_a_page_or_an_alert_asks_for_is_kept_of_what_is_told(family: str, kept: str) -> None:
    asked = {name for expr in (*EXPRESSIONS, *CONDITIONS) for name in re.findall(rf"\b{family}_\w+", expr)}
    assert len(asked) > 2
    assert [name for name in asked if not re.fullmatch(kept, name)] == []


def limits(panel: dict[str, Any]) -> list[tuple[str, float | None]]:
    return [(step["color"], step["value"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]


def test_the_levels_of_the_service_are_lines_and_colours() -> None:
    """Service levels: 99.9 % of requests; 95 % of API answers within 500 ms, alarm at 1 s."""
    shown = {
        (panel["type"], panel["title"]): limits(panel)
        for panel in FILES["service-levels.json"]["panels"]
        if panel["type"] != "row"
    }
    assert shown["stat", "Requests that succeed, 3 days"] == [("red", None), ("green", 0.999)]
    assert shown["stat", "95 % of API answers within"] == [("green", None), ("red", 1.0)]
    assert shown["timeseries", "95 % of API answers within"] == [("green", None), ("red", 0.5)]
    assert shown["stat", "Targets down"] == [("green", None), ("red", 1)]


def test_another_goal_is_another_line() -> None:
    page = json.loads(dashboards.files(Alerts(availability_percent=99.5), logs=None)["service-levels.json"])
    (panel,) = [each for each in page["panels"] if each["title"] == "Requests that succeed, 3 days"]
    assert limits(panel)[1] == ("green", 0.995)


def test_steps_of_colours_go_up() -> None:
    for page in FILES.values():
        for panel in page["panels"]:
            if "thresholds" in panel.get("fieldConfig", {}).get("defaults", {}):
                values = [value for _, value in limits(panel)[1:] if value is not None]
                assert all(one < other for one, other in pairwise(values))


def test_nobody_sees_anything_without_the_password_and_that_is_a_file(production: Recording) -> None:
    (container,) = production.one("Deployment", "grafana").inputs["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert given["GF_AUTH_ANONYMOUS_ENABLED"] == given["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert given["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/etc/vision-week/secrets/grafana-password"
    assert list(production.one("Secret", "grafana").inputs["stringData"]) == ["grafana-password"]


def test_grafana_is_given_every_page_and_shows_the_service_levels_first(production: Recording) -> None:
    assert set(production.one("ConfigMap", "grafana-dashboards").inputs["data"]) == set(FILES)
    (container,) = production.one("Deployment", "grafana").inputs["spec"]["template"]["spec"]["containers"]
    (home,) = [each["value"] for each in container["env"] if each["name"].endswith("HOME_DASHBOARD_PATH")]
    folder = yaml.safe_load(production.one("ConfigMap", "grafana").inputs["data"]["folder.yaml"])
    assert home == f"{folder['providers'][0]['options']['path']}/service-levels.json"


def test_without_grafana_nobody_is_admitted_to_prometheus_but_itself(development: Recording) -> None:
    assert not any(one.object_name.startswith("grafana") for one in development.objects)
    assert "ingress" not in development.one("NetworkPolicy", "prometheus").inputs["spec"]
