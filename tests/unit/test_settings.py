"""What a stack may say, and how a wrong one is refused."""

import json
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

from components.configuration import SettingsError, load, parse
from components.settings import ExistingCluster, NginxEdge, Settings
from tests.unit.parts import LEAST
from tests.unit.recording import CHECKOUT, stack_config


def refused(**changes: Any) -> list[str]:
    """The faults of the least settings with some keys changed."""
    with pytest.raises(SettingsError) as caught:
        parse({**LEAST, **changes})
    return [f"{fault.path}: {fault.reason}" for fault in caught.value.faults]


def edge(**more: Any) -> dict[str, Any]:
    return {**LEAST["edge"], **more}


@pytest.mark.parametrize("stack", ["development", "staging", "production"])
def test_the_stack_files_load(stack: str) -> None:
    values = {
        key.removeprefix("vision-week:"): value
        for key, value in stack_config(stack).items()
        if key.startswith("vision-week:")
    }
    assert isinstance(parse(values), Settings)


def test_the_defaults_are_productions() -> None:
    """S5.1, S6.1"""
    settings = parse(LEAST)
    assert (settings.app.replicas.min, settings.app.replicas.max) == (3, 20)
    assert (settings.app.replicas.cpu_percent, settings.app.replicas.memory_percent) == (70, 80)
    assert (settings.websocket.replicas.min, settings.websocket.replicas.max) == (2, 10)
    assert (settings.postgres.members, settings.redis.members) == (3, 3)
    assert settings.app.session_lifetime == 3600
    assert settings.protect


def test_a_cluster_is_the_name_of_a_context() -> None:
    assert parse(LEAST).cluster == ExistingCluster(context="kind-kind")
    assert parse({**LEAST, "cluster": {"context": "kind-kind"}}).cluster == ExistingCluster(context="kind-kind")


def test_a_number_of_replicas_leaves_nothing_to_an_autoscaler() -> None:
    replicas = parse({**LEAST, "app": {"replicas": 2}}).app.replicas
    assert (replicas.min, replicas.max, replicas.autoscaled) == (2, 2, False)


def test_settings_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(LEAST).release = "v2"


def test_an_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    assert refused(app={"replica": 3}) == ["app.replica: unknown key; did you mean replicas?"]
    assert refused(edgee={}) == ["edgee: unknown key; did you mean edge?"]
    assert refused(edge=edge(node_prot=30443)) == ["edge.node_prot: unknown key; did you mean node_port?"]


