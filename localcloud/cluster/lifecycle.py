"""Up and down: from whatever is there to a healthy cluster, and back to nothing."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localcloud import paths
from localcloud.cluster import containers, image, network, registry
from localcloud.docker import ensure_engine

Progress = Callable[[str], None]


def registry_up(progress: Progress) -> None:
    """Make the registry answer; the rest of the cluster isn't needed for it."""
    with _only_one(progress):
        machine = _foundation(progress)
        _registry(machine, progress)


def _foundation(progress: Progress) -> str:
    """What every container stands on: the engine, the network, the image."""
    ensure_engine(progress)
    containers.refuse_strangers(containers.found())
    machine = image.ensure(progress)
    network.ensure(progress)
    return machine


def _registry(machine: str, progress: Progress) -> None:
    registry.write_credentials()
    containers.converge(registry.container(machine), containers.found(), progress)
    registry.wait()


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
