"""The cluster knows the Gateway API's kinds, and checks what is put into them."""

from typing import Any

import pytest
from kubernetes import client

from localcloud.cluster import gateway_api
from localcloud.cluster.api import connect
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

GROUP, VERSION = "gateway.networking.k8s.io", "v1"


def make(pods: Pods, kind: str, plural: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
    custom: Any = client.CustomObjectsApi(pods.api)
    made: dict[str, Any] = custom.create_namespaced_custom_object(GROUP, VERSION, pods.namespace, plural, body)
    return made


def listener(**changes: Any) -> dict[str, Any]:
    """HTTPS for one host, as an edge of the flavour `gateway` has it."""
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "edge"}]}
    return {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "hostname": "vision-week.example.org",
        "tls": tls,
        **changes,
    }


def test_a_gateway_and_its_route_are_taken(pods: Pods) -> None:
    spec = {"gatewayClassName": "gke-l7-global-external-managed", "listeners": [listener()]}
    gateway = make(pods, "Gateway", "gateways", "edge", spec)
    assert gateway["spec"]["listeners"][0]["allowedRoutes"] == {
        "namespaces": {"from": "Same"}
    }  # a default of the kind's
    rules = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/ws"}}],
            "backendRefs": [{"name": "websocket", "port": 8090}],
        },
        {"backendRefs": [{"name": "app", "port": 8080}]},
    ]
    route = make(pods, "HTTPRoute", "httproutes", "edge", {"parentRefs": [{"name": "edge"}], "rules": rules})
    assert route["spec"]["rules"][1]["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_a_gateway_that_contradicts_itself_is_refused(pods: Pods) -> None:
    spec = {"gatewayClassName": "x", "listeners": [listener(protocol="HTTP")]}
    with pytest.raises(client.ApiException, match="tls must not be specified for protocols") as refused:
        make(pods, "Gateway", "gateways", "contradiction", spec)
    assert refused.value.status == 422


def test_definitions_that_are_there_are_left_alone_and_a_lost_one_is_brought_back(pods: Pods) -> None:
    definitions: Any = client.ApiextensionsV1Api(pods.api)
    lost = f"tcproutes.{GROUP}"

    def versions() -> dict[str, str]:
        listed = definitions.list_custom_resource_definition().items
        return {each.metadata.name: each.metadata.uid for each in listed if each.spec.group == GROUP}

    before = versions()
    assert len(before) == 10
    definitions.delete_custom_resource_definition(lost)
    wait_for(lambda: lost not in versions(), "the definition to be gone")
    with connect() as api:
        gateway_api.apply(api)
    after = versions()
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {lost}
