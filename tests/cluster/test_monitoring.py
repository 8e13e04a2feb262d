"""Prometheus on real pods: what it asks answers, and what it concludes follows from what happens."""

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from typer.testing import CliRunner

from components.monitoring import subjects
from components.settings import Alerts
from operations.audit import command as audit
from tests.cluster import database, store
from tests.cluster.asking import answers, asked, value
from tests.cluster.receiver import Receiver
from tests.cluster.stack import HOST, PORT, PREFIX, Stack
from tests.questions import for_prometheus
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


def states(prometheus: httpx.Client) -> Mapping[str, list[str]]:
    """Job -> the state of each of its targets."""
    found: dict[str, list[str]] = {}
    for target in asked(prometheus, "targets", state="active")["activeTargets"]:
        found.setdefault(target["labels"]["job"], []).append(target["health"])
    return found


def test_every_target_is_up_and_every_pod_is_one(stack: Stack, prometheus: httpx.Client) -> None:
    """S8.1"""

    def pods(area: str, name: str) -> int:
        return len(stack.objects(area, "pods", f"app.kubernetes.io/name={name}"))

    def all_up() -> bool:
        app, websocket = pods("app", "app"), pods("app", "websocket")
        postgres, redis = pods("data", "postgres"), pods("data", "redis")
        numbers = {"app": app, "nginx": app, "php-fpm": app, "websocket": websocket, "edge": pods("edge", "edge")}
        numbers |= {"patroni": postgres, "postgres": postgres, "pooler": postgres}
        numbers |= {"haproxy": redis, "redis": redis, "alertmanager": 1, "backups": 1, "prometheus": 1}
        numbers |= {"probes": 1, "probes-api": 1, "probes-websocket": 1}
        return states(prometheus) == {job: ["up"] * number for job, number in numbers.items()}

    wait_for(all_up, "every target to be up", patience=150, every=1)


def test_requests_show_in_the_numbers(prometheus: httpx.Client, client: httpx.Client) -> None:
    counted = 'sum(vision_week_http_requests_total{route="/api/exhibits"})'
    before = value(prometheus, counted)
    # Who has a cookie gets no kept answer.
    assert client.get("/api/exhibits", headers={"Cookie": "seen=1"}).status_code == 200
    wait_for(lambda: value(prometheus, counted) > before, "the request to be counted", patience=60, every=1)


def test_every_haproxy_says_which_member_of_redis_is_primary_and_has_a_replica_that_follows(
    prometheus: httpx.Client,
) -> None:
    """As the alerts of Redis ask: one member, in both lists, of all that there are."""
    for proxy in ("alone", "replicated"):
        seen = f'haproxy_server_status{{service="redis",proxy="{proxy}",state="UP"}}'
        for number in (f"count({seen} == 1)", f"count(count by (server) ({seen}))"):
            wait_for(lambda number=number: value(prometheus, number) == store.MEMBERS, number, patience=60, every=1)  # type: ignore[misc]
        assert value(prometheus, f"count(count by (server) ({seen} == 1))") == 1


def test_the_exporters_get_an_answer_to_all_that_they_ask(prometheus: httpx.Client) -> None:
    """Of replicas, too, which refuse some questions that a primary answers."""
    for fine, members in (
        ("pg_up == 1 unless pg_exporter_last_scrape_error == 1", database.MEMBERS),
        ("pgbouncer_up == 1", database.MEMBERS),
        ("redis_up == 1", store.MEMBERS),
    ):
        wait_for(partial(value, prometheus, f"count({fine}) == {members}"), fine, patience=60, every=1)


def test_the_exporters_of_databases_are_asked_under_tls(prometheus: httpx.Client) -> None:
    """S7.3: encrypted in transit, and the name in the certificate is checked."""

    def schemes() -> set[str]:
        found = asked(prometheus, "targets", state="active")["activeTargets"]
        those = [each for each in found if each["labels"]["job"] in {"postgres", "pooler", "redis"}]
        assert those
        return {f"{each['health']} {each['scrapeUrl'].partition(':')[0]}" for each in those}

    wait_for(lambda: schemes() == {"up https"}, "the exporters to answer under TLS", patience=60, every=1)


