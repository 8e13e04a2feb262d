"""All of Google Cloud that a stack stands on, from the project's APIs to a cluster that can be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions

from components.google import access, provider
from components.google.admission import Admission, AdmissionArgs
from components.google.backups import BackupStore, BackupStoreArgs
from components.google.cluster import GoogleCluster, GoogleClusterArgs
from components.google.edge import GoogleEdge, GoogleEdgeArgs
from components.google.keys import Keys, KeysArgs
from components.google.log_store import LogStore, LogStoreArgs
from components.google.network import Network, NetworkArgs
from components.google.registry import Registry, RegistryArgs
from components.google.services import Services, ServicesArgs
from components.google.snapshots import Snapshots, SnapshotsArgs
from components.google.telemetry import Telemetry, TelemetryArgs
from components.google.uploads import Uploads, UploadsArgs
from components.google.vault import Vault, VaultArgs
from components.settings import GatewayEdge
from components.settings import GoogleCluster as GoogleClusterSettings
from components.settings import Snapshots as SnapshotsSettings


@dataclass(frozen=True, kw_only=True)
class FoundationArgs:
    """What it needs.

    prefix: of every name. registry: prefix of our images' names.
    kept: pools that take only the pods that ask for them. purpose: of the stack, for the bill.
    uploads_user: the Kubernetes service account that mounts the uploads (`ns/NAMESPACE/sa/NAME`).
    uploads_days: in which a former version of one can be had back.
    snapshots: of the volumes in the namespaces snapshots_of.
    telemetry_writer: the identity that brings logs, and traces where traced; None, and Google keeps none.
    logs_keeper: the identity of what keeps them in a bucket, if something does. logs_days: that logs are kept.
    backups: the pods' identities that write backups, `ns/NAMESPACE/sa/ACCOUNT`; none, and no bucket is made for them.
    backups_copied_by: number of the project that keeps a copy of them, if one does.
    protect: whether what holds data can be removed. edge: None where that is not Google's balancer.
    """

    prefix: str
    settings: GoogleClusterSettings
    registry: str
    kept: Sequence[str]
    backups: Sequence[str]
    backups_copied_by: int | None
    purpose: str
    uploads_user: str
    uploads_days: int
    snapshots: SnapshotsSettings
    snapshots_of: Sequence[str]
    telemetry_writer: str | None
    traced: bool
    logs_keeper: str | None
    logs_days: int
    protect: bool
    edge: GatewayEdge | None


class Foundation(ComponentResource):
    """The ground of a stack.

    kubeconfig, identifier: of its cluster. ready: what pods need to start, and images to be pushed.
    edge_ready: what a Gateway refers to by name. disks_key: what volumes are encrypted with.
    uploads: name of the bucket. uploads_ready: without which nobody can mount it.
    backups, logs: names of the buckets for them, where there are such.
    """

    kubeconfig: Output[str]
    identifier: str
    ready: Sequence[Resource]
    registry_ready: Sequence[Resource]
    edge_ready: Sequence[Resource]
    disks_key: Output[str]
    uploads: Output[str]
    uploads_ready: Sequence[Resource]
    backups: Output[str] | None
    logs: Output[str] | None

    def __init__(self, name: str, args: FoundationArgs, opts: ResourceOptions | None = None) -> None:
        access.require_plugin()
        super().__init__("vision-week:google:Foundation", name, None, opts)
        chosen, project, region = args.settings, args.settings.project, args.settings.region
        google = provider.of_project(project, region, self)
        inside = self._inside = ResourceOptions(parent=self, providers=[google])
        labels = {**chosen.labels, "part-of": "vision-week", "stack": args.prefix, "purpose": args.purpose}

        def bill(component: str) -> Mapping[str, str]:
            return {**labels, "component": component}

        services = Services("services", ServicesArgs(project=project, number=chosen.project_number), opts=inside)
        keys = Keys(
            "keys",
            KeysArgs(
                region=region,
                users=services.agents,
                rotation_days=chosen.key_rotation_days,
                protect=args.protect,
                after=services.ready,
                labels=bill("keys"),
            ),
            opts=inside,
        ).keys
        node_tag = f"{args.prefix}-node"
        network = Network(
            "network",
            NetworkArgs(
                prefix=args.prefix,
                region=region,
                ranges=chosen.network,
                node_tag=node_tag,
                after=services.ready,
                labels=bill("network"),
            ),
            opts=inside,
        )
        registry = Registry(
            "registry",
            RegistryArgs(
                region=region,
                repository=args.registry.split("/")[2],
                key=keys["registry"],
                protect=args.protect,
                after=services.ready,
                labels=bill("registry"),
            ),
            opts=inside,
        )
        admission = Admission(
            "admission", AdmissionArgs(project=project, region=region, after=services.ready), opts=inside
        )
        cluster = GoogleCluster(
            "cluster",
            GoogleClusterArgs(
                prefix=args.prefix,
                project=project,
                region=region,
                network=network,
                node_tag=node_tag,
                pools={"apps": chosen.apps, "data": chosen.data},
                kept=args.kept,
                maintenance=chosen.maintenance,
                secrets_key=keys["cluster"],
                disks_key=keys["disks"],
                pulls=registry.repositories,
                protect=args.protect,
                after=[*services.ready, admission],
                labels=bill("cluster"),
            ),
            opts=inside,
        )
        uploads = Uploads(
            "uploads",
            UploadsArgs(
                project=project,
                number=chosen.project_number,
                bucket=chosen.uploads,
                region=region,
                user=args.uploads_user,
                # Google makes the pool of a project's identities with its first cluster.
                identities=cluster.pools,
                key=keys["uploads"],
                days=args.uploads_days,
                protect=args.protect,
                after=services.ready,
                labels=bill("uploads"),
            ),
            opts=inside,
        )
        if args.snapshots.enabled:
            Snapshots(
                "snapshots",
                SnapshotsArgs(
                    prefix=args.prefix,
                    region=region,
                    cluster=cluster.id,
                    namespaces=args.snapshots_of,
                    settings=args.snapshots,
                    # Google makes them as the account that the cluster's key is for.
                    key=keys["cluster"].id,
                    protect=args.protect,
                    labels=bill("snapshots"),
                ),
                opts=inside,
            )
        if args.telemetry_writer:
            Telemetry(
                "telemetry",
                TelemetryArgs(
                    project=project,
                    number=chosen.project_number,
                    prefix=args.prefix,
                    region=region,
                    writer=args.telemetry_writer,
                    traced=args.traced,
                    days=args.logs_days,
                    identities=cluster.pools,
                    after=services.ready,
                ),
                opts=inside,
            )
        self.edge_ready = []
        if args.edge is not None:
            self.edge_ready = GoogleEdge(
                "edge",
                GoogleEdgeArgs(settings=args.edge, protect=args.protect, after=services.ready, labels=bill("edge")),
                opts=inside,
            ).ready
        self.kubeconfig = access.kubeconfig(cluster.endpoint)
        self.identifier = f"projects/{project}/locations/{region}/clusters/{args.prefix}"
        self.ready, self.registry_ready = cluster.pools, registry.repositories
        self.disks_key = keys["disks"].id
        self.uploads, self.uploads_ready = uploads.bucket, [*uploads.ready, *network.storage]
        self.backups = (
            BackupStore(
                "backups",
                BackupStoreArgs(
                    project=project,
                    number=chosen.project_number,
                    prefix=args.prefix,
                    region=region,
                    key=keys["backups"],
                    writers=args.backups,
                    copied_by=args.backups_copied_by,
                    protect=args.protect,
                    # Pods have identities when there is a cluster that gives them some.
                    after=[*services.ready, *cluster.pools],
                    labels=bill("backups"),
                ),
                opts=inside,
            ).bucket
            if args.backups
            else None
        )
        self.logs = (
            LogStore(
                "log-store",
                LogStoreArgs(
                    project=project,
                    number=chosen.project_number,
                    prefix=args.prefix,
                    region=region,
                    key=keys["logs"],
                    keeper=args.logs_keeper,
                    days=args.logs_days,
                    protect=args.protect,
                    identities=cluster.pools,
                    after=services.ready,
                    labels=bill("logs"),
                ),
                opts=inside,
            ).bucket
            if args.logs_keeper
            else None
        )
        self._vault = partial(
            VaultArgs,
            region=region,
            key=keys["vault"],
            protect=args.protect,
            after=services.ready,
            labels=bill("vault"),
        )
        self.register_outputs({"identifier": self.identifier, "endpoint": cluster.endpoint})

    def keep(self, name: str, secret: Input[str]) -> None:
        """Put a secret away where it stays when the state is lost."""
        Vault("vault", self._vault(name=name, secret=secret), opts=self._inside)
