"""What the collectors bring of real pods: their logs, found through the script, without what must not be kept, also
while Loki is away; and what their containers use.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from components.monitoring import containers, subjects
from components.monitoring.subjects.containers import cpu_share, memory_share
from components.settings import Alerts
from localcloud.images import logs
from tests.cluster.asking import answers, asked
from tests.cluster.releases import deliver
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.test_network_policies import reached
from tests.questions import for_prometheus
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

APP = f"{PREFIX}-app"
MONITORING = f"{PREFIX}-monitoring"
NODE = f"{PREFIX}-node"
AREAS = ("app", "data", "edge", "monitoring")
SECRET = "Tr0ub4dor-and-3"
# Seconds that a store may be away without a line being lost.
AWAY = 300


@pytest.fixture(scope="module", autouse=True)
def _kept(stack: Stack) -> Iterator[None]:
    """The stack with what keeps logs."""
    logs.up(lambda _: None)
    stack.set("monitoring.logs", True)
    try:
        stack.pulumi("up", "--yes", "--skip-preview")
        stack.kubectl("-n", MONITORING, "rollout", "status", "statefulset/loki", "--timeout=120s")
        stack.kubectl("-n", NODE, "rollout", "status", "daemonset/collector", "--timeout=120s")
        yield
    finally:
        stack.set("monitoring.logs", False)
        stack.pulumi("up", "--yes", "--skip-preview")


def found(stack: Stack, mark: str) -> list[dict[str, Any]]:
    """The lines with this in them, as the script gives them."""
    return [json.loads(line) for line in deliver(stack, "logs", "--since", "15m", "--grep", mark).splitlines()]


def said(stack: Stack, name: str, *lines: str) -> None:
    """A pod of the application's namespace that says this, and is gone."""
    spec = {**pod_spec("printf", "%s\\n", *lines), "restartPolicy": "Never"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    stack.kubectl("-n", APP, "create", "-f", "-", stdin=json.dumps(pod))
    succeeded = "--for=jsonpath={.status.phase}=Succeeded"
    stack.kubectl("-n", APP, "wait", succeeded, f"pod/{name}", "--timeout=120s")


def pod_spec(*command: str) -> dict[str, Any]:
    """Of a pod as our namespaces take it."""
    container = {
        "name": "main",
        "image": "docker.io/library/python:3.11-slim-bookworm",
        "command": list(command),
        "resources": {key: {"cpu": "10m", "memory": "32Mi"} for key in ("requests", "limits")},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }


def test_a_line_is_found_through_the_script_without_secrets_and_addresses(
    stack: Stack, client: httpx.Client, record_property: Callable[[str, object], None]
) -> None:
    """S8.3, S9.1, S7.3, DECISIONS: personal data"""
    mark = f"seen-{secrets.token_hex(8)}"
    assert client.get(f"/{mark}").status_code == 404
    began = time.monotonic()
    (line, *_) = wait_for(lambda: found(stack, mark), "the request to be found", patience=60, every=1)
    record_property("a line is found after", f"{time.monotonic() - began:.1f} s")
    assert (line["namespace"], line["message"]) in {(APP, "request"), (f"{PREFIX}-edge", f"GET /{mark}")}

    planted, name = f"planted-{secrets.token_hex(8)}", f"planted-{secrets.token_hex(4)}-0"
    words = {"level": "error", "message": planted, "password": SECRET, "peer": "203.0.113.77"}
    said(stack, name, json.dumps(words))
    wait_for(lambda: found(stack, planted), "what a pod has said", patience=60, every=1)
    # What a pod that is gone has said is still there.
    stack.kubectl("-n", APP, "delete", "pod", name)
    (line,) = found(stack, planted)
    assert (line["pod"], line["level"], line["service"]) == (name, "error", name.removesuffix("-0"))
    assert line["fields"] == {"password": "[redacted]", "peer": "203.0.113.0"}


def test_loki_is_reached_by_prometheus_and_by_no_other_pod_with_a_shell(stack: Stack) -> None:
    """S7.1. The collectors, which have none, reach it, or nothing would be found."""

    def tried(area: str, name: str, container: str) -> set[tuple[str, int]]:
        (loki,) = stack.objects("monitoring", "pods", "app.kubernetes.io/name=loki")
        pod = stack.objects(area, "pods", f"app.kubernetes.io/name={name}")[0]["metadata"]["name"]
        return reached(stack, f"{PREFIX}-{area}", pod, container, {("loki", 3100): loki["status"]["podIP"]})

    wait_for(lambda: tried("monitoring", "prometheus", "prometheus"), "Prometheus to reach Loki", patience=60, every=1)
    assert tried("monitoring", "alertmanager", "alertmanager") == set()
    assert tried("app", "app", "php") == set()


def test_what_every_container_of_ours_uses_is_known_and_of_nobody_else(stack: Stack, prometheus: httpx.Client) -> None:
    """Service levels: alerts on processor and memory."""

    def told(expr: str) -> set[tuple[str, str]]:
        found = asked(prometheus, "query", query=f"{expr} >= 0")["result"]
        return {(each["metric"]["pod"], each["metric"]["container"]) for each in found}

    def running() -> set[tuple[str, str]]:
        pods = [pod for area in AREAS for pod in stack.objects(area, "pods")]
        return {
            (pod["metadata"]["name"], each["name"])
            for pod in pods
            if pod["status"]["phase"] == "Running"
            for each in pod["spec"]["containers"]
        }

    wait_for(lambda: told(memory_share()) >= running(), "the memory of every container", patience=180, every=3)
    wait_for(lambda: told(cpu_share()) >= running(), "the processor of every container", patience=180, every=3)
    found = asked(prometheus, "query", query='count by (namespace) ({job="containers",container!=""})')["result"]
    assert {each["metric"]["namespace"] for each in found} == {f"{PREFIX}-{area}" for area in AREAS}
    (page,) = (each for each in subjects.pages(Alerts()) if each.name == "containers")
    for panel in (panel for row in page.rows.values() for panel in row):
        for expr in panel.questions.values():
            wait_for(partial(answers, prometheus, for_prometheus(expr)), panel.title, patience=120, every=1)


@pytest.fixture
def volume(stack: Stack) -> Iterator[str]:
    """A claim, called as if it were PostgreSQL's, and mounted by a pod. Its volume is of a kind of which the kubelet
    tells; of those that the local cloud makes, folders of the machine, it doesn't."""
    name, place = "data-postgres-told", f"{PREFIX}-told"
    anywhere = [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]
    alike = {"accessModes": ["ReadWriteOnce"], "storageClassName": place}
    there = {
        **alike,
        "capacity": {"storage": "1Gi"},
        "local": {"path": "/tmp"},  # noqa: S108  any folder that each node has; nothing is written there
        "nodeAffinity": {"required": {"nodeSelectorTerms": anywhere}},
    }
    wanted = {**alike, "resources": {"requests": {"storage": "1Gi"}}}
    spec = pod_spec("sleep", "3600")
    spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data", "readOnly": True}]
    spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    listed = [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": place}, "spec": there},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "told"}, "spec": spec},
    ]
    made = json.dumps({"apiVersion": "v1", "kind": "List", "items": listed})
    stack.kubectl("-n", APP, "create", "-f", "-", stdin=made)
    try:
        yield name
    finally:
        stack.kubectl("-n", APP, "delete", "-f", "-", "--grace-period=1", stdin=made)


def test_how_full_a_claim_is_is_known(stack: Stack, prometheus: httpx.Client, volume: str) -> None:
    """S8.1, S8.2: as the kubelet tells it, of our namespaces and of nobody else's."""
    rows = {
        page.name: page.rows[subjects.claims.ROW]
        for page in subjects.pages(Alerts())
        if page.name in {"cluster", "postgresql"}
    }
    for page, row in rows.items():
        for panel in row:
            for expr in panel.questions.values():
                what = f"an answer to {panel.title} on {page}"
                wait_for(partial(answers, prometheus, for_prometheus(expr)), what, patience=240, every=2)
    told = asked(prometheus, "query", query='{job="claims",persistentvolumeclaim!=""}')["result"]
    assert {(each["metric"]["namespace"], each["metric"]["persistentvolumeclaim"]) for each in told} == {(APP, volume)}
    assert {each["metric"]["__name__"] for each in told} == set(containers.OF_CLAIMS)
    nodes = len(stack.objects("node", "pods", "app.kubernetes.io/name=collector"))
    asked_of = asked(prometheus, "query", query='up{job="claims"} == 1')["result"]
    assert len(asked_of) == nodes


def test_what_the_load_balancer_answered_by_itself_is_counted_by_status(
    prometheus: httpx.Client, client: httpx.Client
) -> None:
    """S8.1, S8.2"""
    (row,) = (page.rows[subjects.edge.ANSWERS] for page in subjects.pages(Alerts()) if page.name == "edge")
    counted = 'sum(nginx_answers_total{service="edge",status="429"})'

    def more(expr: str) -> bool:
        for _ in range(60):
            client.get("/api/session")
        return answers(prometheus, for_prometheus(expr))

    for expr in (counted, *(expr for panel in row for expr in panel.questions.values())):
        if "502" not in expr:  # nobody behind is away here
            wait_for(partial(more, expr), expr, patience=120, every=1)


def test_nothing_is_lost_while_loki_is_away_for_minutes_and_the_collectors_are_started_again(stack: Stack) -> None:
    """S8.3"""
    mark, name = f"drill-{secrets.token_hex(8)}", f"drill-{secrets.token_hex(4)}"
    stack.kubectl("-n", MONITORING, "scale", "statefulset/loki", "--replicas=0")
    stack.kubectl("-n", MONITORING, "wait", "--for=delete", "pod/loki-0", "--timeout=120s")
    said(stack, f"{name}-0", *(f"{mark}-{number:05}" for number in range(2000)))
    stack.kubectl("-n", NODE, "delete", "pods", "-l", "app.kubernetes.io/name=collector")
    stack.kubectl("-n", NODE, "rollout", "status", "daemonset/collector", "--timeout=120s")
    said(stack, f"{name}-1", *(f"{mark}-{number:05}" for number in range(2000, 4000)))
    # Longer than collectors wait for a store unless they are told to wait for ever.
    time.sleep(AWAY)
    stack.kubectl("-n", MONITORING, "scale", "statefulset/loki", "--replicas=1")
    stack.kubectl("-n", MONITORING, "rollout", "status", "statefulset/loki", "--timeout=180s")
    wanted = [f"{mark}-{number:05}" for number in range(4000)]
    wait_for(
        lambda: sorted(line["message"] for line in found(stack, mark)) == wanted,
        "every line to be there, once",
        patience=120,
        every=2,
    )
    stack.kubectl("-n", APP, "delete", "pod", f"{name}-0", f"{name}-1")
