"""All that watches over a stack, put together: who is asked, who concludes, who tells, and who keeps what was said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pulumi import Input, ResourceOptions
from pulumi_kubernetes import networking

from components import app, edge, haproxy, nginx_exporter, patroni, postgres, redis, watch, websocket
from components.app import Tracing
from components.backups import Backups
from components.certificates import Authority
from components.images import Images
from components.kubernetes import Namespace, pods_of
from components.monitoring import (
    alertmanager,
    answers,
    collector,
    containers,
    grafana,
    jaeger,
    kube_state,
    loki,
    node_exporter,
    probes,
    prometheus,
    traces,
)
from components.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from components.monitoring.cloud import Cloud
from components.monitoring.collector import Collector, CollectorArgs, Store
from components.monitoring.grafana import Grafana, GrafanaArgs
from components.monitoring.jaeger import Jaeger, JaegerArgs
from components.monitoring.kube_state import KubeState, KubeStateArgs
from components.monitoring.loki import Loki, LokiArgs
from components.monitoring.moments import Moments, MomentsArgs
from components.monitoring.node_exporter import NodeExporter, NodeExporterArgs
from components.monitoring.probes import Probes, ProbesArgs
from components.monitoring.prometheus import Prometheus, PrometheusArgs
from components.monitoring.scraping import Target
from components.settings import GoogleCluster, NginxEdge, Settings
from components.tenancy import NODE
from components.watch import Watch, WatchArgs


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is watched, and with what.

    namespaces: area -> namespace. settings: the stack's. images: what runs. storage_class: of volumes.
    authority: signs certificates. backups: whose jobs are watched; None where there are none.
    control_plane, nodes: addresses of the API server and of the nodes; None where policies can't mean nodes by them.
    to_google: connections to Google's APIs, where the cluster is one of Google's.
    logs_bucket: of Google's, where logs are kept there.
    lookers: users of the cluster who look for drift, and may change nothing else.
    """

    namespaces: Mapping[str, Namespace]
    settings: Settings
    images: Images
    storage_class: Input[str]
    authority: Authority
    backups: Backups | None
    control_plane: Sequence[str]
    nodes: Sequence[str] | None
    to_google: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = ()
    logs_bucket: Input[str] | None = None
    lookers: Sequence[str] = ()


def tracing(settings: Settings, namespaces: Mapping[str, Namespace]) -> Tracing | None:
    """Where the application tells its spans; None where nobody wants them."""
    chosen = settings.monitoring
    if not (chosen.enabled and chosen.traces.enabled):
        return None
    collectors = namespaces[NODE]
    return Tracing(
        endpoint=traces.endpoint(collector.NAME, collectors),
        peer=pods_of(collectors.name, collector.NAME),
        percent=chosen.traces.percent,
    )


def build(args: MonitoringArgs, child: ResourceOptions) -> None:
    """Make it; `child` are the options of each part."""
    settings, own = args.settings, args.namespaces["monitoring"]
    Alertmanager(
        "alertmanager",
        AlertmanagerArgs(
            namespace=own,
            settings=settings.monitoring,
            webhooks=settings.webhooks,
            authority=args.authority,
            image=args.images.alertmanager,
            storage_class=args.storage_class,
            protect=settings.protect,
        ),
        opts=child,
    )
    Moments("moments", MomentsArgs(namespace=own, users=args.lookers), opts=child)
    _exporters(args, child)
    grafana_pods = [pods_of(own.name, grafana.NAME)] if settings.monitoring.grafana else []
    kept, followed = None, _traces(args, grafana_pods, child)
    if settings.monitoring.logs:
        kept = Loki(
            "loki",
            LokiArgs(
                namespace=own,
                collectors=pods_of(args.namespaces[NODE].name, collector.NAME),
                readers=grafana_pods,
                settings=settings.monitoring,
                authority=args.authority,
                image=args.images.loki,
                storage_class=args.storage_class,
                bucket=args.logs_bucket,
                connections=args.to_google,
                protect=settings.protect,
            ),
            opts=child,
        )
        _collect(args, kept, followed, child)
    watching = Prometheus(
        "prometheus",
        PrometheusArgs(
            namespace=own,
            targets=list(_targets(args)),
            alerted=alertmanager.NAME,
            archived=_archived(settings),
            readers=grafana_pods,
            authority=args.authority.certificate,
            settings=settings.monitoring,
            image=args.images.prometheus,
            storage_class=args.storage_class,
            protect=settings.protect,
        ),
        opts=child,
    )
    if settings.monitoring.grafana:
        Grafana(
            "grafana",
            GrafanaArgs(
                namespace=own,
                settings=settings.monitoring,
                image=args.images.grafana,
                prometheus=watching.endpoint,
                peer=pods_of(own.name, prometheus.NAME),
                loki=kept.endpoint if kept else None,
                loki_peer=pods_of(own.name, loki.NAME),
                traces=followed.pages if followed else None,
                traces_peer=pods_of(own.name, jaeger.NAME),
                cloud=_cloud(settings) if settings.monitoring.traces.enabled else None,
                authority=args.authority.certificate,
            ),
            opts=child,
        )


