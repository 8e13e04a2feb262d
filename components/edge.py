"""Where users come in: TLS, one host, and the way to the application and to the WebSocket service.

This is the flavour `nginx`: our own load balancer (S2's nginx-lb), for clusters that have no gateway. Its certificate
is signed by the stack's own authority. Clients' claims about proxies before it are dropped: the address that it sees
is the one that limits and logs go by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.scaling import disruption_budget, rolling
from components.settings import NginxEdge

NAME = "edge"
_CONFIG = Path(__file__).parent / "files" / "edge.conf"
_PORTS = {"https": 8443, "http": 8080, "internal": 8081}


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A service that requests are sent on to, and its pods."""

    endpoint: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """What the edge needs.

    authority: signs its certificate. app, websocket: where requests go.
    """

    namespace: Namespace
    settings: NginxEdge
    image: Input[str]
    authority: Authority
    app: Backend
    websocket: Backend


class Edge(ComponentResource):
    """The load balancer."""

    url: Output[str]

    def __init__(self, name: str, args: EdgeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:edge:Edge", name, None, opts)
        child = ResourceOptions(parent=self)
        settings = args.settings
        about = metadata(NAME, args.namespace.name, app=NAME)
        certificate = ServerCertificate(
            NAME, ServerCertificateArgs(authority=args.authority, hosts=[settings.host]), opts=child
        )
        files: dict[str, Input[str]] = {"nginx.conf": _CONFIG.read_text(), "site.conf": _site(args)}
        secrets = {"tls.crt": certificate.certificate, "tls.key": certificate.key}
        config = core.v1.ConfigMap(NAME, metadata=about, data=files, opts=child)
        secret = core.v1.Secret(NAME, metadata=about, type="kubernetes.io/tls", string_data=secrets, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(
                NAME,
                ingress=[kubernetes.from_([], _PORTS["https"], _PORTS["http"])],
                egress=[kubernetes.to([backend.peer], backend.endpoint.port) for backend in (args.app, args.websocket)],
            ),
            opts=child,
        )
        container = Container(
            name="nginx",
            image=args.image,
            command=["nginx", "-c", "/etc/vision-week/nginx.conf", "-g", "daemon off;"],
            resources=settings.resources,
            ports=_PORTS,
            mounts=[
                Mount(volume="config", path="/etc/vision-week", read_only=True),
                Mount(volume="tls", path="/etc/vision-week-tls", read_only=True),
                Mount(volume="tmp", path="/tmp"),  # noqa: S108  the pod's own
            ],
            readiness=kubernetes.http_probe("/live", "internal", period=2, failures=2),
            liveness=kubernetes.http_probe("/live", "internal", period=10, failures=3),
            # Until whoever is in front has heard that this pod is going; then nginx finishes what it has (SIGQUIT).
            pre_stop=["sleep", "5"],
        )
        apps.v1.Deployment(
            NAME,
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=settings.replicas,
                strategy=rolling(),
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [container],
                    volumes=[
                        kubernetes.config_files("config", config.metadata.name),
                        kubernetes.secret_files("tls", secret.metadata.name),
                        kubernetes.scratch("tmp", "256Mi"),
                    ],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files, secrets),
                    grace=30,
                ),
            ),
            # No pod starts without its policies.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy]),
        )
        if settings.replicas > 1:
            PodDisruptionBudget(NAME, metadata=about, spec=disruption_budget(NAME, settings.disruptions), opts=child)
        core.v1.Service(
            NAME,
            metadata=about,
            spec=core.v1.ServiceSpecArgs(
                type=settings.service, selector=selector(NAME), ports=_service_ports(settings)
            ),
            opts=child,
        )
        self.url = Output.from_input(settings.url)
        self.register_outputs({"url": self.url})


def _service_ports(settings: NginxEdge) -> Sequence[core.v1.ServicePortArgs]:
    return [
        core.v1.ServicePortArgs(name="https", port=443, target_port="https", node_port=settings.node_port),
        core.v1.ServicePortArgs(name="http", port=80, target_port="http"),
    ]


def _site(args: EdgeArgs) -> Output[str]:
    """The part of the configuration that differs from stack to stack."""
    return Output.format(
        """\
map "" $site {{
    default "{0}";
}}

upstream app {{
    server {2}:{3};
    keepalive 32;
}}

upstream websocket {{
    server {4}:{5};
}}

server {{
    listen 8443 ssl http2;
    server_name {1};

    location = /ws {{
        proxy_pass http://websocket;
        # The service pings every 20 s, so an hour of silence is a dead connection.
        proxy_read_timeout 1h;
        proxy_send_timeout 1h;
    }}

    location / {{
        proxy_pass http://app;
    }}
}}
""",
        args.settings.url,
        args.settings.host,
        args.app.endpoint.host,
        args.app.endpoint.port,
        args.websocket.endpoint.host,
        args.websocket.endpoint.port,
    )
