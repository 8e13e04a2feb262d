"""What asks for the public names as visitors do: which names, how, and what it wants to hear."""

from typing import Any

import pytest
import yaml

from components.monitoring import probes
from components.settings import Edge
from tests.unit.edges import API_HOST, FLAVOURS, HOST, HOSTS, WEBSOCKET_HOST
from tests.unit.parts import settings


def edge(flavour: str, **changes: Any) -> Edge:
    """On a port of its own where that may be."""
    port = {"url": f"https://{HOST}:8443"} if flavour == "nginx" else {}
    return settings(edge={**FLAVOURS[flavour], **port, **changes}).edge


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_name_that_visitors_use_is_asked_for_once(flavour: str) -> None:
    assert [probe.host for probe in probes.probes(edge(flavour))] == [HOST]
    named = list(probes.probes(edge(flavour, **HOSTS)))
    port = ":8443" if flavour == "nginx" else ""
    assert {probe.host: probe.url for probe in named} == {
        HOST: f"https://{HOST}{port}",
        API_HOST: f"https://{API_HOST}{port}",
        WEBSOCKET_HOST: f"wss://{WEBSOCKET_HOST}{port}/ws",
    }
    assert len({probe.name for probe in named}) == len(named)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_name_is_asked_for_something_that_it_has(flavour: str) -> None:
    """200 from PHP; of the WebSocket service the refusal of who asks for no WebSocket."""
    chosen = edge(flavour, **HOSTS)
    asked = {probe.host: probe for probe in probes.probes(chosen)}
    modules = yaml.safe_load(probes.configuration(chosen))["modules"]
    wanted = {host: (probe.path, modules[probe.name]["http"]["valid_status_codes"]) for host, probe in asked.items()}
    assert wanted == {HOST: ("/health", [200]), API_HOST: ("/health", [200]), WEBSOCKET_HOST: ("/ws", [426])}


def test_our_own_load_balancer_is_asked_under_each_public_name_and_the_others_at_it() -> None:
    own = edge("nginx", **HOSTS)
    modules = yaml.safe_load(probes.configuration(own))["modules"]
    for probe in probes.probes(own):
        http = modules[probe.name]["http"]
        assert (http["headers"], http["tls_config"]["server_name"]) == ({"Host": f"{probe.host}:8443"}, probe.host)
        assert probes.address(own, probe, "a-edge") == f"https://edge.a-edge.svc.cluster.local{probe.path}"
    others = edge("gateway", **HOSTS)
    for probe in probes.probes(others):
        assert "headers" not in yaml.safe_load(probes.configuration(others))["modules"][probe.name]["http"]
        assert probes.address(others, probe, "a-edge") == f"https://{probe.host}{probe.path}"
