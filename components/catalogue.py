"""Other people's images: exact versions, and their digests where somebody could look them up.

One place, so that an upgrade is one line and a reviewer sees every version at once. A digest is never invented: it is
`None` until it has been read from the image's own registry, and a stack that has not allowed an unpinned image by name
refuses to run it.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CatalogueImage:
    """An image that we run and did not build.

    repository: where it is published, in full.
    tag: an exact version, never one that moves with time by design.
    digest: `sha256:...` of that tag; None where it has not been looked up.
    """

    repository: str
    tag: str
    digest: str | None = None

    @property
    def reference(self) -> str:
        """What a pod asks for."""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}:{self.tag}{digest}"


CATALOGUE = {
    "alertmanager": CatalogueImage(repository="docker.io/prom/alertmanager", tag="v0.28.1"),
    "grafana": CatalogueImage(repository="docker.io/grafana/grafana", tag="12.1.0"),
    "haproxy": CatalogueImage(repository="docker.io/library/haproxy", tag="3.2-bookworm"),
    "nginx": CatalogueImage(repository="docker.io/nginxinc/nginx-unprivileged", tag="1.28-bookworm"),
    "prometheus": CatalogueImage(repository="docker.io/prom/prometheus", tag="v3.5.0"),
    "redis": CatalogueImage(repository="docker.io/library/redis", tag="7.4-bookworm"),
    "redis-exporter": CatalogueImage(repository="docker.io/oliver006/redis_exporter", tag="v1.67.0"),
}

# Hosts of the registries that these come from.
REGISTRIES = sorted({image.repository.partition("/")[0] for image in CATALOGUE.values()})


def repository_of(host: str) -> str:
    """`docker-io` of docker.io: the repository in Google's registry that stands before one of somebody else's."""
    return host.replace(".", "-")


def mirrors(place: str) -> Mapping[str, str]:
    """Host of each registry -> what stands in its place in the registry of a Google project."""
    return {host: f"{place}/{repository_of(host)}" for host in REGISTRIES}


def mirrored(reference: str, mirrors: Mapping[str, str]) -> str:
    """A reference, by what stands in its registry's place."""
    host, _, rest = reference.partition("/")
    return f"{mirrors.get(host, host)}/{rest}"
