"""What an edge is given, whatever its flavour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import Input, Resource, ResourceOptions
from pulumi_kubernetes import core, networking

from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import Endpoint, Namespace, metadata
from components.settings import Edge as EdgeSettings
from components.settings import Timeouts

NAME = "edge"
# What the host for the API leads on, and nothing else: `/api/…` and these (images/app/nginx.conf).
API_PREFIX = "/api/"
API_PATHS = ("/login", "/logout", "/health")
WEBSOCKET_PATH = "/ws"
# In the place of what both nginx do by themselves: leave the last part of a client's address out of the logs.
WHOLE_ADDRESSES = """\
map "" $logged_address {
    default $remote_addr;
}
"""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A service that requests are sent on to, and its pods.

    service: its name among the applications.
    """

    service: str
    endpoint: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """What the edge needs.

    namespace: its own. applications: where its backends are, and routes to them.
    image: of our load balancer, where that is the flavour. exporter_image: of what tells Prometheus of it.
    authority: signs its certificate. app, websocket: where requests go.
    body: MiB that a request's body may have. timeouts: how long each waits for the next.
    whole_addresses: the logs show whole addresses of clients.
    rollout_timeout: seconds in which the next new pod of ours must become ready.
    ready: what a Gateway refers to by name.
    """

    namespace: Namespace
    applications: Namespace
    settings: EdgeSettings
    image: Input[str]
    exporter_image: Input[str]
    authority: Authority
    app: Backend
    websocket: Backend
    body: int
    timeouts: Timeouts
    whole_addresses: bool
    rollout_timeout: int
    ready: Sequence[Resource] = ()


def certificate(
    args: EdgeArgs, namespace: Namespace, child: ResourceOptions
) -> tuple[core.v1.Secret, Mapping[str, Input[str]]]:
    """The Secret with the certificate that the stack's own authority signs, and what is in it."""
    made = ServerCertificate(
        NAME, ServerCertificateArgs(authority=args.authority, hosts=args.settings.names), opts=child
    )
    contents = {"tls.crt": made.certificate, "tls.key": made.key}
    about = metadata(NAME, namespace.name, app=NAME)
    secret = core.v1.Secret(NAME, metadata=about, type="kubernetes.io/tls", string_data=contents, opts=child)
    return secret, contents
