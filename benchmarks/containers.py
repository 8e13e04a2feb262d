"""What is measured runs in containers with what a pod of production may take, on the first half of this machine's
cores; whoever asks it has the other half."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from components.values import Resources, amount, mebibytes
from localcloud.cluster import layout
from localcloud.images import registry
from operations.conformance.bench import Container, docker

MIRROR = f"{registry.ADDRESS}/mirror/docker.io"


def started(cleanup: ExitStack, image: str, *command: str, options: tuple[str, ...] = ()) -> Container:
    """A container that goes with the rest."""
    container = Container(docker("run", "--detach", *options, image, *command))
    cleanup.callback(docker, "rm", "--force", "--volumes", container.id)
    return container


def limit(container: Container, *resources: Resources) -> None:
    """What these containers of a pod may take together, on the cores of whoever is measured."""
    memory = sum(mebibytes(each.memory) for each in resources)
    cpus = sum(amount(each.cpu_limit or each.cpu) for each in resources)
    docker(
        *("update", f"--memory={memory}m", f"--memory-swap={memory}m", f"--cpus={min(cpus, os.cpu_count() or 1)}"),
        *(f"--cpuset-cpus={cores(0)}", container.id),
    )


def on_other_cores(*containers: Container) -> None:
    docker("update", f"--cpuset-cpus={cores(1)}", *(container.id for container in containers))


def cores(half: int) -> str:
    """The first or second half of this machine's cores; the same one where there is but one."""
    count = os.cpu_count() or 1
    size = max(count // 2, 1)
    first = min(half * size, count - 1)
    return f"{first}-{first + size - 1}"


@contextmanager
def credentials() -> Iterator[None]:
    """Docker's, of the local registry."""
    before = os.environ.get("DOCKER_CONFIG")
    os.environ["DOCKER_CONFIG"] = str(layout.credentials())
    try:
        yield
    finally:
        if before is None:
            del os.environ["DOCKER_CONFIG"]
        else:
            os.environ["DOCKER_CONFIG"] = before


def tell(text: str) -> None:
    print(f"… {text}", file=sys.stderr)  # noqa: T201  the measuring takes minutes
