"""The one image that the cluster's containers run: Debian with containerd, a registry and a node's network tools.

Kubernetes itself isn't in it. Its programs are mounted from the toolchain, so another version needs no other
image.
"""

from collections.abc import Callable
from pathlib import Path

from localcloud import debian, paths
from localcloud.docker import DockerFailed, docker

PACKAGES = (
    "apache2-utils",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "iproute2",
    "iptables",
    "mount",
    "nftables",
    "procps",
    "python3",
    "runc",
    "util-linux",
)
REPOSITORY = "vision-week/machine"

_trees: dict[tuple[Path, tuple[str, ...]], Path] = {}  # by the cache that they are in, and what they have on top


def ensure(progress: Callable[[str], None], *besides: str) -> str:
    """The name of the image, imported into the engine if it isn't there. besides: packages that it has on top."""
    tree = _tree(progress, besides)
    name = f"{REPOSITORY}:{tree.stem}"
    if not _exists(name):
        progress("importing the image of the cluster's containers")
        _import(tree, name)
    return name


def remove() -> list[str]:
    """Remove the image from the engine, old ones too; the tree stays in the cache."""
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).split()
    for name in names:
        docker("image", "rm", "--force", name)
    return names


def _tree(progress: Callable[[str], None], besides: tuple[str, ...]) -> Path:
    """The tree that the image is made of. Which one it is takes apt a second to say: it is asked once in a run."""
    key = (paths.cache(), besides)
    known = _trees.get(key)
    if known is None or not known.exists():
        known = _trees[key] = debian.rootfs((*PACKAGES, *besides), progress)
    return known


def _exists(name: str) -> bool:
    try:
        docker("image", "inspect", "--format", "{{.Id}}", name)
    except DockerFailed:
        return False
    return True


def _import(tree: Path, name: str) -> None:
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    docker("import", "--change", path, str(tree), name)
