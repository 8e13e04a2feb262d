"""What a stack must have for those who rely on it.

No code asks which stack it is in: a stack says what it is for (`purpose`), and each purpose demands. A `live` stack
serves people; a `rehearsal` has its shape, so that what is tried there holds for it; a `workbench` demands nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.checks import Fault
from components.settings import GoogleCluster, NginxEdge, Settings

_BOTH = frozenset({"live", "rehearsal"})
_LIVE = frozenset({"live"})


@dataclass(frozen=True)
class Demand:
    """Something that a stack must have.

    path: the setting. purposes: which ask for it. met: whether the settings have it.
    reason: what would happen without it. hint: what to write.
    """

    path: str
    purposes: frozenset[str]
    met: Callable[[Settings], bool]
    reason: str
    hint: str


def unmet(settings: Settings) -> Iterator[Fault]:
    """What the stack's purpose demands and its settings don't have."""
    for demand in DEMANDS:
        if settings.purpose in demand.purposes and not demand.met(settings):
            yield Fault(demand.path, f"does not go with the purpose {settings.purpose}: {demand.reason}", demand.hint)


def _somebody_hears(settings: Settings) -> bool:
    return any("critical" in receiver.severities for receiver in settings.monitoring.receivers)


def _silence_is_heard(settings: Settings) -> bool:
    return any("heartbeat" in receiver.severities for receiver in settings.monitoring.receivers)


DEMANDS = (
    Demand(
        "images.app_target",
        _BOTH,
        lambda settings: settings.images.app_target == "production",
        "the development stage holds a debugger (S1.4)",
        "write production",
    ),
    Demand(
        "app.environment",
        _BOTH,
        lambda settings: settings.app.environment != "development",
        "the application would show its errors to users (S10)",
        "write staging or production",
    ),
    Demand(
        "app.debugger",
        _BOTH,
        lambda settings: settings.app.debugger is None,
        "whoever is at that address could read and change what the application works on (S10.1)",
        "leave it out",
    ),
    Demand(
        "app.hot_reload",
        _BOTH,
        lambda settings: not settings.app.hot_reload,
        "what runs would not be what is in the image (S12.1)",
        "leave it out",
    ),
    Demand(
        "app.replicas.min",
        _BOTH,
        lambda settings: settings.app.replicas.min >= 2,
        "with one pod every roll-out and every lost node is an outage (S5.1)",
        "write 2 or more",
    ),
    Demand(
        "websocket.replicas.min",
        _BOTH,
        lambda settings: settings.websocket.replicas.min >= 2,
        "with one pod every roll-out and every lost node is an outage (S6.1)",
        "write 2 or more",
    ),
    Demand(
        "edge.replicas",
        _BOTH,
        lambda settings: not isinstance(settings.edge, NginxEdge) or settings.edge.replicas >= 2,
        "with one pod every roll-out and every lost node is an outage (DECISIONS: edge in production)",
        "write 2 or more",
    ),
    Demand(
        "postgres.members",
        _BOTH,
        lambda settings: settings.postgres.members >= 3,
        "with one member acknowledged writes are lost with its node (service levels: recovery point)",
        "write 3 or 5",
    ),
    Demand(
        "redis.members",
        _BOTH,
        lambda settings: settings.redis.members >= 3,
        "with one member there is nobody to fail over to (S5.3)",
        "write 3 or 5",
    ),
    Demand(
        "postgres.backups.enabled",
        _BOTH,
        lambda settings: settings.postgres.backups.enabled,
        "a mistaken DELETE could not be undone (S11.2)",
        "write true",
    ),
    Demand(
        "monitoring.enabled",
        _BOTH,
        lambda settings: settings.monitoring.enabled,
        "nobody would see it fail (S10.3)",
        "write true",
    ),
    Demand(
        "monitoring.logs",
        _BOTH,
        lambda settings: settings.monitoring.logs,
        "what a pod that is gone has said, nobody could read (S8.3)",
        "write true",
    ),
    Demand(
        "protect",
        _LIVE,
        lambda settings: settings.protect,
        "`pulumi destroy` would take the data along (DESIGN: stateful things are protected)",
        "write true",
    ),
    Demand(
        "storage.retain",
        _LIVE,
        lambda settings: settings.storage.retain,
        "a claim that is deleted would take its volume along (DESIGN: stateful things are protected)",
        "write true",
    ),
    Demand(
        "storage.snapshots.enabled",
        _LIVE,
        # Elsewhere they are whoever's cluster it is, and the policy pack asks (claim-backed-up).
        lambda settings: settings.storage.snapshots.enabled or not isinstance(settings.cluster, GoogleCluster),
        "the databases' volumes would have no second line (S11.2)",
        "write true",
    ),
    Demand(
        "storage.uploads_days",
        _LIVE,
        lambda settings: not isinstance(settings.cluster, GoogleCluster) or settings.storage.uploads_days >= 30,
        "30 days are promised (service levels: backups)",
        "write 30 or more",
    ),
    Demand(
        "images.allow_unpinned",
        _LIVE,
        lambda settings: not settings.images.allow_unpinned,
        "a tag may be another program tomorrow (DECISIONS: images of others)",
        "leave it out, and record the digests by make pin-images",
    ),
    Demand(
        "images.promoted_from",
        _LIVE,
        lambda settings: settings.images.promoted_from is not None,
        "what runs must be what was tried, bit by bit (DECISIONS: promotion)",
        "write the images.registry of the stack that it is tried in",
    ),
    Demand(
        "app.replicas.min",
        _LIVE,
        lambda settings: settings.app.replicas.min >= 3,
        "while one pod is replaced and another fails, none would be left (S5.1)",
        "write 3 or more",
    ),
    Demand(
        "app.environment",
        _LIVE,
        lambda settings: settings.app.environment == "production",
        "the application would believe that it is being tried (S10.3)",
        "write production",
    ),
    Demand(
        "app.log_level",
        _LIVE,
        lambda settings: settings.app.log_level != "debug",
        "debug logs hold personal data (DECISIONS: personal data)",
        "write info",
    ),
    Demand(
        "websocket.log_level",
        _LIVE,
        lambda settings: settings.websocket.log_level != "debug",
        "debug logs hold personal data (DECISIONS: personal data)",
        "write info",
    ),
    Demand(
        "postgres.backups.repository",
        _LIVE,
        lambda settings: settings.postgres.backups.repository == "bucket",
        "backups in a volume of the same cluster go with it (DECISIONS: buckets)",
        "write bucket",
    ),
    Demand(
        "postgres.backups.copied_by",
        _LIVE,
        lambda settings: (
            settings.postgres.backups.copied_by is not None or settings.postgres.backups.bucket is not None
        ),
        "who can delete the project could delete its backups (DECISIONS: buckets)",
        "write the number of the project that keeps a copy",
    ),
    Demand(
        "postgres.backups.recover_days",
        _LIVE,
        lambda settings: settings.postgres.backups.recover_days >= 30,
        "30 days are promised (service levels: backups)",
        "write 30 or more",
    ),
    Demand(
        "monitoring.logs_days",
        _LIVE,
        lambda settings: settings.monitoring.logs_days >= 180,
        "180 days are promised (service levels: log retention)",
        "write 180 or more",
    ),
    Demand(
        "monitoring.receivers",
        _LIVE,
        _somebody_hears,
        "nobody would be told of a critical alert (S8.2)",
        "add one whose severities hold critical",
    ),
    Demand(
        "monitoring.receivers",
        _LIVE,
        _silence_is_heard,
        "nobody would notice that alerts don't get through any more (S8.2)",
        "add one whose severities hold heartbeat: a service outside that expects a message every few minutes",
    ),
)
