"""compose.yaml, as far as it can be read: S2's services, hardened like the platform's pods."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from components.catalogue import CATALOGUE

CHECKOUT: Final = Path(__file__).resolve().parents[2]
FILE: Final[dict[str, Any]] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = FILE["services"]


def test_every_service_of_the_specification_is_there() -> None:
    """S2.1: the application is two, as its pod is two containers."""
    specified = {"app-nginx", "app-php", "postgres", "redis", "websocket", "prometheus", "grafana", "nginx-lb"}
    assert SERVICES.keys() == specified | {"migrations", "volumes"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_as_a_pod_is(name: str) -> None:
    """S7.2"""
    service = SERVICES[name]
    assert service["user"] == ("65534:65534" if name == "prometheus" else "1000:1000")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert not service.keys() & {"cap_add", "privileged", "network_mode", "pid", "ipc", "devices", "env_file"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_whether_it_is_healthy_unless_it_runs_once(name: str) -> None:
    once = SERVICES[name]["restart"] == "no"
    assert SERVICES[name]["healthcheck"].get("disable", False) == once
    assert once == (name in {"migrations", "volumes"})


def test_the_application_is_asked_as_specified() -> None:
    """S2.2"""
    check = SERVICES["app-nginx"]["healthcheck"]
    assert check["test"][:3] == ["CMD", "curl", "-f"]
    assert check["test"][-1].endswith("/health")
    assert (check["interval"], check["timeout"], check["retries"]) == ("30s", "10s", 3)


def test_what_lasts_is_on_volumes() -> None:
    """S2.3"""
    assert {"postgres-data", "redis-data", "uploads"} <= FILE["volumes"].keys()
    assert "postgres-data:/var/lib/postgresql/data" in SERVICES["postgres"]["volumes"]
    assert "uploads:/var/www/html/storage/uploads" in SERVICES["app-php"]["volumes"]
    assert SERVICES["redis"]["volumes"][0]["source"] == "redis-data"


def test_the_network_is_the_specified_one_and_everyone_is_on_it() -> None:
    """S2.4"""
    network = FILE["networks"]["platform"]
    assert network["driver"] == "bridge"
    assert network["ipam"]["config"][0]["subnet"] == "172.20.0.0/16"
    assert {name for name, service in SERVICES.items() if list(service["networks"]) != ["platform"]} == set()


def test_ports_are_published_on_loopback_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_secrets_are_files_and_each_service_has_its_own_alone() -> None:
    """S7.3"""
    given = {
        name: {secret["source"] for secret in service["secrets"]}
        for name, service in SERVICES.items()
        if "secrets" in service
    }
    assert given == {
        "app-php": {"database-app", "ca", "redis"},
        "grafana": {"grafana"},
        "migrations": {"database-owner", "ca"},
        "nginx-lb": {"tls-certificate", "tls-key"},
        "postgres": {"database-owner", "database-app", "database-certificate", "database-key"},
        "redis": {"redis"},
        "websocket": {"redis"},
    }
    variables = [variable for service in SERVICES.values() for variable in service.get("environment", ())]
    assert [name for name in variables if re.search("PASSWORD|SECRET|TOKEN|KEY", name) and "FILE" not in name] == []


def test_files_that_are_mounted_are_in_the_checkout_and_secrets_are_not() -> None:
    for config in FILE["configs"].values():
        assert (CHECKOUT / config["file"]).is_file(), config
    for secret in FILE["secrets"].values():
        assert secret["file"].startswith("${VISION_WEEK_SECRETS:-compose/secrets}/")
    assert (CHECKOUT / "compose/.gitignore").read_text() == "/secrets/\n"


def test_images_are_the_platforms() -> None:
    """The same Dockerfiles as the program builds, the same references as in its catalogue."""
    built = {name: service["build"] for name, service in SERVICES.items() if "build" in service}
    app = {"context": ".", "dockerfile": "images/app/Dockerfile", "target": "production"}
    assert built == {
        **dict.fromkeys(("app-nginx", "app-php", "migrations", "volumes"), app),
        "postgres": {"context": "images/postgres"},
        "websocket": {"context": "images/websocket"},
    }
    mirror = "${VISION_WEEK_MIRROR:-}"
    assert SERVICES["redis"]["image"] == mirror + CATALOGUE["redis"].reference
    assert SERVICES["nginx-lb"]["image"] == mirror + CATALOGUE["nginx"].reference


def test_services_whose_images_may_not_be_had_are_left_out_unless_asked_for() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"prometheus": ["monitoring", "metrics"], "grafana": ["monitoring"]}
    for name in profiles:
        assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])
