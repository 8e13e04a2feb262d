"""What pods refer to: volumes, variables, files, ports, identities. See `references`.

Fields of pods, containers and volumes that are not known here are findings: what they refer to would go unseen.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePath
from typing import Any, Protocol

from tests.unit.pods import Pod
from tests.unit.recording import UNKNOWN, Made, Recording

_PATH = re.compile(r"(?<![\w./])/[\w./-]+[\w]")
_VARIABLE = re.compile(r"\$\((\w+)\)")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_FIELDS = {"status.hostIP", "metadata.name", "metadata.namespace", "status.podIP"}
_OF_PODS = {
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "enableServiceLinks",
    "initContainers",
    "nodeSelector",
    "restartPolicy",
    "securityContext",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "topologySpreadConstraints",
    "volumes",
    "tolerations",
}
_OF_CONTAINERS = {
    "command",
    "env",
    "envFrom",
    "image",
    "lifecycle",
    "name",
    "ports",
    "resources",
    "restartPolicy",
    "securityContext",
    "volumeMounts",
    *_PROBES,
}
_OF_VOLUMES = {"configMap", "emptyDir", "ephemeral", "hostPath", "name", "persistentVolumeClaim", "projected", "secret"}


class Objects(Protocol):
    """Where to look things up."""

    objects: Mapping[tuple[str, str, str], Made]
    recording: Recording

    def exists(self, one: Made, kind: str, namespace: str, name: Any) -> Iterator[str]: ...


def of_pod(pod: Pod, among: Objects) -> Iterator[str]:
    """What the pods of a workload refer to in vain."""
    one, spec = pod.workload, pod.spec
    yield from _unknown_keys(one, "pods", spec, _OF_PODS)
    yield from among.exists(one, "ServiceAccount", pod.namespace, spec["serviceAccountName"])
    if spec["automountServiceAccountToken"]:
        yield from _rights(pod, among)
    for claim in pod.claims:
        yield from among.exists(one, "StorageClass", "", claim["spec"]["storageClassName"])
    for volume in spec.get("volumes", []):
        yield from _unknown_keys(one, "volumes", volume, _OF_VOLUMES)
        if "ephemeral" in volume:
            wanted = volume["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"]
            yield from among.exists(one, "StorageClass", "", wanted)
        for kind, source in _sources(volume):
            yield from among.exists(one, kind, pod.namespace, _name(source))
            yield from _keys(pod, kind, source, among)
    yield from _spread(pod)
    yield from _nodes(pod, among)
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in pod.claims}
    mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
    for unused in sorted(volumes - mounted):
        yield f"{one.kind} {one.name} has the volume {unused}, which no container mounts"
    for missing in sorted(mounted - volumes):
        yield f"{one.kind} {one.name} mounts {missing}, which it doesn't have"
    for container in pod.containers:
        yield from _of_container(pod, container, among)


def _unknown_keys(one: Made, of: str, value: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for key in sorted(value.keys() - known):
        yield f"{one.kind} {one.name}: what {key} of {of} refers to is not known here"


def _rights(pod: Pod, among: Objects) -> Iterator[str]:
    subject = (pod.namespace, pod.spec["serviceAccountName"])
    bindings = [one for (kind, _, _), one in among.objects.items() if kind in {"RoleBinding", "ClusterRoleBinding"}]
    where = {
        one.namespace
        for one in bindings
        if subject in {(each.get("namespace"), each["name"]) for each in one.inputs["subjects"]}
    }
    if not where:
        yield f"{pod.workload.kind} {pod.workload.name} has a token and no rights"
    for namespace in sorted(_watched(pod) - where):
        yield f"{pod.workload.kind} {pod.workload.name} has no rights in the namespace {namespace}, which it watches"


def _watched(pod: Pod) -> set[str]:
    """The namespaces that a program is told to look into."""
    option = "--namespaces="
    words = [word for container in pod.containers for word in container.get("command", []) if word.startswith(option)]
    return {namespace for word in words for namespace in word.removeprefix(option).split(",")}


def _sources(volume: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects that a volume shows."""
    for source in [volume, *volume.get("projected", {}).get("sources", [])]:
        for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            if key in source:
                yield kind, source[key]
        if "persistentVolumeClaim" in source:
            yield "PersistentVolumeClaim", source["persistentVolumeClaim"]


def _name(source: Mapping[str, Any]) -> Any:
    return source.get("claimName") or source.get("secretName") or source["name"]


def _content(pod: Pod, kind: str, name: Any, among: Objects) -> Mapping[str, str] | None:
    """The keys and values of a ConfigMap or Secret; None where they can't be known."""
    found = among.objects.get((kind, pod.namespace, name))
    content = (found.at("data") or found.at("stringData")) if found else None
    return None if content == UNKNOWN else content


def _keys(pod: Pod, kind: str, source: Mapping[str, Any], among: Objects) -> Iterator[str]:
    content = _content(pod, kind, _name(source), among)
    for item in source.get("items", []) if content is not None else []:
        if content is not None and item["key"] not in content:
            yield f"{pod.workload.kind} {pod.workload.name} refers to the key {item['key']} of {kind} {_name(source)}"


