"""What runs where, under which labels, on which ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.unit.recording import Made, Recording

# Labels that pods get when they run: the StatefulSet's controller and Patroni put them there.
_LATER = {"statefulset.kubernetes.io/pod-name", "vision-week/role"}
WORKLOADS = {
    "alertmanager",
    "app",
    "collector",
    "edge",
    "grafana",
    "jaeger",
    "kube-state-metrics",
    "loki",
    "migrations",
    "node-exporter",
    "postgres",
    "postgres-backups",
    "postgres-backups-watch",
    "postgres-repository",
    "probes",
    "prometheus",
    "redis",
    "websocket",
}

OF_MONITORING = {"collector", "grafana", "jaeger", "kube-state-metrics", "loki", "node-exporter"}
OF_BACKUPS = {"postgres-backups", "postgres-backups-watch", "postgres-repository"}


@dataclass(frozen=True)
class Pod:
    """The pods of one workload."""

    workload: Made
    template: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the pods are called. Several jobs may make the same."""
        name: str = self.template["metadata"]["labels"]["app.kubernetes.io/name"]
        return name

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.template["spec"]
        return spec

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All of them, those that start before the others too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> Mapping[str, int]:
        return {
            port["name"]: port["containerPort"] for container in self.containers for port in container.get("ports", [])
        }

    @property
    def claims(self) -> list[Mapping[str, Any]]:
        return self.workload.at("spec", "volumeClaimTemplates") or []

    def fits(self, selector: Mapping[str, Any]) -> bool:
        """Whether a selector finds them; an empty one finds all."""
        labels = self.template["metadata"]["labels"]
        wanted = selector.get("matchLabels", {}) if "matchLabels" in selector or not selector else selector
        return all(labels.get(key) == value for key, value in wanted.items() if key not in _LATER)


def workloads(recording: Recording) -> list[Pod]:
    """The pods of the whole program."""
    found = [Pod(one, template) for one, template in recording.pods()]
    # Where the edge is a gateway it has no pods of ours; an engineer's stack has no backups and not all of the
    # monitoring.
    assert {pod.name for pod in found} | {"edge", *OF_MONITORING, *OF_BACKUPS} == WORKLOADS
    return found
