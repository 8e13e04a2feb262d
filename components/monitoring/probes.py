"""Asks for the application as visitors do: by its public names, under TLS, through the edge and down to who answers.

What a visitor meets first, a name that leads nowhere or a certificate that is over, no number of our own pods tells.
The answer that is wanted is 200 from `/health`, over a certificate that whoever should have signed did sign, for that
name; of the WebSocket service's own name it is that service's 426 to who asks for `/ws` and doesn't go on to WebSocket.
Prometheus' blackbox_exporter does the asking, each time that Prometheus asks it.

Our own load balancer is asked at its Service, under the public name: what is in front of that, the name's address and
the cluster's way in, is not tried. With the other flavours the public address itself is asked, from within, which is
unverified until a cluster of such a kind was there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking

from components import edge, kubernetes
from components.edge import nginx
from components.kubernetes import Container, Mount, Namespace, metadata, selector
from components.settings import Edge, GatewayEdge, IngressEdge, Monitoring, NginxEdge

NAME = "probes"
PORT = 9115
PATH = "/probe"
# What is taken in of some thirty numbers.
COUNTED = "probe_(duration_seconds|ssl_earliest_cert_expiry|success)"
_FILES = "/etc/probes"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One name that visitors use.

    name: of the job, and of how it is asked. host: the public name. url: what its numbers are labelled with.
    path: what is asked for. status: what is to be heard.
    """

    name: str
    host: str
    url: str
    path: str
    status: int


@dataclass(frozen=True, kw_only=True)
class ProbesArgs:
    """What it needs.

    namespace: its own. edge: what it asks. entrance: the namespace of that. authority: PEM of the stack's own.
    settings: what it may use. image: of blackbox_exporter.
    """

    namespace: Namespace
    edge: Edge
    entrance: Namespace
    authority: Input[str]
    settings: Monitoring
    image: Input[str]


class Probes(ComponentResource):
    """One pod: while there is none, an alert says so (ServiceMissing)."""

    def __init__(self, name: str, args: ProbesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Probes", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        files: dict[str, Input[str]] = {"probes.yaml": configuration(args.edge), "authority.pem": args.authority}
        config = core.v1.ConfigMap(NAME, metadata=about, data=files, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=about, spec=kubernetes.allow(NAME, egress=[_way_out(args)]), opts=child
        )
        container = Container(
            name=NAME,
            image=args.image,
            command=["/bin/blackbox_exporter", f"--config.file={_FILES}/probes.yaml", f"--web.listen-address=:{PORT}"],
            resources=args.settings.probes_resources,
            ports={"metrics": PORT},
            mounts=[Mount(volume="config", path=_FILES, read_only=True)],
            readiness=kubernetes.http_probe("/-/healthy", "metrics", period=5, failures=3),
            liveness=kubernetes.http_probe("/-/healthy", "metrics", period=30, failures=3),
        )
        apps.v1.Deployment(
            NAME,
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [container],
                    volumes=[kubernetes.config_files("config", config.metadata.name)],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files),
                    grace=5,
                ),
            ),
            # No pod starts without its policies.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy]),
        )
        self.register_outputs({})


def probes(settings: Edge) -> Iterator[Probe]:
    """Each name once, whatever it is for."""
    # Cheap, and real: PHP answers it among visitors' requests.
    health = "/health"
    yield Probe(name=NAME, host=settings.host, url=settings.url, path=health, status=200)
    if settings.api_host is not None:
        url = f"https://{settings.authority_of(settings.api_host)}"
        yield Probe(name=f"{NAME}-api", host=settings.api_host, url=url, path=health, status=200)
    if settings.websocket_host is not None:
        url = settings.websocket_address
        yield Probe(name=f"{NAME}-websocket", host=settings.websocket_host, url=url, path="/ws", status=426)


def address(settings: Edge, probe: Probe, namespace: str) -> str:
    """What is asked; `namespace` is the edge's."""
    if isinstance(settings, NginxEdge):
        return f"https://{edge.NAME}.{namespace}.svc.{kubernetes.DOMAIN}{probe.path}"
    return f"https://{settings.authority_of(probe.host)}{probe.path}"


def configuration(settings: Edge) -> str:
    """How it asks, and what it wants to hear."""
    modules = {
        probe.name: {"prober": "http", "timeout": "5s", "http": _http(settings, probe)} for probe in probes(settings)
    }
    return yaml.safe_dump({"modules": modules}, sort_keys=False)


def _http(settings: Edge, probe: Probe) -> dict[str, Any]:
    http: dict[str, Any] = {
        "fail_if_not_ssl": True,
        "valid_status_codes": [probe.status],
        "follow_redirects": False,
        # What the policy lets it reach.
        "preferred_ip_protocol": "ip4",
        "tls_config": {"ca_file": f"{_FILES}/authority.pem"} if _signed_by_the_stack(settings) else {},
    }
    if isinstance(settings, NginxEdge):
        http["headers"] = {"Host": settings.authority_of(probe.host)}
        http["tls_config"]["server_name"] = probe.host
    return http


def _signed_by_the_stack(settings: Edge) -> bool:
    """Whether the stack's own authority vouches for the name; else one that everybody knows."""
    match settings:
        case GatewayEdge():
            return settings.certificate_map is None
        case IngressEdge():
            return settings.tls_secret is None
        case NginxEdge():
            return True


def _way_out(args: ProbesArgs) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """To the edge's pods, to the balancer's address, or to whatever address the name may have."""
    match args.edge:
        case NginxEdge():
            return kubernetes.to([kubernetes.pods_of(args.entrance.name, edge.NAME)], nginx.PORTS["https"])
        case GatewayEdge():
            return kubernetes.to([kubernetes.addresses(f"{args.edge.address}/32")], args.edge.port)
        case IngressEdge():
            return kubernetes.to([kubernetes.addresses("0.0.0.0/0")], args.edge.port)
