"""From containers that run to a cluster that works: wait for what will come by itself, make anew what won't.

Each remedy is tried once, the cheapest first. Only when the last one didn't help is it the person's turn.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from localcloud import docker
from localcloud.cluster import containers, control_plane, health, layout, nodes, policies
from localcloud.cluster.api import Api
from localcloud.cluster.layout import Node
from localcloud.problem import Problem
from localcloud.waiting import wait

# Seconds. On two quiet cores the API server takes 10, a node and its DNS 10; while the machine builds, many more.
API_TIME = 120
NODE_TIME = 180

# A program that ended so often since its container started won't come up by itself: by then it was tried for 15 s.
HOPELESS = 5
# What etcd says when it ends over its data, and what it says when it isn't the data's fault but the machine's.
_DAMAGED = re.compile(r"^panic: |bootstrap failed|crc mismatch", re.MULTILINE)
_HINDERED = re.compile(
    r"no space left|disk quota exceeded|read-only file system|permission denied|input/output error"
    r"|cannot allocate memory|failed to reserve|too many open files|descriptor limit|address already in use",
    re.IGNORECASE,
)


@dataclass(kw_only=True)
class Repair:
    """One run's work on the cluster.

    machine: the image of the cluster's containers.
    restarted: nodes that were started in this run, with the moment before: what the API server says of them may be
        older than their death.
    """

    api: Api
    machine: str
    restarted: dict[str, datetime]
    progress: Callable[[str], None]
    _told: set[str] = field(default_factory=set, init=False)

    def control_plane(self) -> None:
        """Have the API server take work."""
        if self.api.ready():
            return
        self.progress("waiting for the API server")
        if wait(self.api.ready, API_TIME, hopeless=_etcd_is_hopeless):
            return
        if _etcd_is_hopeless() and is_damage(_said(layout.CONTROL_PLANE)):
            self.progress("etcd can't read its data: it is set aside, and the cluster begins empty")
            containers.remove([layout.CONTROL_PLANE])
            control_plane.set_etcd_aside()
        containers.create(control_plane.container(self.machine), self.progress)
        if not wait(self.api.ready, API_TIME):
            raise Problem(
                f"The API server isn't ready after {API_TIME} s: {_last_words(layout.CONTROL_PLANE)}",
                f"Read `docker logs {layout.CONTROL_PLANE}`. `make down` and `make up` make the cluster anew.",
            )

    def nodes(self) -> None:
        """Have every node take pods, and DNS answer on it."""
        registered = {node["metadata"]["name"] for node in self.api.get("/api/v1/nodes")["items"]}
        for node in layout.NODES:
            if node.name not in registered and node.name not in self.restarted:
                # A kubelet registers when it starts, and never again.
                self._make(node)
        left = self._settle(hopeless=lambda: any(map(_is_hopeless, layout.NODES)))
        if not left:
            return
        ill = [node for node in layout.NODES if node.name in left]
        for node in [node for node in ill if _is_hopeless(node)] or ill:
            containers.remove([node.container])
            shutil.rmtree(nodes.disk(node))
            self._make(node)
        if problems := self._settle():
            name, problem = next(iter(problems.items()))
            raise Problem(
                f"{name} {problem} ({_last_words(f'vision-week-{name}')})",
                f"Read `docker logs vision-week-{name}` and `kubectl --namespace kube-system get events`. "
                "`make down` and `make up` make the cluster anew.",
            )

    def _make(self, node: Node) -> None:
        self.restarted[node.name] = datetime.now(UTC).replace(microsecond=0)
        containers.create(nodes.container(node, self.machine), self.progress)

    def _settle(self, seconds: float = NODE_TIME, hopeless: Callable[[], bool] = lambda: False) -> Mapping[str, str]:
        """Wait until all nodes work; give what is wrong with those that don't in time."""
        left: dict[str, str] = {}

        def settled() -> bool:
            nonlocal left
            try:
                left = self._problems()
            except httpx.HTTPError as error:  # busy for a moment: asked again, and no fault of a node
                left = {"control-plane": f"can't be asked: {error}"}
            text = f"waiting for {', '.join(left)}"
            if left and text not in self._told:
                self._told.add(text)
                self.progress(text)
            return not left

        wait(settled, seconds, hopeless)
        return left

    def _problems(self) -> dict[str, str]:
        found = {node["metadata"]["name"]: node for node in self.api.get("/api/v1/nodes")["items"]}
        pods = health.dns_pods(self.api)
        problems: dict[str, str] = {}
        for node in layout.NODES:
            since = self.restarted.get(node.name)
            problem = health.node_problem(found.get(node.name))
            if not problem and since and not self._heard_from(node, since):
                problem = "hasn't been heard from since it was started"
            if not problem and (unsafe := policies.problem(node)):
                problem = f"isn't safe: network policies {unsafe}"
            if not problem and (missing := _dns_problem(pods.get(node.name), since)):
                problem = f"has no DNS: {missing}"
            if problem:
                problems[node.name] = problem
        return problems

    def _heard_from(self, node: Node, since: datetime) -> bool:
        lease = self.api.find(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node.name}")
        return lease is not None and datetime.fromisoformat(lease["spec"]["renewTime"]) >= since


def _dns_problem(pod: Mapping[str, Any] | None, since: datetime | None) -> str | None:
    if problem := health.pod_problem(pod):
        return problem
    if since and pod and health.started_at(pod) < since:
        return "its pod hasn't been started again"
    return None


def _etcd_is_hopeless() -> bool:
    return _ended(layout.CONTROL_PLANE, "etcd") >= HOPELESS


def _is_hopeless(node: Node) -> bool:
    return any(_ended(node.container, name) >= HOPELESS for name in ("containerd", "kubelet", policies.PROGRAM))


def is_damage(said: str) -> bool:
    """Whether etcd ended because it can't read its data. A full disk, or no memory, ends it too and harms nothing."""
    return _DAMAGED.search(said) is not None and _HINDERED.search(said) is None


def _ended(container: str, program: str) -> int:
    """How often the program has ended since its container started."""
    return _said(container).count(f"supervise: {program} ended")


def _last_words(container: str) -> str:
    """What the container's programs said last."""
    return " / ".join(_said(container).splitlines()[-3:])


def _said(container: str) -> str:
    """What the container's programs said since it was started, on either of its outputs; nothing if it isn't there."""
    try:
        started = docker.docker("inspect", "--format", "{{.State.StartedAt}}", container)
    except docker.DockerFailed:
        return ""
    done = subprocess.run(
        ["docker", "logs", "--since", started, container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=docker.environment(),
        check=False,
    )
    return done.stdout
