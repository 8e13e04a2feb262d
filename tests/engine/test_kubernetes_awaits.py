"""When the Kubernetes plugin takes an object for ready, and what it says when it never is.

API server and controllers are real; that pods run or fail is played, as their label `plays` says (`kubelet.py`).
The conditions are those that the official provider's SDK states at each resource, Deployment, Service and so on.
"""

from typing import Any

import pytest

from localcloud.plugins.provider import Incomplete
from localcloud.plugins.values import Values
from tests.engine.planes import Api, Stack
from tests.engine.waiting import Meanwhile, exists, failure, given_up
from tests.engine.workloads import job, workload
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
JOB = "kubernetes:batch/v1:Job"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
POD = "kubernetes:core/v1:Pod"
SERVICE = "kubernetes:core/v1:Service"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
STORAGE_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"


# Deployments.


def test_a_deployment_is_ready_when_its_pods_are(stack: Stack) -> None:
    outputs = stack.up(DEPLOYMENT, "it", workload("ready", replicas=2))
    assert outputs["status"]["readyReplicas"] == 2


def test_a_deployment_without_replicas_is_ready(stack: Stack) -> None:
    assert stack.up(DEPLOYMENT, "it", workload("ready", replicas=0))["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("plays", "reasons"),
    [
        ("unpullable", ['container main: ImagePullBackOff: Back-off pulling image "nowhere/none:1"']),
        (
            "crashing",
            [
                "container main: CrashLoopBackOff: back-off 10s restarting failed container",
                "container main: Error, exit code 3: no such table before, restarted 2 times",
            ],
        ),
        ("unschedulable", ["Unschedulable: 0/3 nodes are available: 3 Insufficient memory."]),
    ],
)
def test_a_deployment_that_is_not_ready_says_why(stack: Stack, api: Api, plays: str, reasons: list[str]) -> None:
    error = given_up(stack, DEPLOYMENT, workload(plays, replicas=2), sign=reasons[0])
    assert error.reasons[0].startswith(f"Deployment {api.namespace}/app is not ready yet: cancelled: 0 of 2 pods")
    for reason in reasons:
        assert any(found.startswith(f"pod {api.namespace}/app-") and found.endswith(reason) for found in error.reasons)


def test_pods_that_fail_alike_are_told_of_once(stack: Stack) -> None:
    with Meanwhile(stack, DEPLOYMENT, workload("unpullable", replicas=3), timeout=5) as update:
        error = update.result.exception(30)
    assert isinstance(error, Incomplete)
    assert "not ready after 5 s: 0 of 3 pods of the new version ready" in error.reasons[0]
    assert [" and 2 more: container main: ImagePullBackOff" in reason for reason in error.reasons[1:]] == [True]


def test_a_deployment_whose_pods_are_refused_says_why(stack: Stack, api: Api) -> None:
    restricted = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.client.request(
        "PATCH", f"/api/v1/namespaces/{api.namespace}", restricted, content_type="application/merge-patch+json"
    )
    error = given_up(stack, DEPLOYMENT, workload("ready"), sign="forbidden")
    assert "violates PodSecurity" in error.reasons[0]


def test_a_roll_out_that_misses_its_deadline_is_given_up_at_once(stack: Stack) -> None:
    """Given up for having no more time would be another reason."""
    error = failure(stack, DEPLOYMENT, workload("unpullable", progressDeadlineSeconds=1))
    assert "ProgressDeadlineExceeded" in error.reasons[0]


def test_a_roll_out_after_one_that_missed_its_deadline_has_time_of_its_own(stack: Stack) -> None:
    """Going back to the version before failed at once: the controller keeps the old condition until something moves."""
    for _ in range(3):  # it depends on which of the controller's writes is seen first
        stack.up(DEPLOYMENT, "it", workload("ready", progressDeadlineSeconds=60))
        failure(stack, DEPLOYMENT, workload("unpullable", progressDeadlineSeconds=1))
    outputs = stack.up(DEPLOYMENT, "it", workload("ready", progressDeadlineSeconds=60))
    assert outputs["status"]["readyReplicas"] == 1


def test_a_failed_roll_out_is_kept_in_the_state_and_the_next_update_carries_on(stack: Stack, api: Api) -> None:
    error = given_up(stack, DEPLOYMENT, workload("unpullable"), sign="ImagePullBackOff")
    assert error.id == f"{api.namespace}/app"
    assert error.outputs["metadata"]["uid"] == api.get("deployments.apps/app")["metadata"]["uid"]
    outputs = stack.retry("it", workload("ready"))
    assert outputs["status"]["readyReplicas"] == 1


