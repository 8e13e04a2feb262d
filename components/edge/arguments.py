"""What an edge is given, whatever its flavour."""

from dataclasses import dataclass

from pulumi import Input
from pulumi_kubernetes import networking

from components.certificates import Authority
from components.kubernetes import Endpoint, Namespace
from components.settings import NginxEdge

NAME = "edge"
# What the host for the API leads on, and nothing else: `/api/…` and these (images/app/nginx.conf).
API_PREFIX = "/api/"
API_PATHS = ("/login", "/logout", "/health")
WEBSOCKET_PATH = "/ws"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A service that requests are sent on to, and its pods."""

    endpoint: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """What the edge needs.

    authority: signs its certificate. app, websocket: where requests go.
    rollout_timeout: seconds in which the next new pod of ours must become ready.
    """

    namespace: Namespace
    settings: NginxEdge
    image: Input[str]
    authority: Authority
    app: Backend
    websocket: Backend
    rollout_timeout: int