def test_an_unknown_key_like_no_other_is_refused_with_those_there_are() -> None:
    (fault,) = refused(redis={"x": 1})
    assert fault.startswith("redis.x: unknown key; known: eviction, members, memory_percent")


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


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"app": {"log_level": "debgu"}},
            'app.log_level: must be one of debug, info, warning, error, got "debgu"; did you mean debug?',
        ),
        ({"postgres": {"members": 2}}, "postgres.members: must be one of 1, 3, 5, got 2; known: 1, 3, 5"),
        ({"app": {"replicas": {"min": 3, "max": 2}}}, "app.replicas: max (2) is less than min (3)"),
        ({"app": {"replicas": "3"}}, 'app.replicas: input should be an object, got "3"'),
        ({"app": {"replicas": True}}, "app.replicas: input should be an object, got true"),
        ({"app": None}, "app: input should be an object, got null"),
        ({"protect": "yes"}, 'protect: input should be a valid boolean, got "yes"'),
        (
            {"postgres": {"size": "10"}},
            "postgres.size: '10' is less than a mebibyte; add the unit (Mi, Gi)",
        ),
        (
            {"redis": {"size": "1 GB"}},
            "redis.size: '1 GB' is not an amount; write it as Kubernetes does: 250m, 2, 512Mi, 10Gi",
        ),
        (
            {"redis": {"resources": {"cpu": "0", "cpu_limit": 1, "memory": "1Gi"}}},
            "redis.resources.cpu: must be more than nothing",
        ),
        (
            {"images": {"registry": "registry.example/vision-week", "allow_unpinned": ["redsi"]}},
            "images.allow_unpinned[0]: the catalogue has no 'redsi', only nginx, redis",
        ),
        ({"edge": {"url": "https://a.example"}}, "edge.flavour: is required: one of nginx, gateway, ingress"),
        (
            {"edge": {"flavour": "ngnix", "url": "https://a.example"}},
            'edge.flavour: must be one of nginx, gateway, ingress, got "ngnix"; did you mean nginx?',
        ),
        ({"cluster": {"flavour": "gke", "project": "a-project"}}, "cluster.region: is required"),
        (
            {"edge": {"flavour": "nginx", "url": "https://a.example", "node_port": 30443}},
            "edge.node_port: a LoadBalancer has no port of its own on the nodes; set service to NodePort",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_path_and_reason(changes: dict[str, Any], fault: str) -> None:
    assert refused(**changes) == [fault]


@pytest.mark.parametrize(
    "url", ["http://a.example", "https://a.example/", "https://", "https://A.example", "https://a.example:0"]
)
def test_the_edges_url_is_a_host_by_tls(url: str) -> None:
    (fault,) = refused(edge=edge(url=url))
    assert fault.startswith("edge.url: ")


def test_the_host_of_the_edge_is_in_its_url() -> None:
    chosen = parse({**LEAST, "edge": edge(url="https://vision-week.localhost:8443")}).edge
    assert isinstance(chosen, NginxEdge)
    assert chosen.host == "vision-week.localhost"


@pytest.mark.parametrize("area", ["app", "data", "edge"])
def test_a_quota_below_what_the_workloads_may_need_is_refused(area: str) -> None:
    """Service levels: the namespace's quota admits the autoscaler's maximum."""
    faults = refused(tenancy={area: {"pods": 1, "cpu": "10m", "memory": "1Mi"}})
    assert [fault.partition(": ")[0] for fault in faults] == [
        f"tenancy.{area}.{what}" for what in ("pods", "cpu", "memory")
    ]


def test_the_quota_that_is_named_as_enough_is_enough() -> None:
    faults = refused(tenancy={"app": {"pods": 1, "cpu": "10m", "memory": "1Mi"}})
    needed = [fault.rpartition(" ")[2] for fault in faults]
    quota = {"pods": int(needed[0]), "cpu": needed[1], "memory": needed[2]}
    assert parse({**LEAST, "tenancy": {"app": quota}}).tenancy.app.pods == int(needed[0])


def test_secret_values_are_never_printed() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({**LEAST, "app": {"log_level": "hunter2"}}, secret=frozenset({"app"}))
    assert "hunter2" not in str(caught.value)
    assert "app.log_level" in str(caught.value)


def configure(values: dict[str, Any], secret: list[str] | None = None) -> None:
    """The configuration as the engine hands it over: text, structured values as JSON."""
    config = {
        f"vision-week:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
    }
    set_all_config({**config, "other:release": "not ours"}, secret or [])


def test_the_engines_text_is_read_by_type() -> None:
    configure({**LEAST, "release": "1.10", "protect": False})
    settings = load()
    assert (settings.release, settings.protect) == ("1.10", False)


def test_a_wrong_stack_file_ends_the_program_without_a_traceback() -> None:
    """The engine prints a RunError as it is, and the command fails."""
    configure({**LEAST, "app": {"replica": 3}})
    with pytest.raises(pulumi.RunError) as caught:
        load()
    message = str(caught.value)
    assert "Pulumi." in message
    assert "vision-week:app.replica: unknown key; did you mean replicas?" in message


def test_a_secret_that_the_engine_hands_over_is_not_printed() -> None:
    configure({**LEAST, "app": {"log_level": "hunter2"}}, secret=["vision-week:app"])
    with pytest.raises(pulumi.RunError) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_stack_files_hold_no_secrets() -> None:
    for file in CHECKOUT.glob("Pulumi.*.yaml"):
        assert "password" not in file.read_text()