def test_the_public_address_answers_and_its_certificate_is_the_one_that_visitors_are_shown(
    stack: Stack, prometheus: httpx.Client, trusted: ssl.SSLContext
) -> None:
    """Asked under its public names, and trusted by the stack's own authority alone."""
    edge = stack.settings["config"]["vision-week:edge"]
    names = (stack.outputs()["url"], f"https://{edge['api_host']}:{PORT}", f"wss://{edge['websocket_host']}:{PORT}/ws")
    for url in names:
        wait_for(partial(value, prometheus, f'probe_success{{url="{url}"}} == 1'), url, patience=60, every=1)
    with (
        socket.create_connection(("127.0.0.1", PORT), timeout=30) as connection,
        trusted.wrap_socket(connection, server_hostname=HOST) as secured,
    ):
        shown = secured.getpeercert()
    assert shown
    told = f'probe_ssl_earliest_cert_expiry{{url="{names[0]}"}}'
    assert value(prometheus, told) == ssl.cert_time_to_seconds(str(shown["notAfter"]))


def test_every_rule_is_evaluated_without_a_fault(prometheus: httpx.Client) -> None:
    def healths() -> list[str]:
        return [rule["health"] for group in asked(prometheus, "rules")["groups"] for rule in group["rules"]]

    wait_for(lambda: "unknown" not in healths(), "every rule to have been evaluated", patience=60, every=1)
    assert set(healths()) == {"ok"}


def test_there_are_fewer_series_than_the_budget_has(
    prometheus: httpx.Client, record_property: Callable[[str, object], None]
) -> None:
    """A label without bound would fill the memory that was planned for."""
    series = value(prometheus, "max(prometheus_tsdb_head_series)")
    memory = value(prometheus, 'max(process_resident_memory_bytes{service="prometheus"})')
    record_property("series and memory of Prometheus", f"{series:.0f}, {memory / 2**20:.0f} MiB")
    assert 0 < series < subjects.monitoring.SERIES_BUDGET


# Panels whose questions have no answer here, and why.
WITHOUT_ANSWER = {"Raised now": "nothing is wrong"}
# Rows that only the collectors of logs tell of, which this stack has not (`test_logs.py`).
OF_LOGS = {subjects.edge.ANSWERS, subjects.claims.ROW}
# Pages of what only some stacks have: the collectors' (`test_logs.py`), of nodes (`test_nodes.py`), of the cluster's
# objects, which kube-state-metrics tells of, and that can't be had here (`tests/unit/test_monitoring_dashboards.py`).
OF_OTHERS = {"containers", "nodes", "cluster"}


def test_every_panel_of_every_dashboard_has_an_answer(prometheus: httpx.Client, client: httpx.Client) -> None:
    """S8.2. While somebody uses the application; Grafana itself isn't there."""

    def answered(expr: str) -> bool:
        if answers(prometheus, for_prometheus(expr)):
            return True
        assert client.get("/api/exhibits", headers={"Cookie": "seen=1"}).status_code == 200
        return False

    for page in (each for each in subjects.pages(Alerts()) if each.name not in OF_OTHERS):
        rows = [panels for title, panels in page.rows.items() if title not in OF_LOGS]
        for panel in (panel for row in rows for panel in row if panel.title not in WITHOUT_ANSWER):
            for legend, expr in panel.questions.items():
                what = f"an answer to {legend} of {panel.title} on {page.title}"
                wait_for(partial(answered, expr), what, patience=120, every=1)


def heard(on_call: Receiver, status: str, **labels: str) -> bool:
    return any(alert["status"] == status and labels.items() <= alert["labels"].items() for alert in on_call.heard())


