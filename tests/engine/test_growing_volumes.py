"""A larger volume for a database without a stop: `docs/growing-volumes.md` tells people to do what is done here."""

from collections.abc import Iterator

import pytest

from localcloud.plugins.values import Values
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import Api
from tests.engine.project import Project
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    provider = k8s.Provider("c", kubeconfig=config.require("kubeconfig"), namespace=config.require("namespace"))
    labels = {"app": "it", "plays": "ready"}
    k8s.apps.v1.StatefulSet(
        "it",
        metadata={"name": "it"},
        spec={
            "service_name": "it",
            "replicas": 1,
            "selector": {"match_labels": {"app": "it"}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none"}]}},
            "volume_claim_templates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "access_modes": ["ReadWriteOnce"],
                        "storage_class_name": config.require("namespace"),
                        "resources": {"requests": {"storage": config.require("size")}},
                    },
                }
            ],
        },
        opts=pulumi.ResourceOptions(provider=provider, protect=True),
    )
"""
CLAIM = "persistentvolumeclaims/data-it-0"


@pytest.fixture
def volume(api: Api) -> Iterator[None]:
    """A class whose volumes can grow, and a volume of it for the claim."""
    name: Values = {"metadata": {"name": api.namespace}}
    storage = "/apis/storage.k8s.io/v1/storageclasses"
    api.client.request("POST", storage, {**name, "provisioner": "example.org/none", "allowVolumeExpansion": True})
    claim = {"namespace": api.namespace, "name": "data-it-0"}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "claimRef": claim,
        "hostPath": {"path": "/nowhere"},
        "storageClassName": api.namespace,
    }
    api.client.request("POST", "/api/v1/persistentvolumes", {**name, "spec": spec})
    yield
    api.client.request("DELETE", f"/api/v1/persistentvolumes/{api.namespace}")
    api.client.request("DELETE", f"{storage}/{api.namespace}")


@pytest.mark.usefixtures("volume")
def test_a_database_gets_a_larger_volume_and_keeps_its_pods(project: Project, plane: ControlPlane, api: Api) -> None:
    """No other template of claims is taken: Pulumi would replace the StatefulSet, and no claim would grow."""
    settings = {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace}
    project.write(PROGRAM, {**settings, "size": "1Gi"})
    project.up()
    pod = api.get("pods/it-0")["metadata"]["uid"]
    wait_for(lambda: api.get(CLAIM)["status"]["phase"] == "Bound", "the claim's volume")
    project.write(PROGRAM, {**settings, "size": "2Gi"})
    said = project.preview(succeeds=False).said
    assert "1 to replace" in said
    assert "protect" in said

    api.patch(CLAIM, {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    path = f"/apis/apps/v1/namespaces/{api.namespace}/statefulsets/it"
    api.client.request("DELETE", path, {"propagationPolicy": "Orphan"})
    project.up("--refresh")

    assert api.get("pods/it-0")["metadata"]["uid"] == pod
    assert api.get(CLAIM)["spec"]["resources"]["requests"]["storage"] == "2Gi"
    (template,) = api.get("statefulsets.apps/it")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "2Gi"
    project.preview("--refresh", "--expect-no-changes")
