"""The whole program on mocks: what all of its parts must have in common, and how they fit together."""

from typing import Any

import pytest

from tests.unit.conftest import Stacks
from tests.unit.faults import GATEWAY, INGRESS
from tests.unit.recording import CHECKOUT, UNKNOWN, Recording, run_stack, stack_config
from tests.unit.references import dangling
from tests.unit.stacks import OF_THE_CLUSTER


def test_what_the_stack_is_for_comes_out(development: Recording) -> None:
    assert development.outputs["url"] == "https://vision-week.localhost:8443"
    assert development.outputs["ca_certificate"].startswith("certificate ")
    assert development.outputs["namespaces"] == {
        "app": "vision-week-app",
        "data": "vision-week-data",
        "edge": "vision-week-edge",
        "monitoring": "vision-week-monitoring",
    }
    assert set(development.outputs["images"]) == {
        "app",
        "websocket",
        "haproxy",
        "postgres",
        "nginx",
        "nginx-exporter",
        "node-exporter",
        "prometheus",
        "redis",
        "redis-exporter",
        "alertmanager",
        "blackbox-exporter",
        "grafana",
        "jaeger",
        "collector",
        "kube-state-metrics",
        "loki",
    }


def test_a_first_preview_shows_every_resource(stacks: Stacks, stack: str) -> None:
    """Nothing hides behind a value that isn't known yet."""
    known, preview = stacks(stack), stacks(stack, preview=True)
    assert {one.urn for one in preview.made} == {one.urn for one in known.made}
    assert preview.outputs["url"] == known.outputs["url"]
    assert preview.outputs["namespaces"] == known.outputs["namespaces"]
    assert all(UNKNOWN not in (one.namespace, one.object_name) for one in preview.objects)


def test_every_component_registers_its_outputs(program: Recording) -> None:
    components = [one for one in program.made if one.type.startswith("vision-week:")]
    assert components
    assert {one.urn for one in components} <= set(program.registered_outputs)


def test_every_resource_has_a_component_for_its_parent(program: Recording) -> None:
    components = {one.urn for one in program.made if one.type.startswith("vision-week:")}
    assert [one.name for one in program.made if one.parent not in components] == ["platform"]


def test_every_object_names_the_provider_that_the_program_made(program: Recording) -> None:
    (provider,) = [one for one in program.made if one.type == "pulumi:providers:kubernetes"]
    assert {one.provider.rpartition("::")[0] for one in program.objects} == {provider.urn}


def test_every_object_has_the_standard_labels(program: Recording) -> None:
    for one in program.objects:
        assert one.metadata["labels"]["app.kubernetes.io/part-of"] == "vision-week"
        assert one.metadata["labels"]["app.kubernetes.io/managed-by"] == "pulumi"


def test_two_stacks_in_one_cluster_share_nothing(development: Recording) -> None:
    config = stack_config("development")
    config["vision-week:namespace_prefix"] = "test"
    config["vision-week:storage"]["class_name"] = "fast-ssd-test"
    stacks = (development, run_stack(config))
    names = [{(one.kind, one.namespace, one.object_name) for one in recording.objects} for recording in stacks]
    assert not names[0] & names[1]


@pytest.mark.parametrize("protect", [True, False])
def test_what_holds_data_is_protected_where_the_settings_say_so(protect: bool) -> None:
    recording = run_stack(stack_config("development") | {"vision-week:protect": protect})
    protected = {f"{one.kind} {one.name}" for one in recording.made if one.protect}
    holding = {
        "Namespace app",
        "Namespace data",
        "Namespace edge",
        "Namespace monitoring",
        "PersistentVolumeClaim uploads",
        "StatefulSet alertmanager",
        "StatefulSet postgres",
        "StatefulSet prometheus",
        "StatefulSet redis",
    }
    assert protected == (holding if protect else set())


@pytest.mark.parametrize("edge", [GATEWAY, INGRESS], ids=["gateway", "ingress"])
def test_another_edge_is_one_setting_away(edge: dict[str, Any]) -> None:
    recording = run_stack(stack_config("development") | {"vision-week:edge": edge})
    assert recording.outputs["url"] == "https://vision-week.example"
    assert dangling(recording, of_the_cluster=OF_THE_CLUSTER) == []


def test_the_program_itself_has_no_logic() -> None:
    program = (CHECKOUT / "__main__.py").read_text()
    assert len(program.splitlines()) <= 30