def _exporters(args: MonitoringArgs, child: ResourceOptions) -> None:
    """Who gives numbers of what has none itself, in pods of their own."""
    if args.backups:
        Watch(
            "backups-watch",
            WatchArgs(
                namespace=args.namespaces["data"],
                jobs=args.backups.jobs,
                image=args.images.postgres,
                resources=args.settings.postgres.backups.resources,
                control_plane=args.control_plane,
            ),
            opts=child,
        )
    if args.settings.monitoring.kube_state_metrics:
        KubeState(
            "kube-state",
            KubeStateArgs(
                namespace=args.namespaces["monitoring"],
                watched=args.namespaces,
                prefix=args.settings.namespace_prefix,
                settings=args.settings.monitoring,
                image=args.images.kube_state_metrics,
                control_plane=args.control_plane,
            ),
            opts=child,
        )
    if args.settings.monitoring.node_exporter:
        NodeExporter(
            "node-exporter",
            NodeExporterArgs(
                namespace=args.namespaces[NODE],
                settings=args.settings.monitoring,
                image=args.images.node_exporter,
            ),
            opts=child,
        )
    if args.settings.monitoring.probes:
        Probes(
            "probes",
            ProbesArgs(
                namespace=args.namespaces["monitoring"],
                edge=args.settings.edge,
                entrance=args.namespaces["edge"],
                authority=args.authority.certificate,
                settings=args.settings.monitoring,
                image=args.images.blackbox_exporter,
            ),
            opts=child,
        )


def _cloud(settings: Settings) -> Cloud | None:
    """The Google that keeps lines and traces; None where the cluster isn't one of Google's."""
    if not isinstance(settings.cluster, GoogleCluster):
        return None
    return Cloud(project=settings.cluster.project, region=settings.cluster.region, cluster=settings.namespace_prefix)


def _traces(
    args: MonitoringArgs, readers: Sequence[networking.v1.NetworkPolicyPeerArgs], child: ResourceOptions
) -> Jaeger | None:
    """What keeps traces, where no cloud does."""
    if not args.settings.monitoring.traces.enabled or _cloud(args.settings):
        return None
    return Jaeger(
        "jaeger",
        JaegerArgs(
            namespace=args.namespaces["monitoring"],
            collectors=pods_of(args.namespaces[NODE].name, collector.NAME),
            readers=readers,
            settings=args.settings.monitoring.traces,
            authority=args.authority,
            image=args.images.jaeger,
            storage_class=args.storage_class,
            protect=args.settings.protect,
        ),
        opts=child,
    )


def _collect(args: MonitoringArgs, kept: Loki, followed: Jaeger | None, child: ResourceOptions) -> None:
    """Bring what pods write, and what they tell of requests, to where it is kept."""
    own = args.namespaces["monitoring"].name
    traced = args.settings.monitoring.traces.enabled
    Collector(
        "collector",
        CollectorArgs(
            namespace=args.namespaces[NODE],
            watched=[namespace for area, namespace in args.namespaces.items() if area != NODE],
            prefix=args.settings.namespace_prefix,
            nodes=args.nodes,
            lines=Store(endpoint=kept.endpoint, peer=pods_of(own, loki.NAME), shown=loki.NAME),
            tellers=[pods_of(args.namespaces["app"].name, app.NAME)] if traced else [],
            spans=Store(endpoint=followed.endpoint, peer=pods_of(own, jaeger.NAME), shown=jaeger.NAME)
            if followed
            else None,
            cloud=_cloud(args.settings),
            connections=args.to_google,
            authority=args.authority.certificate,
            settings=args.settings.monitoring,
            image=args.images.collector,
        ),
        opts=child,
    )


