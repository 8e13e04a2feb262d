"""What a program makes, as text that is reviewed like code: kind, place, and every field that says something.

Nothing is picked by hand: all that is left out is what every object or pod has in exactly this form, and one that has
it otherwise shows it. So a new field appears by itself. Values of Secrets are never shown, and what a provider
computes stands there by its name.
"""

import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.unit.differences import differences, parsed
from tests.unit.recording import CHECKOUT, UNKNOWN, Made, Recording, computed
from tests.unit.rendering import WIDTH, Summary, lines

_NAME = "app.kubernetes.io/name"
_CHECKSUM = "vision-week/configuration"
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_OFTEN_EMPTY = {"metadata", "labels", "annotations", "claims", "volumes"}
_EVERY_OBJECT = {"app.kubernetes.io/part-of": "vision-week", "app.kubernetes.io/managed-by": "pulumi"}
_EVERY_CONTAINER = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
}
_EVERY_POD = {
    "automountServiceAccountToken": False,
    "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
    "enableServiceLinks": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def inventory(recording: Recording) -> Iterator[str]:
    """The lines of an inventory: how many of each kind, then component by component."""
    names = dict(_computed_names(recording))
    listed = [one for _, resources in by_component(recording) for one in resources]
    counts = sorted(Counter(title(one).partition(" ")[0] for one in listed).items())
    total = f"{len(listed)} resources: " + ", ".join(f"{count}\N{NO-BREAK SPACE}{kind}" for kind, count in counts)
    for line in textwrap.wrap(total, WIDTH, subsequent_indent="    "):
        yield line.replace("\N{NO-BREAK SPACE}", " ")
    for component, resources in by_component(recording):
        yield ""
        yield f"== {component}"
        for one in sorted(resources, key=title):
            yield ""
            yield title(one) + ("  [protected]" if one.protect else "")
            for key, value in sorted(body(one).items()):
                for line in lines(key, value):
                    yield _by_name(line, names)


def by_component(recording: Recording) -> Iterator[tuple[str, list[Made]]]:
    """The resources that are no components themselves, under the path of the component that made them."""
    components = {one.urn: one for one in recording.made if one.type.startswith("vision-week:")}

    def path(urn: str) -> list[str]:
        one = components.get(urn)
        return [] if one is None else [*path(one.parent), one.name]

    found: dict[str, list[Made]] = {}
    for one in recording.made:
        if one.urn not in components:
            found.setdefault("/".join(path(one.parent)), []).append(one)
    yield from sorted(found.items())


def title(one: Made) -> str:
    """`Kind namespace/name`, or the name in the program where there is no object of the cluster."""
    if one.type.startswith("pulumi:providers:"):
        return f"Provider {one.name} ({one.kind})"
    if not one.is_kubernetes:
        return f"{one.kind} {one.name}"
    name = one.object_name if "name" in one.metadata else f"{one.name}-…"
    return f"{one.kind} {one.namespace}/{name}" if one.namespace else f"{one.kind} {name}"


def body(one: Made) -> dict[str, Any]:
    """The inputs of a resource, without what is usual."""
    if not one.is_kubernetes:
        return dict(one.inputs)
    found = {key: value for key, value in one.inputs.items() if key not in {"apiVersion", "kind"}}
    found["metadata"] = _metadata(one.metadata, one.metadata.get("name", one.name))
    if one.kind == "Secret":
        found["stringData"] = dict.fromkeys(found["stringData"], Summary("(secret)"))
    if one.kind == "ConfigMap" and found["data"] != UNKNOWN:
        found["data"] = {key: _content(value) for key, value in found["data"].items()}
    if one.at("spec", "jobTemplate") is not None:
        spec, template = found["spec"], found["spec"]["jobTemplate"]
        about = _metadata(template["metadata"], template["spec"]["template"]["metadata"]["labels"][_NAME])
        found["spec"] = {**spec, "jobTemplate": {"metadata": about, "spec": _workload(template["spec"])}}
    if one.at("spec", "template") is not None:
        found["spec"] = _workload(found["spec"])
    return _filled(_brief(found))


def unknown(known: Recording, preview: Recording) -> Iterator[str]:
    """Which fields a first preview can't show yet; all others it must show as they will be."""
    later = {one.urn: one for one in preview.made}
    for one in sorted(known.made, key=title):
        for path, value in differences(one.inputs, later[one.urn].inputs):
            assert value == UNKNOWN, f"{title(one)}: {path} is {value} in a preview"
            yield f"{title(one)}: {path}"


def _computed_names(recording: Recording) -> Iterator[tuple[str, str]]:
    """What the mocks gave in place of a provider -> what it stands for."""
    for one in recording.made:
        for key, value in computed(one).items():
            if key == "digest":
                yield value, f"(digest of {title(one)})"
            elif isinstance(value, str):
                yield value, f"({key} of {title(one)})"
            elif "clusterIP" in value:
                yield value["clusterIP"], f"(address of {title(one)})"


def _by_name(line: str, names: Mapping[str, str]) -> str:
    for value, name in names.items():
        line = line.replace(value, name)
    return line


def _metadata(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    labels = _without(metadata.get("labels", {}), {**_EVERY_OBJECT, _NAME: name})
    annotations = {key: parsed(value) for key, value in metadata.get("annotations", {}).items()}
    return {
        **_without(metadata, {"name": name, "namespace": metadata.get("namespace")}),
        "labels": labels,
        "annotations": annotations,
    }


def _workload(spec: Mapping[str, Any]) -> dict[str, Any]:
    template = spec["template"]
    owner = template["metadata"]["labels"][_NAME]
    claims = {claim["metadata"]["name"]: _claim(claim, owner) for claim in spec.get("volumeClaimTemplates", [])}
    rest = {key: value for key, value in spec.items() if key not in {"template", "volumeClaimTemplates"}}
    return {**rest, "claims": claims, "pod": _pod(template["metadata"], template["spec"])}


def _claim(claim: Mapping[str, Any], owner: str) -> dict[str, Any]:
    metadata = _without(claim["metadata"], {"name": claim["metadata"]["name"]})
    metadata["labels"] = _without(metadata.get("labels", {}), {**_EVERY_OBJECT, _NAME: owner})
    return _filled({**_without(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}), "metadata": metadata})


def _pod(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    labels = metadata["labels"]
    annotations = {
        key: "(checksum)" if key == _CHECKSUM else value for key, value in metadata.get("annotations", {}).items()
    }
    shown = _without(spec, {**_EVERY_POD, **_apart(labels)})
    for container in shown.pop("containers"):
        shown[f"container {container['name']}"] = _container(container)
    shown["volumes"] = {
        volume["name"]: _without(volume, {"name": volume["name"]}) for volume in spec.get("volumes", [])
    }
    return {
        "labels": _without(labels, {**_EVERY_OBJECT, _NAME: labels[_NAME]}),
        "annotations": _without(annotations, {_CHECKSUM: "(checksum)"}),
        **shown,
    }


def _apart(labels: Mapping[str, str]) -> dict[str, Any]:
    """How the pods of every workload avoid each other."""
    same = {"matchLabels": {_NAME: labels[_NAME], "app.kubernetes.io/part-of": "vision-week"}}
    term = {"weight": 100, "podAffinityTerm": {"labelSelector": same, "topologyKey": "kubernetes.io/hostname"}}
    zones = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    return {
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}},
        "topologySpreadConstraints": [{**zones, "labelSelector": same}],
    }


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    shown = _without(container, {"name": container["name"], **_EVERY_CONTAINER})
    if "resources" in shown:
        shown["resources"] = _resources(shown["resources"])
    for probe in _PROBES:
        if probe in shown:
            shown[probe] = _probe(shown[probe])
    for key, inner in (("env", "value"), ("ports", "containerPort"), ("volumeMounts", "mountPath")):
        if key in shown:
            shown[key] = {_called(each): _only(each, inner) for each in shown[key]}
    return shown


