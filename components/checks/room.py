"""Whether what runs has room: quotas, machines, memory, connections."""

from collections.abc import Iterator
from decimal import Decimal

from components import bounds, haproxy
from components.checks.fault import Fault
from components.settings import (
    NGINX_CONNECTIONS,
    OTHER_CONNECTIONS,
    GoogleCluster,
    NginxEdge,
    NodePool,
    Postgres,
    Redis,
    Settings,
)
from components.values import MEBIBYTE, Resources, amount, mebibytes


def quotas_admit_the_workloads(settings: Settings) -> Iterator[Fault]:
    """A quota that stops the autoscaler or a roll-out is found here, not under load (S6, service levels)."""
    for area, groups in _demand(settings).items():
        quota = getattr(settings.tenancy, area)
        pods = sum(count for count, _ in groups)
        cpu = sum((count * amount(each.cpu) for count, pod in groups for each in pod), Decimal(0))
        memory = sum((count * amount(each.memory) for count, pod in groups for each in pod), Decimal(0))
        for what, admits, needs, needed in (
            ("pods", Decimal(quota.pods), Decimal(pods), str(pods)),
            ("cpu", amount(quota.cpu), cpu, f"{cpu.normalize():f}"),
            ("memory", amount(quota.memory), memory, f"{int(-(-memory // MEBIBYTE))}Mi"),
        ):
            if needs > admits:
                yield Fault(
                    f"tenancy.{area}.{what}",
                    f"is too little: the workloads at their largest, with a roll-out, need {needed}",
                    f"write {needed} or more, or make the workloads smaller",
                )


def _demand(settings: Settings) -> dict[str, list[tuple[int, list[Resources]]]]:
    """For each area: how many pods at most, and what the containers of each ask for.

    A roll-out adds one pod (maxSurge 1: S5.1); the migrations' job is as large as PHP. What the vertical autoscaler
    sizes may come to ask for its limit of processor time (S6.2).
    """
    app, websocket, postgres, redis, edge = (
        settings.app,
        settings.websocket,
        settings.postgres,
        settings.redis,
        settings.edge,
    )
    backups, sized = postgres.backups, settings.vertical_autoscaling
    app_sized, websocket_sized = (sized and not each.replicas.autoscaled for each in (app, websocket))
    watched, on_google = settings.monitoring, isinstance(settings.cluster, GoogleCluster)
    return {
        "app": [
            (app.replicas.max + 1, _of_app(settings, app_sized)),
            (1, [app.php_resources]),
            (websocket.replicas.max + 1, _at_most([websocket.resources], websocket_sized)),
        ],
        "data": [
            (postgres.members, _member(postgres, sized)),
            # A server and what watches, each with one more in a roll-out; three jobs at once (a backup, a check, and
            # what is weekly), and a restore by somebody.
            (backups.servers + 7 if backups.enabled else 0, [backups.resources]),
            (redis.members, _at_most(_redis_pod(redis), sized)),
        ],
        "edge": [(edge.replicas + 1, _of_edge(edge, sized))] if isinstance(edge, NginxEdge) else [],
        "monitoring": [
            (watched.replicas, [watched.prometheus_resources]),
            (watched.replicas, [watched.alertmanager_resources]),
            # A new one is ready before the old one goes.
            *([(2, [watched.grafana_resources])] if watched.grafana else []),
            *([(2, [watched.kube_state_resources])] if watched.kube_state_metrics else []),
            *([(2, [watched.probes_resources])] if watched.probes else []),
            *([(1, [watched.loki_resources])] if watched.logs else []),
            *([(1, [watched.traces.resources])] if watched.traces.enabled and not on_google else []),
        ]
        if watched.enabled
        else [],
        "node": [
            *([(_nodes(settings), [watched.collector_resources])] if watched.logs else []),
            *([(_nodes(settings), [watched.node_exporter_resources])] if watched.node_exporter else []),
        ]
        if watched.enabled
        else [],
    }


def _nodes(settings: Settings) -> int:
    """As many as there may be; one where nobody says."""
    return settings.cluster.most_nodes if isinstance(settings.cluster, GoogleCluster) else 1


def _member(postgres: Postgres, sized: bool) -> list[Resources]:
    """What a member's containers ask for: the database, its roles, pooler and exporter, and the backups' server. The
    pooler's exporter is sized by nobody."""
    containers = [
        postgres.resources,
        postgres.roles_resources,
        postgres.pooler_resources,
        postgres.exporter_resources,
        *([postgres.backups.resources] if postgres.backups.enabled else []),
    ]
    return [*_at_most(containers, sized), postgres.pooler_exporter_resources]


def _redis_pod(redis: Redis) -> list[Resources]:
    return [redis.resources, redis.sentinel_resources, redis.haproxy_resources, redis.exporter_resources]


def _of_app(settings: Settings, sized: bool) -> list[Resources]:
    """The containers of the application's pod; GKE adds the one that mounts the bucket of uploads. nginx's exporter is
    sized by nobody."""
    app = settings.app
    mounting = [bounds.mounting(app)] if isinstance(settings.cluster, GoogleCluster) else []
    return [*_at_most([app.nginx_resources, app.php_resources, *mounting], sized), app.exporter_resources]