def _targets(args: MonitoringArgs) -> Iterator[Target]:
    """What Prometheus asks, but for itself."""
    apps, data, own = (args.namespaces[area] for area in ("app", "data", "monitoring"))
    yield Target(job="app", namespace=apps, service=app.NAME, port=app.INTERNAL_PORT)
    yield Target(
        job="php-fpm",
        namespace=apps,
        service=app.NAME,
        port=app.INTERNAL_PORT,
        path="/fpm-status",
        parameters={"openmetrics": ""},
    )
    yield Target(job="nginx", namespace=apps, service=app.NAME, port=nginx_exporter.PORT, kept=nginx_exporter.COUNTED)
    if isinstance(args.settings.edge, NginxEdge):
        yield Target(
            job=edge.NAME,
            namespace=args.namespaces["edge"],
            service=edge.NAME,
            port=nginx_exporter.PORT,
            kept=nginx_exporter.COUNTED,
        )
    yield Target(job="websocket", namespace=apps, service=websocket.NAME, port=websocket.METRICS_PORT)
    yield Target(job="patroni", namespace=data, service=postgres.NAME, port=patroni.API_PORT)
    yield Target(
        job="postgres",
        namespace=data,
        service=postgres.NAME,
        port=postgres.EXPORTER_PORT,
        shown=postgres.EXPORTERS,
        kept=postgres.COUNTED,
    )
    yield Target(
        job="pooler",
        namespace=data,
        service=postgres.NAME,
        port=postgres.POOLER_EXPORTER_PORT,
        shown=postgres.EXPORTERS,
    )
    if args.backups:
        yield Target(job="backups", namespace=data, service=watch.NAME, port=watch.PORT)
    if args.settings.monitoring.kube_state_metrics:
        yield Target(job=kube_state.NAME, namespace=own, service=kube_state.NAME, port=kube_state.PORT, of_others=True)
    if args.settings.monitoring.node_exporter:
        yield Target(
            job=node_exporter.NAME,
            namespace=args.namespaces[NODE],
            service=node_exporter.NAME,
            port=node_exporter.PORT,
            kept=node_exporter.COUNTED,
        )
    if args.settings.monitoring.probes:
        entrance = args.settings.edge
        for probe in probes.probes(entrance):
            yield Target(
                job=probe.name,
                namespace=own,
                service=probes.NAME,
                port=probes.PORT,
                path=probes.PATH,
                parameters={
                    "module": probe.name,
                    "target": probes.address(entrance, probe, f"{args.settings.namespace_prefix}-edge"),
                },
                labels={"url": probe.url},
                kept=probes.COUNTED,
            )
    if args.settings.monitoring.logs:
        yield Target(
            job=loki.NAME, namespace=own, service=loki.NAME, port=loki.PORT, shown=loki.NAME, kept=loki.COUNTED
        )
        if args.settings.monitoring.traces.enabled and not _cloud(args.settings):
            yield Target(
                job=jaeger.NAME, namespace=own, service=jaeger.NAME, port=jaeger.METRICS_PORT, kept=jaeger.COUNTED
            )
        on_nodes = args.namespaces[NODE]
        yield Target(
            job=collector.NAME,
            namespace=on_nodes,
            service=collector.NAME,
            port=collector.METRICS_PORT,
            kept=collector.COUNTED,
        )
        yield Target(
            job=containers.NAME, namespace=on_nodes, service=collector.NAME, port=containers.PORT, of_others=True
        )
        yield Target(
            job=answers.NAME,
            namespace=on_nodes,
            service=collector.NAME,
            port=answers.PORT,
            of_others=True,
            kept=answers.COUNTED,
        )
    yield Target(job="haproxy", namespace=data, service=redis.NAME, port=haproxy.HEALTH_PORT, kept=haproxy.COUNTED)
    yield Target(
        job="redis",
        namespace=data,
        service=redis.NAME,
        port=redis.EXPORTER_PORT,
        shown=redis.EXPORTER,
        kept=redis.COUNTED,
    )
    yield Target(
        job=alertmanager.NAME,
        namespace=own,
        service=alertmanager.NAME,
        port=alertmanager.PORT,
        shown=alertmanager.NAME,
    )


def _archived(settings: Settings) -> int | None:
    """Seconds that a finished segment of WAL may wait: what it holds is older by as long as one may be filled."""
    chosen = settings.postgres.backups
    return chosen.archive_alert - chosen.archive_timeout if chosen.enabled else None
