"""Loki: keeps what all pods have written, and finds it again.

One, with a volume: while it is away the nodes keep what is new (`collector.py`), so its loss is a pause and not a hole.
On Google it keeps lines in a bucket, and in its volume what isn't there yet; elsewhere its volume has them all.
It takes in from the collectors and answers Grafana; people come by `kubectl port-forward`, as `deploy.sh logs` does.
What makes a stream of its own is a container, of which there are few, and never a pod, of which there is no end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking

from components import kubernetes
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.settings import Monitoring
from components.values import mebibytes

NAME = "loki"
PORT = 3100
# What is taken in of its numbers, of some thousand: what came, what it refused, how many streams there are.
COUNTED = "|".join(
    (
        "up",
        "loki_discarded_samples_total",
        "loki_distributor_bytes_received_total",
        "loki_distributor_lines_received_total",
        "loki_ingester_memory_streams",
        "process_resident_memory_bytes",
    )
)
# By what lines are found without reading them all; everything else that is known of a line is kept beside it.
LABELS = ("k8s.namespace.name", "service.name", "k8s.container.name")
# Streams that it takes: containers of all services, several times over.
_STREAMS = 1000
_FILES = "/etc/loki"
_DATA = "/loki"


@dataclass(frozen=True, kw_only=True)
class LokiArgs:
    """What Loki needs.

    namespace: its own. collectors: who brings lines. readers: who asks for them.
    settings: how long and how much it keeps.
    authority: signs what it shows to them. image: of Loki. storage_class: of its volume.
    bucket: of Google's that has the lines; None where the volume has them. connections: that this takes.
    protect: what it has kept is not removed before this is taken away.
    """

    namespace: Namespace
    collectors: networking.v1.NetworkPolicyPeerArgs
    readers: Sequence[networking.v1.NetworkPolicyPeerArgs]
    settings: Monitoring
    authority: Authority
    image: Input[str]
    storage_class: Input[str]
    bucket: Input[str] | None
    connections: Sequence[networking.v1.NetworkPolicyEgressRuleArgs]
    protect: bool


class Loki(ComponentResource):
    """Loki. endpoint: where lines are brought, under TLS; its certificate is for the name `loki`."""

    endpoint: Endpoint

    def __init__(self, name: str, args: LokiArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Loki", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        certificate = ServerCertificate(NAME, ServerCertificateArgs(authority=args.authority, hosts=[NAME]), opts=child)
        files: dict[str, Input[str]] = {
            "loki.yaml": Output.from_input(args.bucket).apply(
                lambda bucket: configuration(
                    args.settings.logs_days, mebibytes(args.settings.loki_resources.memory), bucket=bucket
                )
            ),
            "tls.crt": certificate.certificate,
            "tls.key": certificate.key,
        }
        secret = core.v1.Secret(NAME, metadata=about, string_data=files, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(
                NAME, ingress=[kubernetes.from_([args.collectors, *args.readers], PORT)], egress=args.connections
            ),
            opts=child,
        )
        service = core.v1.Service(
            NAME,
            # It comes before its pod.
            metadata=metadata(NAME, args.namespace.name, app=NAME, annotations={"pulumi.com/skipAwait": "true"}),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None",
                selector=selector(NAME),
                ports=[core.v1.ServicePortArgs(name="lines", port=PORT, target_port="lines")],
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
                        kubernetes.scratch("tmp", "256Mi"),
                    ],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files),
                    # To write what is in memory to disk.
                    grace=60,
                ),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, args.settings.logs_size)],
            ),
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                # No pod starts without its policies.
                depends_on=[*args.namespace.guards, policy],
            ),
        )
        self.endpoint = Endpoint(host=kubernetes.host_of(service), port=PORT)
        self.register_outputs({"host": self.endpoint.host})


def _container(args: LokiArgs) -> Container:
    settings = args.settings
    return Container(
        name=NAME,
        image=args.image,
        command=["/usr/bin/loki", f"-config.file={_FILES}/loki.yaml"],
        # Tidies up before the limit rather than being killed at it.
        env={"GOMEMLIMIT": f"{mebibytes(settings.loki_resources.memory) * 9 // 10}MiB"},
        resources=settings.loki_resources,
        ports={"lines": PORT},
        mounts=[
            Mount(volume="config", path=_FILES, read_only=True),
            Mount(volume="data", path=_DATA),
            Mount(volume="tmp", path="/tmp"),  # noqa: S108  the pod's own
        ],
        readiness=kubernetes.http_probe("/ready", "lines", period=5, failures=3, scheme="HTTPS"),
        liveness=kubernetes.http_probe("/metrics", "lines", period=30, failures=4, scheme="HTTPS"),
        # What was not yet in blocks is read again: minutes after a crash.
        startup=kubernetes.http_probe("/ready", "lines", period=2, failures=300, scheme="HTTPS"),
    )


def configuration(
    days: int, memory: int, port: int = PORT, files: str = _FILES, data: str = _DATA, *, bucket: str | None = None
) -> str:
    """Loki's own configuration: one process that does all. memory: MiB that it has. bucket: of Google's that has the
    lines, reached as whoever runs it; None where they are with its other files."""
    kind, place = "filesystem", {"chunks_directory": f"{data}/chunks", "rules_directory": f"{data}/rules"}
    if bucket:
        kind, place = "gcs", {"bucket_name": bucket}
    return yaml.safe_dump(
        {
            # One stack is one tenant; who may speak to it is the policies' to say.
            "auth_enabled": False,
            "server": {
                "http_listen_port": port,
                "http_tls_config": {"cert_file": f"{files}/tls.crt", "key_file": f"{files}/tls.key"},
                # Its parts speak to each other by this, and nobody else does.
                "grpc_listen_address": "127.0.0.1",
                "grpc_listen_port": port + 1,
                "log_format": "json",
                "log_level": "warn",
            },
            "common": {
                "instance_addr": "127.0.0.1",
                "path_prefix": data,
                "replication_factor": 1,
                "ring": {"kvstore": {"store": "inmemory"}},
                "storage": {kind: place},
            },
            "schema_config": {
                "configs": [
                    {
                        "from": "2024-01-01",
                        "store": "tsdb",
                        "object_store": kind,
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
            "ingester": {
                # Alone it waits for nobody.
                "lifecycler": {"min_ready_duration": "0s"},
                # What wasn't in blocks yet when it ended is read again in pieces that fit.
                "wal": {"replay_memory_ceiling": f"{memory // 2}MB"},
                # Lines of one stream come from several nodes, and may be half as late as this behind each other: after
                # Loki was away for hours one node may be done before another.
                "max_chunk_age": "24h",
            },
            "limits_config": {
                "retention_period": f"{days * 24}h",
                # After Loki was away, all nodes bring what they have kept, at once.
                "ingestion_rate_mb": 32,
                "ingestion_burst_size_mb": 64,
                "per_stream_rate_limit": "16MB",
                "per_stream_rate_limit_burst": "64MB",
                "max_global_streams_per_user": _STREAMS,
                # Loki's own limit is 256 KiB: rather the beginning of a line than nothing of it.
                "max_line_size_truncate": True,
                "otlp_config": {
                    "resource_attributes": {
                        "ignore_defaults": True,
                        "attributes_config": [{"action": "index_label", "attributes": list(LABELS)}],
                    }
                },
            },
            "compactor": {
                "working_directory": f"{data}/compactor",
                "retention_enabled": True,
                "delete_request_store": kind,
            },
            "analytics": {"reporting_enabled": False},
        },
        sort_keys=False,
    )
