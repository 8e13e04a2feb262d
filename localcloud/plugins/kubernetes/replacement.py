"""Which fields can't be changed in place, per kind: changing one replaces the object.

The official provider's table, and beyond it the fields of the same kinds that the API server refuses to change, where
an update could only fail. `[*]` stands for every item of a list; a field stands for all that is under it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from localcloud.plugins.kubernetes.objects import ObjectKind

Path = tuple[str | int, ...]
Pattern = tuple[str, ...]


def _fields(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for name in names.split())


_IDENTITY: Final = ("metadata.name", "metadata.namespace")
_CONTAINER: Final = """
    args command env image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resources securityContext
    startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts
    workingDir
"""
_POD: Final = (
    *_fields(
        "spec.",
        """
        affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork
        hostPID hostUsers hostname imagePullSecrets nodeName nodeSelector os overhead preemptionPolicy priority
        priorityClassName readinessGates restartPolicy runtimeClassName schedulerName securityContext serviceAccount
        serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds
        topologySpreadConstraints volumes
        """,
    ),
    *_fields("spec.containers[*].", _CONTAINER),
    *_fields("spec.initContainers[*].", _CONTAINER),
)
_VOLUME_SOURCES: Final = """
    awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs
    hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume volumeMode
"""
_CLAIM: Final = "accessModes dataSource dataSourceRef selector storageClassName volumeMode volumeName"
_STATEFUL_SET: Final = "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
_JOB: Final = "completionMode completions parallelism podReplacementPolicy selector template"
_STORAGE_CLASS: Final = ("mountOptions", "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
_CUSTOM_RESOURCE: Final = ("spec.group", "spec.names.kind", "spec.names.plural", "spec.scope")

_FIELDS: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("", "PersistentVolume"): _fields("spec.", _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): _fields("spec.", _CLAIM),
    ("", "Pod"): _POD,
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _CUSTOM_RESOURCE,
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "StatefulSet"): _fields("spec.", _STATEFUL_SET),
    ("batch", "Job"): _fields("spec.", _JOB),
    ("discovery.k8s.io", "EndpointSlice"): ("addressType",),
    ("networking.k8s.io", "IngressClass"): ("spec.controller",),
    ("node.k8s.io", "RuntimeClass"): ("handler",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("scheduling.k8s.io", "PriorityClass"): ("preemptionPolicy", "value"),
    ("storage.k8s.io", "StorageClass"): _STORAGE_CLASS,
}
_CONFIG_MAP_CONTENT: Final = ("binaryData", "data")
_SECRET_CONTENT: Final = ("data", "stringData")


def _pattern(field: str) -> Pattern:
    return tuple(field.replace("[*]", ".[*]").split("."))


_PATTERNS: Final = {kind: tuple(_pattern(field) for field in (*_IDENTITY, *fields)) for kind, fields in _FIELDS.items()}
_IDENTITY_PATTERNS: Final = tuple(_pattern(field) for field in _IDENTITY)


def replacing_fields(
    kind: ObjectKind, inputs: Mapping[str, Any], *, config_map_mutable: bool, secret_mutable: bool
) -> Sequence[Pattern]:
    """The fields whose change replaces an object with these inputs."""
    if kind.patch:
        return _IDENTITY_PATTERNS
    group = kind.api_version.rpartition("/")[0]
    found = _PATTERNS.get((group, kind.kind), _IDENTITY_PATTERNS)
    frozen = inputs.get("immutable") is True
    if (group, kind.kind) == ("", "ConfigMap") and (frozen or not config_map_mutable):
        return (*found, *((field,) for field in _CONFIG_MAP_CONTENT))
    if (group, kind.kind) == ("", "Secret") and (frozen or not secret_mutable):
        return (*found, *((field,) for field in _SECRET_CONTENT))
    return found


def touches(path: Path, value: Any, patterns: Sequence[Pattern]) -> bool:
    """Whether a change at `path`, of a value `value`, changes one of the fields.

    The value counts where a whole branch came or went: a `spec` that is added brings its `selector`.
    """
    return any(_under(path, pattern) or _contains(path, value, pattern) for pattern in patterns)


def _under(path: Path, pattern: Pattern) -> bool:
    return len(path) >= len(pattern) and all(_fits(*pair) for pair in zip(path, pattern, strict=False))


def _contains(path: Path, value: Any, pattern: Pattern) -> bool:
    if len(path) >= len(pattern) or not all(_fits(*pair) for pair in zip(path, pattern, strict=False)):
        return False
    return _has(value, pattern[len(path) :])


def _has(value: Any, pattern: Pattern) -> bool:
    if not pattern:
        return True
    if isinstance(value, Mapping):
        return pattern[0] in value and _has(value[pattern[0]], pattern[1:])
    return isinstance(value, list) and pattern[0] == "[*]" and any(_has(item, pattern[1:]) for item in value)


def _fits(key: str | int, pattern: str) -> bool:
    return pattern == "[*]" if isinstance(key, int) else key == pattern