def test_an_old_version_that_is_ready_does_not_hide_a_new_one_that_is_not(stack: Stack) -> None:
    stack.up(DEPLOYMENT, "it", workload("ready", replicas=2))
    error = given_up(stack, DEPLOYMENT, workload("unpullable", image="two", replicas=2), sign="ImagePullBackOff")
    assert "0 of 1 pods of the new version ready" in error.reasons[0]
    assert "ImagePullBackOff" in str(error)


def test_scaling_waits_for_the_added_pods(stack: Stack) -> None:
    stack.up(DEPLOYMENT, "it", workload("ready", replicas=1))
    assert stack.up(DEPLOYMENT, "it", workload("ready", replicas=3))["status"]["readyReplicas"] == 3


# StatefulSets.


def test_a_stateful_set_is_ready_when_its_pods_are(stack: Stack) -> None:
    outputs = stack.up(STATEFUL_SET, "it", workload("ready", replicas=2, serviceName="app"))
    assert outputs["status"]["readyReplicas"] == 2


def test_a_stateful_set_that_never_becomes_ready_says_why(stack: Stack) -> None:
    inputs = workload("crashing", replicas=2, serviceName="app")
    error = given_up(stack, STATEFUL_SET, inputs, sign="CrashLoopBackOff")
    assert "0 of 2 pods ready" in error.reasons[0]
    assert "CrashLoopBackOff" in str(error)


def test_an_update_of_a_stateful_set_waits_for_the_new_version(stack: Stack) -> None:
    stack.up(STATEFUL_SET, "it", workload("ready", replicas=2, serviceName="app"))
    outputs = stack.up(STATEFUL_SET, "it", workload("ready", image="two", replicas=2, serviceName="app"))
    assert outputs["status"]["currentRevision"] == outputs["status"]["updateRevision"]
    inputs = workload("unpullable", image="three", replicas=2, serviceName="app")
    error = given_up(stack, STATEFUL_SET, inputs, sign="ImagePullBackOff")
    assert "0 of 2 pods of the new version ready" in error.reasons[0]


def test_a_partition_keeps_pods_of_the_old_version_and_is_waited_for_no_longer(stack: Stack) -> None:
    partition = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    inputs: Values = {"replicas": 2, "serviceName": "app", "updateStrategy": partition}
    stack.up(STATEFUL_SET, "it", workload("ready", **inputs))
    outputs = stack.up(STATEFUL_SET, "it", workload("ready", image="two", **inputs))
    assert outputs["status"]["updatedReplicas"] == 1
    assert outputs["status"]["currentRevision"] != outputs["status"]["updateRevision"]


def test_pods_that_a_person_deletes_are_not_waited_for(stack: Stack) -> None:
    inputs: Values = {"replicas": 2, "serviceName": "app", "updateStrategy": {"type": "OnDelete"}}
    stack.up(STATEFUL_SET, "it", workload("ready", **inputs))
    outputs = stack.up(STATEFUL_SET, "it", workload("ready", image="two", **inputs))
    assert outputs["status"]["currentRevision"] != outputs["status"]["updateRevision"]


# DaemonSets, Jobs, Pods.


