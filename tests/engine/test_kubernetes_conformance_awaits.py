"""When an object counts as ready, and what is said of one that isn't, as the official plugin documents it.

Each test states one documented behaviour and where it is documented; the plugin under test comes from the environment
(`wire.py`). `python -m tests.engine.table` writes them into docs/local-cloud.md. That pods run or fail is played.
"""

from collections.abc import Iterator

import pytest

from localcloud.plugins.provider import Incomplete
from localcloud.plugins.values import Values
from tests.engine.conformance import unready
from tests.engine.planes import Api
from tests.engine.waiting import Meanwhile, exists, failure
from tests.engine.wire import WiredStack
from tests.engine.workloads import job, pod, workload
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
JOB = "kubernetes:batch/v1:Job"
POD = "kubernetes:core/v1:Pod"
SERVICE = "kubernetes:core/v1:Service"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"


@pytest.fixture
def node(api: Api) -> Iterator[str]:
    """A node, by name alone."""
    api.client.request("POST", "/api/v1/nodes", {"metadata": {"name": api.namespace, "labels": {"of": api.namespace}}})
    yield api.namespace
    api.client.request("DELETE", f"/api/v1/nodes/{api.namespace}")


# Deployments.


def test_a_deployment_is_ready_when_its_new_pods_are(wired: WiredStack) -> None:
    """A Deployment is ready when its newest ReplicaSet is available.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/apps/v1/deployment/
    """
    assert wired.up(DEPLOYMENT, "it", workload("ready", replicas=2))["status"]["readyReplicas"] == 2


def test_a_deployment_without_replicas_is_ready(wired: WiredStack) -> None:
    """Readiness is detected for a Deployment that is scaled to 0.

    https://github.com/pulumi/pulumi-kubernetes/pull/688
    """
    assert wired.up(DEPLOYMENT, "it", workload("ready", replicas=0))["spec"]["replicas"] == 0


def test_an_old_version_that_is_ready_does_not_hide_a_new_one_that_is_not(wired: WiredStack, api: Api) -> None:
    """The ReplicaSet of the current revision counts, not its predecessor's pods.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/apps/v1/deployment/
    """
    wired.up(DEPLOYMENT, "it", workload("ready", replicas=2))
    unready(wired, api, DEPLOYMENT, workload("unpullable", image="two", replicas=2))


def test_a_roll_out_past_its_progress_deadline_has_failed(wired: WiredStack, api: Api) -> None:
    """`ProgressDeadlineExceeded` means that the roll-out failed, long before the time-out.

    https://github.com/pulumi/pulumi-kubernetes/pull/646
    """
    inputs = workload("unpullable", progressDeadlineSeconds=2)
    failure(wired, DEPLOYMENT, inputs, timeout=300)
    conditions = api.get("deployments.apps/app")["status"]["conditions"]
    assert "ProgressDeadlineExceeded" in {one["reason"] for one in conditions}


def test_a_failure_tells_the_pods_reason(wired: WiredStack, api: Api) -> None:
    """Errors of pods are aggregated and told with the workload's.

    https://github.com/pulumi/pulumi-kubernetes/pull/785
    """
    assert "ImagePullBackOff" in str(unready(wired, api, DEPLOYMENT, workload("unpullable")))


# What was made and isn't ready.


def test_what_never_became_ready_is_kept_with_the_reasons(wired: WiredStack, api: Api) -> None:
    """A resource that was made and failed to initialise is a partial failure: its state is kept.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    error = unready(wired, api, DEPLOYMENT, workload("unpullable"))
    assert error.id == f"{api.namespace}/app"
    assert error.outputs["metadata"]["uid"] == api.get("deployments.apps/app")["metadata"]["uid"]
    assert error.reasons


def test_the_next_update_goes_on_waiting(wired: WiredStack, api: Api) -> None:
    """If a resource failed to become ready, the next update continues to wait for it.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/batch/v1/job/
    """
    unready(wired, api, DEPLOYMENT, workload("unpullable"))
    assert wired.retry("it", workload("ready"))["status"]["readyReplicas"] == 1


def test_a_refresh_tells_what_is_not_ready(wired: WiredStack, api: Api) -> None:
    """A refresh reports resources that are in an unhealthy state.

    https://github.com/pulumi/pulumi-kubernetes/issues/605
    """
    unready(wired, api, DEPLOYMENT, workload("unpullable"))
    with pytest.raises(Incomplete):
        wired.refresh("it")


def test_cancelling_ends_the_wait_and_keeps_the_state(wired: WiredStack, api: Api) -> None:
    """Cancel signals the provider to gracefully shut down; what was made is kept.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    with Meanwhile(wired, DEPLOYMENT, workload("unpullable")) as update:
        wait_for(lambda: exists(api, "deployments.apps/app"), "the Deployment")
        wired.plugin.cancelled.set()
        error = update.result.exception(60)
    assert isinstance(error, Incomplete)
    assert error.id == f"{api.namespace}/app"


