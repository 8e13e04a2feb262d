"""Where users come in. Three flavours of one component."""

from ipaddress import ip_network
from math import ceil
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.values import (
    Address,
    Format,
    Host,
    HostPattern,
    Name,
    NodePort,
    Resources,
    Strict,
    Text,
    Url,
)

NGINX_CONNECTIONS = 4096
"""That one pod has open at once, clients' and its own; `edge.conf` and `images/app/nginx.conf` have the number."""
_TLS_KIB = 52
"""Of each client that has begun TLS; measured with OpenSSL 3.0: 31 to 52."""
_NGINX_SHARED = 36
"""MiB: the zones of `edge.conf`, and nginx itself."""


def _few(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError as error:
        raise ValueError(f"is not a network: {error}; write it like 10.0.0.0/20 or 2001:db8::/32") from None
    if network.prefixlen < _LARGEST[network.version]:
        raise ValueError(
            "must be /8 or smaller, of IPv6 /16 or smaller: a client that counts as a proxy says itself who it is"
        )
    return str(network)


_LARGEST = {4: 8, 6: 16}
Proxies = Annotated[
    str, AfterValidator(_few), Format(r"^[0-9a-fA-F:.]+(/\d{1,3})?$", "a network: 10.0.0.0/20, 2001:db8::/32")
]


class EdgeBase(Strict):
    """What every flavour has."""

    url: Url
    """What users type, without a path; the certificate is for its host (S4.1)."""
    api_host: Host | None = None
    """A second name for the API alone, of which it has `/api/`, `/login`, `/logout` and `/health` (S4.1)."""
    websocket_host: Host | None = None
    """A second name for the WebSocket service alone; pages then connect to it (S4.1)."""
    certificate_names: tuple[HostPattern, ...] = ()
    """Names that the certificate is for; without them exactly the hosts (S4.1)."""
    trusted_proxies: tuple[Proxies, ...] = ()
    """Proxies in front of it that say who the client is, each by adding to `X-Forwarded-For`; /8 or smaller each, of
    IPv6 /16. With `ingress` the networks of the controller's pods are to be among them (S3, beyond)."""

    @property
    def host(self) -> str:
        return self.url.removeprefix("https://").partition(":")[0]

    @property
    def port(self) -> int:
        return int(self.url.removeprefix("https://").partition(":")[2] or 443)

    @property
    def hosts(self) -> dict[str, str]:
        """Setting -> host name, of those that there are."""
        named = {"url": self.host, "api_host": self.api_host, "websocket_host": self.websocket_host}
        return {setting: host for setting, host in named.items() if host is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """What the certificate is for."""
        return self.certificate_names or tuple(self.hosts.values())

    @property
    def websocket_address(self) -> str:
        """Where pages find the WebSocket service: a path of their own site, or an address."""
        return "/ws" if self.websocket_host is None else f"wss://{self.authority_of(self.websocket_host)}/ws"

    def authority_of(self, host: str) -> str:
        """A host with the port that all of them have."""
        _, colon, port = self.url.removeprefix("https://").partition(":")
        return f"{host}{colon}{port}"


class NginxEdge(EdgeBase):
    """Our own nginx load balancer, for clusters without a gateway."""

    flavour: Literal["nginx"]
    """`nginx` (DESIGN)."""
    service: Literal["LoadBalancer", "NodePort"] = "LoadBalancer"
    """How the cluster publishes it (S2.1)."""
    node_port: NodePort | None = None
    """The port on each node, 30000 to 32767, Kubernetes' own range; without it the cluster chooses (S2.1)."""
    replicas: int = Field(default=2, ge=1, le=10)
    """Pods, 1 to 10; two, so that one may go (DECISIONS: edge in production)."""
    disruptions: int = Field(default=1, ge=1, le=5)
    """Pods that a drained node may take away at once, 1 to 5; at least one stays (S5, beyond)."""
    resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="256Mi")
    """Of each pod (S7 beyond: limits)."""
    exporter_resources: Resources = Resources(cpu="10m", cpu_limit="100m", memory="32Mi")
    """Of what tells Prometheus of each pod (S8.1)."""

    @property
    def memory(self) -> int:
        """MiB that nginx takes when as many clients as it lets in have begun TLS and go no further."""
        return ceil(NGINX_CONNECTIONS * _TLS_KIB / 1024) + _NGINX_SHARED


class GatewayEdge(EdgeBase):
    """The Gateway API, with Google's load balancer, Certificate Manager and Cloud Armor."""

    flavour: Literal["gateway"]
    """`gateway` (DESIGN)."""
    class_name: Text = "gke-l7-global-external-managed"
    """The cluster's GatewayClass (DESIGN)."""
    address: Address
    """The balancer's reserved address, which its answers come from and which it adds to what it says about clients
    (S3, beyond: the client address)."""
    certificate_map: Name | None = None
    """Certificate Manager's map that has a certificate for each host: made with `dns_zone`, else somebody's; without it
    the stack's own authority signs one, which browsers don't know (S4.1)."""
    ssl_policy: Name | None = None
    """The project's SSL policy that refuses TLS before 1.2, which a cluster of flavour `gke` brings; without it
    Google's balancer doesn't (service levels: crypto)."""
    security_policy: Name | None = None
    """The project's Cloud Armor policy, which a cluster of flavour `gke` brings (DECISIONS: rate limits)."""
    dns_zone: Host | None = None
    """The domain whose zone the program makes, with the hosts and the proofs that certificates need; without it
    somebody else does (S4.1)."""
    requests_per_minute: int = Field(default=1200, ge=60, le=100000)
    """Requests a minute from one client address, 60 to 100000, before Cloud Armor stops them; those to the application
    and those to the WebSocket service are counted apart, and those by `trusted_proxies` by nginx alone (DECISIONS: rate
    limits)."""


class IngressEdge(EdgeBase):
    """A plain Ingress, for clusters that have a controller."""

    flavour: Literal["ingress"]
    """`ingress` (DESIGN)."""
    class_name: Text
    """The class of that controller (DESIGN)."""
    controller_namespace: Name
    """Where that controller's pods are: they alone are let in to the application (S7.1)."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """For the controller, unchanged: sending HTTP to HTTPS, and time-outs for WebSockets, have no field of an Ingress
    (S3.4)."""
    tls_secret: Name | None = None
    """A Secret beside the application that somebody else fills, cert-manager for one; without it the stack's own
    authority signs a certificate (S4.1)."""


Edge = Annotated[NginxEdge | GatewayEdge | IngressEdge, Field(discriminator="flavour")]
