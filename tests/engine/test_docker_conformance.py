"""Look-ups in a registry, as the official plugin documents them.

Each test states one documented behaviour and where it is documented. The plugin under test is the local one, or the one
that CONFORMANCE_DOCKER_PLUGIN names; it asks this machine's registry.
"""

import base64
import hashlib
import json
from typing import Any, Final

import pytest

from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import registry
from localcloud.images.registry import Name
from tests.engine.project import Project, make_project

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

REPOSITORY: Final = "tried/looked-up"
NAME: Final = f"{registry.ADDRESS}/{REPOSITORY}"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
PROGRAM = """
    import pulumi
    import pulumi_docker as docker

    config = pulumi.Config()

    def looked_up(given):
        image = docker.get_registry_image_output(name=given, opts=opts)
        return {"digest": image.sha256_digest, "id": image.id}

    keys = ("username", "password", "config_file", "config_file_content")
    auth = {key: config.get(key) for key in keys if config.get(key)}
    registries = [docker.ProviderRegistryAuthArgs(address=config.require("address"), **auth)]
    provider = docker.Provider("provider", disable_docker_daemon_check=True, registry_auth=registries)
    opts = pulumi.InvokeOptions(provider=provider)
    for name in config.require("names").split():
        pulumi.export(name, looked_up(name))
    if config.get("index"):
        found = docker.get_registry_image_manifests_output(name=config.require("index"), opts=opts)
        pulumi.export("manifests", found.manifests)
"""


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    """Two tags of one repository, and an index of both, by tag."""
    registry_up(lambda _: None)
    with registry.connect() as connection:
        found = {}
        for architecture in ("amd64", "arm64"):
            blob = json.dumps({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers"}}).encode()
            digest = digest_of(blob)
            connection.write_blob(REPOSITORY, digest, blob)
            configuration = {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest,
                "size": len(blob),
            }
            manifest = {"schemaVersion": 2, "mediaType": registry.MANIFEST, "config": configuration, "layers": []}
            found[architecture] = connection.write_manifest(
                Name(REPOSITORY, architecture), json.dumps(manifest).encode()
            )
        connection.write_manifest(Name(REPOSITORY, "latest"), json.dumps(manifest).encode())
    return {**found, "latest": found["arm64"]}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def user() -> tuple[str, str]:
    """Who may push to the registry, and so read it."""
    client = json.loads((layout.credentials() / "config.json").read_text())
    name, _, password = base64.b64decode(client["auths"][registry.ADDRESS]["auth"]).decode().partition(":")
    return name, password


def look_up(project: Project, *names: str, succeeds: bool = True, **configuration: str) -> dict[str, Any]:
    project.write(PROGRAM, {"address": f"http://{registry.ADDRESS}", "names": " ".join(names), **configuration})
    said = project.up(succeeds=succeeds).said
    return project.outputs() if succeeds else {"said": said}


@pytest.fixture(scope="module")
def by_user(
    tmp_path_factory: pytest.TempPathFactory, digests: dict[str, str], user: tuple[str, str]
) -> dict[str, dict[str, Any]]:
    """What a provider with user and password finds."""
    project = make_project(tmp_path_factory.mktemp("docker"))
    names = (f"{NAME}:amd64", NAME, f"{NAME}@{digests['amd64']}", f"{NAME}:arm64@{digests['amd64']}")
    found = look_up(project, *names, username=user[0], password=user[1])
    found["printed"] = project.preview("--diff").said
    found["state"] = project.state_file.read_text()
    return found


def test_an_image_is_looked_up_by_its_tag(by_user: dict[str, Any], digests: dict[str, str]) -> None:
    """`sha256Digest`: the content digest of the image, as stored in the registry.

    https://www.pulumi.com/registry/packages/docker/api-docs/getregistryimage/
    """
    assert by_user[f"{NAME}:amd64"] == {"digest": digests["amd64"], "id": digests["amd64"]}


def test_latest_is_meant_where_no_tag_is_given(by_user: dict[str, Any], digests: dict[str, str]) -> None:
    """`name`: the name of the Docker image, including any tags, e.g. `alpine:latest`.

    https://www.pulumi.com/registry/packages/docker/api-docs/getregistryimage/
    """
    assert by_user[NAME]["digest"] == digests["latest"]


def test_a_digest_can_be_given_with_and_without_a_tag(by_user: dict[str, Any], digests: dict[str, str]) -> None:
    """`name`: you can also specify a digest, e.g. `nginx:1.28.0@sha256:…`.

    https://www.pulumi.com/registry/packages/docker/api-docs/getregistryimage/
    """
    assert by_user[f"{NAME}@{digests['amd64']}"]["digest"] == digests["amd64"]
    assert by_user[f"{NAME}:arm64@{digests['amd64']}"]["digest"] == digests["amd64"]


def test_a_password_is_a_secret(by_user: dict[str, Any], user: tuple[str, str]) -> None:
    """`password` of a registry's credentials is sensitive.

    https://registry.terraform.io/providers/kreuzwerker/docker/latest/docs#nested-schema-for-registry_auth
    """
    assert "disableDockerDaemonCheck" in by_user["state"]  # so the password could have been there too
    assert user[1] not in by_user["state"] + by_user["printed"]


@pytest.mark.parametrize("given", ["config_file", "config_file_content"])
def test_credentials_come_from_the_docker_clients_configuration(
    project: Project, digests: dict[str, str], given: str
) -> None:
    """`configFile`: path to docker json file for registry auth. `configFileContent`: plain content of it.

    https://www.pulumi.com/registry/packages/docker/api-docs/provider/#providerregistryauth
    """
    file = layout.credentials() / "config.json"
    if given == "config_file":
        found = look_up(project, f"{NAME}:amd64", config_file=str(file))
    else:
        found = look_up(project, f"{NAME}:amd64", config_file_content=file.read_text())
    assert found[f"{NAME}:amd64"]["digest"] == digests["amd64"]


def test_credentials_come_from_the_environment(
    project: Project, digests: dict[str, str], user: tuple[str, str]
) -> None:
    """`username`, `password`: default to DOCKER_REGISTRY_USER and DOCKER_REGISTRY_PASS if set.

    https://www.pulumi.com/registry/packages/docker/api-docs/provider/#providerregistryauth
    """
    project.environment |= {"DOCKER_REGISTRY_USER": user[0], "DOCKER_REGISTRY_PASS": user[1]}
    assert look_up(project, f"{NAME}:amd64")[f"{NAME}:amd64"]["digest"] == digests["amd64"]


def test_without_credentials_a_private_registry_refuses(project: Project, digests: dict[str, str]) -> None:
    """Registry credentials can be provided on a per-registry basis with `registryAuth`.

    https://www.pulumi.com/registry/packages/docker/installation-configuration/
    """
    assert digests
    said = look_up(project, f"{NAME}:amd64", succeeds=False, username="nobody", password="wrong")["said"]
    assert "401 Unauthorized" in said


def test_an_image_that_is_not_there_is_an_error(project: Project, user: tuple[str, str]) -> None:
    """Reads the image metadata from a Docker registry.

    https://www.pulumi.com/registry/packages/docker/api-docs/getregistryimage/
    """
    said = look_up(project, f"{NAME}:missing", succeeds=False, username=user[0], password=user[1])["said"]
    assert "attempting to fetch image version" in said
    assert "404 Not Found" in said


def test_the_manifests_of_an_index_are_listed(project: Project, digests: dict[str, str], user: tuple[str, str]) -> None:
    """`manifests`: media type, digest, architecture and system of each manifest in a multi-arch image.

    https://www.pulumi.com/registry/packages/docker/api-docs/getregistryimagemanifests/
    """
    entries = [
        {
            "mediaType": registry.MANIFEST,
            "digest": digests[architecture],
            "size": len(content(digests[architecture])),
            "platform": {"architecture": architecture, "os": "linux"},
        }
        for architecture in ("amd64", "arm64")
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    with registry.connect() as connection:
        connection._send("PUT", f"/v2/{REPOSITORY}/manifests/index", content=index, headers={"Content-Type": INDEX})
    found = look_up(project, f"{NAME}:amd64", username=user[0], password=user[1], index=f"{NAME}:index")
    listed = {entry["architecture"]: entry for entry in found["manifests"]}
    assert set(listed) == {"amd64", "arm64"}
    assert listed["amd64"]["sha256_digest"] == digests["amd64"]
    assert (listed["arm64"]["media_type"], listed["arm64"]["os"]) == (registry.MANIFEST, "linux")


def content(digest: str) -> bytes:
    with registry.connect() as connection:
        headers = {"Accept": registry.MANIFEST}
        return connection._send("GET", f"/v2/{REPOSITORY}/manifests/{digest}", headers=headers).content


def test_an_image_of_the_docker_host_is_looked_up(project: Project) -> None:
    """`RemoteImage` provides details about a specific Docker image which needs to be present on the Docker host.

    https://www.pulumi.com/registry/packages/docker/api-docs/getremoteimage/
    """
    name = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "vision-week/machine").splitlines()[0]
    text = (
        "import pulumi\nimport pulumi_docker as docker\npulumi.export('found', docker.get_remote_image(name=%r).id)\n"
    )
    project.write(text % name, {})
    project.up()
    assert project.outputs()["found"] == docker("image", "inspect", "--format", "{{.Id}}", name)
    project.write(text % "nowhere/to-be-found:1", {})
    assert "did not find docker image" in project.preview(succeeds=False).said