def _nodes(pod: Pod, among: Objects) -> Iterator[str]:
    """Nodes that are kept for the pod: one without them waits for ever."""
    one, chosen = pod.workload, pod.spec.get("nodeSelector", {})
    pools = [each.at("nodeConfig") for each in among.recording.of("NodePool")]
    if chosen and not any(chosen.items() <= pool["labels"].items() for pool in pools):
        yield f"{one.kind} {one.name} asks for nodes that no pool has: {chosen}"
    taints = [(taint["key"], taint["value"]) for pool in pools for taint in pool.get("taints", [])]
    for each in pod.spec.get("tolerations", []):
        # What runs on every node tolerates all.
        if each != {"operator": "Exists"} and (each["key"], each["value"]) not in taints:
            yield f"{one.kind} {one.name} tolerates what no pool has: {each['key']}={each['value']}"


def _spread(pod: Pod) -> Iterator[str]:
    anti = pod.spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    selectors = [term["podAffinityTerm"]["labelSelector"] for term in anti]
    selectors += [each["labelSelector"] for each in pod.spec["topologySpreadConstraints"]]
    if not all(pod.fits(selector) for selector in selectors):
        yield f"{pod.workload.kind} {pod.workload.name} keeps apart from pods that aren't its own"


def _of_container(pod: Pod, container: Mapping[str, Any], among: Objects) -> Iterator[str]:
    one, name = pod.workload, container["name"]
    yield from _unknown_keys(one, "containers", container, _OF_CONTAINERS)
    for probe in _PROBES:
        asked = container.get(probe, {})
        port = {**asked.get("httpGet", {}), **asked.get("tcpSocket", {})}.get("port")
        own = {each["name"] for each in container.get("ports", [])}
        if port is not None and port not in own and port not in pod.ports.values():
            yield f"{one.kind} {one.name}: {probe} of {name} asks port {port}"
    for source in container.get("envFrom", []):
        yield from among.exists(one, "ConfigMap", pod.namespace, source["configMapRef"]["name"])
    seen: set[str] = set()
    for variable in container.get("env", []):
        for used in _VARIABLE.findall(variable.get("value", "")):
            if used not in seen:
                yield f"{one.kind} {one.name}: {variable['name']} uses {used}, which is not set before it"
        field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        if secret := variable.get("valueFrom", {}).get("secretKeyRef"):
            yield from among.exists(one, "Secret", pod.namespace, secret["name"])
            yield from _keys(pod, "Secret", {"secretName": secret["name"], "items": [secret]}, among)
        elif "valueFrom" in variable and field not in _FIELDS:
            yield f"{one.kind} {one.name}: {variable['name']} is from {variable['valueFrom']}, which is not known here"
        seen.add(variable["name"])
    yield from _files(pod, container, among)


def _files(pod: Pod, container: Mapping[str, Any], among: Objects) -> Iterator[str]:
    """Paths that lie where objects are shown as files, and that no key makes."""
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    shown = {
        mount["mountPath"]: _shown(pod, volumes.get(mount["name"], {}), among)
        for mount in container.get("volumeMounts", [])
    }
    texts = [*_texts(pod, container, among), *(text for files in shown.values() for text in files.values())]
    made = {place: {each for file in files for each in _with_folders(file)} for place, files in shown.items()}
    for path in sorted({path for text in texts for path in _paths(text)}):
        for place, files in shown.items():
            if files and path.startswith(f"{place}/") and path.removeprefix(f"{place}/") not in made[place]:
                yield f"{pod.workload.kind} {pod.workload.name}: {container['name']} looks for the file {path}"


@cache
def _with_folders(file: str) -> tuple[str, ...]:
    return file, *map(str, PurePath(file).parents)


@cache
def _paths(text: str) -> frozenset[str]:
    return frozenset(_PATH.findall(text))


def _shown(pod: Pod, volume: Mapping[str, Any], among: Objects) -> dict[str, str]:
    """The files that a volume shows, with their texts as far as they aren't secret; none where they can't be known."""
    files: dict[str, str] = {}
    for kind, source in _sources(volume):
        content = _content(pod, kind, _name(source), among)
        if kind == "PersistentVolumeClaim" or content is None:
            return {}
        paths = {item["key"]: item["path"] for item in source.get("items", [])} or {key: key for key in content}
        files |= {path: content.get(key, "") if kind == "ConfigMap" else "" for key, path in paths.items()}
    return files


def _texts(pod: Pod, container: Mapping[str, Any], among: Objects) -> Iterator[str]:
    """What a container is told on its command line, in variables and by probes."""
    yield from container.get("command", [])
    yield from (variable["value"] for variable in container.get("env", []) if "value" in variable)
    for source in container.get("envFrom", []):
        yield from (_content(pod, "ConfigMap", source["configMapRef"]["name"], among) or {}).values()
    for probe in _PROBES:
        yield from container.get(probe, {}).get("exec", {}).get("command", [])
