"""What the application must know of the edge in front of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi_kubernetes import networking

from components.edge.arguments import NAME
from components.kubernetes import Namespace, addresses, pods_in, pods_of
from components.settings import Edge as EdgeSettings
from components.settings import EdgeBase, GatewayEdge, IngressEdge, NginxEdge

# Where Google's load balancers and their health checks come from ("Firewall rules" of its load balancing).
GOOGLES_FRONT_ENDS = ("130.211.0.0/22", "35.191.0.0/16")


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """The other side of the application's door.

    clients: who may ask the application and the WebSocket service.
    notice: seconds until all of them have heard that a pod is going.
    nginx_settings: the files of `images/app/nginx/settings` that must be otherwise, by name.
    """

    clients: Sequence[networking.v1.NetworkPolicyPeerArgs]
    notice: int
    nginx_settings: Mapping[str, str]


def entrance(settings: EdgeSettings, namespace: Namespace) -> Entrance:
    """What comes through an edge; `namespace` is the edge's own."""
    files = {**_websocket_source(settings), **_trusted_proxies(settings)}
    if isinstance(settings, GatewayEdge):
        return Entrance(
            clients=[addresses(network) for network in GOOGLES_FRONT_ENDS],
            # Google's balancer watches endpoints from afar: tens of seconds, not one or two.
            notice=60,
            nginx_settings=files,
        )
    if isinstance(settings, IngressEdge):
        return Entrance(clients=[pods_in(settings.controller_namespace)], notice=15, nginx_settings=files)
    return Entrance(clients=[pods_of(namespace.name, NAME)], notice=5, nginx_settings=files)


def _websocket_source(settings: EdgeBase) -> dict[str, str]:
    """Pages may open WebSockets to the host that is there for them."""
    if settings.websocket_host is None:
        return {}
    source = f"wss://{settings.authority_of(settings.websocket_host)}"
    return {"websocket-source.conf": f'map "" $websocket_source {{\n    default "{source}";\n}}\n'}


def _trusted_proxies(settings: EdgeBase) -> dict[str, str]:
    """Who is believed about the client: from the last entry on, the first that is none of them is the client's address,
    and what stands before is a claim. Our own load balancer sorts that out itself. The image believes whoever is in
    front about the last entry alone, which fits a controller that has nobody before it."""
    trusted: Sequence[str] = settings.trusted_proxies
    if isinstance(settings, GatewayEdge):
        # Google's balancer ends X-Forwarded-For with the client's address and its own.
        trusted = [*GOOGLES_FRONT_ENDS, settings.address, *trusted]
    if isinstance(settings, NginxEdge) or not trusted:
        return {}
    lines = [*(f"set_real_ip_from {each};" for each in trusted), "real_ip_header X-Forwarded-For;"]
    return {"trusted-proxies.conf": "\n".join([*lines, "real_ip_recursive on;", ""])}
