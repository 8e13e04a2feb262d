"""How many pods of a service there are, and how one comes after the other.

Where an autoscaler exists it owns the number of replicas and the program leaves that field out: written by two, it
would jump back at every update.
"""

from __future__ import annotations

from pulumi_kubernetes import apps, autoscaling, meta, policy

from components.kubernetes import selector
from components.settings import Replicas


def fixed_replicas(replicas: Replicas) -> int | None:
    """What the workload itself says about its number."""
    return None if replicas.autoscaled else replicas.min


def autoscaler(name: str, replicas: Replicas) -> autoscaling.v2.HorizontalPodAutoscalerSpecArgs:
    """Follows processor and memory: up after a minute by half, down after five minutes by a tenth (S6.1)."""
    return autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=name
        ),
        min_replicas=replicas.min,
        max_replicas=replicas.max,
        metrics=[_use_of("cpu", replicas.cpu_percent), _use_of("memory", replicas.memory_percent)],
        behavior=autoscaling.v2.HorizontalPodAutoscalerBehaviorArgs(
            scale_up=_pace(stabilisation=60, percent=50), scale_down=_pace(stabilisation=300, percent=10)
        ),
    )


def disruption_budget(name: str, at_once: int) -> policy.v1.PodDisruptionBudgetSpecArgs:
    """What a node's drain may take away from a service that has more than one pod."""
    return policy.v1.PodDisruptionBudgetSpecArgs(
        max_unavailable=at_once, selector=meta.v1.LabelSelectorArgs(match_labels=selector(name))
    )


def rolling() -> apps.v1.DeploymentStrategyArgs:
    """A new pod is ready before an old one goes (S5.1)."""
    return apps.v1.DeploymentStrategyArgs(
        type="RollingUpdate", rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0)
    )


def _use_of(resource: str, percent: int) -> autoscaling.v2.MetricSpecArgs:
    return autoscaling.v2.MetricSpecArgs(
        type="Resource",
        resource=autoscaling.v2.ResourceMetricSourceArgs(
            name=resource,
            target=autoscaling.v2.MetricTargetArgs(type="Utilization", average_utilization=percent),
        ),
    )


def _pace(*, stabilisation: int, percent: int) -> autoscaling.v2.HPAScalingRulesArgs:
    return autoscaling.v2.HPAScalingRulesArgs(
        stabilization_window_seconds=stabilisation,
        policies=[autoscaling.v2.HPAScalingPolicyArgs(type="Percent", value=percent, period_seconds=60)],
    )
