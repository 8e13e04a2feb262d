"""What is built from what, in order. Data flows one way: settings in, each component's outputs on to the next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import core, networking

from components import app, bounds, catalogue, edge, monitoring, pgbackrest, postgres, redis, websocket
from components.app import App, AppArgs, Database, Store, Uploads
from components.backups import Backups, BackupsArgs
from components.certificates import Authority, AuthorityArgs
from components.cluster import Cluster, ClusterArgs
from components.edge import Backend, Edge, EdgeArgs
from components.images import Images, ImagesArgs
from components.inspection import Inspection, InspectionArgs
from components.kubernetes import pods_of
from components.monitoring import MonitoringArgs, collector, loki
from components.postgres import Postgres, PostgresArgs
from components.redis import Redis, RedisArgs
from components.retirement import Retirement, RetirementArgs
from components.settings import ExistingCluster, GatewayEdge, Settings
from components.storage import Storage, StorageArgs
from components.tenancy import NODE, Tenancy, TenancyArgs
from components.unbuilt import refuse_unbuilt
from components.vertical import VerticalAutoscaling, VerticalAutoscalingArgs
from components.websocket import WebSocket, WebSocketArgs


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What the platform stands on, wherever it is.

    context, kubeconfig, identifier: of its cluster. control_plane, nodes: addresses of its API server and its nodes;
    None where network policies can't mean nodes by their addresses.
    ready: what must be there before something is made in it. pools: area -> nodes that are kept for its pods.
    parameters: of the databases' volumes, beside the settings'. uploads: the bucket for them, where the program has
    made it; uploads_ready: without which nobody can mount it.
    backups, logs: the same for them. keep: puts a secret away, by a name, apart from the state.
    mirrors: host of somebody's registry -> what stands in its place. registry: what must be there before a push.
    edge: what must be there before a Gateway. to_google: connections to Google's APIs.
    lookers: users who look for drift and test.
    """

    context: str
    kubeconfig: Input[str] | None
    identifier: str
    control_plane: Sequence[str]
    nodes: Sequence[str] | None
    ready: Sequence[Resource] = ()
    pools: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Input[str]] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    registry: Sequence[Resource] = ()
    uploads: Output[str] | None = None
    uploads_ready: Sequence[Resource] = ()
    backups: Output[str] | None = None
    logs: Output[str] | None = None
    keep: Callable[[str, Input[str]], None] | None = None
    edge: Sequence[Resource] = ()
    to_google: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = ()
    lookers: Sequence[str] = ()


