"""What tells of every nginx of ours, beside it."""

import re
from urllib.parse import urlsplit

import pytest

from components.settings import NGINX_CONNECTIONS
from tests.unit.recording import CHECKOUT, Recording

CONFIGURATIONS = {"edge": "components/files/edge.conf", "app": "images/app/nginx.conf"}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_asks_where_nginx_tells_and_nginx_tells_nobody_outside(name: str, development: Recording) -> None:
    """The page is on the port that neither the Service nor a policy for visitors has."""
    (exporter,) = development.one("Deployment", name).at("spec", "template", "spec", "initContainers")[-1:]
    (asked,) = [word.partition("=")[2] for word in exporter["command"] if "scrape-uri" in word]
    internal = re.search(
        r"listen 8081 default_server;(.*?)\n    }", (CHECKOUT / CONFIGURATIONS[name]).read_text(), re.DOTALL
    )
    assert internal
    assert re.search(rf"location = {urlsplit(asked).path} {{\s+stub_status;", internal[1])
    assert urlsplit(asked).netloc == "127.0.0.1:8081"
    assert 8081 not in {port["targetPort"] for port in development.one("Service", name).at("spec", "ports")}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_ends_after_the_nginx_that_it_tells_of(name: str, development: Recording) -> None:
    """A pod that was going, with WebSockets open, was told of as one that does not answer."""
    (exporter,) = development.one("Deployment", name).at("spec", "template", "spec", "initContainers")[-1:]
    assert exporter["restartPolicy"] == "Always"


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_nginx_has_as_many_connections_as_the_alert_counts_with(name: str) -> None:
    assert f"worker_connections {NGINX_CONNECTIONS};" in (CHECKOUT / CONFIGURATIONS[name]).read_text()
