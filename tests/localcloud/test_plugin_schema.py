"""The schema of a package, as it is derived from the package's Python SDK."""

from pathlib import Path
from typing import Any

import pytest

from localcloud.plugins import schema, sdk
from localcloud.problem import Problem


@pytest.fixture(scope="module")
def tls() -> dict[str, Any]:
    return sdk.derive("tls", "5.6.2")


@pytest.fixture(scope="module")
def docker_build() -> dict[str, Any]:
    return sdk.derive("docker-build", "0.0.22")


def test_a_resources_inputs_are_those_of_its_arguments(tls: dict[str, Any]) -> None:
    certificate = tls["resources"]["tls:index/locallySignedCert:LocallySignedCert"]
    assert certificate["requiredInputs"] == ["allowedUses", "caCertPem", "certRequestPem", "validityPeriodHours"]
    assert certificate["inputProperties"]["allowedUses"] == {"type": "array", "items": {"type": "string"}}
    assert certificate["inputProperties"]["isCaCertificate"] == {"type": "boolean"}
    assert "certPem" not in certificate["inputProperties"]


def test_what_only_comes_out_is_among_the_properties(tls: dict[str, Any]) -> None:
    key = tls["resources"]["tls:index/privateKey:PrivateKey"]
    assert key["properties"]["publicKeyPem"] == {"type": "string"}


def test_an_object_type_is_described_once_by_what_can_be_given(docker_build: dict[str, Any]) -> None:
    image = docker_build["resources"]["docker-build:index:Image"]
    reference = {"$ref": "#/types/docker-build:index:Registry"}
    assert image["inputProperties"]["registries"] == {"type": "array", "items": reference}
    assert image["properties"]["registries"] == image["inputProperties"]["registries"]
    registry = docker_build["types"]["docker-build:index:Registry"]
    assert registry["required"] == ["address"]
    assert registry["properties"].keys() == {"address", "username", "password"}


def test_an_enumeration_is_what_its_values_are(docker_build: dict[str, Any]) -> None:
    image = docker_build["resources"]["docker-build:index:Image"]
    assert image["inputProperties"]["platforms"] == {"type": "array", "items": {"type": "string"}}


def test_the_provider_has_its_settings(docker_build: dict[str, Any]) -> None:
    assert docker_build["provider"]["inputProperties"]["host"] == {"type": "string"}


def test_a_schema_is_derived_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = schema.of("random", "4.21.4")
    (kept,) = tmp_path.glob("vision-week/schemas/random-4.21.4-*.json")
    kept.write_text("as it was kept")
    assert schema.of("random", "4.21.4") == "as it was kept"
    assert schema.of("random", "4.21.5") == said.replace("4.21.4", "4.21.5")


def test_a_package_without_an_sdk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Problem, match=r"(?s)schema of nonesuch 1 can't be derived.*pulumi_nonesuch"):
        schema.of("nonesuch", "1")
    assert not list(tmp_path.rglob("*.json"))
