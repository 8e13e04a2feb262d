"""What the Kubernetes plugin says of real pods on the local cluster: in the kubelet's and the scheduler's words."""

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud import cluster
from localcloud.plugins.provider import Incomplete
from localcloud.plugins.values import Values
from tests.engine.kubelet import client_of
from tests.engine.planes import Api, Stack, namespace_for
from tests.engine.waiting import given_up

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
IMAGE = "docker.io/library/debian:bookworm-slim"
NOW = {"pulumi.com/deletionPropagationPolicy": "background"}


@pytest.fixture(scope="module")
def pods() -> Iterator[Api]:
    """A namespace of the local cluster."""
    cluster.up(lambda _: None)
    with namespace_for(client_of(str(cluster.kubeconfig()))) as api:
        yield api


@pytest.fixture
def real(pods: Api) -> Stack:
    """A stack in that namespace."""
    return Stack(str(cluster.kubeconfig()), pods.namespace)


def workload(name: str, *, command: str = "exec sleep infinity", image: str = IMAGE, **container: Any) -> Values:
    labels = {"app": name}
    main = {"name": "main", "image": image, "command": ["sh", "-c", command], **container}
    spec = {"containers": [main], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return {
        "metadata": {"name": name, "annotations": NOW},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def test_a_crashing_container_is_told_with_its_exit_code_and_last_words(real: Stack) -> None:
    # Without a probe it counts as ready for the moment in which it runs.
    never = {"exec": {"command": ["false"]}}
    inputs = workload("crashing", command="echo the table is missing; exit 3", readinessProbe=never)
    # Said while it waits; by the time that the update ends the container may be running once more.
    error = given_up(real, DEPLOYMENT, inputs, sign="container main: CrashLoopBackOff: back-off")
    said = str(error)
    assert "exit code 3" in said
    assert "last lines of container main:\n    the table is missing" in said


def test_an_image_that_is_nowhere_is_told_by_its_name(real: Stack) -> None:
    inputs = workload("unpullable", image="docker.io/library/nowhere:none")
    error = given_up(real, DEPLOYMENT, inputs, sign="ImagePull")
    assert "docker.io/library/nowhere:none" in str(error)


def test_a_pod_that_fits_nowhere_is_told_in_the_schedulers_words(real: Stack) -> None:
    inputs = workload("unschedulable", resources={"requests": {"cpu": "1000"}})
    error = given_up(real, DEPLOYMENT, inputs, sign="Unschedulable")
    assert "Insufficient cpu" in str(error)


def test_a_probe_that_fails_is_told_by_its_event(real: Stack) -> None:
    probe = {"exec": {"command": ["sh", "-c", "echo not today; exit 1"]}, "periodSeconds": 1}
    inputs = workload("unready", readinessProbe=probe)
    with pytest.raises(Incomplete, match="Unhealthy: Readiness probe failed: not today"):
        real.up(DEPLOYMENT, "it", inputs, timeout=10)


def test_a_claim_and_the_pod_that_it_waits_for_are_made_one_after_the_other(real: Stack, pods: Api) -> None:
    classes = pods.client.request("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
    waiting = [one["metadata"]["name"] for one in classes if one["volumeBindingMode"] == "WaitForFirstConsumer"]
    if not waiting:
        pytest.skip("the cluster has no class that waits for its first consumer; the program brings one")
    resources = {"requests": {"storage": "1Mi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": waiting[0], "resources": resources}
    claim = real.up(CLAIM, "data", {"metadata": {"name": "data"}, "spec": spec})
    assert claim["status"]["phase"] == "Pending"
    inputs = workload("using", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    inputs["spec"]["template"]["spec"]["volumes"] = [volume]
    assert real.up(DEPLOYMENT, "using", inputs)["status"]["readyReplicas"] == 1
    assert pods.get("persistentvolumeclaims/data")["status"]["phase"] == "Bound"
