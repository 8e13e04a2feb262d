"""Claims get volumes that hold data, wherever their pods are placed."""

from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from localcloud.cluster import layout
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def late_class(pods: Pods) -> str:
    """A class like `fast-ssd`: its volumes are made when their pod is placed, and kept when their claim goes."""
    name = f"late-{pods.namespace}"
    storage: Any = client.StorageV1Api(pods.api)
    storage.create_storage_class(
        {
            "metadata": {"name": name},
            "provisioner": "shared-path.localcloud",
            "parameters": {"type": "pd-ssd"},
            "reclaimPolicy": "Retain",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    return name


def folder_of(volume: str) -> Path:
    return layout.volumes() / volume


def test_a_user_who_is_not_root_writes_to_its_claim(pods: Pods, late_class: str) -> None:
    """S7.2: uid 1000, read-only root."""
    pods.claim("written", late_class, "ReadWriteOnce")
    pods.start("writer", claim="written")
    assert pods.python("writer", "import os; open('/data/x', 'w').write('kept'); print(os.getuid())") == "1000"
    assert (folder_of(pods.volume_of("written")) / "x").read_text() == "kept"


def test_data_follows_a_pod_to_another_node(pods: Pods, late_class: str) -> None:
    """S11.1: as on a regional disk."""
    pods.claim("moved", late_class, "ReadWriteOnce")
    pods.start("first", claim="moved", node="node-1")
    pods.python("first", "open('/data/x', 'w').write('from node-1')")
    pods.remove("first")
    pods.start("second", claim="moved", node="node-2")
    assert pods.python("second", "print(open('/data/x').read())") == "from node-1"


def test_two_pods_on_two_nodes_share_a_claim(pods: Pods) -> None:
    """S2.3: uploads, with several replicas of the app."""
    pods.claim("uploads", "shared", "ReadWriteMany")
    pods.start("here", claim="uploads", node="node-1")
    pods.start("there", claim="uploads", node="node-3")
    pods.python("here", "open('/data/x', 'w').write('seen')")
    assert pods.python("there", "print(open('/data/x').read())") == "seen"


def test_a_deleted_claims_data_is_removed_with_all_that_others_wrote(pods: Pods) -> None:
    pods.claim("dropped", "shared", "ReadWriteMany")
    pods.start("tidy", claim="dropped", user=2000)
    pods.python("tidy", "import os; os.mkdir('/data/d', 0o700); open('/data/d/x', 'w').write('y')")
    folder = folder_of(pods.volume_of("dropped"))
    assert (folder / "d" / "x").exists()
    pods.remove("tidy")
    pods.core.delete_namespaced_persistent_volume_claim("dropped", pods.namespace)
    wait_for(lambda: not folder.exists(), "the volume's folder gone")


def test_a_retained_volume_outlives_its_claim(pods: Pods, late_class: str) -> None:
    pods.claim("kept", late_class, "ReadWriteOnce")
    pods.start("keeper", claim="kept")
    pods.python("keeper", "open('/data/x', 'w').write('still here')")
    volume = pods.volume_of("kept")
    pods.remove("keeper")
    pods.core.delete_namespaced_persistent_volume_claim("kept", pods.namespace)
    wait_for(lambda: pods.core.read_persistent_volume(volume).status.phase == "Released", "the volume released")
    assert (folder_of(volume) / "x").read_text() == "still here"