# StatefulSets and DaemonSets.


def test_a_stateful_set_is_ready_when_its_pods_are(wired: WiredStack) -> None:
    """A StatefulSet is ready when the wanted replicas are ready, all of the current revision.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/apps/v1/statefulset/
    """
    outputs = wired.up(STATEFUL_SET, "it", workload("ready", replicas=2, serviceName="app"))
    assert outputs["status"]["readyReplicas"] == 2
    outputs = wired.up(STATEFUL_SET, "it", workload("ready", image="two", replicas=2, serviceName="app"))
    assert outputs["status"]["updateRevision"] == outputs["status"]["currentRevision"]


def test_a_stateful_set_whose_pods_fail_is_not_ready(wired: WiredStack, api: Api) -> None:
    """A StatefulSet whose pods aren't ready in time has failed, and its pods say why.

    https://github.com/pulumi/pulumi-kubernetes/pull/673
    """
    error = unready(wired, api, STATEFUL_SET, workload("crashing", replicas=2, serviceName="app"))
    assert "CrashLoopBackOff" in str(error)


def test_pods_that_a_person_deletes_are_not_waited_for(wired: WiredStack) -> None:
    """With the update strategy OnDelete the old pods stay until a person deletes them.

    https://github.com/pulumi/pulumi-kubernetes/pull/2473
    """
    inputs: Values = {"replicas": 2, "serviceName": "app", "updateStrategy": {"type": "OnDelete"}}
    wired.up(STATEFUL_SET, "it", workload("ready", **inputs))
    outputs = wired.up(STATEFUL_SET, "it", workload("ready", image="two", **inputs), timeout=60)
    assert outputs["status"]["currentRevision"] != outputs["status"]["updateRevision"]


@pytest.mark.parametrize("plays", ["ready", "unpullable"])
def test_a_daemon_set_is_ready_when_it_is_on_every_node(wired: WiredStack, api: Api, node: str, plays: str) -> None:
    """Pulumi waits for DaemonSets to become ready.

    https://github.com/pulumi/pulumi-kubernetes/pull/2953
    """
    inputs = workload(plays)
    inputs["spec"]["template"]["spec"] |= {"nodeSelector": {"of": node}, "tolerations": [{"operator": "Exists"}]}
    if plays == "ready":
        assert wired.up(DAEMON_SET, "it", inputs)["status"]["numberReady"] == 1
    else:
        unready(wired, api, DAEMON_SET, inputs)


# Jobs and pods.


def test_a_job_is_ready_when_it_is_complete(wired: WiredStack) -> None:
    """A Job is ready when its condition Complete is true.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/batch/v1/job/
    """
    assert wired.up(JOB, "it", job("done"))["status"]["succeeded"] == 1


def test_a_job_that_fails_is_given_up_at_once(wired: WiredStack) -> None:
    """If a Job's condition Failed is set, the Job fails immediately.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/batch/v1/job/
    """
    failure(wired, JOB, job("failed", backoffLimit=0), timeout=300)


