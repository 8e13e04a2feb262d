"""Projects with something to build, the registry they push to, and a base that has a shell."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcloud import toolchain
from localcloud.images import buildkit, registry
from tests.engine.project import STACK, Project

REPOSITORY = "tried/conformance"
DOCKERFILE = """\
FROM scratch AS base
COPY one.txt /one.txt
FROM base
ARG WORD=none
COPY two.txt /${WORD}.txt
"""


def prepare(project: Project) -> Project:
    """Give a project a folder `context`, the builder and the credentials of the registry."""
    project.environment |= buildkit.environment()
    project.environment["PATH"] += f":{toolchain.binary('buildctl').parent}"
    context = project.directory / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / ".dockerignore").write_text("*\n!Dockerfile\n!*.txt\n")
    (context / "one.txt").write_text("one\n")
    (context / "two.txt").write_text("two\n")
    (project.directory / f"Pulumi.{STACK}.yaml").write_text("{}\n")
    return project


@pytest.fixture
def building(project: Project) -> Project:
    """A project with something to build, of one test alone."""
    return prepare(project)


def one(project: Project, **settings: Any) -> None:
    """Let the program be one image."""
    settings = {"context": {"location": "context"}, "push": False, "exports": [{"cacheonly": {}}], **settings}
    project.write(
        f"""
        import json
        import pulumi
        import pulumi_docker_build as docker_build

        settings = json.loads({json.dumps(settings)!r})
        it = docker_build.Image("it", **settings)
        pulumi.export("digest", it.digest)
        """
    )


def read(repository: str, what: str) -> dict[str, Any]:
    """A manifest, index or configuration in the registry: `manifests/latest`, `blobs/sha256:…`."""
    accepted = ", ".join((registry.MANIFEST, "application/vnd.oci.image.index.v1+json"))
    accepted += ", application/vnd.docker.distribution.manifest.v2+json"
    accepted += ", application/vnd.docker.distribution.manifest.list.v2+json"
    with registry.connect() as connection:
        answer: httpx.Response = connection._send("GET", f"/v2/{repository}/{what}", headers={"Accept": accepted})
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = json.loads(answer.content)
    return found


def configuration(repository: str, wanted: str) -> dict[str, Any]:
    """The configuration of an image in the registry."""
    manifest = read(repository, f"manifests/{wanted}")
    return read(repository, f"blobs/{manifest['config']['digest']}")


def there(repository: str, tag: str) -> str | None:
    """The digest that a tag leads to."""
    with registry.connect() as connection:
        return connection.digest(registry.Name(repository, tag))


def base_with_shell() -> str:
    """An image that is there, with a shell in it, as a named context."""
    contexts: dict[str, str] = json.loads(Path(buildkit.socket().parent.parent, "build-contexts.json").read_text())
    return contexts["php-base"]