@pytest.fixture
def nodes(api: Api) -> Any:
    """Two nodes, by name alone."""
    names = [f"{api.namespace}-{number}" for number in (1, 2)]
    for name in names:
        api.client.request("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"of": api.namespace}}})
    yield names
    for name in names:
        api.client.request("DELETE", f"/api/v1/nodes/{name}")


def test_a_daemon_set_is_ready_when_it_is_on_every_node(stack: Stack, api: Api, nodes: list[str]) -> None:
    inputs = workload("ready")
    inputs["spec"]["template"]["spec"] |= {
        "nodeSelector": {"of": api.namespace},
        "tolerations": [{"operator": "Exists"}],
    }
    outputs = stack.up(DAEMON_SET, "it", inputs)
    assert outputs["status"]["numberReady"] == len(nodes)


def test_a_daemon_set_that_never_becomes_ready_says_why(stack: Stack, api: Api, nodes: list[str]) -> None:
    inputs = workload("unpullable")
    inputs["spec"]["template"]["spec"] |= {
        "nodeSelector": {"of": api.namespace},
        "tolerations": [{"operator": "Exists"}],
    }
    error = given_up(stack, DAEMON_SET, inputs, sign="ImagePullBackOff")
    assert f"0 of {len(nodes)} pods ready" in error.reasons[0]
    assert "ImagePullBackOff" in str(error)


def test_a_job_is_ready_when_it_is_done(stack: Stack) -> None:
    assert stack.up(JOB, "it", job("done"))["status"]["succeeded"] == 1


def test_a_job_that_fails_is_given_up_at_once(stack: Stack) -> None:
    error = failure(stack, JOB, job("failed", backoffLimit=0))
    assert "BackoffLimitExceeded" in error.reasons[0]
    assert "container main: Error, exit code 1" in str(error)


def test_a_suspended_job_is_not_waited_for(stack: Stack) -> None:
    assert stack.up(JOB, "it", job("done", suspend=True))["spec"]["suspend"] is True


def test_a_failed_job_is_replaced_by_the_next_update_where_the_program_says_so(stack: Stack) -> None:
    inputs = job("failed", backoffLimit=0)
    inputs["metadata"]["annotations"] = {"pulumi.com/replaceUnready": "true"}
    failure(stack, JOB, inputs)
    assert stack.diff(JOB, "it", inputs).replaces


@pytest.mark.parametrize("plays", ["ready", "done"])
def test_a_pod_is_ready_when_it_runs_or_is_done(stack: Stack, plays: str) -> None:
    inputs = {"metadata": {"labels": {"plays": plays}}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    assert stack.up(POD, "it", inputs)["status"]["phase"] in {"Running", "Succeeded"}


def test_a_pod_that_failed_is_given_up_at_once(stack: Stack) -> None:
    inputs = {"metadata": {"labels": {"plays": "failed"}}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    error = failure(stack, POD, inputs)
    assert "container main: Error, exit code 1" in str(error)


# Services and Ingresses.


def test_a_service_waits_for_the_pods_that_it_selects(stack: Stack, api: Api, nodes: list[str]) -> None:
    """The pod has an address and is not ready: its endpoint is there, and not ready either."""
    unready_pod(api, nodes[0])
    inputs = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "app"}, "ports": [{"port": 80}]}}
    with Meanwhile(stack, SERVICE, inputs) as update:
        wait_for(lambda: "1 of the pods that it selects are not ready: pod" in stack.said, "the status")
        assert not update.result.done()
        settle_pod(api, ready=True)
        assert update.result.result(20)["metadata"]["name"] == "web"


def test_a_headless_service_does_not_wait_for_its_pods(stack: Stack, api: Api, nodes: list[str]) -> None:
    """A StatefulSet's Service is made before its pods, which find each other by it before they are ready."""
    unready_pod(api, nodes[0])
    spec = {"clusterIP": "None", "selector": {"app": "app"}, "ports": [{"port": 80}]}
    with Meanwhile(stack, SERVICE, {"metadata": {"name": "web"}, "spec": spec}) as update:
        wait_for(lambda: unready_endpoints(api), "the pod's endpoint")
        assert update.result.result(20)["metadata"]["name"] == "web"


def unready_pod(api: Api, node: str) -> None:
    """A pod that has an address, and so an endpoint of each Service that selects `app`, and isn't ready."""
    spec = {"containers": [{"name": "main", "image": "none"}], "nodeName": node}
    api.post("pods", {"metadata": {"name": "pod", "labels": {"app": "app"}}, "spec": spec})
    settle_pod(api, ready=False)


def settle_pod(api: Api, *, ready: bool) -> None:
    """What a kubelet says of that pod."""
    running = {"phase": "Running", "podIP": "10.9.0.1", "podIPs": [{"ip": "10.9.0.1"}]}
    conditions = [{"type": "Ready", "status": str(ready)}]
    api.patch("pods/pod", {"status": {**running, "conditions": conditions}}, subresource="status")


def unready_endpoints(api: Api) -> bool:
    """Whether there is an endpoint, and it isn't ready."""
    slices = api.get("endpointslices.discovery.k8s.io")["items"]
    ready = [endpoint["conditions"]["ready"] for piece in slices for endpoint in piece.get("endpoints") or ()]
    return bool(ready) and not any(ready)


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
def test_a_service_that_selects_nothing_that_could_be_unready_is_ready(stack: Stack, spec: Values) -> None:
    assert stack.up(SERVICE, "it", {"spec": spec})["spec"]["type"]


def test_a_load_balancer_waits_for_its_address(stack: Stack, api: Api) -> None:
    inputs = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    with Meanwhile(stack, SERVICE, inputs) as update:
        wait_for(lambda: any("no address was allocated" in message for message in stack.said), "the status")
        address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        api.patch("services/web", address, subresource="status")
        assert update.result.result(20)["status"] == address["status"] | {
            "loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}
        }