def test_a_failed_job_is_replaced_on_demand(wired: WiredStack) -> None:
    """`pulumi.com/replaceUnready`: a Job that failed to become ready is replaced by the next update.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    inputs = job("failed", backoffLimit=0)
    inputs["metadata"]["annotations"] = {"pulumi.com/replaceUnready": "true"}
    failure(wired, JOB, inputs)
    assert wired.diff(JOB, "it", inputs).due


@pytest.mark.parametrize("plays", ["ready", "done"])
def test_a_pod_is_ready_when_it_runs_or_has_succeeded(wired: WiredStack, plays: str) -> None:
    """A Pod is ready when it is scheduled, initialised, ready and running, or succeeded.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/core/v1/pod/
    """
    assert wired.up(POD, "it", pod(plays))["status"]["phase"] in {"Running", "Succeeded"}


@pytest.mark.parametrize("plays", ["unschedulable", "unpullable"])
def test_a_pod_that_does_not_run_is_not_ready(wired: WiredStack, api: Api, plays: str) -> None:
    """A Pod that isn't scheduled, or whose containers don't run, is not ready.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/core/v1/pod/
    """
    unready(wired, api, POD, pod(plays))


# Services and Ingresses.


def test_a_service_waits_for_endpoints_that_are_not_ready(wired: WiredStack, api: Api, node: str) -> None:
    """A Service is ready when there are no "not ready" endpoints.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/core/v1/service/
    """
    spec = {"containers": [{"name": "main", "image": "none"}], "nodeName": node}
    api.post("pods", {"metadata": {"name": "pod", "labels": {"app": "app"}}, "spec": spec})
    running = {"phase": "Running", "podIP": "10.9.0.1", "podIPs": [{"ip": "10.9.0.1"}]}
    unready, ready = ({**running, "conditions": [{"type": "Ready", "status": word}]} for word in ("False", "True"))
    api.patch("pods/pod", {"status": unready}, subresource="status")
    inputs = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "app"}, "ports": [{"port": 80}]}}
    with pytest.raises(Incomplete):
        wired.up(SERVICE, "it", inputs, timeout=2)
    api.patch("pods/pod", {"status": ready}, subresource="status")
    assert wired.retry("it")["metadata"]["name"] == "web"


@pytest.mark.parametrize(
    "spec",
    [
        {"clusterIP": "None", "selector": {"app": "app"}, "ports": [{"port": 80}]},
        {"type": "ExternalName", "externalName": "example.com"},
        {"ports": [{"port": 80}]},
        {"selector": {"app": "nobody"}, "ports": [{"port": 80}]},
    ],
    ids=["headless", "external", "without a selector", "selecting nothing"],
)
def test_a_service_without_unready_endpoints_is_ready(wired: WiredStack, spec: Values) -> None:
    """Headless and external Services, and those that select nothing, have no endpoint to wait for.

    https://github.com/pulumi/pulumi-kubernetes/pull/3142
    """
    assert wired.up(SERVICE, "it", {"spec": spec}, timeout=60)["metadata"]["name"]


def test_a_load_balancer_waits_for_its_address(wired: WiredStack, api: Api) -> None:
    """A Service of type LoadBalancer is ready when an external address is allocated.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/core/v1/service/
    """
    inputs = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    failure(wired, SERVICE, inputs, timeout=2)
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    api.patch("services/web", address, subresource="status")
    assert wired.retry("it")["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"


def test_an_ingress_waits_for_its_address(wired: WiredStack, api: Api) -> None:
    """An Ingress is ready when it has an entry in `.status.loadBalancer.ingress`.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/networking/v1/ingress/
    """
    wired.up(SERVICE, "web", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    failure(wired, INGRESS, {"metadata": {"name": "web"}, "spec": {"rules": [{"http": {"paths": [path]}}]}}, timeout=2)
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    api.patch("ingresses.networking.k8s.io/web", address, subresource="status")
    assert wired.retry("it")["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"


# Claims.


@pytest.mark.parametrize("mode", ["WaitForFirstConsumer", "Immediate"])
def test_a_claim_is_ready_when_it_is_bound_or_waits_for_its_first_consumer(
    wired: WiredStack, api: Api, mode: str
) -> None:
    """A claim with the bind mode WaitForFirstConsumer is ready while it is pending; any other when it is bound.

    https://github.com/pulumi/pulumi-kubernetes/pull/3130
    """
    storage = {"metadata": {"name": api.namespace}, "provisioner": "example.com/none", "volumeBindingMode": mode}
    wired.up("kubernetes:storage.k8s.io/v1:StorageClass", "class", storage)
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": api.namespace, "resources": resources}
    if mode == "Immediate":
        failure(wired, CLAIM, {"metadata": {"name": "data"}, "spec": spec}, timeout=2)
    else:
        assert wired.up(CLAIM, "it", {"metadata": {"name": "data"}, "spec": spec})["status"]["phase"] == "Pending"
    wired.remove("class")
