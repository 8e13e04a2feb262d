"""Requests followed on pods: from a visitor's own trace over the edge and the application to SQL, to Jaeger, to the
lines of everyone who had the request, and to an example beside the latencies.
"""

import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from localcloud.images import logs
from tests.cluster.asking import asked
from tests.cluster.database import primary, psql
from tests.cluster.releases import deliver
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.test_network_policies import reached
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

APP = f"{PREFIX}-app"
MONITORING = f"{PREFIX}-monitoring"
NODE = f"{PREFIX}-node"
CALLER = "00f067aa0ba902b7"


@pytest.fixture(scope="module", autouse=True)
def _followed(stack: Stack) -> Iterator[None]:
    """The stack with what keeps logs and traces, and every request followed."""
    logs.up(lambda _: None, traces=True)
    stack.set("monitoring.logs", True)
    stack.set("monitoring.traces.enabled", True)
    stack.set("monitoring.traces.percent", 100)
    try:
        stack.pulumi("up", "--yes", "--skip-preview")
        for what in ("statefulset/loki", "statefulset/jaeger"):
            stack.kubectl("-n", MONITORING, "rollout", "status", what, "--timeout=120s")
        stack.kubectl("-n", NODE, "rollout", "status", "daemonset/collector", "--timeout=120s")
        yield
    finally:
        stack.set("monitoring.logs", False)
        stack.set("monitoring.traces.enabled", False)
        stack.pulumi("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module")
def jaeger(stack: Stack) -> Iterator[httpx.Client]:
    """Jaeger, as people reach it."""
    (pod,) = stack.objects("monitoring", "pods", "app.kubernetes.io/name=jaeger")
    words = ["kubectl", "-n", MONITORING, "port-forward", f"pod/{pod['metadata']['name']}", ":16686"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout
        port = forwarding.stdout.readline().partition("127.0.0.1:")[2].split()[0]
        there = f"https://127.0.0.1:{port}/api/"
        with httpx.Client(base_url=there, verify=False, trust_env=False, timeout=30) as client:  # noqa: S501
            yield client
        forwarding.terminate()


def spans(jaeger: httpx.Client, trace: str) -> dict[str, dict[str, Any]]:
    """Name -> span, once there are any."""

    def kept() -> list[dict[str, Any]]:
        answer = jaeger.get(f"traces/{trace}")
        return [span for each in answer.json().get("data") or [] for span in each["spans"]]

    return {span["operationName"]: span for span in wait_for(kept, f"spans of {trace}", patience=60, every=1)}


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Whoever reads or writes the table meanwhile waits."""
    words = ["kubectl", "-n", f"{PREFIX}-data", "exec", "-i", primary(stack), "-c", "postgres", "--"]
    with subprocess.Popen(
        [*words, "psql", "--dbname=vision_week", "-qAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write(f"BEGIN;\nLOCK TABLE {table};\nSELECT 'locked';\n")
        session.stdin.flush()
        assert session.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            session.stdin.close()


def test_one_request_is_followed_from_the_edge_to_sql(stack: Stack, client: httpx.Client, jaeger: httpx.Client) -> None:
    """S8.3"""
    trace, answers = secrets.token_hex(16), []
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}

    def ask() -> None:
        answers.append(client.get("/api/exhibits?limit=13", headers=headers))

    asking = threading.Thread(target=ask, daemon=True)
    with locked(stack, "exhibits"):
        asking.start()
        wanted = f"query LIKE '%00-{trace}-%' AND usename <> 'postgres'"
        question = rf"SELECT regexp_replace(query, '\s+', ' ', 'g') FROM pg_stat_activity WHERE {wanted}"  # noqa: S608
        running = wait_for(lambda: psql(stack, question), "the statement to be seen", patience=20, every=0.5)
    asking.join()
    (answer,) = answers
    number = answer.headers["X-Request-Id"]
    assert f"request_id='{number}'" in running

    found = spans(jaeger, trace)
    tags = {tag["key"]: tag["value"] for tag in found["GET /api/exhibits"]["tags"]}
    assert (tags["request.id"], tags["http.response.status_code"]) == (number, 200)
    assert found["GET /api/exhibits"]["references"][0]["spanID"] == CALLER
    assert {"SELECT", "Redis", "connect to the database"} <= set(found)

    def lines() -> list[dict[str, Any]]:
        told = [json.loads(line) for line in deliver(stack, "logs", "--since", "15m", "--grep", trace).splitlines()]
        return told if {each["namespace"] for each in told} >= {APP, f"{PREFIX}-edge"} else []

    told = wait_for(lines, "the lines of both nginx", patience=60, every=1)
    assert {each["fields"]["request_id"] for each in told} == {number}


def test_an_example_of_a_latency_leads_to_its_trace(
    client: httpx.Client, jaeger: httpx.Client, prometheus: httpx.Client
) -> None:
    """S8.1"""
    trace = secrets.token_hex(16)
    client.get("/api/session", headers={"traceparent": f"00-{trace}-{CALLER}-01"}).raise_for_status()

    def examples() -> set[str]:
        found = asked(
            prometheus,
            "query_exemplars",
            query='vision_week_http_request_duration_seconds_bucket{route="/api/session"}',
            start=str(time.time() - 600),
            end=str(time.time() + 60),
        )
        return {each["labels"]["trace_id"] for series in found for each in series["exemplars"]}

    wait_for(lambda: trace in examples(), "the example", patience=60, every=1)
    assert "GET /api/session" in spans(jaeger, trace)


def test_the_application_tells_the_collectors_and_nobody_else_does(stack: Stack) -> None:
    """S7.1"""
    collectors = stack.objects("node", "pods", "app.kubernetes.io/name=collector")
    (jaeger,) = stack.objects("monitoring", "pods", "app.kubernetes.io/name=jaeger")
    there = {(pod["metadata"]["name"], 4318): pod["status"]["podIP"] for pod in collectors}
    addresses = {**there, ("jaeger", 4318): jaeger["status"]["podIP"], ("jaeger", 16686): jaeger["status"]["podIP"]}

    def tried(area: str, name: str, container: str) -> set[tuple[str, int]]:
        pod = stack.objects(area, "pods", f"app.kubernetes.io/name={name}")[0]["metadata"]["name"]
        return reached(stack, f"{PREFIX}-{area}", pod, container, addresses)

    wait_for(lambda: tried("app", "app", "php") == set(there), "the application to reach them", patience=60, every=1)
    for area, name, container in (
        ("app", "websocket", "websocket"),
        ("edge", "edge", "nginx"),
        ("data", "postgres", "postgres"),
        ("monitoring", "alertmanager", "alertmanager"),
    ):
        assert tried(area, name, container) == set(), name
