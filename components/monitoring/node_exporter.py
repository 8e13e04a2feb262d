"""The nodes' processors, memory and disks, as numbers: Prometheus' node_exporter, on every node.

It is given nothing of the node's. Processors and memory are the same in every container's own `/proc`; a disk is told
of by the file system that a directory of the pod's own lies on. The node's `/proc`, which it is mostly given, would
show more: whose number is 1000, as that of all our pods, could go through it into the files of each of them, secrets
included. Left out for it are the node's network and its units, and disks that no pod lies on.
"""

from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking

from components import kubernetes
from components.kubernetes import Container, Mount, Namespace, metadata, selector
from components.settings import Monitoring

NAME = "node-exporter"
PORT = 9100
# What is taken in.
COUNTED = "node_(cpu_seconds_total|filesystem_(avail|size)_bytes|memory_Mem(Available|Total)_bytes)"
# Lies where the kubelet keeps the pods' volumes, whose disk it evicts pods for; `/` is where their images are.
_VOLUMES = "/volumes"
_COLLECTORS = ("cpu", "filesystem", "meminfo")


@dataclass(frozen=True, kw_only=True)
class NodeExporterArgs:
    """What it needs. namespace: that of what runs on every node. settings: what each may use. image: of it."""

    namespace: Namespace
    settings: Monitoring
    image: Input[str]


class NodeExporter(ComponentResource):
    """One pod on each node, those that are kept for others' pods too."""

    def __init__(self, name: str, args: NodeExporterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:NodeExporter", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(NAME, metadata=about, spec=kubernetes.allow(NAME), opts=child)
        command = [
            "/bin/node_exporter",
            f"--web.listen-address=:{PORT}",
            "--collector.disable-defaults",
            *(f"--collector.{each}" for each in _COLLECTORS),
            # All but those two.
            "--collector.filesystem.mount-points-exclude=^/(dev|etc|proc|run|sys|var)($|/)",
            "--collector.filesystem.fs-types-exclude=^(cgroup2?|devpts|mqueue|proc|sysfs|tmpfs)$",
        ]
        container = Container(
            name=NAME,
            image=args.image,
            command=command,
            resources=args.settings.node_exporter_resources,
            ports={"metrics": PORT},
            mounts=[Mount(volume="volumes", path=_VOLUMES, read_only=True)],
            readiness=kubernetes.http_probe("/", "metrics", period=5, failures=3),
            liveness=kubernetes.http_probe("/", "metrics", period=30, failures=3),
        )
        apps.v1.DaemonSet(
            NAME,
            metadata=about,
            spec=apps.v1.DaemonSetSpecArgs(
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [container],
                    # Nothing is written there.
                    volumes=[kubernetes.scratch("volumes", "1Mi")],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(command),
                    grace=5,
                    every_node=True,
                ),
            ),
            # No pod starts without its policies.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy]),
        )
        self.register_outputs({})