class Platform(ComponentResource):
    """The whole platform of one stack.

    url: where users find the application.
    ca_certificate: PEM of the authority that signed what answers there.
    namespaces: area -> name. images: what runs, ours by digest.
    """

    url: Output[str]
    ca_certificate: Output[str]
    namespaces: Output[Mapping[str, str]]
    images: Output[Mapping[str, str]]

    def __init__(self, settings: Settings, opts: ResourceOptions | None = None) -> None:
        refuse_unbuilt(settings)
        super().__init__("vision-week:platform:Platform", "platform", None, opts)
        child = ResourceOptions(parent=self)
        watched = settings.monitoring.enabled
        on_nodes = watched and (settings.monitoring.logs or settings.monitoring.node_exporter)
        ground = _ground(settings, child)
        cluster = Cluster(
            "cluster",
            ClusterArgs(
                context=ground.context,
                kubeconfig=ground.kubeconfig,
                identifier=ground.identifier,
                ready=ground.ready,
            ),
            opts=child,
        )
        inside = ResourceOptions(parent=self, providers=[cluster.provider])
        images = Images(
            "images",
            ImagesArgs(
                registry=settings.images.registry,
                release=settings.release,
                promoted_from=settings.images.promoted_from,
                app_target=settings.images.app_target,
                flutter=settings.images.flutter,
                source=settings.source.location,
                document_root=settings.source.document_root,
                allow_unpinned=settings.images.allow_unpinned,
                fixed=settings.images.fixed,
                mirrors=ground.mirrors,
                ready=ground.registry,
            ),
            opts=child,
        )
        tenancy = Tenancy(
            "tenancy",
            TenancyArgs(
                prefix=settings.namespace_prefix,
                quotas={
                    "app": settings.tenancy.app,
                    "data": settings.tenancy.data,
                    "edge": settings.tenancy.edge,
                    **({"monitoring": settings.tenancy.monitoring} if watched else {}),
                    **({NODE: settings.tenancy.node} if on_nodes else {}),
                },
                protect=settings.protect,
                pools=ground.pools,
            ),
            opts=inside,
        )
        storage = Storage(
            "storage",
            StorageArgs(
                class_name=settings.storage.class_name,
                provisioner=settings.storage.provisioner,
                parameters={**settings.storage.parameters, **ground.parameters},
                retain=settings.storage.retain,
            ),
            opts=inside,
        )
        authority = Authority("authority", AuthorityArgs(common_name=f"{settings.namespace_prefix} CA"), opts=child)
        namespaces = tenancy.namespaces
        app_pods = pods_of(namespaces["app"].name, app.NAME)
        migration_pods = pods_of(namespaces["app"].name, app.MIGRATIONS)
        websocket_pods = pods_of(namespaces["app"].name, websocket.NAME)
        whole_addresses = settings.monitoring.client_addresses == "full"
        way_in = edge.entrance(settings.edge, namespaces["edge"])
        backups = (
            Backups(
                "backups",
                BackupsArgs(
                    namespace=namespaces["data"],
                    settings=settings.postgres,
                    image=images.postgres,
                    bucket=_bucket(settings, ground),
                    storage_class=settings.storage.shared_class,
                    storage_access=settings.storage.shared_access,
                    restored_class=storage.class_name,
                    authority=authority,
                    protect=settings.protect,
                ),
                opts=inside,
            )
            if settings.postgres.backups.enabled
            else None
        )
        if backups and ground.keep:
            ground.keep(f"{settings.namespace_prefix}-backups-passphrase", backups.passphrase)
        database = Postgres(
            "postgres",
            PostgresArgs(
                namespace=namespaces["data"],
                settings=settings.postgres,
                image=images.postgres,
                storage_class=storage.class_name,
                authority=authority,
                archive=backups.archive if backups else None,
                clients=[app_pods],
                migrations=[migration_pods],
                longest_ending=app.ending(way_in.notice, settings.timeouts),
                statement_timeout=settings.timeouts.database,
                generation=settings.secrets.generation,
                control_plane=ground.control_plane,
                protect=settings.protect,
            ),
            opts=inside,
        )
        memory = Redis(
            "redis",
            RedisArgs(
                namespace=namespaces["data"],
                settings=settings.redis,
                image=images.redis,
                haproxy_image=images.haproxy,
                exporter_image=images.redis_exporter,
                storage_class=storage.class_name,
                authority=authority,
                clients=[app_pods, websocket_pods],
                longest_ending=max(app.ending(way_in.notice, settings.timeouts), websocket.ending(way_in.notice)),
                generation=settings.secrets.generation,
                protect=settings.protect,
            ),
            opts=inside,
        )
        stores = {
            name: Store(
                endpoint=memory.endpoint,
                peer=pods_of(namespaces["data"].name, redis.NAME),
                login=memory.logins[name],
                authority=authority.certificate,
            )
            for name in (app.NAME, websocket.NAME)
        }
        application = App(
            "app",
            AppArgs(
                namespace=namespaces["app"],
                settings=settings.app,
                timeouts=settings.timeouts,
                names=settings.source.variables,
                constants=settings.source.constants,
                image=images.app,
                exporter_image=images.nginx_exporter,
                release=settings.release,
                database=Database(
                    endpoint=database.pooled,
                    primary=database.primary,
                    peer=pods_of(namespaces["data"].name, postgres.NAME),
                    name=postgres.DATABASE,
                    owner=database.logins["owner"],
                    user=database.logins["app"],
                    authority=authority.certificate,
                ),
                redis=stores[app.NAME],
                clients=way_in.clients,
                websocket=settings.edge.websocket_address,
                notice=way_in.notice,
                nginx_settings={
                    **way_in.nginx_settings,
                    **({"logged-address.conf": edge.WHOLE_ADDRESSES} if whole_addresses else {}),
                },
                uploads=_uploads(settings, ground, inside),
                after=[database, memory],
                tracing=monitoring.tracing(settings, namespaces),
                rollout_timeout=settings.rollout_timeout,
                protect=settings.protect,
            ),
            opts=inside,
        )
        live = WebSocket(
            "websocket",
            WebSocketArgs(
                namespace=namespaces["app"],
                settings=settings.websocket,
                image=images.websocket,
                redis=stores[websocket.NAME],
                origins=[settings.edge.url],
                clients=way_in.clients,
                notice=way_in.notice,
                after=[memory],
                rollout_timeout=settings.rollout_timeout,
            ),
            opts=inside,
        )
        Retirement(
            "retirement",
            RetirementArgs(
                namespace=namespaces["data"],
                generation=settings.secrets.generation,
                clients=[application, live],
            ),
            opts=inside,
        )
        front = Edge(
            "edge",
            EdgeArgs(
                namespace=namespaces["edge"],
                applications=namespaces["app"],
                settings=settings.edge,
                image=images.nginx,
                exporter_image=images.nginx_exporter,
                authority=authority,
                app=Backend(service=app.NAME, endpoint=application.endpoint, peer=app_pods),
                websocket=Backend(service=websocket.NAME, endpoint=live.endpoint, peer=websocket_pods),
                body=bounds.body(settings.app.limits),
                timeouts=settings.timeouts,
                whole_addresses=whole_addresses,
                rollout_timeout=settings.rollout_timeout,
                ready=ground.edge,
            ),
            opts=inside,
        )
        if watched:
            monitoring.build(
                MonitoringArgs(
                    namespaces=namespaces,
                    settings=settings,
                    images=images,
                    storage_class=storage.class_name,
                    authority=authority,
                    backups=backups,
                    control_plane=ground.control_plane,
                    nodes=ground.nodes,
                    to_google=ground.to_google,
                    logs_bucket=ground.logs,
                    lookers=ground.lookers,
                ),
                inside,
            )
        if ground.lookers:
            Inspection("inspection", InspectionArgs(namespaces=namespaces, users=ground.lookers), opts=inside)
        if settings.vertical_autoscaling:
            VerticalAutoscaling(
                "vertical-autoscaling",
                VerticalAutoscalingArgs(
                    namespaces=namespaces,
                    app=settings.app,
                    websocket=settings.websocket,
                    postgres=settings.postgres,
                    redis=settings.redis,
                    edge=settings.edge,
                ),
                opts=inside,
            )
        self.url = front.url
        self.ca_certificate = authority.certificate
        self.namespaces = tenancy.names
        self.images = Output.all(
            app=images.app,
            alertmanager=images.alertmanager,
            **{"blackbox-exporter": images.blackbox_exporter},
            collector=images.collector,
            grafana=images.grafana,
            jaeger=images.jaeger,
            websocket=images.websocket,
            postgres=images.postgres,
            haproxy=images.haproxy,
            **{"kube-state-metrics": images.kube_state_metrics},
            loki=images.loki,
            nginx=images.nginx,
            **{"nginx-exporter": images.nginx_exporter},
            **{"node-exporter": images.node_exporter},
            prometheus=images.prometheus,
            redis=images.redis,
            **{"redis-exporter": images.redis_exporter},
        )
        self.register_outputs(
            {
                "url": self.url,
                "ca_certificate": self.ca_certificate,
                "namespaces": self.namespaces,
                "images": self.images,
            }
        )


