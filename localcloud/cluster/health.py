"""What runs, and what is wrong with it: looked at, never changed."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from localcloud import docker
from localcloud.cluster import containers, control_plane, layout, network, nodes, policies, registry
from localcloud.cluster.api import Api, connect


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the cluster; `problem` is None while it is healthy."""

    name: str
    problem: str | None = None

    @property
    def healthy(self) -> bool:
        return self.problem is None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The local cloud, part by part."""

    parts: tuple[Part, ...]

    @property
    def healthy(self) -> bool:
        return all(part.healthy for part in self.parts)


def notices() -> list[str]:
    """What a person should know of though everything runs."""
    return [
        f"etcd couldn't read its data, which is set aside in {folder}: the cluster began empty then, and `make up` "
        "fills it again. Delete that folder when nothing in it is wanted any more."
        for folder in control_plane.etcd_set_aside()
    ]


def status() -> Status:
    """Look at every part of the local cloud."""
    from localcloud.images import buildkit  # noqa: PLC0415  # it reads this package's layout when it is imported

    if not layout.kubeconfig().exists():
        return Status(parts=(Part(name="cluster", problem="isn't there; `make up` makes it"),))
    if not docker.running():
        return Status(parts=(Part(name="Docker", problem="isn't running"),))
    there = containers.found()
    programs = {
        layout.CONTROL_PLANE: control_plane.PROGRAMS,
        layout.REGISTRY: ("docker-registry",),
        buildkit.CONTAINER: ("buildkitd",),
        **{node.container: nodes.RUNNING for node in layout.NODES},
    }
    parts = [Part(name="Docker")]
    parts.extend(
        Part(name=name, problem=_container_problem(name, there.get(name), programs[name])) for name in programs
    )
    parts.append(Part(name="routes to pods", problem=network.routes_problem()))
    parts.append(Part(name="registry", problem=None if registry.answers() else "doesn't answer"))
    parts.append(Part(name="image builder", problem=None if _listens(buildkit.socket()) else "doesn't answer"))
    with connect() as api:
        if not api.ready():
            return Status(parts=(*parts, Part(name="API server", problem="isn't ready")))
        parts.append(Part(name="API server"))
        try:
            parts.extend(_inside(api))
        except httpx.HTTPError as error:
            parts.append(Part(name="API server", problem=f"stopped answering: {error}"))
    return Status(parts=tuple(parts))


def node_problem(node: Mapping[str, Any] | None) -> str | None:
    """Why the node takes no pods, from its own words."""
    if node is None:
        return "isn't registered"
    for condition in node["status"].get("conditions", ()):
        if condition["type"] == "Ready":
            return None if condition["status"] == "True" else f"isn't ready: {condition['message']}"
    return "says nothing of itself yet"


def pod_problem(pod: Mapping[str, Any] | None) -> str | None:
    """Why the pod doesn't work: the reason that a container waits for, if one does."""
    if pod is None:
        return "has no pod yet"
    statuses = pod["status"].get("containerStatuses", ())
    if pod["metadata"].get("deletionTimestamp"):
        return "its pod is being removed"
    if statuses and all(container["ready"] for container in statuses):
        return None
    for container in statuses:
        if waiting := container["state"].get("waiting"):
            return f"{waiting.get('reason', 'waits')}: {waiting.get('message', container['image'])}"
    return f"its pod is {pod['status'].get('phase', 'unknown').lower()}, not ready"


def dns_pods(api: Api) -> dict[str, Mapping[str, Any]]:
    """The DNS pod of each node, the newest where there are two."""
    listed = api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")["items"]
    ordered = sorted(listed, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    return {pod["spec"].get("nodeName", ""): pod for pod in ordered}


def started_at(pod: Mapping[str, Any]) -> datetime:
    """When the pod's newest container started; long ago if none runs."""
    running = [container["state"].get("running") for container in pod["status"].get("containerStatuses", ())]
    moments = [datetime.fromisoformat(state["startedAt"]) for state in running if state]
    return max(moments, default=datetime.min.replace(tzinfo=UTC))


def _inside(api: Api) -> Iterator[Part]:
    nodes = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"]}
    for node in layout.NODES:
        yield Part(name=node.name, problem=node_problem(nodes.get(node.name)))
    for node in layout.NODES:
        yield Part(name=f"network policies on {node.name}", problem=policies.problem(node))
    pods = dns_pods(api)
    for node in layout.NODES:
        yield Part(name=f"DNS on {node.name}", problem=pod_problem(pods.get(node.name)))
    yield Part(name="metrics", problem=_metrics_problem(api))


def _metrics_problem(api: Api) -> str | None:
    try:
        service = api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
    except httpx.HTTPStatusError:
        return "aren't registered"
    for condition in service.get("status", {}).get("conditions", ()):
        if condition["type"] == "Available" and condition["status"] != "True":
            return f"aren't available: {condition.get('message', condition.get('reason', ''))}"
    return None


def _listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(place))
        except OSError:
            return False
    return True


def _container_problem(name: str, container: containers.Found | None, programs: Sequence[str]) -> str | None:
    if container is None:
        return "isn't there"
    if not container.is_ours:
        return "isn't the local cloud's; rename it or remove it"
    if container.status != "running":
        return f"is {container.status}"
    try:
        processes = docker.docker("top", name, "-eo", "pid,args").splitlines()
    except docker.DockerFailed:
        return "is stopping"
    running = {line.split()[1] for line in processes}
    missing = [program for program in programs if program not in running]
    return f"keeps starting {', '.join(missing)}; `docker logs {name}` says why" if missing else None
