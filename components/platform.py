"""What is built from what, in order. Data flows one way: settings in, each component's outputs on to the next."""

from collections.abc import Mapping
from typing import cast

from pulumi import ComponentResource, Output, ResourceOptions

from components import app, bounds, edge, patroni, postgres, redis, websocket
from components.app import App, AppArgs, Database, Store
from components.certificates import Authority, AuthorityArgs
from components.cluster import Cluster, ClusterArgs
from components.edge import Backend, Edge, EdgeArgs
from components.images import Images, ImagesArgs
from components.kubernetes import pods_of
from components.monitoring import Prometheus, PrometheusArgs, Target
from components.postgres import Postgres, PostgresArgs
from components.redis import Redis, RedisArgs
from components.retirement import Retirement, RetirementArgs
from components.settings import ExistingCluster, Settings
from components.storage import Storage, StorageArgs
from components.tenancy import Tenancy, TenancyArgs
from components.unbuilt import refuse_unbuilt
from components.vertical import VerticalAutoscaling, VerticalAutoscalingArgs
from components.websocket import WebSocket, WebSocketArgs


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
        chosen_cluster = cast("ExistingCluster", settings.cluster)
        child = ResourceOptions(parent=self)
        cluster = Cluster(
            "cluster",
            ClusterArgs(
                context=chosen_cluster.context,
                kubeconfig=chosen_cluster.kubeconfig,
                identifier=chosen_cluster.identifier or chosen_cluster.context,
            ),
            opts=child,
        )
        inside = ResourceOptions(parent=self, providers=[cluster.provider])
        images = Images(
            "images",
            ImagesArgs(
                registry=settings.images.registry,
                release=settings.release,
                app_target=settings.images.app_target,
                flutter=settings.images.flutter,
                source=settings.source.location,
                document_root=settings.source.document_root,
                allow_unpinned=settings.images.allow_unpinned,
                fixed=settings.images.fixed,
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
                    **({"monitoring": settings.tenancy.monitoring} if settings.monitoring.enabled else {}),
                },
                protect=settings.protect,
            ),
            opts=inside,
        )
        storage = Storage(
            "storage",
            StorageArgs(
                class_name=settings.storage.class_name,
                provisioner=settings.storage.provisioner,
                parameters=settings.storage.parameters,
                retain=settings.storage.retain,
            ),
            opts=inside,
        )
        authority = Authority("authority", AuthorityArgs(common_name=f"{settings.namespace_prefix} CA"), opts=child)
        namespaces = tenancy.namespaces
        app_pods = pods_of(namespaces["app"].name, app.NAME)
        migration_pods = pods_of(namespaces["app"].name, app.MIGRATIONS)
        websocket_pods = pods_of(namespaces["app"].name, websocket.NAME)
        way_in = edge.entrance(settings.edge, namespaces["edge"])
        database = Postgres(
            "postgres",
            PostgresArgs(
                namespace=namespaces["data"],
                settings=settings.postgres,
                image=images.postgres,
                storage_class=storage.class_name,
                authority=authority,
                clients=[app_pods, migration_pods],
                longest_ending=app.ending(way_in.notice, settings.timeouts),
                statement_timeout=settings.timeouts.database,
                generation=settings.secrets.generation,
                control_plane=[str(network) for network in chosen_cluster.control_plane],
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
                storage_class=storage.class_name,
                clients=[app_pods, websocket_pods],
                protect=settings.protect,
            ),
            opts=inside,
        )
        store = Store(
            endpoint=memory.endpoint,
            peer=pods_of(namespaces["data"].name, redis.NAME),
            password=memory.password,
        )
        application = App(
            "app",
            AppArgs(
                namespace=namespaces["app"],
                settings=settings.app,
                timeouts=settings.timeouts,
                names=settings.source.variables,
                constants=settings.source.constants,
                image=images.app,
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
                redis=store,
                clients=way_in.clients,
                websocket=settings.edge.websocket_address,
                notice=way_in.notice,
                nginx_settings=way_in.nginx_settings,
                uploads_class=settings.storage.shared_class,
                uploads_access=settings.storage.shared_access,
                after=[database, memory],
                rollout_timeout=settings.rollout_timeout,
                protect=settings.protect,
            ),
            opts=inside,
        )
        Retirement(
            "retirement",
            RetirementArgs(
                namespace=namespaces["data"],
                generation=settings.secrets.generation,
                clients=[application],
            ),
            opts=inside,
        )
        live = WebSocket(
            "websocket",
            WebSocketArgs(
                namespace=namespaces["app"],
                settings=settings.websocket,
                image=images.websocket,
                redis=store,
                origins=[settings.edge.url],
                clients=way_in.clients,
                notice=way_in.notice,
                after=[memory],
                rollout_timeout=settings.rollout_timeout,
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
                authority=authority,
                app=Backend(service=app.NAME, endpoint=application.endpoint, peer=app_pods),
                websocket=Backend(service=websocket.NAME, endpoint=live.endpoint, peer=websocket_pods),
                body=bounds.body(settings.app.limits),
                timeouts=settings.timeouts,
                rollout_timeout=settings.rollout_timeout,
            ),
            opts=inside,
        )
        if settings.monitoring.enabled:
            Prometheus(
                "prometheus",
                PrometheusArgs(
                    namespace=namespaces["monitoring"],
                    targets=[
                        Target(job="app", namespace=namespaces["app"], service=app.NAME, port=app.INTERNAL_PORT),
                        Target(
                            job="php-fpm",
                            namespace=namespaces["app"],
                            service=app.NAME,
                            port=app.INTERNAL_PORT,
                            path="/fpm-status",
                            parameters={"openmetrics": ""},
                        ),
                        Target(
                            job="websocket",
                            namespace=namespaces["app"],
                            service=websocket.NAME,
                            port=websocket.METRICS_PORT,
                        ),
                        Target(
                            job="patroni", namespace=namespaces["data"], service=postgres.NAME, port=patroni.API_PORT
                        ),
                    ],
                    settings=settings.monitoring,
                    image=images.prometheus,
                    storage_class=storage.class_name,
                    protect=settings.protect,
                ),
                opts=inside,
            )
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
            websocket=images.websocket,
            postgres=images.postgres,
            nginx=images.nginx,
            prometheus=images.prometheus,
            redis=images.redis,
        )
        self.register_outputs(
            {
                "url": self.url,
                "ca_certificate": self.ca_certificate,
                "namespaces": self.namespaces,
                "images": self.images,
            }
        )