def test_an_ingress_waits_for_its_address_and_says_which_services_are_missing(stack: Stack, api: Api) -> None:
    backend = {"service": {"name": "nowhere", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    inputs = {"metadata": {"name": "web"}, "spec": {"rules": [{"http": {"paths": [path]}}]}}
    given_up(stack, INGRESS, inputs, sign="no Service nowhere for its paths")
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    api.patch("ingresses.networking.k8s.io/web", address, subresource="status")
    assert stack.retry("it")["status"] == address["status"]


# Storage.


def claim(stack: Stack, api: Api, mode: str) -> Values:
    storage = {"metadata": {"name": api.namespace}, "provisioner": "example.com/none", "volumeBindingMode": mode}
    stack.up(STORAGE_CLASS, "class", storage)
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": api.namespace, "resources": resources}
    return {"metadata": {"name": "data"}, "spec": spec}


def test_a_claim_that_waits_for_its_first_consumer_does_not_block(stack: Stack, api: Api) -> None:
    outputs = stack.up(CLAIM, "it", claim(stack, api, "WaitForFirstConsumer"))
    assert outputs["status"]["phase"] == "Pending"
    stack.remove("class")


def test_any_other_claim_is_ready_when_it_is_bound(stack: Stack, api: Api) -> None:
    given_up(stack, CLAIM, claim(stack, api, "Immediate"), sign="it is Pending, not bound to a volume")
    volume = {
        "metadata": {"name": api.namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/nowhere"},
            "storageClassName": api.namespace,
        },
    }
    api.client.request("POST", "/api/v1/persistentvolumes", volume)
    assert stack.retry("it")["status"]["phase"] == "Bound"
    api.client.request("DELETE", f"/api/v1/persistentvolumes/{api.namespace}")
    stack.remove("class")


# What the program may say.


def test_the_time_to_wait_is_in_an_annotation_or_before_that_in_the_resources_options(stack: Stack) -> None:
    inputs = workload("unpullable")
    inputs["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "1"}
    assert "not ready after 1 s" in failure(stack, DEPLOYMENT, inputs, timeout=0).reasons[0]
    inputs["metadata"]["labels"] = {"changed": "1"}
    assert "not ready after 2 s" in failure(stack, DEPLOYMENT, inputs, timeout=2).reasons[0]


def test_nothing_is_waited_for_where_the_program_says_so(stack: Stack) -> None:
    inputs = workload("unpullable")
    inputs["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    assert stack.up(DEPLOYMENT, "it", inputs)["metadata"]["name"] == "app"


def test_the_programs_own_conditions_are_waited_for_instead(stack: Stack, api: Api) -> None:
    conditions = '["jsonpath={.data.phase}=Running", "jsonpath={.data.address}"]'
    inputs = {
        "metadata": {"name": "it", "annotations": {"pulumi.com/waitFor": conditions}},
        "data": {"phase": "Starting"},
    }
    with Meanwhile(stack, CONFIG_MAP, inputs) as update:
        wait_for(lambda: "jsonpath={.data.phase}=Running does not hold" in stack.said, "the status")
        api.patch("configmaps/it", {"data": {"phase": "Running"}})
        wait_for(lambda: "jsonpath={.data.address} does not hold" in stack.said, "the status")
        api.patch("configmaps/it", {"data": {"address": "here"}})
        assert update.result.result(20)["data"] == {"phase": "Running", "address": "here"}


def test_a_condition_of_the_object_is_waited_for_by_name(stack: Stack) -> None:
    inputs = workload("unpullable")
    inputs["metadata"]["annotations"] = {"pulumi.com/waitFor": "condition=Progressing"}
    assert stack.up(DEPLOYMENT, "it", inputs)["metadata"]["name"] == "app"
    inputs["metadata"]["annotations"] = {"pulumi.com/waitFor": "condition=Available"}
    given_up(stack, DEPLOYMENT, inputs, sign="its condition Available is not True: MinimumReplicasUnavailable")


# Bad luck.


def test_cancelling_ends_the_wait_and_keeps_the_state(stack: Stack, api: Api) -> None:
    error = given_up(stack, DEPLOYMENT, workload("unpullable"), sign="pods of the new version ready")
    assert "is not ready yet: cancelled" in error.reasons[0]
    assert stack.state["it"].id == f"{api.namespace}/app"


def test_an_object_that_goes_while_it_is_waited_for_is_told(stack: Stack, api: Api) -> None:
    with Meanwhile(stack, DEPLOYMENT, workload("unpullable")) as update:
        wait_for(lambda: exists(api, "deployments.apps/app"), "the status")
        api.delete("deployments.apps/app")
        error = update.result.exception(20)
    assert "was deleted while it was waited for" in str(error)


def test_a_refresh_tells_what_is_not_ready(stack: Stack) -> None:
    given_up(stack, DEPLOYMENT, workload("unpullable"), sign="ImagePullBackOff")
    with pytest.raises(Incomplete, match=r"is not ready: 0 of 1 pods of the new version ready; pod .*ImagePullBackOff"):
        stack.refresh("it")
