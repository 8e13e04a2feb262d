"""A bucket as a volume: gcsfuse, the real one, mounted by the stand-in for GKE's driver, as the pod's own account."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from components.google import volume
from localcloud.cluster import gcsfuse, layout
from tests.localcloud.google import bucket, grant, standing_in
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

BUCKET = "vision-week-test-uploads"
# As the application does it: a name of its own, whole before it has it, and in the bucket when that is said.
WRITE = """
import os
with open("/data/whole.part", "xb") as file:
    file.write(b"uploaded" * 300000)
    os.fsync(file.fileno())
os.rename("/data/whole.part", "/data/whole")
print("written")
"""


@pytest.fixture(scope="module")
def mounting(pods: Pods, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Two pods on two nodes whose account may use the bucket, which both have as a volume."""
    name = f"test-{secrets.token_hex(4)}"
    spec = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "1Gi"},
        "storageClassName": name,
        "persistentVolumeReclaimPolicy": "Retain",
        # The program's own.
        "mountOptions": list(volume._OPTIONS),
        "csi": {"driver": gcsfuse.DRIVER, "volumeHandle": BUCKET},
    }
    with standing_in(tmp_path_factory.mktemp("cloud")):
        bucket(BUCKET)
        pods.core.create_persistent_volume({"metadata": {"name": name}, "spec": spec})
        pods.claim("uploads", name, "ReadWriteMany")
        for account in ("app", "other"):
            pods.account(account)
        grant(BUCKET, "roles/storage.objectUser", pods, "app")
        pods.start("one", account="app", claim="uploads", node=layout.NODES[0].name)
        pods.start("two", account="app", claim="uploads", node=layout.NODES[1].name)
        yield pods
        for each in ("one", "two"):
            pods.remove(each)
        pods.core.delete_namespaced_persistent_volume_claim("uploads", pods.namespace)
        pods.core.delete_persistent_volume(name)


def objects() -> dict[str, int]:
    """Size of what is in the bucket, by name."""
    answer = httpx.get(f"{layout.BUCKETS}/storage/v1/b/{BUCKET}/o", trust_env=False)
    return {each["name"]: int(each["size"]) for each in answer.json().get("items", ())}


def test_what_one_pod_writes_is_in_the_bucket_and_another_pod_reads_it(mounting: Pods) -> None:
    assert mounting.python("one", WRITE) == "written"
    assert objects()["whole"] == 2400000
    assert mounting.python("two", "print(open('/data/whole', 'rb').read() == b'uploaded' * 300000)") == "True"
    assert mounting.python("two", "import os; os.unlink('/data/whole')") == ""
    assert "whole" not in objects()


def test_files_are_the_pods_users(mounting: Pods) -> None:
    program = "import os; open('/data/mine', 'w').close(); s = os.stat('/data/mine'); print(s.st_uid, oct(s.st_mode))"
    assert mounting.python("one", program) == "1000 0o100640"


def test_a_pod_that_comes_again_finds_what_was_there(mounting: Pods) -> None:
    assert mounting.python("one", "open('/data/stays', 'w').write('x')") == ""
    mounting.remove("one")
    mounting.start("one", account="app", claim="uploads", node=layout.NODES[2].name)
    assert mounting.python("one", "print(open('/data/stays').read())") == "x"


def test_a_pod_of_another_account_reads_nothing_of_it(mounting: Pods) -> None:
    """It has the volume, and Google's answer to it: gcsfuse ends, and what is left has no content."""
    mounting.start("other", account="other", claim="uploads", node=layout.NODES[0].name)

    def said() -> str | None:
        found = mounting.python("other", "import os; print(os.listdir('/data'))")
        return found if "Error" in found else None

    found = wait_for(said, "an error")
    assert "stays" not in found
    log: Any = mounting.core.read_namespaced_pod("other", mounting.namespace)
    assert log.status.phase == "Running"
    mounting.remove("other")
