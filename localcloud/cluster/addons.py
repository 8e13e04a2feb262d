"""What runs in the cluster to make it whole: DNS on every node, metrics, storage classes."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import yaml

from localcloud import toolchain
from localcloud.cluster import layout, network, pki
from localcloud.cluster.api import Api

MANIFESTS = Path(__file__).parent / "manifests"
COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.15.0"
PROGRAMS = ("pause", "coredns", "metrics-server")
METRICS_SERVER_IMAGE = "registry.k8s.io/metrics-server/metrics-server:v0.9.0"


def publish() -> None:
    """Put the images that every node needs into the registry: our own builds under upstream's names."""
    from localcloud.images import publish_binary  # noqa: PLC0415  # it reads this package's layout when it is imported

    programs = toolchain.build(PROGRAMS)
    for reference, name in (
        (layout.PAUSE_IMAGE, "pause"),
        (COREDNS_IMAGE, "coredns"),
        (METRICS_SERVER_IMAGE, "metrics-server"),
    ):
        publish_binary(reference, {f"/{name}": programs[name]}, [f"/{name}"])


def apply(api: Api) -> None:
    """Make everything in `manifests/` be there as written. What is so already stays untouched."""
    for manifest in manifests():
        api.apply(manifest)


def manifests() -> Iterator[dict[str, Any]]:
    """The objects, namespaces first."""
    serving = pki.issued("cluster", "metrics-server.kube-system.svc", names=("metrics-server.kube-system.svc",))
    servers = " ".join(network.upstream_resolvers())
    values = {
        "authority": _encoded(pki.authority("cluster").certificate),
        "coredns_image": COREDNS_IMAGE,
        "dns_service": layout.DNS_SERVICE,
        "domain": layout.DOMAIN,
        # Without a name server of the machine's there is nobody to ask for names outside the cluster.
        "forward": f"forward . {servers}" if servers else "",
        "metrics_certificate": _encoded(serving.certificate),
        "metrics_certificate_digest": hashlib.sha256(serving.certificate).hexdigest()[:16],
        "metrics_key": _encoded(serving.key),
        "metrics_server_image": METRICS_SERVER_IMAGE,
    }
    for file in ("system.yaml", "storage.yaml", "dns.yaml", "metrics.yaml"):
        yield from yaml.safe_load_all(Template((MANIFESTS / file).read_text()).substitute(values))


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
