"""Settings that are fine one by one and wrong together.

A field's own limits are in `settings`; here is what only shows when two of them meet. Each check names the setting to
change, so that the person who reads it has nothing to look up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from components.settings import NginxEdge, Settings
from components.values import Resources, amount


@dataclass(frozen=True)
class Fault:
    """Something wrong with a stack's settings.

    path: the key, as one would give it to `pulumi config set --path`, without the namespace.
    reason: what is wrong and what would be right.
    """

    path: str
    reason: str


def contradictions(settings: Settings) -> list[Fault]:
    """Every pair of settings that can't both be meant."""
    return [*_quotas_admit_the_workloads(settings), *_edge_can_be_reached(settings)]


def _edge_can_be_reached(settings: Settings) -> Iterator[Fault]:
    edge = settings.edge
    if isinstance(edge, NginxEdge) and edge.node_port is not None and edge.service != "NodePort":
        yield Fault("edge.node_port", f"a {edge.service} has no port of its own on the nodes; set service to NodePort")


def _quotas_admit_the_workloads(settings: Settings) -> Iterator[Fault]:
    """A quota that stops the autoscaler or a roll-out is found here, not under load (S6, service levels)."""
    for area, groups in _demand(settings).items():
        quota = getattr(settings.tenancy, area)
        pods = sum(count for count, _ in groups)
        cpu = sum((count * amount(each.cpu) for count, pod in groups for each in pod), Decimal(0))
        memory = sum((count * amount(each.memory) for count, pod in groups for each in pod), Decimal(0))
        if pods > quota.pods:
            yield Fault(f"tenancy.{area}.pods", f"{quota.pods} is too few: the workloads at their largest need {pods}")
        if cpu > amount(quota.cpu):
            yield Fault(
                f"tenancy.{area}.cpu", f"{quota.cpu} is too little: the workloads at their largest need {cpu:f}"
            )
        if memory > amount(quota.memory):
            needed = f"{int(-(-memory // 2**20))}Mi"
            yield Fault(
                f"tenancy.{area}.memory", f"{quota.memory} is too little: the workloads at their largest need {needed}"
            )


def _demand(settings: Settings) -> dict[str, list[tuple[int, list[Resources]]]]:
    """For each area: how many pods at most, and what the containers of each ask for.

    A roll-out adds one pod (maxSurge 1: S5.1); the migrations' job is as large as PHP.
    """
    app, websocket, postgres, redis, edge = (
        settings.app,
        settings.websocket,
        settings.postgres,
        settings.redis,
        settings.edge,
    )
    return {
        "app": [
            (app.replicas.max + 1, [app.nginx_resources, app.php_resources]),
            (1, [app.php_resources]),
            (websocket.replicas.max + 1, [websocket.resources]),
        ],
        "data": [
            (postgres.members, [postgres.resources]),
            (redis.members, [redis.resources, redis.sentinel_resources]),
        ],
        "edge": [(edge.replicas + 1, [edge.resources])] if isinstance(edge, NginxEdge) else [],
    }
