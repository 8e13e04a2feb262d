"""Up and down: from whatever is there to a healthy cluster, and back to nothing."""

import fcntl
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from localcloud import docker, paths, toolchain
from localcloud.cluster import (
    access,
    addons,
    containers,
    control_plane,
    health,
    image,
    layout,
    network,
    nodes,
    registry,
)
from localcloud.cluster.api import Api, connect
from localcloud.cluster.containers import Container, State
from localcloud.problem import Problem

Progress = Callable[[str], None]

# Seconds. On two quiet cores the API server takes 10, a node 20, DNS 5; while the machine builds, many times that.
API_TIME = 120
NODE_TIME = 150
DNS_TIME = 150

# A program that ended so often since its container started won't come up by itself.
HOPELESS = 5


def registry_up(progress: Progress) -> None:
    """Make the registry answer; the rest of the cluster isn't needed for it."""
    with _only_one(progress):
        _registry(_foundation(progress), progress)


def up(progress: Progress) -> None:
    """Make the whole cluster be there and healthy, changing only what isn't."""
    toolchain.build((*control_plane.PROGRAMS, *nodes.PROGRAMS, *addons.PROGRAMS), progress)
    with _only_one(progress):
        machine = _foundation(progress)
        access.write_administrators()
        nodes.write_resolver()
        network.ensure_limits(_limits_record())
        restarted = _converge(machine, progress)
        network.ensure_routes()
        with connect() as api:
            _wait_for_api(api, machine, progress)
            addons.apply(api, progress)
            _wait_for_nodes(api, machine, restarted, progress)
            _wait_for_dns(api, restarted, progress)


def down(progress: Progress) -> list[str]:
    """Remove the cluster and the state, keep the cache; say what went."""
    with _only_one(progress):
        removed: list[str] = []
        if not docker.running() and paths.state().exists() and shutil.which("dockerd"):
            # Containers of an engine that isn't running would be back with it.
            docker.ensure_engine(progress)
        if docker.running():
            there = containers.found()
            containers.refuse_strangers(there)
            progress("removing containers")
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: containers.remove([name]), there))
            removed += [f"container {name}" for name in sorted(there)]
            removed += network.remove()
            removed += [f"image {name}" for name in image.remove()]
        if restored := network.restore_limits(_limits_record()):
            removed.append(restored)
        removed += [f"mount {place}" for place in _unmount(paths.state())]
        if stopped := docker.release_engine():
            removed.append(stopped)
        if paths.state().exists():
            progress("removing the state")
            shutil.rmtree(paths.state())
            removed.append(f"state {paths.state()}")
        return removed


def _foundation(progress: Progress) -> str:
    """What every container stands on: the engine, the network, the image."""
    docker.ensure_engine(progress)
    containers.refuse_strangers(containers.found())
    machine = image.ensure(progress)
    network.ensure(progress)
    return machine


def _registry(machine: str, progress: Progress) -> State:
    registry.write_credentials()
    was = containers.converge(registry.container(machine), containers.found(), progress)
    registry.wait()
    return was


def _converge(machine: str, progress: Progress) -> dict[str, datetime]:
    """Make all containers run; give the nodes that had to be started, with the moment before."""
    there = containers.found()
    now = datetime.now(UTC).replace(microsecond=0)
    wanted: list[Container] = [control_plane.container(machine)]
    wanted += [nodes.container(node, machine) for node in layout.NODES]

    def registry_with_images() -> None:
        _registry(machine, progress)
        addons.publish()

    with ThreadPoolExecutor() as pool:
        images = pool.submit(registry_with_images)
        states = list(pool.map(lambda container: containers.converge(container, there, progress), wanted))
        images.result()
    was = {container.name: state for container, state in zip(wanted, states, strict=True)}
    return {node.name: now for node in layout.NODES if was[node.container] not in ("running", "paused")}


