"""Finds what objects refer to and nobody made: names, keys, ports, selectors.

The API server takes most of these without a word; the pod then waits, the Service leads nowhere, the policy allows
nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.unit.recording import UNKNOWN, Made, Recording

# Labels that pods get when they run: the StatefulSet's controller and Patroni put them there.
_LATER = {"statefulset.kubernetes.io/pod-name", "vision-week/role"}
_HOST = re.compile(r"\b([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local\b")


@dataclass(frozen=True)
class Pod:
    """What runs where, under which labels, on which ports."""

    workload: Made
    template: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.template["spec"]
        return spec

    @property
    def ports(self) -> Mapping[str, int]:
        return {
            port["name"]: port["containerPort"]
            for container in self.spec["containers"]
            for port in container.get("ports", [])
        }

    @property
    def claims(self) -> list[Mapping[str, Any]]:
        return self.workload.at("spec", "volumeClaimTemplates") or []

    def fits(self, selector: Mapping[str, Any]) -> bool:
        labels = self.template["metadata"]["labels"]
        wanted = selector.get("matchLabels", {}) if "matchLabels" in selector or not selector else selector
        return all(labels.get(key) == value for key, value in wanted.items() if key not in _LATER)


def dangling(recording: Recording, *, of_the_cluster: Iterable[str] = ()) -> list[str]:
    """Every reference that leads nowhere; `of_the_cluster` are names that the cluster itself has."""
    return list(_Check(recording, frozenset(of_the_cluster)).all())


class _Check:
    def __init__(self, recording: Recording, of_the_cluster: frozenset[str]) -> None:
        self.recording = recording
        self.of_the_cluster = of_the_cluster
        self.objects = {(one.kind, one.namespace, one.object_name): one for one in recording.objects}
        self.pods = [Pod(one, template) for one, template in recording.pods()]

    def all(self) -> Iterator[str]:
        for one in self.recording.objects:
            if one.namespace:
                yield from self._exists(one, "Namespace", "", one.namespace)
            yield from self._hosts(one)
        for pod in self.pods:
            yield from self._of_pod(pod)
        for service in self.recording.of("Service"):
            yield from self._of_service(service)
        for endpoints in self.recording.of("Endpoints"):
            yield from self._exists(endpoints, "Service", endpoints.namespace, endpoints.object_name)
        for policy in self.recording.of("NetworkPolicy"):
            yield from self._of_policy(policy)
        yield from self._of_others()

    def _exists(self, one: Made, kind: str, namespace: str, name: Any) -> Iterator[str]:
        if name != UNKNOWN and name not in self.of_the_cluster and (kind, namespace, name) not in self.objects:
            yield f"{one.kind} {one.name} refers to {kind} {namespace}/{name}"

    def _hosts(self, one: Made) -> Iterator[str]:
        for service, namespace in _HOST.findall(one.clear):
            yield from self._exists(one, "Service", namespace, service)

    def _keys(self, one: Made, kind: str, namespace: str, source: Mapping[str, Any], name: str) -> Iterator[str]:
        yield from self._exists(one, kind, namespace, source[name])
        found = self.objects.get((kind, namespace, source[name]))
        content = (found.at("data") or found.at("stringData")) if found else None
        if content is None or content == UNKNOWN:
            return
        for item in source.get("items", []):
            if item["key"] not in content:
                yield f"{one.kind} {one.name} refers to the key {item['key']} of {kind} {source[name]}"

    def _of_pod(self, pod: Pod) -> Iterator[str]:
        one, spec, namespace = pod.workload, pod.spec, pod.namespace
        yield from self._exists(one, "ServiceAccount", namespace, spec["serviceAccountName"])
        for claim in pod.claims:
            yield from self._exists(one, "StorageClass", "", claim["spec"]["storageClassName"])
        for volume in spec.get("volumes", []):
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            for source in sources:
                if "configMap" in source:
                    yield from self._keys(one, "ConfigMap", namespace, source["configMap"], "name")
                if "secret" in source:
                    key = "secretName" if "secretName" in source["secret"] else "name"
                    yield from self._keys(one, "Secret", namespace, source["secret"], key)
                if "persistentVolumeClaim" in source:
                    name = source["persistentVolumeClaim"]["claimName"]
                    yield from self._exists(one, "PersistentVolumeClaim", namespace, name)
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in pod.claims}
        mounted = set()
        for container in spec["containers"]:
            for mount in container.get("volumeMounts", []):
                mounted.add(mount["name"])
                if mount["name"] not in volumes:
                    yield f"{one.kind} {one.name} mounts {mount['name']}, which it doesn't have"
            for source in container.get("envFrom", []):
                yield from self._exists(one, "ConfigMap", namespace, source["configMapRef"]["name"])
            own = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                if port is not None and port not in own and port not in pod.ports.values():
                    yield f"{one.kind} {one.name}: {probe} of {container['name']} asks port {port}"
        for unused in volumes - mounted:
            yield f"{one.kind} {one.name} has the volume {unused}, which no container mounts"

    def _of_service(self, service: Made) -> Iterator[str]:
        selector = service.at("spec", "selector")
        if not selector:
            yield from self._exists(service, "Endpoints", service.namespace, service.object_name)
            return
        chosen = [pod for pod in self.pods if pod.namespace == service.namespace and pod.fits(selector)]
        if not chosen:
            yield f"Service {service.name} selects no pod"
        for port in service.at("spec", "ports") or []:
            for pod in chosen:
                if port["targetPort"] not in pod.ports and port["targetPort"] not in pod.ports.values():
                    yield f"Service {service.name} leads to port {port['targetPort']}, which {pod.workload.name} lacks"

    def _of_policy(self, policy: Made) -> Iterator[str]:
        spec = policy.inputs["spec"]
        subjects = [pod for pod in self.pods if pod.namespace == policy.namespace and pod.fits(spec["podSelector"])]
        if not subjects:
            yield f"NetworkPolicy {policy.name} is about no pod"
        for rule in spec.get("ingress", []):
            yield from self._reachable(policy, rule, subjects)
            for peer in rule.get("from", []):
                if not list(self._peers([peer])):
                    yield f"NetworkPolicy {policy.name} admits nobody: {peer}"
        for rule in spec.get("egress", []):
            for peer in rule["to"]:
                if self._elsewhere(peer):
                    continue
                found = list(self._peers([peer]))
                if not found:
                    yield f"NetworkPolicy {policy.name} leads to nobody: {peer}"
                yield from self._reachable(policy, rule, found)

    def _elsewhere(self, peer: Mapping[str, Any]) -> bool:
        names = peer.get("namespaceSelector", {}).get("matchLabels", {})
        return "ipBlock" in peer or names.get("kubernetes.io/metadata.name") in self.of_the_cluster

    def _peers(self, peers: Iterable[Mapping[str, Any]]) -> Iterator[Pod]:
        for peer in peers:
            namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            yield from (pod for pod in self.pods if pod.namespace == namespace and pod.fits(peer["podSelector"]))

    def _reachable(self, policy: Made, rule: Mapping[str, Any], pods: Iterable[Pod]) -> Iterator[str]:
        for port in rule["ports"]:
            for pod in pods:
                if port["port"] not in pod.ports.values():
                    yield f"NetworkPolicy {policy.name} allows port {port['port']}, which {pod.workload.name} lacks"

    def _of_others(self) -> Iterator[str]:
        for one in self.recording.of("StatefulSet"):
            yield from self._exists(one, "Service", one.namespace, one.inputs["spec"]["serviceName"])
        for one in self.recording.of("PersistentVolumeClaim"):
            yield from self._exists(one, "StorageClass", "", one.inputs["spec"]["storageClassName"])
        for one in self.recording.of("HorizontalPodAutoscaler"):
            target = one.inputs["spec"]["scaleTargetRef"]
            yield from self._exists(one, target["kind"], one.namespace, target["name"])
        for one in self.recording.of("PodDisruptionBudget"):
            if not any(
                pod.namespace == one.namespace and pod.fits(one.inputs["spec"]["selector"]) for pod in self.pods
            ):
                yield f"PodDisruptionBudget {one.name} is about no pod"
        for one in self.recording.of("RoleBinding"):
            yield from self._exists(one, "Role", one.namespace, one.inputs["roleRef"]["name"])
            for subject in one.inputs["subjects"]:
                yield from self._exists(one, "ServiceAccount", subject["namespace"], subject["name"])
        for one in self.recording.of("Role"):
            yield from self._of_role(one)

    def _of_role(self, role: Made) -> Iterator[str]:
        members = {
            f"{pod.workload.object_name}-{number}"
            for pod in self.pods
            if pod.workload.kind == "StatefulSet"
            for number in range(pod.workload.inputs["spec"]["replicas"])
        }
        for rule in role.inputs["rules"]:
            for name in rule.get("resourceNames", []):
                if "pods" in rule["resources"] and name not in members:
                    yield f"Role {role.name} names the pod {name}"
                if "endpoints" in rule["resources"]:
                    yield from self._exists(role, "Endpoints", role.namespace, name)