def _of_edge(edge: NginxEdge, sized: bool) -> list[Resources]:
    return [*_at_most([edge.resources], sized), edge.exporter_resources]


def _at_most(pod: list[Resources], sized: bool) -> list[Resources]:
    return [each.model_copy(update={"cpu": each.cpu_limit}) for each in pod] if sized else pod


# What a node keeps for itself and for the pods that are on each: GKE's kubelet, logs, metrics, storage.
_NODES_OWN = Decimal("0.5")


def sized_pods_fit_a_node(settings: Settings) -> Iterator[Fault]:
    """A pod that was made to ask for more than a node has would wait for ever, a database's as well (S6.2)."""
    cluster = settings.cluster
    if not (settings.vertical_autoscaling and isinstance(cluster, GoogleCluster)):
        return
    app, websocket, redis, edge = settings.app, settings.websocket, settings.redis, settings.edge
    pods = [
        ("postgres.resources", "data", _member(settings.postgres, sized=True)),
        ("redis.resources", "data", _at_most(_redis_pod(redis), sized=True)),
    ]
    if not app.replicas.autoscaled:
        pods.append(("app.php_resources", "apps", _of_app(settings, sized=True)))
    if not websocket.replicas.autoscaled:
        pods.append(("websocket.resources", "apps", _at_most([websocket.resources], sized=True)))
    if isinstance(edge, NginxEdge):
        pods.append(("edge.resources", "apps", _of_edge(edge, sized=True)))
    for path, pool, pod in pods:
        machine: NodePool = getattr(cluster, pool)
        most, room = sum((amount(each.cpu) for each in pod), Decimal(0)), machine.cores - _NODES_OWN
        if most > room:
            yield Fault(
                f"{path}.cpu_limit",
                f"lets the vertical autoscaler make a pod of {most.normalize():f} cores; a {machine.machine} "
                f"(cluster.{pool}.machine) has room for {room.normalize():f}",
                "write less, choose a larger machine, or set vertical_autoscaling to false",
            )


def memory_suffices(settings: Settings) -> Iterator[Fault]:
    """What a program plans to take must fit what it may take, or it is killed when it is busiest (S6, beyond)."""
    app, postgres, redis = settings.app, settings.postgres, settings.redis
    # A session of its own, with one sort in PostgreSQL's default work_mem of 4 MiB; three autovacuum workers.
    sessions = postgres.max_connections * 5
    buffers = postgres.shared_buffers + 3 * postgres.maintenance_memory
    # A replica's output buffer is as large as the backlog; Redis itself takes some.
    data = redis.data_bytes // MEBIBYTE
    replication = mebibytes(redis.backlog) * (2 if redis.members > 1 else 1) + 8
    # Every worker's, and each WebSocket pod's two; where the other HAProxies are away, at one.
    clients = (app.replicas.max + 1) * app.php_workers + (settings.websocket.replicas.max + 1) * 2
    for path, limit, needed, parts, hint in (
        (
            "app.php_resources.memory",
            app.php_resources.memory,
            app.php_memory,
            f"{app.php_workers} workers of {app.worker_memory} and what they share",
            "or write a smaller app.worker_memory" if app.workers is None else "or write fewer app.workers",
        ),
        (
            "postgres.resources.memory",
            postgres.resources.memory,
            buffers + sessions,
            f"buffers ({buffers}Mi) and {postgres.max_connections} connections ({sessions}Mi)",
            "or write fewer postgres.max_connections",
        ),
        (
            "redis.resources.memory",
            redis.resources.memory,
            data + replication,
            f"data ({data}Mi, {redis.memory_percent} %) and replication ({replication}Mi)",
            "or a smaller redis.memory_percent",
        ),
        (
            "redis.haproxy_resources.memory",
            redis.haproxy_resources.memory,
            haproxy.memory(clients),
            f"{clients} connections of clients",
            "or write fewer app.workers",
        ),
        *(
            [
                (
                    "edge.resources.memory",
                    settings.edge.resources.memory,
                    settings.edge.memory,
                    f"{NGINX_CONNECTIONS} clients that have begun TLS",
                    "for it can't let in fewer",
                )
            ]
            if isinstance(settings.edge, NginxEdge)
            else []
        ),
    ):
        if needed > mebibytes(limit):
            yield Fault(path, f"is too little for {parts}: {needed}Mi", f"give it more, {hint}")


def connections_suffice(settings: Settings) -> Iterator[Fault]:
    """Every worker of every pod may hold a connection; at the autoscaler's maximum they must not be refused (S6,
    beyond)."""
    app, given = settings.app, settings.postgres.max_connections
    needed = (app.replicas.max + 1) * app.php_workers + OTHER_CONNECTIONS
    if needed > given:
        yield Fault(
            "postgres.max_connections",
            f"is too few: {app.replicas.max} app pods and one of a roll-out, {app.php_workers} workers each, "
            f"and {OTHER_CONNECTIONS} others need {needed}",
            f"write {needed} or more, or fewer app.workers",
        )
