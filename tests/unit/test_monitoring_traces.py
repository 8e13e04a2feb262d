"""Where traces are kept and shown: by the stack itself, where the cluster isn't Google's; by Google, where it is."""

from typing import Any

import pytest
import yaml

from components.monitoring import cloud, collector, jaeger, traces
from tests.unit.conftest import Stacks
from tests.unit.recording import Recording, run_stack
from tests.unit.stacks import buildable
from tests.unit.test_program_connections import connections


@pytest.fixture(scope="module")
def followed() -> Recording:
    """The development stack with all that it can have, as somebody has it whose cluster can have Grafana."""
    config = buildable("development")
    watched: dict[str, Any] = {**config["vision-week:monitoring"], "logs": True, "grafana": True}
    watched["traces"] = {"enabled": True, "days": 3}
    images = {**config["vision-week:images"], "allow_unpinned": "all"}
    room = {**config["vision-week:tenancy"], "monitoring": {"pods": 10, "cpu": "4", "memory": "4Gi"}}
    changed = {"monitoring": watched, "images": images, "tenancy": room}
    return run_stack({**config, **{f"vision-week:{key}": value for key, value in changed.items()}})


def sources(recording: Recording) -> dict[str, dict[str, Any]]:
    file = recording.one("ConfigMap", "grafana").inputs["data"]["source.yaml"]
    return {each["uid"]: each for each in yaml.safe_load(file)["datasources"]}


def test_spans_go_from_the_application_to_jaeger_and_grafana_asks_there(followed: Recording) -> None:
    """S7.1: and nobody else speaks to either."""
    about = {each for each in connections(followed) if each[2] in {4318, 8888, 16686}}
    assert about == {
        ("app", "collector", 4318),
        ("collector", "jaeger", 4318),
        ("grafana", "jaeger", 16686),
        ("prometheus", "collector", 8888),
        ("prometheus", "jaeger", 8888),
    }


def test_spans_stay_on_their_node_until_they_are_redacted(followed: Recording) -> None:
    service = followed.one("Service", collector.NAME).inputs["spec"]
    assert service["internalTrafficPolicy"] == "Local"
    told = yaml.safe_load(followed.one("ConfigMap", "collector").inputs["data"]["traces.yaml"])
    pipeline = told["service"]["pipelines"]["traces"]
    assert pipeline["processors"] == ["memory_limiter", "transform/traces"]
    (exporter,) = (told["exporters"][name] for name in pipeline["exporters"])
    assert exporter["endpoint"] == f"https://jaeger.vision-week-monitoring.svc.cluster.local:{jaeger.PORT}"
    assert exporter["tls"] == {"ca_file": "/etc/collector/authority.pem", "server_name_override": "jaeger"}


def test_traces_are_kept_for_the_days_of_the_settings(followed: Recording) -> None:
    kept = yaml.safe_load(followed.one("Secret", "jaeger").inputs["stringData"]["jaeger.yaml"])
    assert kept["extensions"]["jaeger_storage"]["backends"]["volume"]["badger"]["ttl"] == {"spans": "72h"}


def test_a_line_and_a_latency_lead_to_their_trace_and_a_span_to_its_lines(followed: Recording) -> None:
    """S8.2"""
    known = sources(followed)
    (example,) = known["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    (link,) = known["loki"]["jsonData"]["derivedFields"]
    assert example == {"name": "trace_id", "datasourceUid": "jaeger"}
    assert link["datasourceUid"] == "jaeger"
    assert known["jaeger"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == "loki"
    command = followed.one("StatefulSet", "prometheus").at("spec", "template", "spec", "containers")[0]["command"]
    assert "--enable-feature=exemplar-storage" in command


def test_on_google_they_lead_to_cloud_trace(stacks: Stacks) -> None:
    known = sources(stacks("production"))
    assert "jaeger" not in known
    there = "https://console.cloud.google.com/traces/explorer;traceId=${__value.raw}?project=vision-week-production"
    assert known["prometheus"]["jsonData"]["exemplarTraceIdDestinations"] == [{"name": "trace_id", "url": there}]
    assert known["loki"]["jsonData"]["derivedFields"][0]["url"] == there


def test_a_stack_without_traces_has_nothing_of_them(stacks: Stacks) -> None:
    development = stacks("development")
    assert not [one for one in development.objects if one.object_name.startswith(("jaeger", "collector"))]
    command = development.one("StatefulSet", "prometheus").at("spec", "template", "spec", "containers")[0]["command"]
    assert not [word for word in command if "exemplar" in word]


def test_the_queue_of_traces_is_a_part_of_the_memory_that_the_collector_has() -> None:
    """Of 256Mi, beside what it needs itself."""
    assert traces.QUEUE["queue_size"] <= 32 * 2**20
    told = yaml.safe_load(cloud.configuration(cloud.Cloud(project="a", region="b", cluster="c"), {}, traced=False))
    assert list(told["service"]["pipelines"]) == ["logs"]
