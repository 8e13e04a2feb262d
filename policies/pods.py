"""Rules about pods: the Pod Security Standard `restricted`, and what CIS and NSA/CISA ask beyond it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from policies.rules import (
    SECRET,
    Addition,
    Demands,
    Framework,
    Opaque,
    Resource,
    Rule,
    Severity,
    at,
    is_of_nodes,
    is_other,
    listed,
    mapped,
)

Pod = Mapping[str, Any]
Container = Mapping[str, Any]

_LASTING: Final = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}
_ACCOUNT: Final = "kubernetes:core/v1:ServiceAccount"
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")
_VOLUMES: Final = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
)
_SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


def template_of(resource: Resource) -> Any:
    """The pod template of whatever makes pods; a Pod itself; None of anything else."""
    return at(resource.props, *_way(resource)) if resource.is_kubernetes else None


def _way(resource: Resource) -> tuple[str, ...]:
    if resource.kind == "Pod":
        return ()
    return ("spec", "jobTemplate", "spec", "template") if resource.kind == "CronJob" else ("spec", "template")


def pod_of(resource: Resource) -> Pod | None:
    """The pod's spec, where it can be seen."""
    spec = at(template_of(resource), "spec")
    return spec if isinstance(spec, Mapping) else None


def containers_of(pod: Pod) -> Iterator[Container]:
    """All of its containers, those that run first among them."""
    yield from (each for _, each in _placed(pod))