def _called(each: Mapping[str, Any]) -> str:
    """By its name; several files of one volume by theirs as well."""
    return " ".join(each[key] for key in ("name", "subPath") if key in each)


def _resources(resources: Mapping[str, Any]) -> Any:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if set(requests) == set(limits) == {"cpu", "memory"} and requests["memory"] == limits["memory"]:
        return Summary(f"cpu {requests['cpu']} to {limits['cpu']}, memory {limits['memory']}")
    return resources


def _probe(probe: Mapping[str, Any]) -> Any:
    rest = dict(probe)
    every, failures, patience = (rest.pop(key, None) for key in ("periodSeconds", "failureThreshold", "timeoutSeconds"))
    http, command = rest.pop("httpGet", {}), rest.pop("exec", {}).get("command", [])
    port = rest.pop("tcpSocket", {}).get("port")
    if rest or None in (every, failures, patience) or not (set(http) == {"path", "port"} or command or port):
        return probe
    asked = f"GET {http['port']} {http['path']}" if http else " ".join(command) or f"connect to {port}"
    return Summary(f"every {every} s, {patience} s each, {failures} failures: {asked}")


def _brief(value: Any) -> Any:
    """Selectors, peers and ports of policies in words."""
    match value:
        case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": area, **beside}}, **rest} if (
            not beside and set(rest) == {"podSelector"}
        ):
            return Summary(f"{_flowed(_brief(rest['podSelector']))} in {area}")
        case {"matchLabels": labels, **rest} if not rest:
            return _brief(labels)
        case {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "vision-week", **rest} if (
            "app.kubernetes.io/managed-by" not in rest
        ):
            return Summary(" ".join([f"pods of {name}", *(f"with {key}={item}" for key, item in sorted(rest.items()))]))
        case {"protocol": protocol, "port": port, **rest} if not rest:
            return Summary(f"{protocol} {port}")
        case {"defaultMode": int(mode), **rest}:
            return {"defaultMode": Summary(f"{mode:04o}"), **_brief(rest)}
        case Mapping():
            return {key: _brief(item) for key, item in value.items()}
        case list():
            return [_brief(item) for item in value]
        case _:
            return value


def _flowed(value: Any) -> str:
    return str(value) if isinstance(value, Summary) else next(lines("pods", value, ""))


def _only(value: Mapping[str, Any], key: str) -> Any:
    rest = _without(value, {"name": value["name"]})
    return rest[key] if set(rest) == {key} else rest


def _without(value: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in usual or usual[key] != item}


def _filled(value: dict[str, Any]) -> dict[str, Any]:
    """Without those parts of which nothing unusual is left."""
    found = {key: _filled(item) if key in {"metadata", "spec", "pod"} else item for key, item in value.items()}
    return {key: item for key, item in found.items() if item != {} or key not in _OFTEN_EMPTY}


def _content(text: str) -> Any:
    """A file of the repository by its path, a dashboard by what tells it from another, other JSON as what it says."""
    said = parsed(text)
    if isinstance(said, dict) and "panels" in said:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return Summary(f"(dashboard {said['title']}, {len(said['panels'])} panels, digest {digest})")
    return _FILES.get(text) or said


_FILES = {
    file.read_text(): Summary(f"(the file {file.relative_to(CHECKOUT)})")
    for file in sorted((CHECKOUT / "components" / "files").iterdir())
    if file.is_file()  # Python keeps what it has compiled of them beside them
}