@pytest.mark.usefixtures("stack")
def test_a_review_is_told_what_prometheus_remembers(prometheus: httpx.Client, tmp_path: Path) -> None:
    """The alert that is always raised, and each of the backups' jobs that has gone well by now."""
    archive = tmp_path / "review.zip"
    address = str(prometheus.base_url).removesuffix("/api/v1/")
    words = ["pack", "test", "--since", "2026-11-01", "--output", str(archive), "--prometheus", address]
    done = CliRunner().invoke(audit.app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with ZipFile(archive) as opened:
        alerts = opened.read("alerts.csv").decode().splitlines()
        assert "postgres-backups-" in opened.read("backups.csv").decode()
    # Rules mark where a series ends, so that what goes on is seen to go on.
    assert [line for line in alerts if line.startswith("Watchdog,heartbeat,") and ",still raised," in line]
    assert "- alerts.csv: alerts are known from " in done.stdout


def test_that_alerts_get_through_is_told_all_the_time(on_call: Receiver) -> None:
    """S8.2: from Prometheus' rule to a pod outside, under TLS on both ways; its silence is the alarm."""
    wait_for(lambda: heard(on_call, "firing", alertname="Watchdog"), "the receiver to hear", patience=180, every=1)


@pytest.mark.drill
def test_who_is_on_call_hears_of_a_pod_that_does_not_answer_and_of_its_end(stack: Stack, on_call: Receiver) -> None:
    """Service levels: a target that is down for a minute is critical. The pod has the WebSocket service's labels, and
    nothing listens in it; it is never ready, so no client is led to it."""
    namespace, name = f"{PREFIX}-app", "websocket-deaf"
    labels = {"app.kubernetes.io/name": "websocket", "app.kubernetes.io/part-of": "vision-week"}
    container = {
        "name": "main",
        "image": "docker.io/library/python:3.11-slim-bookworm",
        "command": ["sleep", "3600"],
        "resources": {key: {"cpu": "10m", "memory": "32Mi"} for key in ("requests", "limits")},
        "readinessProbe": {"exec": {"command": ["false"]}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
    about = {"alertname": "TargetDown", "service": "websocket", "severity": "critical"}
    stack.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod))
    try:
        wait_for(lambda: heard(on_call, "firing", **about), "the alert to be heard", patience=240, every=1)
    finally:
        stack.kubectl("-n", namespace, "delete", "pod", name)
    wait_for(lambda: heard(on_call, "resolved", **about), "its end to be heard", patience=240, every=1)


@pytest.mark.drill
def test_an_application_that_answers_no_visitor_is_noticed(stack: Stack, prometheus: httpx.Client) -> None:
    """The edge is there, and has nobody to lead to."""
    pending = 'ALERTS{alertname="PublicUrlFails",severity="critical"}'
    stack.kubectl("-n", f"{PREFIX}-app", "scale", "deployment/app", "--replicas=0")
    try:
        wait_for(lambda: value(prometheus, pending) == 1, "the alert to be pending", patience=150, every=1)
    finally:
        number = stack.settings["config"]["vision-week:app"]["replicas"]
        stack.kubectl("-n", f"{PREFIX}-app", "scale", "deployment/app", f"--replicas={number}")
        stack.kubectl("-n", f"{PREFIX}-app", "rollout", "status", "deployment/app", "--timeout=180s")


@pytest.mark.drill
def test_a_service_that_is_gone_is_noticed(stack: Stack, prometheus: httpx.Client) -> None:
    """Somebody would be told after five minutes; the alert is pending long before."""
    pending = 'ALERTS{alertname="ServiceMissing",service="websocket",alertstate="pending"}'
    stack.kubectl("-n", f"{PREFIX}-app", "scale", "deployment/websocket", "--replicas=0")
    try:
        wait_for(
            lambda: value(prometheus, pending) == 1,
            "the alert to be pending",
            patience=150,
            every=1,
        )
    finally:
        number = stack.settings["config"]["vision-week:websocket"]["replicas"]
        stack.kubectl("-n", f"{PREFIX}-app", "scale", "deployment/websocket", f"--replicas={number}")
        stack.kubectl("-n", f"{PREFIX}-app", "rollout", "status", "deployment/websocket", "--timeout=120s")