def _ground(settings: Settings, child: ResourceOptions) -> _Ground:
    """A cluster that is there already, or all that one on Google Cloud needs."""
    chosen = settings.cluster
    if isinstance(chosen, ExistingCluster):
        return _Ground(
            context=chosen.context,
            kubeconfig=chosen.kubeconfig,
            identifier=chosen.identifier or chosen.context,
            control_plane=[str(network) for network in chosen.control_plane],
            nodes=[str(network) for network in chosen.nodes],
        )
    # Only here: whoever has a cluster already doesn't wait for Google's types to load.
    from components.google.access import CONTEXT  # noqa: PLC0415
    from components.google.foundation import Foundation, FoundationArgs  # noqa: PLC0415
    from components.google.network import to_apis  # noqa: PLC0415
    from components.google.pipeline import looker  # noqa: PLC0415

    pools = {"data": "data"}
    google = Foundation(
        "google",
        FoundationArgs(
            prefix=settings.namespace_prefix,
            settings=chosen,
            registry=settings.images.registry,
            kept=list(pools.values()),
            backups=_bucket_writers(settings),
            backups_copied_by=settings.postgres.backups.copied_by,
            purpose=settings.purpose,
            uploads_user=f"ns/{settings.namespace_prefix}-app/sa/{app.NAME}",
            uploads_days=settings.storage.uploads_days,
            snapshots=settings.storage.snapshots,
            snapshots_of=[
                f"{settings.namespace_prefix}-{area}"
                for area in ("data", *(["monitoring"] if settings.monitoring.enabled else []))
            ],
            telemetry_writer=_of_logs(settings, NODE, collector.NAME),
            traced=settings.monitoring.traces.enabled,
            logs_keeper=_of_logs(settings, "monitoring", loki.NAME),
            logs_days=settings.monitoring.logs_days,
            protect=settings.protect,
            edge=settings.edge if isinstance(settings.edge, GatewayEdge) else None,
        ),
        opts=child,
    )
    return _Ground(
        context=CONTEXT,
        kubeconfig=google.kubeconfig,
        identifier=google.identifier,
        control_plane=[str(chosen.network.control_plane)],
        # Dataplane V2, which is Cilium.
        nodes=None,
        ready=google.ready,
        pools=pools,
        parameters={"disk-encryption-kms-key": google.disks_key},
        mirrors=catalogue.mirrors(chosen.registry),
        registry=google.registry_ready,
        uploads=google.uploads,
        uploads_ready=google.uploads_ready,
        backups=google.backups,
        logs=google.logs,
        keep=google.keep,
        edge=google.edge_ready,
        to_google=to_apis(),
        lookers=[looker(chosen.project)],
    )


