"""VerticalPodAutoscalers: what each container needs is recommended from real use, and given where nothing else decides.

What the horizontal autoscaler follows is only watched: both would answer the same load, and undo each other. Databases
are sized when one of their pods is made, never by taking one away. The rest is sized by replacing pods, as far as
disruption budgets allow (S6.2; DECISIONS: VPA).

The settings are the floor and the ceiling: a container is kept no less processor time than they say and no more than
its limit, so that quotas and nodes admit it (components/checks). Its memory stays as it is set, because what runs
in it is planned for that: PostgreSQL's buffers, Redis's data, PHP's workers. What it would take is in the
recommendation all the same, as `uncappedTarget`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pulumi import ComponentResource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from components import app, backups, edge, postgres, redis, websocket
from components.kubernetes import Namespace, metadata
from components.settings import App, Edge, NginxEdge, Postgres, Redis, Replicas, WebSocket
from components.values import Resources

Mode = Literal["Off", "Initial", "Recreate"]


@dataclass(frozen=True, kw_only=True)
class VerticalAutoscalingArgs:
    """Which workloads there are, by their settings, and the namespaces that they are in."""

    namespaces: Mapping[str, Namespace]
    app: App
    websocket: WebSocket
    postgres: Postgres
    redis: Redis
    edge: Edge


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Pods of one kind. containers: name -> what the settings give it."""

    area: str
    kind: Literal["Deployment", "StatefulSet"]
    name: str
    mode: Mode
    containers: Mapping[str, Resources]


class VerticalAutoscaling(ComponentResource):
    """One VerticalPodAutoscaler for each workload, beside it."""

    def __init__(self, name: str, args: VerticalAutoscalingArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:vertical:VerticalAutoscaling", name, None, opts)
        for workload in _workloads(args):
            CustomResource(
                f"{workload.name}-vertical",
                api_version="autoscaling.k8s.io/v1",
                kind="VerticalPodAutoscaler",
                metadata=metadata(workload.name, args.namespaces[workload.area].name, app=workload.name),
                spec={
                    "targetRef": {"apiVersion": "apps/v1", "kind": workload.kind, "name": workload.name},
                    "updatePolicy": {"updateMode": workload.mode},
                    # Without bounds a recommendation that nobody acts on says what is really used.
                    **({} if workload.mode == "Off" else {"resourcePolicy": _bounds(workload)}),
                },
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})


def _workloads(args: VerticalAutoscalingArgs) -> Iterator[Workload]:
    yield Workload(
        area="app",
        kind="Deployment",
        name=app.NAME,
        mode=_where_free(args.app.replicas),
        containers={"nginx": args.app.nginx_resources, "php": args.app.php_resources},
    )
    yield Workload(
        area="app",
        kind="Deployment",
        name=websocket.NAME,
        mode=_where_free(args.websocket.replicas),
        containers={websocket.NAME: args.websocket.resources},
    )
    yield Workload(
        area="data",
        kind="StatefulSet",
        name=postgres.NAME,
        mode="Initial",
        containers={
            postgres.NAME: args.postgres.resources,
            "roles": args.postgres.roles_resources,
            "pooler": args.postgres.pooler_resources,
            "exporter": args.postgres.exporter_resources,
            **({backups.SERVER: args.postgres.backups.resources} if args.postgres.backups.enabled else {}),
        },
    )
    yield Workload(
        area="data",
        kind="StatefulSet",
        name=redis.NAME,
        mode="Initial",
        containers={
            redis.NAME: args.redis.resources,
            "sentinel": args.redis.sentinel_resources,
            "haproxy": args.redis.haproxy_resources,
            "exporter": args.redis.exporter_resources,
        },
    )
    if isinstance(args.edge, NginxEdge):
        yield Workload(
            area="edge",
            kind="Deployment",
            name=edge.NAME,
            mode="Recreate",
            containers={"nginx": args.edge.resources},
        )


def _where_free(replicas: Replicas) -> Mode:
    return "Off" if replicas.autoscaled else "Recreate"


def _bounds(workload: Workload) -> dict[str, Any]:
    policies: list[dict[str, Any]] = [
        {
            "containerName": name,
            "minAllowed": {"cpu": resources.cpu, "memory": resources.memory},
            "maxAllowed": {"cpu": resources.cpu_limit, "memory": resources.memory},
            # Limits stay: what a container may take is the settings' to say.
            "controlledValues": "RequestsOnly",
        }
        for name, resources in workload.containers.items()
    ]
    # One that nobody has thought of here would otherwise be sized without bounds.
    return {"containerPolicies": [*policies, {"containerName": "*", "mode": "Off"}]}
