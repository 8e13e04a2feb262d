"""The application's files in a directory of the pod, where `make dev` changes them (S10.1).

An image can't be written to, and a container's root is read-only (S7.2): it stays so. What the image has is copied into
a directory that goes with the pod and lies over the same path. PHP reads it as it reads the image, and can't change it;
nginx's container, which has no secret, is where changes come in.
"""

from collections.abc import Sequence

from pulumi import Input
from pulumi_kubernetes import core

from components.kubernetes import Container, Mount, scratch
from components.values import Resources

TREE = "/var/www/html"
VOLUME = "tree"
# Where changes come in.
CONTAINER = "nginx"
# The image's, some 40 MiB with a Flutter build, and what an engineer may add.
_SIZE = "512Mi"
_FILLED = "/tree"


def directory() -> core.v1.VolumeArgs:
    return scratch(VOLUME, _SIZE)


def filler(image: Input[str], resources: Resources) -> Container:
    """Copies what the image has before the others start."""
    return Container(
        name="copy",
        image=image,
        command=["cp", "-R", f"{TREE}/.", _FILLED],
        resources=resources,
        mounts=[Mount(volume=VOLUME, path=_FILLED)],
    )


def mounts(container: str) -> Sequence[Mount]:
    return [Mount(volume=VOLUME, path=TREE, read_only=container != CONTAINER)]
