"""Pods reach each other, names and the world that they should, from every node."""

import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from kubernetes import client

from localcloud.cluster import layout
from localcloud.docker import docker
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

NODES = [node.name for node in layout.NODES]


@pytest.fixture(scope="module")
def addresses(pods: Pods) -> dict[str, str]:
    """A pod on each node, named after it, with its address."""
    return {node: pods.start(f"on-{node}", node=node) for node in NODES}


@pytest.fixture(scope="module")
def service(pods: Pods, addresses: dict[str, str]) -> str:
    """A Service in front of the pod on the last node; its name."""
    selector = {"app": f"on-{NODES[-1]}"}
    body = {"metadata": {"name": "far"}, "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]}}
    pods.core.create_namespaced_service(pods.namespace, body)
    assert addresses
    name = f"far.{pods.namespace}.svc.{layout.DOMAIN}"
    for node in NODES:
        probe = partial(pods.fetch, f"on-{node}", f"http://{name}")
        wait_for(partial(answers_from_afar, probe), f"the Service on {node}")
    return name


def answers_from_afar(probe: Callable[[], str]) -> bool:
    return probe() == f"on-{NODES[-1]}"


def test_pods_on_different_nodes_reach_each_other(pods: Pods, addresses: dict[str, str]) -> None:
    for source in NODES:
        for target in NODES:
            assert pods.fetch(f"on-{source}", f"http://{addresses[target]}:8080") == f"on-{target}"


def test_a_pods_own_address_is_seen_on_another_node(pods: Pods, addresses: dict[str, str]) -> None:
    """Network policies match on it, so traffic between pods must not be masqueraded."""
    seen = pods.fetch(f"on-{NODES[0]}", f"http://{addresses[NODES[1]]}:8080/caller")
    assert seen == addresses[NODES[0]]


def test_a_service_answers_on_every_node_by_name(pods: Pods, service: str) -> None:
    for node in NODES:
        assert pods.fetch(f"on-{node}", f"http://{service}") == f"on-{NODES[-1]}"


def test_a_pod_reaches_itself_through_its_service(pods: Pods, service: str) -> None:
    assert pods.fetch(f"on-{NODES[-1]}", f"http://{service}") == f"on-{NODES[-1]}"


def test_dns_answers_on_a_node_while_another_is_frozen(pods: Pods, addresses: dict[str, str], service: str) -> None:
    """A central DNS took up to 20 s here: fail-over paths depend on names being there at once."""
    assert addresses
    look_up = (
        f"import socket, time; t = time.monotonic(); socket.gethostbyname({service!r}); print(time.monotonic() - t)"
    )
    frozen = layout.NODES[1].container
    docker("pause", frozen)
    try:
        took = [float(pods.python(f"on-{NODES[0]}", look_up)) for _ in range(10)]
    finally:
        docker("unpause", frozen)
    assert max(took) < 2


def test_the_api_server_answers_pods_where_they_expect_it(pods: Pods, addresses: dict[str, str]) -> None:
    assert addresses
    connect = (
        "import socket, ssl; c = ssl._create_unverified_context();"
        f" s = c.wrap_socket(socket.create_connection(({layout.API_SERVICE!r}, 443), timeout=5)); print(s.version())"
    )
    for node in NODES:
        assert pods.python(f"on-{node}", connect) in ("TLSv1.2", "TLSv1.3")


def test_this_machine_reaches_pods_on_every_node(addresses: dict[str, str]) -> None:
    for node, address in addresses.items():
        with urllib.request.urlopen(f"http://{address}:8080", timeout=5) as answer:
            assert answer.read().decode() == f"on-{node}"


def test_nodes_are_in_three_zones_of_one_region(pods: Pods) -> None:
    labels = [node.metadata.labels for node in pods.core.list_node().items]
    assert {each["topology.kubernetes.io/zone"] for each in labels} == {"local-a", "local-b", "local-c"}
    assert {each["topology.kubernetes.io/region"] for each in labels} == {"local"}


def test_metrics_of_every_node_are_served(api: client.ApiClient) -> None:
    custom: Any = client.CustomObjectsApi(api)

    def served() -> set[str] | None:
        try:
            listed = custom.list_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes")
        except client.ApiException:
            return None
        names = {item["metadata"]["name"] for item in listed["items"]}
        return names if names == set(NODES) else None

    assert wait_for(served, "metrics of all nodes")
