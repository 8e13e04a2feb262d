"""The whole program on mocks: what is referred to exists, and the check that says so would notice if not."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.conftest import Stacks
from tests.unit.inventory import title
from tests.unit.mutations import Path, changed, leaves, with_
from tests.unit.recording import Made, Recording
from tests.unit.references import dangling
from tests.unit.stacks import OF_THE_CLUSTER

POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)


def test_nothing_is_referred_to_that_nobody_makes(program: Recording) -> None:
    assert found(program) == []


@pytest.mark.parametrize(
    "kind",
    [
        "ConfigMap",
        "Deployment",
        "Endpoints",
        "Job",
        "Lease",
        "Namespace",
        "PersistentVolumeClaim",
        "Role",
        "RoleBinding",
        "Secret",
        "ServiceAccount",
        "StatefulSet",
        "StorageClass",
    ],
)
def test_a_missing_object_would_be_noticed(stacks: Stacks, stack: str, kind: str) -> None:
    recording = stacks(stack)
    # Nobody refers to the first backup, which is there to be made, and to what people and accounts outside may do.
    unseen = {"moments", "postgres-backups-begin"}
    objects = [
        one
        for one in recording.objects
        if one.kind == kind and one.name not in unseen and one.object_name != "inspection"
    ]
    assert objects
    for one in objects:
        assert found(recording.without([one])), one.urn


# What is cut in the production stack, or in that which has an edge of pods: kind and name, path, what stands there
# instead, what is said of it.
CUTS: dict[str, tuple[str, str, Path, Any, str]] = {
    "namespace": ("ConfigMap", "app", ("metadata", "namespace"), "gone", "refers to Namespace /gone"),
    "ConfigMap as variables": ("Deployment", "app", ("php", "envFrom", 0, "configMapRef", "name"), "gone", "ConfigMap"),
    "ConfigMap as files": ("Deployment", "edge", ("volume config", "configMap", "name"), "gone", "ConfigMap"),
    "key of a ConfigMap": (
        "StatefulSet",
        "postgres",
        ("volume patroni", "projected", "sources", 0, "configMap", "items", 0, "key"),
        "gone",
        "refers to the key gone of ConfigMap postgres",
    ),
    "Secret as files": ("Deployment", "app", ("volume secrets", "secret", "secretName"), "gone", "refers to Secret"),
    "key of a Secret": (
        "StatefulSet",
        "postgres",
        ("volume files", "projected", "sources", 1, "secret", "items", 0, "key"),
        "gone",
        "refers to the key gone of Secret postgres",
    ),
    "file that a variable names": (
        "ConfigMap",
        "websocket",
        ("data", "REDIS_PASSWORD_FILE"),
        "/etc/vision-week/secrets/gone",
        "looks for the file /etc/vision-week/secrets/gone",
    ),
    "file that a command names": (
        "StatefulSet",
        "redis",
        ("redis", "command"),
        ["sh", "/etc/redis/gone.sh"],
        "redis looks for the file /etc/redis/gone.sh",
    ),
    "file that a file names": (
        "ConfigMap",
        "edge",
        ("data", "site.conf"),
        "ssl_certificate /etc/vision-week-tls/gone.crt;",
        "looks for the file /etc/vision-week-tls/gone.crt",
    ),
    "claim": (
        "Deployment",
        "app",
        ("volume uploads", "persistentVolumeClaim", "claimName"),
        "gone",
        "refers to PersistentVolumeClaim vision-week-app/gone",
    ),
    "volume of a claim": (
        "PersistentVolumeClaim",
        "uploads",
        ("spec", "volumeName"),
        "gone",
        "refers to PersistentVolume /gone",
    ),
    "storage class of a claim": (
        "PersistentVolumeClaim",
        "uploads",
        ("spec", "storageClassName"),
        "gone",
        "is of the class gone, and its volume is not",
    ),
    "storage class of members": (
        "StatefulSet",
        "redis",
        ("spec", "volumeClaimTemplates", 0, "spec", "storageClassName"),
        "gone",
        "refers to StorageClass /gone",
    ),
    "volume that is mounted": ("Deployment", "edge", ("nginx", "volumeMounts", 0, "name"), "gone", "mounts gone"),
    "volume that nobody mounts": ("Deployment", "edge", ("volume tmp", "name"), "gone", "has the volume gone"),
    "service account": (
        "Deployment",
        "websocket",
        (*POD, "serviceAccountName"),
        "gone",
        "refers to ServiceAccount vision-week-app/gone",
    ),
    "nodes that are asked for": (
        "StatefulSet",
        "redis",
        (*POD, "nodeSelector", "vision-week/pool"),
        "gone",
        "asks for nodes that no pool has",
    ),
    "taint that is tolerated": (
        "StatefulSet",
        "postgres",
        (*POD, "tolerations", 0, "value"),
        "gone",
        "tolerates what no pool has",
    ),
    "rights of who has a token": (
        "Deployment",
        "websocket",
        (*POD, "automountServiceAccountToken"),
        True,
        "has a token and no rights",
    ),
    "variable that another uses": (
        "StatefulSet",
        "postgres",
        ("postgres", "env", 2, "name"),
        "GONE",
        "uses PATRONI_KUBERNETES_POD_IP, which is not set before it",
    ),
    "fact about the pod": (
        "StatefulSet",
        "postgres",
        ("postgres", "env", 0, "valueFrom", "fieldRef", "fieldPath"),
        "metadata.gone",
        "which is not known here",
    ),
    "port of a probe by name": (
        "Deployment",
        "app",
        ("nginx", "livenessProbe", "httpGet", "port"),
        "gone",
        "asks port",
    ),
    "port of a probe by number": ("Deployment", "app", ("php", "livenessProbe", "httpGet", "port"), 1, "asks port 1"),
    "pods of a workload": (
        "Deployment",
        "edge",
        ("spec", "selector", "matchLabels", "app.kubernetes.io/name"),
        "gone",
        "doesn't select its own pods",
    ),
    "pods to keep apart from": (
        "Deployment",
        "edge",
        (*POD, "topologySpreadConstraints", 0, "labelSelector", "matchLabels", "app.kubernetes.io/name"),
        "gone",
        "keeps apart from pods that aren't its own",
    ),
    "pods of a Service": (
        "Service",
        "app",
        ("spec", "selector", "app.kubernetes.io/name"),
        "gone",
        "Service app selects no pod",
    ),
    "member of a Service": (
        "Service",
        "redis-0",
        ("spec", "selector", "statefulset.kubernetes.io/pod-name"),
        "redis-7",
        "selects the pod redis-7",
    ),
    "port of a Service by name": ("Service", "app", ("spec", "ports", 0, "targetPort"), "gone", "leads to port gone"),
    "port of a Service by number": ("Service", "redis", ("spec", "ports", 0, "targetPort"), 1, "leads to port 1"),
    "Service of members": ("StatefulSet", "redis", ("spec", "serviceName"), "gone", "refers to Service"),
    "Service of members that has an address": ("StatefulSet", "redis", ("spec", "serviceName"), "redis", "headless"),
    "Endpoints of a Service": ("Endpoints", "postgres", ("metadata", "name"), "gone", "refers to Endpoints"),
    "host in a file": (
        "ConfigMap",
        "edge",
        ("data", "site.conf"),
        "server gone.vision-week-app.svc.cluster.local:8080;",
        "refers to Service vision-week-app/gone",
    ),
    "port beside a host in a file": (
        "ConfigMap",
        "edge",
        ("data", "site.conf"),
        "server app.vision-week-app.svc.cluster.local:1;",
        "asks app on port 1",
    ),
    "host in a variable": (
        "ConfigMap",
        "app",
        ("data", "REDIS_HOST"),
        "gone.vision-week-data.svc.cluster.local",
        "refers to Service vision-week-data/gone",
    ),
    "port beside a host in a variable": ("ConfigMap", "app", ("data", "DATABASE_PORT"), "1", "asks postgres on port 1"),
    "subject of a policy": (
        "NetworkPolicy",
        "app",
        ("spec", "podSelector", "matchLabels", "app.kubernetes.io/name"),
        "gone",
        "NetworkPolicy app is about no pod",
    ),
    "peer that is let in": (
        "NetworkPolicy",
        "postgres",
        ("spec", "ingress", 0, "from", 0, "podSelector", "matchLabels", "app.kubernetes.io/name"),
        "gone",
        "admits nobody",
    ),
    "peer that is reached": (
        "NetworkPolicy",
        "edge",
        ("spec", "egress", 0, "to", 0, "podSelector", "matchLabels", "app.kubernetes.io/name"),
        "gone",
        "leads to nobody",
    ),
    "namespace of a peer": (
        "NetworkPolicy",
        "edge",
        ("spec", "egress", 0, "to", 0, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name"),
        "gone",
        "leads to nobody",
    ),
    "port that is let in": ("NetworkPolicy", "app", ("spec", "ingress", 0, "ports", 0, "port"), 1, "allows port 1"),
    "port that is reached": ("NetworkPolicy", "app", ("spec", "egress", 0, "ports", 0, "port"), 1, "allows port 1"),
    "target of an autoscaler": (
        "HorizontalPodAutoscaler",
        "app",
        ("spec", "scaleTargetRef", "name"),
        "gone",
        "refers to Deployment vision-week-app/gone",
    ),
    "measure of an autoscaler": (
        "HorizontalPodAutoscaler",
        "app",
        ("spec", "metrics", 0, "resource", "name"),
        "gone",
        "measures gone, which nginx lacks",
    ),
    "target of a vertical autoscaler": (
        "VerticalPodAutoscaler",
        "postgres-vertical",
        ("spec", "targetRef", "name"),
        "gone",
        "refers to StatefulSet vision-week-data/gone",
    ),
    "container that is sized": (
        "VerticalPodAutoscaler",
        "redis-vertical",
        ("spec", "resourcePolicy", "containerPolicies", 1, "containerName"),
        "gone",
        "is about gone, which redis lacks",
    ),
    "pods of a budget": (
        "PodDisruptionBudget",
        "postgres",
        ("spec", "selector", "matchLabels", "app.kubernetes.io/name"),
        "gone",
        "is about no pod",
    ),
    "service of a route": (
        "HTTPRoute",
        "edge-httproute",
        ("spec", "rules", 0, "backendRefs", 0, "name"),
        "gone",
        "refers to Service vision-week-app/gone",
    ),
    "port of a route": (
        "HTTPRoute",
        "edge-httproute",
        ("spec", "rules", 0, "backendRefs", 0, "port"),
        1,
        "refers to port 1 of Service websocket",
    ),
    "gateway of a route": (
        "HTTPRoute",
        "edge-httproute",
        ("spec", "parentRefs", 0, "namespace"),
        "gone",
        "refers to Gateway gone/edge",
    ),
    "target of a policy of Google's": (
        "GCPBackendPolicy",
        "app-gcpbackendpolicy",
        ("spec", "targetRef", "name"),
        "gone",
        "refers to Service vision-week-app/gone",
    ),
    "role": ("RoleBinding", "postgres", ("roleRef", "name"), "gone", "refers to Role vision-week-data/gone"),
    "subject of a role": ("RoleBinding", "postgres", ("subjects", 0, "name"), "gone", "refers to ServiceAccount"),
    "pod that a role names": ("Role", "postgres", ("rules", 1, "resourceNames", 0), "postgres-7", "names the pod"),
    "object that a role names": ("Role", "postgres", ("rules", 2, "resourceNames", 0), "gone", "refers to Endpoints"),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_reference_that_leads_nowhere_is_found(stacks: Stacks, cut: str) -> None:
    kind, name, path, value, said = CUTS[cut]
    program = stacks("development" if name == "edge" else "production")
    one = program.one(kind, name)
    findings = found(with_(program, changed(one, tuple(steps(one, path)), value)))
    assert any(said in finding for finding in findings), findings


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*POD, "priorityClassName"), "high", "what priorityClassName of pods refers to"),
        ((*CONTAINER, "volumeDevices"), [], "what volumeDevices of containers refers to"),
        ((*POD, "volumes", 0, "csi"), {}, "what csi of volumes refers to"),
    ],
)
def test_a_field_that_may_refer_to_something_is_not_passed_over(
    stacks: Stacks, path: Path, value: Any, said: str
) -> None:
    program = stacks("production")
    findings = found(with_(program, changed(program.one("Deployment", "app"), path, value)))
    assert any(said in finding for finding in findings), findings


def test_a_kind_that_may_refer_to_something_is_not_passed_over(stacks: Stacks) -> None:
    program = stacks("production")
    one = program.one("ConfigMap", "app")
    object.__setattr__(other := changed(one, ("metadata", "name"), "app"), "type", "kubernetes:apps/v1:ReplicaSet")
    assert any("ReplicaSet app: what this kind refers to" in finding for finding in found(with_(program, other)))


# Places that nobody refers to.
STANDS_ALONE = (
    r".*: metadata\.labels\..*",  # for people: selectors look at the labels of pods
    r"StatefulSet .*: spec\.volumeClaimTemplates\.0\.metadata\.labels\..*",
    r".*: spec\.(jobTemplate\.spec\.)?template\.spec\.(c|initC)ontainers\.\d\.name",
    r"CronJob .*: spec\.jobTemplate\.metadata\.labels\..*",
    r"CronJob .*/postgres-backups-restore: metadata\.name",  # who restores knows it
    r"(HorizontalPodAutoscaler|NetworkPolicy|PodDisruptionBudget|VerticalPodAutoscaler) .*: metadata\.name",
    r"((Cluster)?RoleBinding|ValidatingAdmissionPolicyBinding) .*: metadata\.name",
    r"(LimitRange|ResourceQuota) .*: metadata\.name",
    r"Deployment .*/postgres-(backups-watch|repository): metadata\.name",
    # No autoscaler follows them.
    r"(DaemonSet .*/(collector|node-exporter)|Deployment .*/(edge|grafana|kube-state-metrics|probes)): metadata\.name",
    r"StatefulSet .*/(alertmanager|loki|prometheus): metadata\.name",
    r"Service .*/(edge|postgres-replicas|redis-\d): metadata\.name",  # from outside, by people, by address
    r"(GCPBackendPolicy|GCPGatewayPolicy|HTTPRoute|HealthCheckPolicy) .*: metadata\.name",
    r"Gateway .*: spec\.listeners\.\d\.port",  # from outside
    r"Role .*/inspection: rules\.0\.resources\.0",  # a kind, and the name of a volume by chance
    r"Deployment .*/(app|websocket): spec\.template\.spec\.containers\.\d\.env\.\d\.value",  # REDIS_USER
    r"HTTPRoute .*: spec\.rules\.0\.filters\.0\.requestRedirect\.scheme",  # the name of a listener by chance
    r"Service .*: spec\.ports\.\d\.name",
    r"Service .*/(edge|.*-members|.*-metrics|postgres-replicas|redis-\d): spec\.ports\.\d\.port",
    r"Service .*/postgres-repository: spec\.ports\.0\.port",  # an option of its own beside the host's
    # A program of the same name as a container.
    r"(Deployment .*/postgres-repository|StatefulSet .*/postgres): spec\..*\.command\.0",
    r"Deployment .*/postgres-repository: spec\.template\.spec\.containers\.0\.ports\.0\.name",  # by number
    r"Service .*/postgres: spec\.ports\.\d\.targetPort",  # Patroni writes where it leads
    r"StatefulSet .*: spec\.template\.spec\.containers\.\d\.ports\.0\.name",  # their Services go by number
    # `internal`, `health`: by name alone.
    r"(DaemonSet|Deployment) .*: spec\.template\.spec\.containers\.0\.ports\.\d\.containerPort",
    r"DaemonSet .*/collector: spec\.template\.spec\.containers\.0\.ports\.[123]\.name",  # its Service goes by number
    # Of the cluster's DNS and API server, of Cloud Storage, of web hooks outside and the public address.
    r"NetworkPolicy .*/(alertmanager|app|dns|kube-state-metrics|postgres.*|probes): spec\.egress\.\d\.ports\.\d\.port",
    r"NetworkPolicy .*/collector: spec\.egress\.[123]\.ports\.0\.port",  # of the kubelets, of Google's APIs
    r"NetworkPolicy .*/loki: spec\.egress\.\d\.ports\.0\.port",  # of Google's APIs
    r"ConfigMap .*/app: data\.OTEL_SERVICE_NAME",  # what its spans are known by
    r"StatefulSet .*/alertmanager: spec\.template\.spec\.containers\.0\.ports\.1\.name",  # members ask by number
)


def test_no_name_or_port_can_be_misspelt_unnoticed(stacks: Stacks) -> None:
    """Each place where the name of something made, or a port, stands: another one there is found."""
    # What production doesn't have, development has: an edge of pods.
    objects = {title(one): (one, each) for each in map(stacks, ("development", "production")) for one in each.objects}
    known = {name for each in map(stacks, ("development", "production")) for name in names(each)}
    unnoticed = {
        f"{title(one)}: {'.'.join(map(str, path))}"
        for one, program in objects.values()
        for path, value in leaves(dict(one.inputs))
        if (isinstance(value, str) and value in known) or path[-1] in {"port", "containerPort", "targetPort"}
        if not found(with_(program, changed(one, path, value + 1111 if isinstance(value, int) else f"{value}-other")))
    }
    explained = {place: {entry for entry in unnoticed if re.fullmatch(place, entry)} for place in STANDS_ALONE}
    assert "\n".join(sorted(unnoticed - set().union(*explained.values()))) == ""
    assert [place for place, entries in explained.items() if not entries] == []


def found(program: Recording) -> list[str]:
    return dangling(program, of_the_cluster=OF_THE_CLUSTER)


def steps(one: Made, path: Path) -> Iterator[str | int]:
    """A path whose first step may be a container's name, or `volume` and its name."""
    template = one.at(*POD)
    first = str(path[0])
    for key, name in (("containers", first), ("volumes", first.removeprefix("volume "))):
        listed = [each["name"] for each in (template or {}).get(key, [])]
        if name in listed:
            yield from (*POD, key, listed.index(name), *path[1:])
            return
    yield from path


def names(program: Recording) -> Iterator[str]:
    """Of objects, and of what is in pods."""
    for one in program.objects:
        yield one.object_name
    for one, template in program.pods():
        yield from (claim["metadata"]["name"] for claim in one.at("spec", "volumeClaimTemplates") or [])
        yield from (volume["name"] for volume in template["spec"].get("volumes", []))
        for container in template["spec"]["containers"]:
            yield from (port["name"] for port in container.get("ports", []))
