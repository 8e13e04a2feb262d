"""The flavour `nginx`: our own load balancer (S2's nginx-lb), for clusters that have no gateway.

Its certificate is signed by the stack's own authority. Who a client is, is what the connection says: only the load
balancers that the settings name are believed when they say it is somebody else.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pulumi import Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes, nginx_exporter
from components.edge.arguments import (
    API_PATHS,
    API_PREFIX,
    NAME,
    WEBSOCKET_PATH,
    WHOLE_ADDRESSES,
    EdgeArgs,
    certificate,
)
from components.kubernetes import Container, Mount, metadata, selector
from components.scaling import disruption_budget, rolling
from components.settings import NginxEdge

_CONFIG = Path(__file__).parents[1] / "files" / "edge.conf"
PORTS = {"https": 8443, "http": 8080, "internal": 8081}


def build(args: EdgeArgs, settings: NginxEdge, child: ResourceOptions) -> None:
    """Make the load balancer's objects; `child` are the options of each."""
    about = metadata(NAME, args.namespace.name, app=NAME)
    secret, secrets = certificate(args, args.namespace, child)
    files: dict[str, Input[str]] = {"nginx.conf": _CONFIG.read_text(), "site.conf": _site(args, settings)}
    config = core.v1.ConfigMap(NAME, metadata=about, data=files, opts=child)
    account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
    policy = networking.v1.NetworkPolicy(
        NAME,
        metadata=about,
        spec=kubernetes.allow(
            NAME,
            ingress=[kubernetes.from_([], PORTS["https"], PORTS["http"])],
            egress=[kubernetes.to([backend.peer], backend.endpoint.port) for backend in (args.app, args.websocket)],
        ),
        opts=child,
    )
    # A pod that goes finishes its requests; WebSockets, which have no end, are closed then.
    ending = args.timeouts.edge + 5
    container = Container(
        name="nginx",
        image=args.image,
        command=["nginx", "-c", "/etc/vision-week/nginx.conf", "-g", f"daemon off; worker_shutdown_timeout {ending}s;"],
        resources=settings.resources,
        ports=PORTS,
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
            progress_deadline_seconds=args.rollout_timeout,
            selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
            template=kubernetes.pod(
                NAME,
                [container],
                beside=[nginx_exporter.container(args.exporter_image, settings.exporter_resources)],
                volumes=[
                    kubernetes.config_files("config", config.metadata.name),
                    kubernetes.secret_files("tls", secret.metadata.name),
                    kubernetes.scratch("tmp", "16Mi"),
                ],
                service_account=account.metadata.name,
                configuration=kubernetes.checksum(files, secrets),
                # 5 s until nobody sends anything new, and some to spare.
                grace=5 + ending + 5,
            ),
        ),
        # No pod starts without its policies.
        opts=ResourceOptions(parent=child.parent, depends_on=[*args.namespace.guards, policy]),
    )
    if settings.replicas > 1:
        PodDisruptionBudget(NAME, metadata=about, spec=disruption_budget(NAME, settings.disruptions), opts=child)
    core.v1.Service(
        NAME,
        metadata=about,
        spec=core.v1.ServiceSpecArgs(type=settings.service, selector=selector(NAME), ports=_service_ports(settings)),
        opts=child,
    )


def _service_ports(settings: NginxEdge) -> Sequence[core.v1.ServicePortArgs]:
    return [
        core.v1.ServicePortArgs(name="https", port=443, target_port="https", node_port=settings.node_port),
        core.v1.ServicePortArgs(name="http", port=80, target_port="http"),
    ]


def _site(args: EdgeArgs, settings: NginxEdge) -> Output[str]:
    """The part of the configuration that differs from stack to stack."""
    places = [Output.format("{0}:{1}", each.endpoint.host, each.endpoint.port) for each in (args.app, args.websocket)]
    return Output.all(*places).apply(
        lambda known: "\n".join([*_http(args, settings), *_upstreams(*known), *_servers(settings)])
    )


def _http(args: EdgeArgs, settings: NginxEdge) -> Iterator[str]:
    """How large a body may be, how long an answer may take, where HTTP is told to go, whom to believe, and what is
    logged of a client's address."""
    yield WHOLE_ADDRESSES if args.whole_addresses else _SHORTENED
    yield _BOUNDS.format(body=args.body, seconds=args.timeouts.edge)
    yield _HOSTS.format(
        url=settings.url,
        hosts="".join(f'\n    {host} "https://{settings.authority_of(host)}";' for host in settings.hosts.values()),
    )
    if settings.trusted_proxies:
        yield _PROXIES.format(proxies="\n".join(f"set_real_ip_from {each};" for each in settings.trusted_proxies))


def _upstreams(app: str, websocket: str) -> Iterator[str]:
    yield _UPSTREAM.format(name="app", place=app, more="    keepalive 32;\n")
    yield _UPSTREAM.format(name="app_anew", place=app, more="")
    yield _UPSTREAM.format(name="websocket", place=websocket, more="")


def _servers(settings: NginxEdge) -> Iterator[str]:
    yield _server(settings.host, _WEBSOCKET, _API, _EVERYTHING)
    if settings.api_host is not None:
        yield _server(settings.api_host, _API, _NOTHING)
    if settings.websocket_host is not None:
        yield _server(settings.websocket_host, _WEBSOCKET, _NOTHING)


def _server(host: str, *locations: str) -> str:
    return _SERVER.format(host=host, locations="\n".join([*locations, _PROBLEM]))


# As the application's nginx has it.
_SHORTENED = (Path(__file__).parents[2] / "images" / "app" / "nginx" / "settings" / "logged-address.conf").read_text()

_BOUNDS = """\
client_max_body_size {body}m;
# Longer than the application's nginx waits, so that it is the one to say what took so long.
proxy_read_timeout {seconds}s;
proxy_send_timeout {seconds}s;
"""

_HOSTS = """\
map $host $site {{
    default "{url}";{hosts}
}}
"""

_PROXIES = """\
# From the last entry on, the first address that is none of these is the client's; what stands before it, it claims.
{proxies}
real_ip_header X-Forwarded-For;
real_ip_recursive on;
"""

# One Service, three times: a connection that does not come about is tried again, and may lead to another pod.
_UPSTREAM = """\
upstream {name} {{
    server {place} max_fails=0;
    server {place} max_fails=0;
    server {place} max_fails=0;
{more}}}
"""

_SERVER = """\
server {{
    listen 8443 ssl http2;
    server_name {host};

{locations}}}
"""

# A request whose first lines make no sense, or are too long, has no path that it could be told by.
_FOR_PROGRAMS = "error_page 400 404 413 429 500 502 503 504 /error/problem;"

_WEBSOCKET = f"""\
    location = {WEBSOCKET_PATH} {{
        {_FOR_PROGRAMS}
        proxy_pass http://websocket;
        # The service pings every 20 s, so an hour of silence is a dead connection.
        proxy_read_timeout 1h;
        proxy_send_timeout 1h;
    }}
"""

_API = f"""\
    location ~ ^({API_PREFIX}|({"|".join(API_PATHS)})$) {{
        {_FOR_PROGRAMS}
        proxy_pass http://$app;
    }}
"""

_EVERYTHING = """\
    location / {
        proxy_pass http://$app;
    }
"""

_NOTHING = f"""\
    location / {{
        {_FOR_PROGRAMS}
        return 404;
    }}
"""

# The status stays the one that led here.
_PROBLEM = """\
    location = /error/problem {
        internal;
        default_type application/problem+json;
        return 200 $problem;
    }
"""
