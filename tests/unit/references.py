"""Finds what objects refer to and nobody made: names, keys, ports, selectors, hosts.

The API server takes most of these without a word; the pod then waits, the Service leads nowhere, the policy allows
nothing. What pods themselves refer to is in `pod_references`. A kind of object that is not known here is a finding:
what it refers to would go unseen.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from tests.unit.pod_references import of_pod
from tests.unit.pods import Pod
from tests.unit.recording import UNKNOWN, Made, Recording

_HOST = re.compile(r"\b([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local\b(?::(\d+))?")
_REFERS_TO_NOTHING = {
    "ConfigMap",
    "Lease",
    "LimitRange",
    "Namespace",
    "PersistentVolume",
    "ResourceQuota",
    "Secret",
    "ServiceAccount",
    "StorageClass",
}


def dangling(recording: Recording, *, of_the_cluster: Iterable[str] = ()) -> list[str]:
    """Every reference that leads nowhere; `of_the_cluster` are names that the cluster itself has."""
    return list(_Check(recording, frozenset(of_the_cluster)).all())


class _Check:
    def __init__(self, recording: Recording, of_the_cluster: frozenset[str]) -> None:
        self.recording = recording
        self.of_the_cluster = of_the_cluster
        self.objects: Mapping[tuple[str, str, str], Made] = {
            (one.kind, one.namespace, one.object_name): one for one in recording.objects
        }
        self.pods: dict[str, list[Pod]] = {}  # by namespace
        for one, template in recording.pods():
            self.pods.setdefault(one.namespace, []).append(Pod(one, template))
        self.by_kind: Mapping[str, Callable[[Made], Iterator[str]]] = {
            "CronJob": self._of_workload,
            "Deployment": self._of_workload,
            "DaemonSet": self._of_workload,
            "Endpoints": lambda one: self.exists(one, "Service", one.namespace, one.object_name),
            "GCPBackendPolicy": self._of_target,
            "ClusterRole": self._of_role,
            "ValidatingAdmissionPolicy": self._of_admission,
            "ValidatingAdmissionPolicyBinding": lambda one: self.exists(
                one, "ValidatingAdmissionPolicy", "", one.inputs["spec"]["policyName"]
            ),
            "ClusterRoleBinding": self._of_binding,
            "GCPGatewayPolicy": self._of_target,
            "Gateway": self._of_gateway,
            "HTTPRoute": self._of_route,
            "HealthCheckPolicy": self._of_health,
            "HorizontalPodAutoscaler": self._of_autoscaler,
            "Ingress": self._of_ingress,
            "Job": self._of_workload,
            "NetworkPolicy": self._of_policy,
            "PersistentVolumeClaim": self._of_claim,
            "PodDisruptionBudget": self._of_budget,
            "Role": self._of_role,
            "RoleBinding": self._of_binding,
            "Service": self._of_service,
            "StatefulSet": self._of_stateful_set,
            "VerticalPodAutoscaler": self._of_vertical_autoscaler,
        }

    def all(self) -> Iterator[str]:
        for one in self.recording.objects:
            if one.namespace:
                yield from self.exists(one, "Namespace", "", one.namespace)
            yield from self._hosts(one)
            if one.kind in self.by_kind:
                yield from self.by_kind[one.kind](one)
            elif one.kind not in _REFERS_TO_NOTHING:
                yield f"{one.kind} {one.name}: what this kind refers to is not known here"
        for pods in self.pods.values():
            for pod in pods:
                yield from of_pod(pod, self)

    def exists(self, one: Made, kind: str, namespace: str, name: Any) -> Iterator[str]:
        """The finding that there is no such object, if so."""
        if name != UNKNOWN and name not in self.of_the_cluster and (kind, namespace, name) not in self.objects:
            yield f"{one.kind} {one.name} refers to {kind} {namespace}/{name}"

    def selected(self, namespace: str, selector: Mapping[str, Any]) -> list[Pod]:
        """The pods that a selector finds."""
        return [pod for pod in self.pods.get(namespace, []) if pod.fits(selector)]

    def _hosts(self, one: Made) -> Iterator[str]:
        """Services that a text names, and their ports, given with the host or as the variable beside it."""
        for text, value in _texts(one):
            for service, namespace, port in _hosts(value):
                yield from self.exists(one, "Service", namespace, service)
                found = self.objects.get(("Service", namespace, service))
                beside = dict(_texts(one)).get(text.removesuffix("_HOST") + "_PORT") if text.endswith("_HOST") else None
                asked = port or beside
                if found and asked and int(asked) not in {each["port"] for each in found.at("spec", "ports")}:
                    yield f"{one.kind} {one.name} asks {service} on port {asked}"

    def _of_workload(self, one: Made) -> Iterator[str]:
        selector = one.at("spec", "selector")
        if one.kind not in {"CronJob", "Job"} and not Pod(one, one.at("spec", "template")).fits(selector):
            yield f"{one.kind} {one.name} doesn't select its own pods"

    def _of_stateful_set(self, one: Made) -> Iterator[str]:
        yield from self._of_workload(one)
        name = one.at("spec", "serviceName")
        yield from self.exists(one, "Service", one.namespace, name)
        service = self.objects.get(("Service", one.namespace, name))
        if service and service.at("spec", "clusterIP") != "None":
            yield f"StatefulSet {one.name} names {name}, which isn't headless"

    def _of_service(self, service: Made) -> Iterator[str]:
        selector = service.at("spec", "selector")
        if not selector:
            yield from self.exists(service, "Endpoints", service.namespace, service.object_name)
            return
        chosen = self.selected(service.namespace, selector)
        if not chosen:
            yield f"Service {service.name} selects no pod"
        member = selector.get("statefulset.kubernetes.io/pod-name")
        if member and member not in self._members:
            yield f"Service {service.name} selects the pod {member}"
        for port in service.at("spec", "ports") or []:
            for pod in chosen:
                if port["targetPort"] not in pod.ports and port["targetPort"] not in pod.ports.values():
                    yield f"Service {service.name} leads to port {port['targetPort']}, which {pod.workload.name} lacks"

    def _of_policy(self, policy: Made) -> Iterator[str]:
        spec = policy.inputs["spec"]
        subjects = self.selected(policy.namespace, spec["podSelector"])
        if not subjects and spec["podSelector"]:  # an empty one is about whoever may come
            yield f"NetworkPolicy {policy.name} is about no pod"
        for rule in spec.get("ingress", []):
            yield from self._reachable(policy, rule, subjects)
            for peer in rule.get("from", []):
                if not self._elsewhere(peer) and not self._peers(peer):
                    yield f"NetworkPolicy {policy.name} admits nobody: {peer}"
        for rule in spec.get("egress", []):
            for peer in rule.get("to", []):
                if self._elsewhere(peer):
                    continue
                found = self._peers(peer)
                if not found:
                    yield f"NetworkPolicy {policy.name} leads to nobody: {peer}"
                yield from self._reachable(policy, rule, found)

    def _elsewhere(self, peer: Mapping[str, Any]) -> bool:
        names = peer.get("namespaceSelector", {}).get("matchLabels", {})
        return "ipBlock" in peer or names.get("kubernetes.io/metadata.name") in self.of_the_cluster

    def _peers(self, peer: Mapping[str, Any]) -> list[Pod]:
        namespace = peer["namespaceSelector"]["matchLabels"].get("kubernetes.io/metadata.name", "")
        return self.selected(namespace, peer["podSelector"])

    def _reachable(self, policy: Made, rule: Mapping[str, Any], pods: Iterable[Pod]) -> Iterator[str]:
        for port in rule["ports"]:
            for pod in pods:
                if port["port"] not in pod.ports.values():
                    yield f"NetworkPolicy {policy.name} allows port {port['port']}, which {pod.workload.name} lacks"

    def _of_autoscaler(self, one: Made) -> Iterator[str]:
        target = one.inputs["spec"]["scaleTargetRef"]
        yield from self.exists(one, target["kind"], one.namespace, target["name"])
        workload = self.objects.get((target["kind"], one.namespace, target["name"]))
        for metric in one.inputs["spec"]["metrics"] if workload else []:
            resource = metric["resource"]["name"]
            for container in workload.at("spec", "template", "spec", "containers") if workload else []:
                if resource not in container["resources"]["requests"]:
                    yield f"HorizontalPodAutoscaler {one.name} measures {resource}, which {container['name']} lacks"

    def _of_claim(self, one: Made) -> Iterator[str]:
        """The class that makes its volume; or the volume itself, whose class is the claim's and need not be there."""
        wanted, volume = one.at("spec", "storageClassName"), one.at("spec", "volumeName")
        if volume is None:
            yield from self.exists(one, "StorageClass", "", wanted)
            return
        yield from self.exists(one, "PersistentVolume", "", volume)
        found = self.objects.get(("PersistentVolume", "", volume))
        if found and found.at("spec", "storageClassName") != wanted:
            yield f"{one.kind} {one.name} is of the class {wanted}, and its volume is not"

    def _of_target(self, one: Made) -> Iterator[str]:
        target = one.inputs["spec"]["targetRef"]
        yield from self.exists(one, target["kind"], one.namespace, target["name"])

    def _of_vertical_autoscaler(self, one: Made) -> Iterator[str]:
        yield from self._of_target(one)
        target = one.inputs["spec"]["targetRef"]
        workload = self.objects.get((target["kind"], one.namespace, target["name"]))
        containers = workload.at("spec", "template", "spec", "containers") if workload else []
        for policy in one.at("spec", "resourcePolicy", "containerPolicies") or []:
            name = policy["containerName"]
            if name not in {"*", *(each["name"] for each in containers)}:
                yield f"VerticalPodAutoscaler {one.name} is about {name}, which {target['name']} lacks"

    def _of_health(self, one: Made) -> Iterator[str]:
        asked = one.inputs["spec"]["default"]["config"]["httpHealthCheck"]["port"]
        yield from self._of_target(one)
        yield from self._served(one, one.inputs["spec"]["targetRef"]["name"], asked)

    def _of_gateway(self, one: Made) -> Iterator[str]:
        for listener in one.inputs["spec"]["listeners"]:
            for reference in listener.get("tls", {}).get("certificateRefs", []):
                yield from self.exists(one, reference["kind"], one.namespace, reference["name"])
            admitted = listener["allowedRoutes"]["namespaces"].get("selector", {}).get("matchLabels", {})
            for namespace in admitted.values():
                yield from self.exists(one, "Namespace", "", namespace)

    def _of_route(self, one: Made) -> Iterator[str]:
        for parent in one.inputs["spec"]["parentRefs"]:
            namespace = parent.get("namespace", one.namespace)
            yield from self.exists(one, "Gateway", namespace, parent["name"])
            gateway = self.objects.get(("Gateway", namespace, parent["name"]))
            listeners = gateway.inputs["spec"]["listeners"] if gateway else []
            if parent["sectionName"] not in {each["name"] for each in listeners}:
                yield f"HTTPRoute {one.name} refers to the listener {parent['sectionName']}"
        for rule in one.inputs["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                yield from self._served(one, backend["name"], backend["port"])

    def _of_ingress(self, one: Made) -> Iterator[str]:
        for tls in one.inputs["spec"]["tls"]:
            yield from self.exists(one, "Secret", one.namespace, tls["secretName"])
        for rule in one.inputs["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                yield from self._served(one, service["name"], service["port"]["number"])

    def _served(self, one: Made, name: str, port: int) -> Iterator[str]:
        """A Service beside the object, by name and port."""
        yield from self.exists(one, "Service", one.namespace, name)
        service = self.objects.get(("Service", one.namespace, name))
        if service and port not in {each["port"] for each in service.inputs["spec"]["ports"]}:
            yield f"{one.kind} {one.name} refers to port {port} of Service {name}, which has none"

    def _of_budget(self, one: Made) -> Iterator[str]:
        if not self.selected(one.namespace, one.inputs["spec"]["selector"]):
            yield f"PodDisruptionBudget {one.name} is about no pod"

    def _of_binding(self, one: Made) -> Iterator[str]:
        role = one.inputs["roleRef"]
        yield from self.exists(one, role["kind"], one.namespace, role["name"])
        for subject in one.inputs["subjects"]:
            if subject["kind"] != "User":  # those are no objects
                yield from self.exists(one, subject["kind"], subject["namespace"], subject["name"])

    def _of_role(self, role: Made) -> Iterator[str]:
        for rule in role.inputs["rules"]:
            for name in rule.get("resourceNames", []):
                if "pods" in rule["resources"] and name not in self._members:
                    yield f"Role {role.name} names the pod {name}"
                for resource, kind in (("endpoints", "Endpoints"), ("cronjobs", "CronJob"), ("leases", "Lease")):
                    if resource in rule["resources"]:
                        yield from self.exists(role, kind, role.namespace, name)

    def _of_admission(self, policy: Made) -> Iterator[str]:
        constraints = policy.inputs["spec"]["matchConstraints"]
        namespace = constraints["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in constraints["resourceRules"]:
            for name in rule["resourceNames"]:
                yield from self.exists(policy, "StatefulSet", namespace, name)

    @cached_property
    def _members(self) -> set[str]:
        """Names of the pods of StatefulSets."""
        return {
            f"{one.object_name}-{number}"
            for one in self.recording.of("StatefulSet")
            for number in range(one.inputs["spec"]["replicas"])
        }


@cache
def _hosts(text: str) -> list[tuple[str, str, str]]:
    """Service, namespace and port of each host that a text names."""
    return _HOST.findall(text)


def _texts(one: Made) -> Iterator[tuple[str, str]]:
    """Every text that an object gives to its pods, with the name of its variable or file."""
    data = one.at("data")
    if one.kind == "ConfigMap" and isinstance(data, Mapping):
        yield from data.items()
    for container in one.at("spec", "template", "spec", "containers") or []:
        yield from ((each["name"], each["value"]) for each in container.get("env", []) if "value" in each)
        yield from (("command", word) for word in container.get("command", []))
