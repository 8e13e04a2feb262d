"""Settings that are fine one by one and wrong together.

A field's own limits are in `settings`; here is what only shows when two of them meet. Each check names the setting to
change, so that the person who reads it has nothing to look up. What a stack must have for those who rely on it is in
`demands`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from ipaddress import IPv4Network
from itertools import combinations, pairwise

from components import haproxy
from components.settings import (
    NGINX_CONNECTIONS,
    PASSWORDS,
    VARIABLES,
    GatewayEdge,
    GoogleCluster,
    IngressEdge,
    NginxEdge,
    NodePool,
    Redis,
    Settings,
)
from components.values import MEBIBYTE, Resources, amount, mebibytes


@dataclass(frozen=True)
class Fault:
    """Something wrong with a stack's settings.

    path: the key, as one would give it to `pulumi config set --path`, without our namespace; with a colon in it, it is
        another's.
    reason: what is wrong. hint: what would be right.
    value: what was given, as a reader may see it; None where nothing was.
    """

    path: str
    reason: str
    hint: str = ""
    value: str | None = None

    def at(self, value: str | None) -> "Fault":
        return replace(self, value=value)


def contradictions(settings: Settings) -> list[Fault]:
    """Every pair of settings that can't both be meant."""
    return [fault for check in _CHECKS for fault in check(settings)]


# --- room


def _quotas_admit_the_workloads(settings: Settings) -> Iterator[Fault]:
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
    sized = settings.vertical_autoscaling
    app_sized, websocket_sized = (sized and not each.replicas.autoscaled for each in (app, websocket))
    watched = settings.monitoring
    return {
        "app": [
            (app.replicas.max + 1, _at_most([app.nginx_resources, app.php_resources], app_sized)),
            (1, [app.php_resources]),
            (websocket.replicas.max + 1, _at_most([websocket.resources], websocket_sized)),
        ],
        "data": [
            (postgres.members, _at_most([postgres.resources, postgres.roles_resources], sized)),
            (redis.members, _at_most(_redis_pod(redis), sized)),
        ],
        "edge": [(edge.replicas + 1, _at_most([edge.resources], sized))] if isinstance(edge, NginxEdge) else [],
        "monitoring": [
            (watched.replicas, [watched.prometheus_resources]),
            (watched.replicas, [watched.alertmanager_resources]),
        ]
        if watched.enabled
        else [],
    }


def _redis_pod(redis: Redis) -> list[Resources]:
    return [redis.resources, redis.sentinel_resources, redis.haproxy_resources]


def _at_most(pod: list[Resources], sized: bool) -> list[Resources]:
    return [each.model_copy(update={"cpu": each.cpu_limit}) for each in pod] if sized else pod


# What a node keeps for itself and for the pods that are on each: GKE's kubelet, logs, metrics, storage.
_NODES_OWN = Decimal("0.5")


def _sized_pods_fit_a_node(settings: Settings) -> Iterator[Fault]:
    """A pod that was made to ask for more than a node has would wait for ever, a database's as well (S6.2)."""
    cluster = settings.cluster
    if not (settings.vertical_autoscaling and isinstance(cluster, GoogleCluster)):
        return
    app, websocket, redis, edge = settings.app, settings.websocket, settings.redis, settings.edge
    pods = [
        ("postgres.resources", "data", [settings.postgres.resources, settings.postgres.roles_resources]),
        ("redis.resources", "data", _redis_pod(redis)),
    ]
    if not app.replicas.autoscaled:
        pods.append(("app.php_resources", "apps", [app.nginx_resources, app.php_resources]))
    if not websocket.replicas.autoscaled:
        pods.append(("websocket.resources", "apps", [websocket.resources]))
    if isinstance(edge, NginxEdge):
        pods.append(("edge.resources", "apps", [edge.resources]))
    for path, pool, pod in pods:
        machine: NodePool = getattr(cluster, pool)
        most, room = sum((amount(each.cpu_limit) for each in pod), Decimal(0)), machine.cores - _NODES_OWN
        if most > room:
            yield Fault(
                f"{path}.cpu_limit",
                f"lets the vertical autoscaler make a pod of {most.normalize():f} cores; a {machine.machine} "
                f"(cluster.{pool}.machine) has room for {room.normalize():f}",
                "write less, choose a larger machine, or set vertical_autoscaling to false",
            )


