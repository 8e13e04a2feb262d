"""Jaeger: keeps traces, and finds them again, where no cloud does that.

One, with a volume. While it is away the collectors keep what is new for some minutes, in memory; what was not yet
written when it is killed is lost, too. It takes in from the collectors and answers Grafana; people may come by `kubectl
port-forward` to pages of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking

from components import kubernetes
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.settings import Traces
from components.values import mebibytes

NAME = "jaeger"
PORT = 4318
PAGES_PORT = 16686
METRICS_PORT = 8888
# What is taken in of its numbers: what came, and what it could not take.
COUNTED = "up|otelcol_receiver_(accepted|refused)_spans|process_resident_memory_bytes|otelcol_process_memory_rss"
_HEALTH_PORT = 13133
_FILES = "/etc/jaeger"
_DATA = "/var/lib/jaeger"


@dataclass(frozen=True, kw_only=True)
class JaegerArgs:
    """What Jaeger needs.

    namespace: its own. collectors: who brings spans. readers: who asks for traces.
    settings: how long and how much it keeps. authority: signs what it shows to them. image: of Jaeger.
    storage_class: of its volume. protect: what it has kept is not removed before this is taken away.
    """

    namespace: Namespace
    collectors: networking.v1.NetworkPolicyPeerArgs
    readers: Sequence[networking.v1.NetworkPolicyPeerArgs]
    settings: Traces
    authority: Authority
    image: Input[str]
    storage_class: Input[str]
    protect: bool


class Jaeger(ComponentResource):
    """Jaeger. endpoint: where spans are brought, pages: where it is asked, both under TLS, for the name `jaeger`."""

    endpoint: Endpoint
    pages: Endpoint

    def __init__(self, name: str, args: JaegerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Jaeger", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        certificate = ServerCertificate(NAME, ServerCertificateArgs(authority=args.authority, hosts=[NAME]), opts=child)
        files: dict[str, Input[str]] = {
            "jaeger.yaml": configuration(args.settings.days),
            "tls.crt": certificate.certificate,
            "tls.key": certificate.key,
        }
        secret = core.v1.Secret(NAME, metadata=about, string_data=files, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        asked = [kubernetes.from_(args.readers, PAGES_PORT)] if args.readers else []
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(NAME, ingress=[kubernetes.from_([args.collectors], PORT), *asked]),
            opts=child,
        )
        service = core.v1.Service(
            NAME,
            # It comes before its pod.
            metadata=metadata(NAME, args.namespace.name, app=NAME, annotations={"pulumi.com/skipAwait": "true"}),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None",
                selector=selector(NAME),
                ports=[
                    core.v1.ServicePortArgs(name=name, port=port, target_port=name)
                    for name, port in (("spans", PORT), ("pages", PAGES_PORT))
                ],
            ),
            opts=child,
        )
        apps.v1.StatefulSet(
            NAME,
            metadata=about,
            spec=apps.v1.StatefulSetSpecArgs(
                replicas=1,
                service_name=service.metadata.name,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [_container(args)],
                    volumes=[
                        kubernetes.secret_files("config", secret.metadata.name),
                        kubernetes.scratch("tmp", "64Mi"),
                    ],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files),
                    # To write what is in memory to disk.
                    grace=30,
                ),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, args.settings.size)],
            ),
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                # No pod starts without its policies.
                depends_on=[*args.namespace.guards, policy],
            ),
        )
        host = kubernetes.host_of(service)
        self.endpoint, self.pages = Endpoint(host=host, port=PORT), Endpoint(host=host, port=PAGES_PORT)
        self.register_outputs({"host": host})


def _container(args: JaegerArgs) -> Container:
    settings = args.settings
    return Container(
        name=NAME,
        image=args.image,
        command=["/cmd/jaeger/jaeger-linux", f"--config={_FILES}/jaeger.yaml"],
        # Tidies up before the limit rather than being killed at it.
        env={"GOMEMLIMIT": f"{mebibytes(settings.resources.memory) * 8 // 10}MiB"},
        resources=settings.resources,
        ports={"spans": PORT, "pages": PAGES_PORT, "health": _HEALTH_PORT, "metrics": METRICS_PORT},
        mounts=[
            Mount(volume="config", path=_FILES, read_only=True),
            Mount(volume="data", path=_DATA),
            Mount(volume="tmp", path="/tmp"),  # noqa: S108  the pod's own
        ],
        readiness=kubernetes.http_probe("/status", "health", period=5, failures=3),
        liveness=kubernetes.http_probe("/status", "health", period=10, failures=6),
        # What was not yet in its tables is read again.
        startup=kubernetes.http_probe("/status", "health", period=2, failures=150),
    )


def configuration(
    days: int,
    *,
    address: str = "0.0.0.0",  # noqa: S104  the pod's own address, which policies guard
    ports: Sequence[int] = (PORT, PAGES_PORT, _HEALTH_PORT, METRICS_PORT),
    files: str = _FILES,
    data: str = _DATA,
) -> str:
    """Jaeger's own configuration: one process that does all, with its files on a volume."""
    spans, pages, health, metrics = ports
    tls = {"cert_file": f"{files}/tls.crt", "key_file": f"{files}/tls.key"}
    store = {
        "directories": {"keys": f"{data}/keys", "values": f"{data}/values"},
        "ephemeral": False,
        "ttl": {"spans": f"{days * 24}h"},
    }
    return yaml.safe_dump(
        {
            "extensions": {
                "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{address}:{health}"}},
                "jaeger_storage": {"backends": {"volume": {"badger": store}}},
                "jaeger_query": {
                    "storage": {"traces": "volume"},
                    # It would tell of itself to itself.
                    "enable_tracing": False,
                    "http": {"endpoint": f"{address}:{pages}", "tls": tls},
                    # Nobody asks by this, and it can't be left out.
                    "grpc": {"endpoint": f"127.0.0.1:{pages + 1}"},
                },
            },
            "processors": {
                "memory_limiter": {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20}
            },
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{address}:{spans}", "tls": tls}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "volume"}},
            "service": {
                "extensions": ["healthcheckv2", "jaeger_storage", "jaeger_query"],
                "pipelines": {
                    "traces": {
                        "receivers": ["otlp"],
                        "processors": ["memory_limiter"],
                        "exporters": ["jaeger_storage_exporter"],
                    }
                },
                "telemetry": {
                    "logs": {"level": "warn", "encoding": "json"},
                    "metrics": {
                        "level": "normal",
                        "readers": [
                            {
                                "pull": {
                                    "exporter": {
                                        "prometheus": {
                                            "host": address,
                                            "port": metrics,
                                            "without_type_suffix": True,
                                            "without_units": True,
                                        }
                                    }
                                }
                            }
                        ],
                    },
                },
            },
        },
        sort_keys=False,
    )