def _placed(pod: Pod) -> Iterator[tuple[tuple[str, int], Container]]:
    """The same with the place of each in the pod."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for index, each in enumerate(listed(pod.get(key))):
            if isinstance(each, Mapping):
                yield (key, index), each


def _about_pods(check: Callable[[Pod], Iterator[str]]) -> Callable[[Resource, Demands], Iterator[str]]:
    def look(resource: Resource, _demands: Demands) -> Iterator[str]:
        if (pod := pod_of(resource)) is not None:
            yield from check(pod)

    return look


def _about_containers(check: Callable[[Container, Pod], Iterator[str]]) -> Callable[[Resource, Demands], Iterator[str]]:
    def look(pod: Pod) -> Iterator[str]:
        for container in containers_of(pod):
            yield from (f"container {container.get('name')} {said}" for said in check(container, pod))

    return _about_pods(look)


def _setting(container: Container, pod: Pod, key: str) -> Any:
    """A setting of security: the container's own, or its pod's."""
    own = at(container, "securityContext", key)
    return at(pod, "securityContext", key) if own is None else own


def _privileged(container: Container, _pod: Pod) -> Iterator[str]:
    if at(container, "securityContext", "privileged") is True:
        yield "is privileged"


def _host_namespaces(pod: Pod) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key) is True:
            yield f"the pod has {key}"


def _escalation(container: Container, _pod: Pod) -> Iterator[str]:
    if is_other(at(container, "securityContext", "allowPrivilegeEscalation"), False):
        yield "may gain privileges: allowPrivilegeEscalation is not false"


def _no_escalation(resource: Resource) -> Iterator[Addition]:
    """Where a container drops ALL there is nothing left to gain: no program of it misses what this takes away."""
    for place, container in _placed(pod_of(resource) or {}):
        capabilities = at(container, "securityContext", "capabilities")
        gives = at(capabilities, "add") or at(container, "securityContext", "privileged")
        if "ALL" in listed(at(capabilities, "drop")) and not gives:
            yield (*_way(resource), "spec", *place, "securityContext", "allowPrivilegeEscalation"), False


def _non_root(container: Container, pod: Pod) -> Iterator[str]:
    if is_other(_setting(container, pod, "runAsNonRoot"), True):
        yield "may run as root: runAsNonRoot is not true"
    if _setting(container, pod, "runAsUser") == 0:
        yield "runs as user 0"


def _capabilities(container: Container, _pod: Pod) -> Iterator[str]:
    dropped = at(container, "securityContext", "capabilities", "drop")
    if not isinstance(dropped, Opaque) and "ALL" not in listed(dropped):
        yield "keeps capabilities: it doesn't drop ALL"
    added = set(listed(at(container, "securityContext", "capabilities", "add"))) - {"NET_BIND_SERVICE"}
    if added:
        yield f"adds the capabilities {', '.join(sorted(map(str, added)))}"


def _host_paths(resource: Resource, _demands: Demands) -> Iterator[str]:
    pod = pod_of(resource) or {}
    for volume in listed(pod.get("volumes")):
        if at(volume, "hostPath") is None:
            continue
        name = volume.get("name")
        if not isinstance(resource.namespace, Opaque) and not is_of_nodes(resource.namespace):
            yield f"volume {name} is a path of the node"
        for container in containers_of(pod):
            for mount in listed(container.get("volumeMounts")):
                if at(mount, "name") == name and is_other(at(mount, "readOnly"), True):
                    yield f"container {container.get('name')} may write to the node's files: {name} is not readOnly"


def _volumes(pod: Pod) -> Iterator[str]:
    for volume in listed(pod.get("volumes")):
        for kind in sorted(set(mapped(volume)) - _VOLUMES - {"name", "hostPath"}):
            yield f"volume {volume['name']} is of the kind {kind}"


def _host_ports(container: Container, _pod: Pod) -> Iterator[str]:
    for port in listed(container.get("ports")):
        if is_other(at(port, "hostPort"), None, 0):
            yield f"takes port {port['hostPort']} of the node"


def _seccomp(container: Container, pod: Pod) -> Iterator[str]:
    profile = _setting(container, pod, "seccompProfile")
    if is_other(at(profile, "type"), "RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"


def _default_seccomp(resource: Resource) -> Iterator[Addition]:
    """The filter of the container engine itself, which every image runs with outside Kubernetes."""
    pod = pod_of(resource) or {}
    if any(_setting(container, pod, "seccompProfile") is None for container in containers_of(pod)):
        yield (*_way(resource), "spec", "securityContext", "seccompProfile", "type"), "RuntimeDefault"


def _kernel(pod: Pod) -> Iterator[str]:
    for sysctl in listed(at(pod, "securityContext", "sysctls")):
        if sysctl.get("name") not in _SYSCTLS:
            yield f"the pod sets the kernel's {sysctl.get('name')}"
    for holder in (pod, *containers_of(pod)):
        context = mapped(at(holder, "securityContext"))
        if is_other(context.get("procMount"), None, "Default"):
            yield f"procMount is {context['procMount']}"
        if at(context, "appArmorProfile", "type") == "Unconfined":
            yield "AppArmor is switched off"
        options = mapped(context.get("seLinuxOptions"))
        if options.get("type", "") not in _SELINUX_TYPES or options.get("user") or options.get("role"):
            yield "SELinux is given a type, user or role of its own"


def _read_only(container: Container, _pod: Pod) -> Iterator[str]:
    if is_other(at(container, "securityContext", "readOnlyRootFilesystem"), True):
        yield "may write to its own files: readOnlyRootFilesystem is not true"


def _account(pod: Pod) -> Iterator[str]:
    if pod.get("serviceAccountName") in (None, "", "default"):
        yield "the pod runs as the namespace's default service account"


def _secret_variables(container: Container, _pod: Pod) -> Iterator[str]:
    for variable in listed(container.get("env")):
        if at(variable, "valueFrom", "secretKeyRef") is not None:
            yield f"has a secret in the variable {variable.get('name')}"
    for source in listed(container.get("envFrom")):
        if at(source, "secretRef") is not None:
            yield "has all keys of a Secret as variables"


_TELLING: Final = re.compile(
    r"PASS(WORD|WD|PHRASE)?$|SECRET$|TOKEN$|(API|PRIVATE|ACCESS)_?KEY$|CREDENTIALS?$", re.IGNORECASE
)


def _literal_variables(container: Container, _pod: Pod) -> Iterator[str]:
    for variable in listed(container.get("env")):
        value, name = at(variable, "value"), str(at(variable, "name"))
        if value is SECRET or (isinstance(value, str) and value and _TELLING.search(name)):
            yield f"has a secret in clear in the variable {name}"


def _limits(container: Container, _pod: Pod) -> Iterator[str]:
    for what, amount in (("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")):
        if at(container, "resources", what, amount) is None:
            yield f"has no {amount} in resources.{what}"


def _digests(resource: Resource, demands: Demands) -> Iterator[str]:
    for container in containers_of(pod_of(resource) or {}):
        image = container.get("image")
        if isinstance(image, str) and not _DIGEST.search(image) and not _is_of(image, demands.unpinned):
            yield f"container {container.get('name')} runs {image}, which may be another image tomorrow"


def _registries(resource: Resource, demands: Demands) -> Iterator[str]:
    for container in containers_of(pod_of(resource) or {}):
        image = container.get("image")
        if isinstance(image, str) and not _is_of(image, demands.registries):
            yield f"container {container.get('name')} runs {image}, which is from none of the allowed places"


def _is_of(image: str, places: Any) -> bool:
    """Whether an image is one of a repository's, or of a registry's folder."""
    return any(image.startswith((f"{place}/", f"{place}:", f"{place}@")) for place in places)


def _probes(resource: Resource, demands: Demands) -> Iterator[str]:
    pod = pod_of(resource)
    if pod is None or resource.kind not in _LASTING or not demands.relied_on:
        return
    containers = [each for each in listed(pod.get("containers")) if isinstance(each, Mapping)]
    if containers and all(at(each, "readinessProbe") is None for each in containers):
        yield "no container says when it is ready: there is no readinessProbe"
    for container in containers:
        if at(container, "livenessProbe") is None:
            yield f"container {container.get('name')} has no livenessProbe"


def _spread(resource: Resource, demands: Demands) -> Iterator[str]:
    pod = pod_of(resource)
    if pod is None or resource.kind not in {"Deployment", "StatefulSet"} or not demands.relied_on:
        return
    if not pod.get("topologySpreadConstraints"):
        yield "its pods may all be in one zone: there are no topologySpreadConstraints"
    if at(pod, "affinity", "podAntiAffinity") is None:
        yield "its pods may all be on one node: there is no podAntiAffinity"


def _token(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.type == _ACCOUNT and is_other(resource.props.get("automountServiceAccountToken"), False):
        yield "pods get its token without asking: automountServiceAccountToken is not false"
    pod = pod_of(resource)
    if pod is not None and pod.get("automountServiceAccountToken") is None:
        yield "the pod doesn't say whether it needs a token: automountServiceAccountToken is missing"


def _no_token(resource: Resource) -> Iterator[Addition]:
    """Not a pod's own word, which only its author can give, and which counts more than the account's."""
    if resource.type == _ACCOUNT:
        yield ("automountServiceAccountToken",), False


def _cis(item: str) -> Framework:
    return Framework(name="CIS Kubernetes Benchmark 1.10", item=item)


def _pss(item: str) -> Framework:
    return Framework(name="Pod Security Standards, restricted", item=item)


def _nsa(item: str) -> Framework:
    return Framework(name="NSA/CISA Kubernetes Hardening Guide 1.2", item=item)


def _rule(  # noqa: PLR0917  the table below reads in columns
    name: str,
    severity: Severity,
    framework: Framework,
    says: str,
    mend: str,
    check: Callable[[Resource, Demands], Iterator[str]],
    adds: Callable[[Resource], Iterator[Addition]] | None = None,
) -> Rule:
    return Rule(name=name, says=says, severity=severity, framework=framework, mend=mend, resource=check, adds=adds)


_POD = "Build the pod with components.kubernetes.pod, which hardens it."

RULES = (
    _rule("pod-not-privileged", "critical", _cis("5.2.2"), "No container is privileged.", _POD,
          _about_containers(_privileged)),
    _rule("pod-not-in-host-namespaces", "critical", _cis("5.2.3, 5.2.4, 5.2.5"),
          "No pod shares the node's network, processes or memory.", "Take hostNetwork, hostPID and hostIPC away.",
          _about_pods(_host_namespaces)),
    _rule("pod-no-escalation", "high", _cis("5.2.6"), "No process gains privileges that its parent lacks.", _POD,
          _about_containers(_escalation), _no_escalation),
    _rule("pod-not-root", "high", _cis("5.2.7"), "No container runs as root (S7.2).", _POD,
          _about_containers(_non_root)),
    _rule("pod-no-capabilities", "high", _cis("5.2.8, 5.2.9, 5.2.10"), "Every container drops ALL capabilities.", _POD,
          _about_containers(_capabilities)),
    _rule("pod-no-host-path", "high", _cis("5.2.12"), "No pod mounts a path of its node, but in `…-node` to read it.",
          "Use a claim or an emptyDir; what must read the node's files belongs into the namespace `…-node`.",
          _host_paths),
    _rule("pod-no-host-port", "medium", _cis("5.2.13"), "No container takes a port of its node.",
          "Take hostPort away and reach the pod by a Service.", _about_containers(_host_ports)),
    _rule("pod-seccomp", "high", _cis("5.7.2"), "Every container's system calls are filtered.", _POD,
          _about_containers(_seccomp), _default_seccomp),
    _rule("pod-volume-kinds", "medium", _pss("Volume Types"), "Pods mount only kinds of volumes that are harmless.",
          "Use a claim, a ConfigMap, a Secret, an emptyDir, or a volume of a CSI driver.", _about_pods(_volumes)),
    _rule("pod-kernel-defaults", "medium", _pss("Sysctls, /proc Mount Type, AppArmor, SELinux"),
          "No pod changes how the node's kernel guards it.", _POD, _about_pods(_kernel)),
    _rule("pod-read-only", "medium", _nsa("Immutable container file systems"),
          "No container writes to its own image (S7.2).", _POD, _about_containers(_read_only)),
    _rule("pod-own-account", "medium", _cis("5.1.5"), "No pod runs as the default service account.",
          "Make a ServiceAccount for it and name it in the pod.", _about_pods(_account)),
    _rule("account-no-token", "medium", _cis("5.1.6"), "Tokens of service accounts are mounted only where asked for.",
          "Set automountServiceAccountToken to false, on the account and on pods that don't talk to the API.", _token,
          _no_token),
    _rule("pod-secrets-are-files", "medium", _cis("5.4.1"), "Secrets reach containers as files, not as variables.",
          "Mount the Secret with components.kubernetes.secret_files.", _about_containers(_secret_variables)),
    _rule("pod-no-secret-literal", "critical", _nsa("Protecting Pod service account tokens and secrets"),
          "No variable of a container has a secret in clear.",
          "Put the value into a Secret and mount that; then change the value, because it has been seen.",
          _about_containers(_literal_variables)),
    _rule("pod-limits", "medium", _nsa("Resource policies"), "Every container says what it needs and may take.",
          "Give it requests and limits of cpu and memory.", _about_containers(_limits)),
    _rule("image-by-digest", "high", Framework(name="SLSA 1.0", item="Distributing provenance: immutable references"),
          "Images are named by digest (S1, beyond).",
          "Record its digest in components/catalogue.py, or allow it in vision-week:images.allow_unpinned.", _digests),
    _rule("image-from-allowed-registry", "high", Framework(name="CIS GKE Benchmark 1.6", item="5.1.4"),
          "Images come from the stack's registry or the catalogue.",
          "Push it to vision-week:images.registry, or add it to components/catalogue.py.", _registries),
    _rule("workload-probes", "medium", Framework(name="Platform specification", item="S2.2, S9.2"),
          "What people rely on says when it is ready, and is restarted when it hangs.",
          "Give it a readiness and a liveness probe.", _probes),
    _rule("workload-spread", "medium", Framework(name="Platform specification", item="S5.1"),
          "Pods of what people rely on avoid each other's nodes and zones.",
          "Build the pod with components.kubernetes.pod, which spreads it.", _spread),
)  # fmt: skip