def _memory_suffices(settings: Settings) -> Iterator[Fault]:
    """What a program plans to take must fit what it may take, or it is killed when it is busiest (S6, beyond)."""
    app, postgres, redis = settings.app, settings.postgres, settings.redis
    # A session of its own, with one sort in PostgreSQL's default work_mem of 4 MiB; three autovacuum workers.
    sessions = postgres.max_connections * 5
    buffers = postgres.shared_buffers + 3 * postgres.maintenance_memory
    # A replica's output buffer is as large as the backlog; Redis itself takes some.
    data = redis.data_bytes // MEBIBYTE
    replication = mebibytes(redis.backlog) * (2 if redis.members > 1 else 1) + 8
    # Every worker's, and each WebSocket pod's two; where the other HAProxies are away, at one.
    clients = (app.replicas.max + 1) * app.workers + (settings.websocket.replicas.max + 1) * 2
    for path, limit, needed, parts, hint in (
        (
            "app.php_resources.memory",
            app.php_resources.memory,
            app.php_memory,
            f"{app.workers} workers of {app.worker_memory} and what they share",
            "or write fewer app.workers",
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


# Patroni on each member, replication, migrations and an engineer: what is there beside the application.
_OTHER_CONNECTIONS = 15


def _connections_suffice(settings: Settings) -> Iterator[Fault]:
    """Every worker of every pod may hold a connection; at the autoscaler's maximum they must not be refused (S6,
    beyond)."""
    app, given = settings.app, settings.postgres.max_connections
    needed = (app.replicas.max + 1) * app.workers + _OTHER_CONNECTIONS
    if needed > given:
        yield Fault(
            "postgres.max_connections",
            f"is too few: {app.replicas.max} app pods and one of a roll-out, {app.workers} workers each, "
            f"and {_OTHER_CONNECTIONS} others need {needed}",
            f"write {needed} or more, or fewer app.workers",
        )


# --- who stays when some go


def _disruptions_leave_enough(settings: Settings) -> Iterator[Fault]:
    """A budget that allows all pods to go protects nothing; databases need their majority besides (S5, beyond)."""
    postgres, redis, edge = settings.postgres, settings.redis, settings.edge
    served: list[tuple[str, int, int, int]] = [
        ("app.replicas", settings.app.replicas.min, settings.app.replicas.disruptions, 1),
        ("websocket.replicas", settings.websocket.replicas.min, settings.websocket.replicas.disruptions, 1),
        ("postgres", postgres.members, postgres.disruptions, postgres.members // 2 + 1),
        ("redis", redis.members, redis.disruptions, redis.agreeing),
    ]
    if isinstance(edge, NginxEdge):
        served.append(("edge", edge.replicas, edge.disruptions, 1))
    for path, there, gone, needed in served:
        # One alone has no budget: a drain must be able to go on.
        if there > 1 and there - gone < needed:
            yield Fault(
                f"{path}.disruptions",
                f"is too many: of {there} pods {needed} must stay",
                f"write {max(there - needed, 1)} at most, or have more pods",
            )


def _quorum_is_a_majority(settings: Settings) -> Iterator[Fault]:
    """Fewer than a majority could name a second primary beside the first; more than all never agree (S5.3)."""
    members, quorum = settings.redis.members, settings.redis.quorum
    majority = members // 2 + 1
    if quorum is not None and not majority <= quorum <= members:
        yield Fault(
            "redis.quorum",
            f"of {members} Sentinels it must be a majority: {majority} to {members}",
            f"leave it out for {majority}",
        )


# --- networks and names

COMPOSE = IPv4Network("172.20.0.0/16")  # S2.4
_ADDRESSES_PER_NODE = 256  # GKE takes a /24 of the pods' range for each node
_ZONES = 3


def _networks_are_apart(settings: Settings) -> Iterator[Fault]:
    """Two ranges that overlap route each other's traffic to the wrong place, and can't be changed later."""
    if not isinstance(settings.cluster, GoogleCluster):
        return
    network = settings.cluster.network
    ranges = [(name, getattr(network, name)) for name in ("nodes", "pods", "services", "control_plane")]
    for (first, one), (second, other) in combinations(ranges, 2):
        if one.overlaps(other):
            yield Fault(
                f"cluster.network.{second}", f"overlaps cluster.network.{first} ({one})", "choose one that is apart"
            )
    for name, one in ranges:
        if one.overlaps(COMPOSE):
            yield Fault(
                f"cluster.network.{name}",
                f"overlaps {COMPOSE}, compose's network: a machine that runs that could not reach the cluster",
                "choose one that is apart",
            )


def _networks_are_large_enough(settings: Settings) -> Iterator[Fault]:
    """A range that is full stops the autoscaler, and can't be changed later."""
    cluster = settings.cluster
    if not isinstance(cluster, GoogleCluster):
        return
    # One more in each zone and pool: an upgrade makes the new node before the old one goes.
    nodes = sum(_ZONES * (pool.max_nodes + 1) for pool in (cluster.apps, cluster.data))
    for name, has, needs in (
        ("nodes", cluster.network.nodes.num_addresses - 4, nodes),  # Google keeps four of each range
        ("pods", cluster.network.pods.num_addresses // _ADDRESSES_PER_NODE, nodes),
    ):
        if needs > has:
            yield Fault(
                f"cluster.network.{name}",
                f"has room for {has} nodes; the pools at their largest, with an upgrade, have {needs}",
                "choose a larger one, or fewer max_nodes",
            )


def _hosts_and_certificates_agree(settings: Settings) -> Iterator[Fault]:
    """A name that the certificate lacks is a warning in every browser; one outside the zone leads nowhere (S4.1)."""
    edge = settings.edge
    hosts = edge.hosts
    for (first, one), (second, other) in combinations(hosts.items(), 2):
        if one == other:
            yield Fault(f"edge.{second}", f"is the host of edge.{first} already", "leave it out, or choose another")
    for setting, host in hosts.items():
        if edge.certificate_names and not any(_covers(name, host) for name in edge.certificate_names):
            yield Fault(
                "edge.certificate_names",
                f"has no name for {host} (edge.{setting})",
                f"add {host}" + (f' or "*.{parent}"' if "." in (parent := host.partition(".")[2]) else ""),
            )
        if isinstance(edge, GatewayEdge) and edge.dns_zone and not f".{host}".endswith(f".{edge.dns_zone}"):
            yield Fault(f"edge.{setting}", f"is not in edge.dns_zone ({edge.dns_zone})", "choose a host in that zone")
    if isinstance(edge, GatewayEdge | IngressEdge) and edge.url != f"https://{edge.host}":
        yield Fault("edge.url", f"has a port; a {edge.flavour} listens on 443 alone", f"write https://{edge.host}")


def _covers(name: str, host: str) -> bool:
    """Whether a certificate for `name` is one for `host`: a star stands for one part."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def _edge_can_be_reached(settings: Settings) -> Iterator[Fault]:
    edge = settings.edge
    if isinstance(edge, NginxEdge) and edge.node_port is not None and edge.service != "NodePort":
        yield Fault(
            "edge.node_port", f"a {edge.service} has no port of its own on the nodes", "set edge.service to NodePort"
        )


def _images_are_pushed_where_the_cluster_pulls(settings: Settings) -> Iterator[Fault]:
    """The program makes the repository, and its cluster runs images of this project's registry alone (S1, beyond)."""
    cluster, registry = settings.cluster, settings.images.registry
    if not isinstance(cluster, GoogleCluster):
        return
    place = f"{cluster.registry}/"
    if not registry.startswith(place):
        yield Fault(
            "images.registry",
            "is not in the cluster's own project and region, and nothing else may run there",
            f"write {place}vision-week",
        )


# --- time


def _timeouts_nest(settings: Settings) -> Iterator[Fault]:
    """Who gives up first leaves the one behind at work for nobody, and tells the user less (S3)."""
    for outer, inner in pairwise(("edge", "nginx", "php", "database")):
        waits, takes = getattr(settings.timeouts, outer), getattr(settings.timeouts, inner)
        if waits <= takes:
            yield Fault(
                f"timeouts.{outer}", f"must be longer than timeouts.{inner} ({takes})", f"write {takes + 1} or more"
            )


def _backups_reach_back(settings: Settings) -> Iterator[Fault]:
    """Restoring to a second of the last day in the window begins at a full backup that is a day older (S11.2)."""
    backups, cluster = settings.postgres.backups, settings.cluster
    if backups.keep_days <= backups.recover_days:
        yield Fault(
            "postgres.backups.keep_days",
            f"is too short: to restore to any second of {backups.recover_days} days, the full backup before them is "
            "needed",
            f"write {backups.recover_days + 1} or more",
        )
    if backups.archive_alert <= backups.archive_timeout:
        yield Fault(
            "postgres.backups.archive_alert",
            f"would be raised all the time: a quiet database archives every {backups.archive_timeout} s "
            "(postgres.backups.archive_timeout)",
            f"write {backups.archive_timeout + 1} or more",
        )
    if backups.copy_to is None:
        return
    if backups.repository != "bucket":
        yield Fault("postgres.backups.copy_to", "only a bucket is copied", "set postgres.backups.repository to bucket")
    if isinstance(cluster, GoogleCluster) and backups.copy_to.project == cluster.project:
        yield Fault(
            "postgres.backups.copy_to.project",
            "is the cluster's own: who can delete the one can delete the other",
            "name another project",
        )


def _alarm_is_beyond_the_goal(settings: Settings) -> Iterator[Fault]:
    """An alarm within what was promised as good rings for nothing (service levels: API latency)."""
    alerts = settings.monitoring.alerts
    if alerts.latency_ms <= alerts.latency_goal_ms:
        yield Fault(
            "monitoring.alerts.latency_ms",
            f"is within the goal (monitoring.alerts.latency_goal_ms, {alerts.latency_goal_ms})",
            f"write {alerts.latency_goal_ms + 1} or more",
        )


# --- machines and disks

_PD = "pd.csi.storage.gke.io"
# Google's machine families and the disks that they take: "Machine series support" and "Regional Persistent Disk" in
# Compute Engine's documentation. A family that is not here is not refused, for there will be others.
_NO_REGIONAL_PD = frozenset({"c2", "c2d", "c3", "c3d", "t2a", "t2d", "m1", "m2", "m3"})
_HYPERDISK_ONLY = frozenset({"c4", "c4a", "c4d", "n4", "n4a", "n4d"})
_NO_BALANCED_HYPERDISK = frozenset({"e2", "n1", "n2", "n2d", "c2", "c2d", "t2a", "t2d", "m2"})
_REGIONAL_HYPERDISK = "hyperdisk-balanced-high-availability"


def _disks_go_with_machines(settings: Settings) -> Iterator[Fault]:
    """A claim whose disk the node can't attach is pending for ever (DECISIONS: fast-ssd)."""
    cluster, storage = settings.cluster, settings.storage
    if not isinstance(cluster, GoogleCluster):
        return
    for name, pool in (("apps", cluster.apps), ("data", cluster.data)):
        if reason := _refused(pool.disk_type, pool.family, regional=False):
            yield Fault(f"cluster.{name}.disk_type", reason[0], reason[1])
    if storage.provisioner == _PD:
        disk = storage.parameters.get("type", "pd-standard")
        regional = storage.parameters.get("replication-type") == "regional-pd"
        if reason := _refused(disk, cluster.data.family, regional=regional):
            yield Fault("storage.parameters.type", f"{reason[0]} (cluster.data.machine)", reason[1])


def _refused(disk: str, family: str, *, regional: bool) -> tuple[str, str] | None:
    """Why machines of a family don't take a disk, and what to do."""
    if disk.startswith("pd-"):
        if family in _HYPERDISK_ONLY:
            instead = _REGIONAL_HYPERDISK if regional else "hyperdisk-balanced"
            return f"{disk} can't be attached to {family} machines", f"use {instead}, or n2 machines"
        if regional and family in _NO_REGIONAL_PD:
            return (
                f"a regional {disk} can't be attached to {family} machines",
                f"use n2 machines, or {_REGIONAL_HYPERDISK}",
            )
    elif disk.startswith("hyperdisk-balanced"):
        if family in _NO_BALANCED_HYPERDISK:
            return f"{disk} can't be attached to {family} machines", "use pd-ssd, or n4 machines"
        if regional:
            return f"{disk} is not replicated by replication-type", f"leave that out and use {_REGIONAL_HYPERDISK}"
    return None


# --- texts


def _an_engineer_s_tools_have_their_image(settings: Settings) -> Iterator[Fault]:
    """In the image of users there is no Xdebug, and PHP never looks whether a file has changed (S1.4, S10.1)."""
    if settings.images.app_target == "development":
        return
    for setting, there in (("debugger", settings.app.debugger is not None), ("hot_reload", settings.app.hot_reload)):
        if there:
            yield Fault(
                f"app.{setting}",
                "has no effect on the image's production stage (images.app_target)",
                "set images.app_target to development, or leave it out",
            )


def _source_is_one_place(settings: Settings) -> Iterator[Fault]:
    """Two sources would leave to chance what is built; a branch would leave it to time (S12.2)."""
    source = settings.source
    if source.git and source.path:
        yield Fault("source.path", "is given beside source.git: only one can be meant", "leave one of them out")
    if source.git and not source.reference:
        yield Fault("source.reference", "is required with source.git", "give the commit in full")
    if source.reference and not source.git:
        yield Fault("source.git", "is required with source.reference", "give the repository's address")


_OF_PHP = (
    "PGOPTIONS",
    "PHP_BODY_LIMIT",
    "PHP_FPM_WORKERS",
    "PHP_MEMORY_LIMIT",
    "PHP_REQUEST_TIMEOUT",
    "PHP_STOP_TIMEOUT",
    "XDEBUG_CONFIG",
)


def _variables_are_told_apart(settings: Settings) -> Iterator[Fault]:
    """Of two variables with one name the application would get one, and nobody could say which."""
    names, constants = settings.source.variables, settings.source.constants
    passwords = [name for name in PASSWORDS if name in names]
    given = [*(names.get(name, name) for name in (*VARIABLES, *passwords)), *_OF_PHP]
    for name in sorted({each for each in given if given.count(each) > 1}):
        yield Fault("source.variables", f"gives {name} to two variables", "give each a name of its own")
    for name in constants:
        if name in given:
            yield Fault(f"source.constants.{name}", "is set by the platform", "leave it out")


def _names_are_told_apart(settings: Settings) -> Iterator[Fault]:
    """The second of two with one name would silently replace the first."""
    names = [receiver.name for receiver in settings.monitoring.receivers]
    exemptions = [(each.rule, each.resource) for each in settings.policies.exemptions]
    for path, listed in (("monitoring.receivers", names), ("policies.exemptions", exemptions)):
        for index, each in enumerate(listed):
            if each in listed[:index]:
                yield Fault(f"{path}[{index}]", "is there twice", "leave one out, or rename it")


_CHECKS: tuple[Callable[[Settings], Iterator[Fault]], ...] = (
    _quotas_admit_the_workloads,
    _sized_pods_fit_a_node,
    _memory_suffices,
    _connections_suffice,
    _disruptions_leave_enough,
    _quorum_is_a_majority,
    _networks_are_apart,
    _networks_are_large_enough,
    _hosts_and_certificates_agree,
    _edge_can_be_reached,
    _images_are_pushed_where_the_cluster_pulls,
    _timeouts_nest,
    _backups_reach_back,
    _alarm_is_beyond_the_goal,
    _disks_go_with_machines,
    _an_engineer_s_tools_have_their_image,
    _source_is_one_place,
    _variables_are_told_apart,
    _names_are_told_apart,
)