def _bucket_writers(settings: Settings) -> Sequence[str]:
    """Who writes to the bucket that the program makes for backups: nobody, where it makes none."""
    chosen = settings.postgres.backups
    if not chosen.enabled or chosen.repository == "volume" or chosen.bucket:
        return ()
    return [f"ns/{settings.namespace_prefix}-data/sa/{name}" for name in (pgbackrest.REPOSITORY, pgbackrest.JOBS)]


def _of_logs(settings: Settings, area: str, account: str) -> str | None:
    """Who brings logs and traces to Google, and who keeps them there; nobody, where there are none."""
    watched = settings.monitoring
    if not (watched.enabled and watched.logs):
        return None
    return f"ns/{settings.namespace_prefix}-{area}/sa/{account}"


def _bucket(settings: Settings, ground: _Ground) -> Input[str] | None:
    """The bucket that backups go to; None where they go to a volume."""
    chosen = settings.postgres.backups
    return (chosen.bucket or ground.backups) if chosen.repository == "bucket" else None


def _uploads(settings: Settings, ground: _Ground, inside: ResourceOptions) -> Uploads:
    """Where the uploads are: in a volume of a class that the cluster has, or in a bucket that the program has made."""
    if ground.uploads is None:
        return Uploads(
            claim=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=[settings.storage.shared_access],
                storage_class_name=settings.storage.shared_class,
                resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": settings.app.uploads}),
            )
        )
    from components.google.volume import Volume, VolumeArgs  # noqa: PLC0415

    volume = Volume(
        "uploads",
        VolumeArgs(
            name=f"{settings.namespace_prefix}-uploads",
            bucket=ground.uploads,
            ready=ground.uploads_ready,
            settings=settings.app,
        ),
        opts=inside,
    )
    return Uploads(claim=volume.claim, annotations=volume.annotations, connections=volume.connections)
