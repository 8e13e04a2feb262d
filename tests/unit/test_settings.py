"""What a stack may say, and how a wrong one is refused."""

from typing import Any

import pytest

from components.configuration import SettingsError, parse
from components.fields import walk
from components.settings import ExistingCluster, NginxEdge, Settings
from tests.unit.faults import GKE, refused
from tests.unit.parts import LEAST
from tests.unit.recording import stack_config

STACKS = ("development", "staging", "production")


def edge(**more: Any) -> dict[str, Any]:
    return {**LEAST["edge"], **more}


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_files_load(stack: str) -> None:
    """Without a cloud, a cluster or an engine."""
    values = {
        key.removeprefix("vision-week:"): value
        for key, value in stack_config(stack).items()
        if key.startswith("vision-week:")
    }
    assert isinstance(parse(values), Settings)


def test_the_defaults_are_productions() -> None:
    """S5.1, S6.1, S11.2 and the service levels."""
    settings = parse(LEAST)
    assert (settings.app.replicas.min, settings.app.replicas.max) == (3, 20)
    assert (settings.app.replicas.cpu_percent, settings.app.replicas.memory_percent) == (70, 80)
    assert (settings.websocket.replicas.min, settings.websocket.replicas.max) == (2, 10)
    assert (settings.postgres.members, settings.redis.members, settings.redis.agreeing) == (3, 3, 2)
    assert (settings.app.session_lifetime, settings.app.limits.upload) == (3600, "10M")
    assert (settings.app.limits.api_per_second, settings.app.limits.login_per_minute) == (10, 5)
    backups = settings.postgres.backups
    assert (backups.full_at, backups.incremental_hours, backups.recover_days) == ("02:00", 6, 30)
    assert (backups.archive_timeout, backups.archive_alert) == (30, 60)
    alerts = settings.monitoring.alerts
    assert (alerts.server_errors_per_second, alerts.latency_ms, alerts.latency_goal_ms) == (0.1, 1000, 500)
    assert (alerts.cpu_percent, alerts.memory_percent, alerts.target_down_minutes) == (80, 90, 1)
    assert (settings.monitoring.logs_days, alerts.availability_percent) == (180, 99.9)
    assert (settings.images.flutter, settings.images.php) == ("3.24.5", "8.2")
    assert settings.protect


def test_a_stack_that_does_not_say_what_it_is_for_serves_people() -> None:
    """What is forgotten makes the program stricter, not laxer."""
    values = {key: value for key, value in LEAST.items() if key != "purpose"}
    with pytest.raises(SettingsError, match="does not go with the purpose live"):
        parse(values)


def test_a_cluster_is_the_name_of_a_context() -> None:
    assert parse(LEAST).cluster == ExistingCluster(context="kind-kind")
    assert parse({**LEAST, "cluster": {"context": "kind-kind"}}).cluster == ExistingCluster(context="kind-kind")


def test_a_number_of_replicas_leaves_nothing_to_an_autoscaler() -> None:
    replicas = parse({**LEAST, "app": {"replicas": 2}}).app.replicas
    assert (replicas.min, replicas.max, replicas.autoscaled) == (2, 2, False)
    assert parse({**LEAST, "app": {"replicas": {"min": 2, "max": 3}}}).app.replicas.autoscaled


def test_a_number_of_cores_may_be_a_number() -> None:
    resources = {"cpu": 1, "cpu_limit": 1.5, "memory": "128Mi"}
    websocket = parse({**LEAST, "websocket": {"replicas": 1, "resources": resources}}).websocket
    assert (websocket.resources.cpu, websocket.resources.cpu_limit) == ("1", "1.5")


def test_every_image_may_be_allowed_at_once() -> None:
    images = parse({**LEAST, "images": {**LEAST["images"], "allow_unpinned": "all"}}).images
    assert images.allow_unpinned == (
        "alertmanager",
        "blackbox-exporter",
        "collector",
        "grafana",
        "haproxy",
        "jaeger",
        "kube-state-metrics",
        "loki",
        "nginx",
        "nginx-exporter",
        "node-exporter",
        "prometheus",
        "redis",
        "redis-exporter",
    )


def test_settings_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(LEAST).release = "v2"


def test_the_host_of_the_edge_is_in_its_url() -> None:
    chosen = parse({**LEAST, "edge": edge(url="https://vision-week.localhost:8443")}).edge
    assert isinstance(chosen, NginxEdge)
    assert chosen.host == "vision-week.localhost"


# --- what is said of a wrong one


def test_an_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    assert refused(app={"replica": 3}) == ["app.replica: unknown key; did you mean replicas?"]
    assert refused(edgee={}) == ["edgee: unknown key; did you mean edge?"]
    assert refused(edge=edge(node_prot=30443)) == ["edge.node_prot: unknown key; did you mean node_port?"]
    assert refused(cluster={**GKE, "apps": {"machine": "n2-standard-4", "max_node": 2}}) == [
        "cluster.apps.max_node: unknown key; did you mean max_nodes?"
    ]


def test_an_unknown_key_like_no_other_is_refused_with_those_there_are() -> None:
    (fault,) = refused(app={"limits": {"x": 1}})
    assert fault == "app.limits.x: unknown key; known: api_per_second, login_per_minute, upload"


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({})
    assert {f"{fault.path}: {fault.reason}" for fault in caught.value.faults} == {
        "cluster: is required",
        "edge: is required",
        "images: is required",
        "release: is required",
    }