def _wait_for_api(api: Api, machine: str, progress: Progress) -> None:
    if api.ready():
        return
    progress("waiting for the API server")
    if _wait(api.ready, API_TIME, hopeless=lambda: _ended(layout.CONTROL_PLANE, "etcd") >= HOPELESS):
        return
    wanted = control_plane.container(machine)
    if _ended(layout.CONTROL_PLANE, "etcd") >= HOPELESS:
        aside = control_plane.etcd_data().with_name(f"etcd-set-aside-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        progress(f"etcd can't read its data: set aside in {aside}, the cluster begins empty")
        containers.remove([wanted.name])
        control_plane.etcd_data().rename(aside)
        wanted = control_plane.container(machine)
    containers.create(wanted, progress)
    if not _wait(api.ready, API_TIME):
        raise Problem(
            f"The API server isn't ready after {API_TIME} s: {_last_words(layout.CONTROL_PLANE)}",
            f"Read `docker logs {layout.CONTROL_PLANE}`. `make down` and `make up` make the cluster anew.",
        )


def _wait_for_nodes(api: Api, machine: str, restarted: dict[str, datetime], progress: Progress) -> None:
    def missing() -> dict[str, str]:
        found = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"]}
        problems = {node.name: health.node_problem(found.get(node.name)) for node in layout.NODES}
        for name, since in restarted.items():
            # What the API server knows of a node that was killed is older than its death.
            if problems[name] is None and not _heard_from(api, name, since):
                problems[name] = "hasn't been heard from since it was started"
        return {name: problem for name, problem in problems.items() if problem}

    def hopeless() -> bool:
        return any(_ended(node.container, "containerd") >= HOPELESS for node in layout.NODES)

    if _settled(missing, NODE_TIME, "waiting for", progress, hopeless):
        return
    for node in layout.NODES:
        if node.name in missing():
            progress(f"making {node.name} anew")
            containers.remove([node.container])
            shutil.rmtree(nodes.disk(node))
            restarted[node.name] = datetime.now(UTC).replace(microsecond=0)
            containers.create(nodes.container(node, machine), progress)
    if not _settled(missing, NODE_TIME, "waiting for", progress):
        name, problem = next(iter(missing().items()))
        raise Problem(
            f"{name} {problem} ({_last_words(f'vision-week-{name}')})",
            f"Read `docker logs vision-week-{name}`. `make down` and `make up` make the cluster anew.",
        )


def _wait_for_dns(api: Api, restarted: dict[str, datetime], progress: Progress) -> None:
    def missing() -> dict[str, str]:
        pods = health.dns_pods(api)
        problems = {node.name: health.pod_problem(pods.get(node.name)) for node in layout.NODES}
        for name, since in restarted.items():
            if problems[name] is None and health.started_at(pods[name]) < since:
                problems[name] = "its pod hasn't been started again"
        return {name: problem for name, problem in problems.items() if problem}

    if not _settled(missing, DNS_TIME, "waiting for DNS on", progress):
        name, problem = next(iter(missing().items()))
        raise Problem(
            f"DNS doesn't work on {name}: {problem}",
            "Look with `kubectl --namespace kube-system describe pods`; `make up` again waits for it again.",
        )


def _settled(
    missing: Callable[[], dict[str, str]],
    seconds: float,
    what: str,
    progress: Progress,
    hopeless: Callable[[], bool] = lambda: False,
) -> bool:
    """Wait until nothing is missing, saying what is. An API server that is busy for a moment is asked again."""

    told: set[str] = set()

    def settled() -> bool:
        try:
            left = missing()
        except httpx.HTTPError:
            return False
        text = f"{what} {', '.join(left)}"
        if left and text not in told:
            told.add(text)
            progress(text)
        return not left

    return _wait(settled, seconds, hopeless)


def _heard_from(api: Api, node: str, since: datetime) -> bool:
    lease = api.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}")
    return datetime.fromisoformat(lease["spec"]["renewTime"]) >= since


def _ended(container: str, program: str) -> int:
    """How often the program has ended since its container started."""
    try:
        started = docker.docker("inspect", "--format", "{{.State.StartedAt}}", container)
        said = docker.docker("logs", "--since", started, container)
    except docker.DockerFailed:
        return 0
    return said.count(f"supervise: {program} ended")


def _last_words(container: str) -> str:
    try:
        done = subprocess.run(
            ["docker", "logs", "--tail", "3", container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=docker.environment(),
            check=False,
        )
    except OSError:
        return ""
    return " / ".join(done.stdout.splitlines())


def _wait(condition: Callable[[], bool], seconds: float, hopeless: Callable[[], bool] = lambda: False) -> bool:
    deadline, looks = time.monotonic() + seconds, 0
    while not condition():
        looks += 1
        # Whether there is hope is a look into logs: not every time.
        if time.monotonic() > deadline or (looks % 20 == 0 and hopeless()):
            return False
        time.sleep(0.25)
    return True


def _unmount(folder: Path) -> list[str]:
    """Unmount what is mounted below the folder, innermost first."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    below = [place for place in reversed(places) if place.startswith(f"{folder}/")]
    for place in below:
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
    return below


def _limits_record() -> Path:
    return paths.state() / "inotify-limit"


@contextmanager
def _only_one(progress: Progress) -> Iterator[None]:
    """One run at a time changes the cluster; the next one waits and finds everything done."""
    lock = paths.cache() / "cluster.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another run that changes the cluster")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
