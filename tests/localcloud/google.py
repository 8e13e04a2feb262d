"""A simulated Google Cloud whose cluster is the local one: a project with buckets, and who may use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.google import identity
from localcloud.cluster import google, layout
from localcloud.plugins.gcp import buckets, cloud, kinds
from tests.localcloud.pods import Pods

PROJECT = google.Project(name="vision-week-test", number=123456789012, cluster="test", location="europe-west1")


def quiet(_: str) -> None:
    pass


@contextmanager
def standing_in(folder: Path) -> Iterator[None]:
    """Have the local cluster's pods find Google, the cloud in this folder; the simulated one's plugin knows it, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cloud.FOLDER, str(folder))
        patch.setenv("STORAGE_EMULATOR_HOST", layout.BUCKETS)
        google.up(PROJECT, folder, quiet)
        try:
            yield
        finally:
            google.down(quiet)


def bucket(name: str) -> None:
    """Make a bucket."""
    with cloud.world() as world:
        world.add(kinds.BUCKET, name, {"name": name, "project": PROJECT.name}, world.number(), ())
    buckets.make(name, PROJECT.name, versioned=True)


def grant(bucket: str, role: str, pods: Pods, account: str) -> None:
    """Let a service account of the namespace have a role on a bucket, as the program's components do."""
    member = identity.of_pods(PROJECT.name, PROJECT.number, f"ns/{pods.namespace}/sa/{account}")
    inputs = {"bucket": bucket, "role": role, "member": member}
    with cloud.world() as world:
        world.add(kinds.BUCKET_MEMBER, f"b/{bucket}/{role}/{member}", inputs, world.number(), (bucket,))