def test_all_faults_are_reported_at_once() -> None:
    faults = refused(app={"replicas": 0, "log_level": "loud"}, postgres={"members": 2}, websockets={})
    assert {fault.partition(":")[0] for fault in faults} == {
        "app.replicas",
        "app.log_level",
        "postgres.members",
        "websockets",
    }


def test_all_contradictions_are_reported_at_once() -> None:
    faults = refused(timeouts={"edge": 10}, redis={"quorum": 1}, postgres={"max_connections": 30})
    assert [fault.partition(":")[0] for fault in faults] == [
        "postgres.max_connections",
        "redis.quorum",
        "timeouts.edge",
    ]


def resources(**changes: Any) -> dict[str, Any]:
    return {"resources": {"cpu": "1", "cpu_limit": "1", "memory": "1Gi", **changes}}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"app": {"log_level": "debgu"}},
            "app.log_level: must be one of debug, info, warning, error; did you mean debug?",
        ),
        ({"postgres": {"members": 2}}, "postgres.members: must be one of 1, 3, 5"),
        ({"app": {"replicas": {"min": 3, "max": 2}}}, "app.replicas: max (2) is less than min (3)"),
        (
            {"app": {"replicas": "3"}},
            "app.replicas: must be a group of settings; write its keys below it, or leave it out",
        ),
        (
            {"app": {"replicas": True}},
            "app.replicas: must be a group of settings; write its keys below it, or leave it out",
        ),
        ({"app": {"replicas": 0}}, "app.replicas: must be 1 or more"),
        ({"app": None}, "app: must be a group of settings; write its keys below it, or leave it out"),
        ({"protect": "yes"}, "protect: must be true or false; write it without quotes"),
        ({"app": {"workers": "10"}}, "app.workers: must be a whole number; write it without quotes"),
        ({"app": {"workers": 10.5}}, "app.workers: must be a whole number"),
        ({"storage": {"provisioner": 5}}, "storage.provisioner: must be a text; put it in quotes"),
        ({"storage": {"provisioner": ""}}, "storage.provisioner: must have 1 characters or more"),
        (
            {"storage": {"parameters": []}},
            "storage.parameters: must be keys with values; write them below it, or {} for none",
        ),
        (
            {"monitoring": {"alerts": {"server_errors_per_second": "many"}}},
            "monitoring.alerts.server_errors_per_second: must be a number; write it without quotes",
        ),
        (
            {"monitoring": {"alerts": {"server_errors_per_second": 0}}},
            "monitoring.alerts.server_errors_per_second: must be more than 0",
        ),
        (
            {"monitoring": {"receivers": "me"}},
            "monitoring.receivers: must be a list; write [a, b], or a line with - for each",
        ),
        (
            {"monitoring": {"receivers": [{"name": "me", "secret": "s", "severities": []}]}},
            "monitoring.receivers[0].severities: must have 1 or more",
        ),
        ({"postgres": {"size": "10"}}, "postgres.size: is less than a mebibyte; add the unit (Mi, Gi)"),
        (
            {"redis": {"size": "1 GB"}},
            "redis.size: is not an amount; write it as Kubernetes does: 250m, 2, 512Mi, 10Gi",
        ),
        ({"redis": resources(cpu="0")}, "redis.resources.cpu: must be more than nothing"),
        (
            {"redis": resources(cpu="1500m")},
            "redis.resources: cpu_limit (1) is less than cpu (1500m); Kubernetes refuses that",
        ),
        (
            {"images": {"registry": "registry.example/vision-week", "allow_unpinned": ["redsi"]}},
            "images.allow_unpinned[0]: is not in the catalogue, which has only "
            "alertmanager, blackbox-exporter, collector, grafana, haproxy, jaeger, kube-state-metrics, loki, nginx, "
            "nginx-exporter, node-exporter, prometheus, redis, redis-exporter",
        ),
        ({"edge": {"url": "https://a.example"}}, "edge.flavour: is required; one of nginx, gateway, ingress"),
        (
            {"edge": {"flavour": "ngnix", "url": "https://a.example"}},
            "edge.flavour: must be one of nginx, gateway, ingress; did you mean nginx?",
        ),
        ({"cluster": {"flavour": "gke", "project": "a-project", "project_number": 1}}, "cluster.region: is required"),
        (
            {"cluster": {**GKE, "apps": {"machine": "n2-standard-4", "min_nodes": 3, "max_nodes": 2}}},
            "cluster.apps: max_nodes (2) is less than min_nodes (3)",
        ),
        (
            {"cluster": {"context": "x", "control_plane": [10]}},
            "cluster.control_plane[0]: must be a network in text, like 10.0.0.0/20",
        ),
        (
            {"cluster": {"context": "x", "control_plane": ["10.0.0.1/20"]}},
            "cluster.control_plane[0]: is not a network: 10.0.0.1/20 has host bits set; write it like 10.0.0.0/20",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_path_and_reason(changes: dict[str, Any], fault: str) -> None:
    assert refused(**changes) == [fault]


def test_every_setting_is_documented_with_its_range_and_source() -> None:
    for field in walk():
        assert field.words, f"{field.path} has no text below it"
        source = field.words.rpartition("(")[2]
        assert source.startswith(("S", "DESIGN", "DECISIONS", "service levels")), f"{field.path} cites nothing"
        for bound in field.info.metadata:
            for name in ("ge", "le", "gt", "max_length"):
                if (number := getattr(bound, name, None)) is not None:
                    assert str(number) in field.words, f"{field.path} does not tell its bound {number}"


def test_no_setting_bears_the_name_of_a_stack() -> None:
    """What differs between environments is a setting; what a setting does may not depend on where."""
    assert not {field.name for field in walk()} & set(STACKS)
