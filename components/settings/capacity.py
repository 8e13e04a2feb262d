"""How many pods, and how much they may take together."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from components.values import Cpu, Percent, Short, Size, Strict


class Replicas(Strict):
    """How many pods serve; between min and max an autoscaler decides. A plain number is both."""

    min: int = Field(ge=1, le=100)
    """Pods at least, 1 to 100; 3 for the application of production (S5.1)."""
    max: int = Field(ge=1, le=100)
    """Pods at most, 1 to 100; 20 for the application of production (S6.1)."""
    cpu_percent: Percent = 70
    """Percent of the requested processor time that the autoscaler aims at, 1 to 100 (S6.1)."""
    memory_percent: Percent = 80
    """Percent of the requested memory that the autoscaler aims at, 1 to 100 (S6.1)."""
    disruptions: int = Field(default=1, ge=1, le=50)
    """Pods that a drained node may take away at once, 1 to 50; at least one of `min` stays (S5, beyond)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is less than min ({self.min})")
        return self

    @property
    def autoscaled(self) -> bool:
        return self.max > self.min


def _fixed(value: Any) -> Any:
    return {"min": value, "max": value} if isinstance(value, int) and not isinstance(value, bool) else value


Scale = Annotated[
    Replicas,
    BeforeValidator(_fixed),
    Short(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "description": "Short for min and max, without an autoscaler.",
        }
    ),
]


class Quota(Strict):
    """What all pods of a namespace together may ask for."""

    pods: int = Field(ge=1, le=5000)
    """Pods, 1 to 5000, roll-outs and jobs included (service levels: HPA and quota)."""
    cpu: Cpu
    """Cores that their requests add up to, more than 0 (service levels: HPA and quota)."""
    memory: Size
    """Memory that their limits add up to, at least 1Mi (service levels: HPA and quota)."""


class Tenancy(Strict):
    """The namespaces' quotas: room for the largest scale, one pod of a roll-out, and a job."""

    app: Quota = Quota(pods=48, cpu="24", memory="36Gi")
    """Of the application, the WebSocket service and the migrations (service levels: HPA and quota)."""
    data: Quota = Quota(pods=24, cpu="28", memory="32Gi")
    """Of PostgreSQL, its backups and Redis (service levels: HPA and quota)."""
    edge: Quota = Quota(pods=12, cpu="5", memory="4Gi")
    """Of our own load balancer (service levels: HPA and quota)."""
    monitoring: Quota = Quota(pods=24, cpu="8", memory="24Gi")
    """Of metrics, dashboards, alerts and logs (S8)."""
    node: Quota = Quota(pods=100, cpu="16", memory="32Gi")
    """Of what runs on every node: the collector of logs, and what tells of nodes (DECISIONS: namespaces)."""
