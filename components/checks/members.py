"""Who stays when some go: budgets and majorities."""

from collections.abc import Iterator

from components.checks.fault import Fault
from components.settings import NginxEdge, Settings


def disruptions_leave_enough(settings: Settings) -> Iterator[Fault]:
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


def quorum_is_a_majority(settings: Settings) -> Iterator[Fault]:
    """Fewer than a majority could name a second primary beside the first; more than all never agree (S5.3)."""
    members, quorum = settings.redis.members, settings.redis.quorum
    majority = members // 2 + 1
    if quorum is not None and not majority <= quorum <= members:
        yield Fault(
            "redis.quorum",
            f"of {members} Sentinels it must be a majority: {majority} to {members}",
            f"leave it out for {majority}",
        )
