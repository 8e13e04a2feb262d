"""The flavours of the edge that leave the work to a gateway or to an Ingress's controller: what they ask for.

Whether an API server takes it is asked in `tests/localcloud/test_cluster_edge.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from components.edge import entrance
from components.settings import Settings
from tests.unit.edges import API_HOST, FLAVOURS, HOST, HOSTS, WEBSOCKET_HOST, built
from tests.unit.parts import namespace, settings
from tests.unit.recording import Made, Recording

# Host, how a path is compared, path -> the service: the same in both.
WAYS = {
    (HOST, "exact", "/ws"): ("websocket", 8090),
    (HOST, "prefix", "/"): ("app", 8080),
    (API_HOST, "prefix", "/api"): ("app", 8080),
    (API_HOST, "exact", "/login"): ("app", 8080),
    (API_HOST, "exact", "/logout"): ("app", 8080),
    (API_HOST, "exact", "/health"): ("app", 8080),
    (WEBSOCKET_HOST, "exact", "/ws"): ("websocket", 8090),
}

Ways = Iterator[tuple[tuple[str, str, str], tuple[str, int]]]


def of_ingress(made: Recording) -> Ways:
    for rule in made.one("Ingress", "edge").at("spec", "rules"):
        for path in rule["http"]["paths"]:
            to = path["backend"]["service"]
            where = path["path"].rstrip("/") or "/"
            yield (rule["host"], path["pathType"].lower(), where), (to["name"], to["port"]["number"])


def of_gateway(made: Recording) -> Ways:
    for route in routes(made):
        for rule in route.at("spec", "rules"):
            (to,) = rule["backendRefs"]
            for match in rule["matches"]:
                how = match["path"]["type"].removeprefix("Path").lower()
                yield (route.at("spec", "hostnames", 0), how, match["path"]["value"]), (to["name"], to["port"])


def routes(made: Recording) -> list[Made]:
    """Those that lead to a service."""
    return [one for one in made.of("HTTPRoute") if one.at("spec", "rules", 0, "backendRefs")]


@pytest.mark.parametrize(("flavour", "ways"), [("ingress", of_ingress), ("gateway", of_gateway)])
def test_each_host_leads_where_our_own_load_balancer_would(flavour: str, ways: Any) -> None:
    """S4.1"""
    assert dict(ways(built(flavour, **HOSTS))) == WAYS
    assert dict(ways(built(flavour))) == {way: to for way, to in WAYS.items() if way[0] == HOST}


@pytest.mark.parametrize("flavour", ["ingress", "gateway"])
def test_no_pod_of_ours_stands_in_front_of_the_application(flavour: str) -> None:
    assert list(built(flavour, **HOSTS).pods()) == []


def test_an_ingress_is_where_its_services_are_and_has_the_controller_s_class_and_annotations() -> None:
    annotations = {"controller.example/redirect-to-https": "true"}
    ingress = built("ingress", annotations=annotations).one("Ingress", "edge")
    assert (ingress.namespace, ingress.at("spec", "ingressClassName")) == ("apps", "some-class")
    assert ingress.metadata["annotations"] == annotations


def test_an_ingress_has_a_certificate_of_the_stack_s_authority_or_the_secret_of_the_settings() -> None:
    def of(made: Recording) -> Mapping[str, Any]:
        (tls,) = made.one("Ingress", "edge").at("spec", "tls")
        return dict(tls)

    own, given = built("ingress", **HOSTS), built("ingress", **HOSTS, tls_secret="from-cert-manager")
    assert of(own) == {"hosts": [HOST, API_HOST, WEBSOCKET_HOST], "secretName": "edge"}
    assert own.one("Secret", "edge").namespace == "apps"
    assert of(given)["secretName"] == "from-cert-manager"
    assert given.of("Secret") == given.of("CertRequest") == []


def test_a_gateway_listens_at_its_address_and_takes_routes_from_the_applications_alone() -> None:
    gateway = built("gateway").one("Gateway", "edge-gateway")
    assert gateway.at("spec", "addresses") == [{"type": "IPAddress", "value": "203.0.113.10"}]
    listeners = {each["name"]: each for each in gateway.at("spec", "listeners")}
    assert {name: (each["protocol"], each["port"]) for name, each in listeners.items()} == {
        "https": ("HTTPS", 443),
        "http": ("HTTP", 80),
    }
    selector = listeners["https"]["allowedRoutes"]["namespaces"]["selector"]
    assert selector == {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}
    assert listeners["http"]["allowedRoutes"] == {"namespaces": {"from": "Same"}}


def test_a_gateway_s_certificates_are_certificate_manager_s_or_the_stack_s_authority_s() -> None:
    own, managed = built("gateway"), built("gateway", certificate_map="some-map")
    (reference,) = own.one("Gateway", "edge-gateway").at("spec", "listeners", 0, "tls", "certificateRefs")
    assert own.one("Secret", reference["name"]).namespace == "edge"
    gateway = managed.one("Gateway", "edge-gateway")
    assert gateway.metadata["annotations"] == {"networking.gke.io/certmap": "some-map"}
    assert gateway.at("spec", "listeners", 0, "tls") is None
    assert managed.of("Secret") == []


def test_http_is_only_told_to_come_back_by_https() -> None:
    made = built("gateway", **HOSTS)
    (redirect,) = [one for one in made.of("HTTPRoute") if one not in routes(made)]
    assert redirect.namespace == "edge"
    assert redirect.at("spec", "parentRefs") == [{"name": "edge", "sectionName": "http"}]
    assert redirect.at("spec", "hostnames") == [HOST, API_HOST, WEBSOCKET_HOST]
    (rule,) = redirect.at("spec", "rules")
    assert rule["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 301}
    assert {one.at("spec", "parentRefs", 0, "sectionName") for one in routes(made)} == {"https"}


def test_clients_do_not_choose_a_request_s_number() -> None:
    for route in routes(built("gateway", **HOSTS)):
        for rule in route.at("spec", "rules"):
            assert rule["filters"][0]["requestHeaderModifier"] == {"remove": ["X-Request-Id"]}


def test_google_s_policies_are_about_each_service_once() -> None:
    made = built("gateway", security_policy="armour", ssl_policy="modern")
    for kind in ("HealthCheckPolicy", "GCPBackendPolicy"):
        targets = [one.at("spec", "targetRef") for one in made.of(kind)]
        assert targets == [{"group": "", "kind": "Service", "name": name} for name in ("app", "websocket")]
    assert {one.at("spec", "default", "securityPolicy") for one in made.of("GCPBackendPolicy")} == {"armour"}
    assert made.one("GCPGatewayPolicy", "edge-gcpgatewaypolicy").at("spec", "default") == {"sslPolicy": "modern"}
    assert built("gateway").of("GCPGatewayPolicy") == []


def test_google_s_balancer_writes_no_client_s_address() -> None:
    """DECISIONS: personal data. Whether it would by default is its own affair, so it is told."""
    policies = built("gateway").of("GCPBackendPolicy")
    assert [one.at("spec", "default", "logging") for one in policies] == [{"enabled": False}] * 2


def test_a_websocket_outlives_an_answer_and_both_may_end_on_a_pod_that_goes() -> None:
    made = built("gateway")
    app, websocket = (
        made.one("GCPBackendPolicy", f"{name}-gcpbackendpolicy").at("spec", "default") for name in ("app", "websocket")
    )
    assert app["timeoutSec"] > 60
    assert websocket["timeoutSec"] >= 3600
    assert app["connectionDraining"]["drainingTimeoutSec"] >= 60
    assert websocket["connectionDraining"]["drainingTimeoutSec"] >= 10


def chosen(flavour: str) -> Settings:
    return settings(edge=dict(FLAVOURS[flavour]))


def test_only_what_is_in_front_is_let_in() -> None:
    """S7.1"""

    def clients(flavour: str) -> list[Any]:
        return list(entrance(chosen(flavour).edge, namespace("edge")).clients)

    assert [each.ip_block.cidr for each in clients("gateway")] == ["130.211.0.0/22", "35.191.0.0/16"]
    (controller,) = clients("ingress")
    assert controller.namespace_selector.match_labels == {"kubernetes.io/metadata.name": "ingress-controller"}
    (ours,) = clients("nginx")
    assert ours.pod_selector.match_labels["app.kubernetes.io/name"] == "edge"


def test_behind_google_the_client_is_whom_its_balancer_names() -> None:
    """S3.2, beyond: it ends X-Forwarded-For with the client's address and its own."""
    text = entrance(chosen("gateway").edge, namespace("edge")).nginx_settings["trusted-proxies.conf"]
    for trusted in ("130.211.0.0/22", "35.191.0.0/16", "203.0.113.10"):
        assert f"set_real_ip_from {trusted};\n" in text
    assert text.endswith("real_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n")
