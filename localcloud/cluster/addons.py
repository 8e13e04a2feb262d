"""What runs in the cluster to make it whole: DNS on every node, metrics, storage classes."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import Any

import yaml

from localcloud import toolchain
from localcloud.cluster import layout, network, pki
from localcloud.cluster.api import Api
from localcloud.waiting import wait

MANIFESTS = Path(__file__).parent / "manifests"
COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.15.0"
PROGRAMS = ("pause", "coredns", "metrics-server")
AUTHORITY_ANNOTATION = "vision-week.localcloud/authority"
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


def apply(api: Api, progress: Callable[[str], None]) -> None:
    """Make everything in `manifests/` be there as written. What is so already stays untouched."""
    outdated = _trusts_another_authority(api)
    if outdated:
        progress("the cluster's certificates are new: starting its pods again")
        _wait_for_published_authority(api)
    for manifest in manifests():
        api.apply(manifest)
    if outdated:
        # The system's own are replaced by the manifests; everybody else's would trust an API server that is no more.
        for pod in api.get("/api/v1/pods")["items"]:
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            if namespace != "kube-system":
                api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")


def _trusts_another_authority(api: Api) -> bool:
    """Whether the pods that run were made under an authority that was lost since, while etcd's data was not."""
    dns = api.find("/apis/apps/v1/namespaces/kube-system/daemonsets/coredns")
    annotations = dns["spec"]["template"]["metadata"].get("annotations", {}) if dns else {}
    return bool(annotations.get(AUTHORITY_ANNOTATION, _authority_digest()) != _authority_digest())


def _wait_for_published_authority(api: Api) -> None:
    """Wait until pods that start now are given the new authority."""
    wanted = pki.authority("cluster").certificate.decode()

    def published() -> bool:
        found = api.find("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")
        return found is None or found["data"]["ca.crt"] == wanted

    wait(published, 60)


def _authority_digest() -> str:
    return hashlib.sha256(pki.authority("cluster").certificate).hexdigest()[:16]


def manifests() -> Iterator[dict[str, Any]]:
    """The objects, namespaces first."""
    serving = pki.issued("cluster", "metrics-server.kube-system.svc", names=("metrics-server.kube-system.svc",))
    servers = " ".join(network.upstream_resolvers())
    values = {
        "authority": encoded(pki.authority("cluster").certificate),
        "authority_digest": _authority_digest(),
        "coredns_image": COREDNS_IMAGE,
        "dns_service": layout.DNS_SERVICE,
        "domain": layout.DOMAIN,
        # Without a name server of the machine's there is nobody to ask for names outside the cluster.
        "forward": f"forward . {servers}" if servers else "",
        "besides": _besides(),
        "metrics_certificate": encoded(serving.certificate),
        "metrics_certificate_digest": hashlib.sha256(serving.certificate).hexdigest()[:16],
        "metrics_key": encoded(serving.key),
        "metrics_server_image": METRICS_SERVER_IMAGE,
    }
    for file in ("system.yaml", "policies.yaml", "storage.yaml", "dns.yaml", "metrics.yaml"):
        yield from yaml.safe_load_all(Template((MANIFESTS / file).read_text()).substitute(values))


def _besides() -> str:
    """What DNS answers besides the cluster's names: an address for each, and nothing for what else is asked of them."""
    file = layout.names()
    lines: list[str] = []
    for name, *addresses in map(str.split, file.read_text().splitlines() if file.exists() else ()):
        answers = [f'    answer "{{{{ .Name }}}} 60 IN A {address}"' for address in addresses]
        lines += [f"template IN A {name} {{", *answers, "}", f"template IN AAAA {name} {{", "    rcode NOERROR", "}"]
    return f"\n{' ' * 8}".join(lines)


def encoded(content: bytes) -> str:
    """Bytes as Secrets and registrations have them."""
    return base64.b64encode(content).decode()
