"""What a resource's token and inputs say about the object behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values, reveal

CRD: Final = "CustomResourceDefinition"

# Kinds without a namespace, for when no API server can be asked. Every other built-in kind has one.
_CLUSTER_WIDE: Final = frozenset(
    [
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "ComponentStatus",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "SelfSubjectAccessReview",
        "SelfSubjectReview",
        "SelfSubjectRulesReview",
        "ServiceCIDR",
        "StorageClass",
        "StorageVersion",
        "StorageVersionMigration",
        "SubjectAccessReview",
        "TokenReview",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    ]
)
_NOT_OBJECTS: Final = ("helm.sh/", "kustomize", "yaml")

# The server sets these; they are no one's inputs, even where a program copies them from another object.
_SERVER_METADATA: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)

# Property names have no dashes, some fields of a CustomResourceDefinition's schema have.
_DASHED: Final = {
    name.replace("-", "_"): name
    for name in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}
_UNDERSCORED: Final = {dashed: name for name, dashed in _DASHED.items()}


@dataclass(frozen=True)
class ObjectKind:
    """The kind of a resource's object. A patch sets some fields of an object that someone else made."""

    api_version: str
    kind: str
    patch: bool = False

    @property
    def built_in(self) -> bool:
        """Whether it comes with Kubernetes: its group is a plain word or ends with `.k8s.io`."""
        group = self.api_version.rpartition("/")[0]
        return "." not in group or group.endswith(".k8s.io")

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind}"


def kind_of(token: str, inputs: Mapping[str, Any]) -> ObjectKind:
    """The kind that a type token stands for: `kubernetes:apps/v1:Deployment`, `kubernetes:core/v1:ConfigMapPatch`."""
    _, module, name = token.split(":")
    if module.startswith(_NOT_OBJECTS):
        raise Failed(f"{token} is not among the local kubernetes plugin's resources: write the objects themselves")
    api_version = module.removeprefix("core/")
    kind = inputs.get("kind")
    patch = name.endswith("Patch") and isinstance(kind, str) and name == f"{kind}Patch"
    found = ObjectKind(api_version, name.removesuffix("Patch") if patch else name, patch)
    if found.built_in and name.endswith("List"):
        raise Failed(
            f"{token} stands for many objects and can't be made itself: declare each of them as a resource of its own"
        )
    return found


def probably_namespaced(kind: ObjectKind) -> bool:
    """Whether objects of this kind have a namespace, as far as that can be told without asking."""
    return not (kind.built_in and kind.kind in _CLUSTER_WIDE)


def metadata_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object's metadata; empty where it is missing or not known yet."""
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def name_of(item: Mapping[str, Any]) -> str:
    """An object's name; empty where it has none or it is not known yet."""
    name = metadata_of(item).get("name")
    return name if isinstance(name, str) else ""


def namespace_of(item: Mapping[str, Any]) -> str:
    """An object's namespace; empty where it has none or it is not known yet."""
    namespace = metadata_of(item).get("namespace")
    return namespace if isinstance(namespace, str) else ""


def id_of(item: Mapping[str, Any]) -> str:
    """A resource's id: `namespace/name`, or the name alone."""
    namespace = namespace_of(item)
    return f"{namespace}/{name_of(item)}" if namespace else name_of(item)


def split_id(identifier: str) -> tuple[str, str]:
    """Namespace and name of an id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def field_of(item: Any, *path: str) -> Any:
    """The value at a path of keys; None where there is none."""
    for key in path:
        if not isinstance(item, Mapping):
            return None
        item = item.get(key)
    return item


def normalised(inputs: Mapping[str, Any], kind: ObjectKind) -> Values:
    """Inputs with kind and version filled in, without nulls and what only the server may set. Secrets laid open."""
    plain: Values = _without_nulls(reveal(inputs))
    plain["apiVersion"], plain["kind"] = kind.api_version, kind.kind
    if isinstance(metadata := plain.get("metadata"), dict):
        plain["metadata"] = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}
    return plain


def to_api(plain: Mapping[str, Any], kind: ObjectKind) -> Values:
    """The object as the API server takes it."""
    return _renamed(plain, _DASHED) if kind.kind == CRD else dict(plain)


def from_api(live: Mapping[str, Any]) -> Values:
    """The object as a resource's outputs have it."""
    return _renamed(live, _UNDERSCORED) if live.get("kind") == CRD else dict(live)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
