"""Other people's images: exact versions, and their digests where somebody could look them up.

One place, so that an upgrade is one line and a reviewer sees every version at once. A digest is never invented: there
is none until `make pin-images` has read it from the image's own registry, and a stack that has not allowed an unpinned
image by name refuses to run it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# `repository:tag` -> `sha256:…`. Another tag has no digest until it is looked up.
DIGESTS_FILE = Path(__file__).with_name("digests.json")
DIGESTS: Mapping[str, str] = json.loads(DIGESTS_FILE.read_text())


@dataclass(frozen=True, kw_only=True)
class CatalogueImage:
    """An image that we run and did not build.

    repository: where it is published, in full.
    tag: an exact version, never one that moves with time by design.
    """

    repository: str
    tag: str

    @property
    def name(self) -> str:
        """The image by its tag."""
        return f"{self.repository}:{self.tag}"

    @property
    def digest(self) -> str | None:
        """`sha256:…` of that tag; None where it has not been looked up."""
        return DIGESTS.get(self.name)

    @property
    def reference(self) -> str:
        """What a pod asks for."""
        return f"{self.name}@{self.digest}" if self.digest else self.name


CATALOGUE = {
    "alertmanager": CatalogueImage(repository="docker.io/prom/alertmanager", tag="v0.28.1"),
    "blackbox-exporter": CatalogueImage(repository="docker.io/prom/blackbox-exporter", tag="v0.27.0"),
    "collector": CatalogueImage(repository="docker.io/otel/opentelemetry-collector-contrib", tag="0.149.0"),
    "grafana": CatalogueImage(repository="docker.io/grafana/grafana", tag="12.1.0"),
    "haproxy": CatalogueImage(repository="docker.io/library/haproxy", tag="3.2-bookworm"),
    "jaeger": CatalogueImage(repository="docker.io/jaegertracing/jaeger", tag="2.13.0"),
    "kube-state-metrics": CatalogueImage(
        repository="registry.k8s.io/kube-state-metrics/kube-state-metrics", tag="v2.17.0"
    ),
    "loki": CatalogueImage(repository="docker.io/grafana/loki", tag="3.7.8"),
    "nginx": CatalogueImage(repository="docker.io/nginxinc/nginx-unprivileged", tag="1.28-bookworm"),
    "nginx-exporter": CatalogueImage(repository="docker.io/nginx/nginx-prometheus-exporter", tag="1.4.0"),
    "node-exporter": CatalogueImage(repository="docker.io/prom/node-exporter", tag="v1.9.1"),
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
