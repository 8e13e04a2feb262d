"""What the application must know of the edge in front of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi_kubernetes import networking

from components.edge.arguments import NAME
from components.kubernetes import Namespace, addresses, pods_in, pods_of
from components.settings import Edge as EdgeSettings
from components.settings import EdgeBase, GatewayEdge, IngressEdge

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
    files = _websocket_source(settings)
    if isinstance(settings, GatewayEdge):
        return Entrance(
            clients=[addresses(network) for network in GOOGLES_FRONT_ENDS],
            # Google's balancer watches endpoints from afar: tens of seconds, not one or two.
            notice=60,
            nginx_settings={**files, "trusted-proxies.conf": _googles_proxies(settings)},
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


def _googles_proxies(settings: GatewayEdge) -> str:
    """Google's balancer ends X-Forwarded-For with the client's address and its own; what stands before is a claim."""
    trusted = [*GOOGLES_FRONT_ENDS, settings.address]
    lines = [*(f"set_real_ip_from {each};" for each in trusted), "real_ip_header X-Forwarded-For;"]
    return "\n".join([*lines, "real_ip_recursive on;", ""])
