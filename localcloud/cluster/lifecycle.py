"""Up and down: from whatever is there to a healthy cluster, and back to nothing."""

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from localcloud import docker, paths, toolchain
from localcloud.alone import alone
from localcloud.cluster import (
    access,
    addons,
    containers,
    control_plane,
    gateway_api,
    google,
    image,
    kernel,
    layout,
    network,
    nodes,
    registry,
)
from localcloud.cluster.api import connect
from localcloud.cluster.containers import Container, State
from localcloud.cluster.repair import Repair

Progress = Callable[[str], None]


def registry_up(progress: Progress) -> None:
    """Make the registry answer; the rest of the cluster isn't needed for it."""
    with _only_one(progress):
        _registry(_foundation(progress), progress)


def up(progress: Progress) -> None:
    """Make the whole cluster be there and healthy, changing only what isn't."""
    toolchain.build((*control_plane.PROGRAMS, *nodes.PROGRAMS, *addons.PROGRAMS), progress)
    gateway_api.ensure()
    with _only_one(progress):
        machine = _foundation(progress)
        access.write_administrators()
        nodes.write_resolver()
        kernel.ensure()
        restarted = _converge(machine, progress)
        network.ensure_routes()
        with connect() as api:
            repair = Repair(api=api, machine=machine, restarted=restarted, progress=progress)
            repair.control_plane()
            addons.apply(api, progress)
            with ThreadPoolExecutor() as pool:
                kinds = pool.submit(gateway_api.apply, api)  # seconds of the API server's time, while the nodes start
                repair.nodes()
                kinds.result()
            google.lead()


def down(progress: Progress) -> list[str]:
    """Remove the cluster and the state, keep the cache; say what went."""
    with _only_one(progress):
        removed: list[str] = []
        if not docker.running() and paths.state().exists() and shutil.which("dockerd"):
            # Containers of an engine that isn't running would be back with it. What goes needs no space.
            docker.ensure_engine(progress, space=0)
        if docker.running():
            there = containers.found()
            containers.refuse_strangers(there)
            ours = sorted(name for name, container in there.items() if container.is_ours)
            progress("removing containers")
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: containers.remove([name]), ours))
            removed += [f"container {name}" for name in ours]
            others = sorted(name for name in there if name.startswith("vision-week-") and name not in ours)
            removed += [f"container {name} stays: it isn't the local cloud's" for name in others]
            removed += network.remove()
            removed += [f"image {name}" for name in image.remove()]
        removed += kernel.restore()
        removed += [f"mount {place}" for place in _unmount(paths.state())]
        removed += docker.release_engine()
        if paths.state().exists():
            progress("removing the state")
            shutil.rmtree(paths.state())
            removed.append(f"state {paths.state()}")
        return removed


def _foundation(progress: Progress) -> str:
    """What every container stands on: the engine, the network, the image."""
    docker.ensure_engine(progress)
    containers.refuse_strangers(containers.found())
    network.ensure(progress)
    return image.ensure(progress)


def _registry(machine: str, progress: Progress) -> State:
    registry.write_credentials()
    was = containers.converge(registry.container(machine), containers.found(), progress)
    registry.wait_until_ready()
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


def _unmount(folder: Path) -> list[str]:
    """Unmount what is mounted below the folder, innermost first."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    below = [place for place in reversed(places) if place.startswith(f"{folder}/")]
    for place in below:
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
    return below


def _only_one(progress: Progress) -> AbstractContextManager[None]:
    """One run at a time changes the cluster; the next one waits and finds everything done."""
    return alone(paths.LOCKS / "cluster", lambda: progress("waiting for another run that changes the cluster"))
