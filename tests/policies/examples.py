"""Resources that every rule is content with, and ways to spoil them."""

import copy
from typing import Any

from policies.rules import Demands, Resource

LABELS = {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "vision-week"}
DIGEST = f"sha256:{'0' * 64}"
IMAGE = f"registry.example/web@{DIGEST}"
CLUSTER = "gcp:container/cluster:Cluster"
BUCKET = "gcp:storage/bucket:Bucket"

DEMANDS = Demands(
    relied_on=True, registries=["registry.example", "docker.io/redis"], unpinned=["docker.io/redis"], protect=True
)
WORKBENCH = Demands(relied_on=False, registries=DEMANDS.registries, unpinned=DEMANDS.unpinned, protect=False)

_CONTAINER: dict[str, Any] = {
    "name": "main",
    "image": IMAGE,
    "env": [{"name": "PASSWORD_FILE", "value": "/run/secrets/password"}],
    "ports": [{"containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
_POD: dict[str, Any] = {
    "serviceAccountName": "web",
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [{"maxSkew": 1}],
    "containers": [_CONTAINER],
    "volumes": [{"name": "secrets", "secret": {"secretName": "web"}}, {"name": "tmp", "emptyDir": {}}],
}


def made(token: str, name: str = "web", *, protect: bool = True, **props: Any) -> Resource:
    """A resource of any type."""
    urn = f"urn:pulumi:production::vision-week::{token}::{name}"
    return Resource(urn=urn, type=token, name=name, props=props, protect=protect)


def kubernetes(
    version: str, kind: str, name: str = "web", *, namespace: str | None = "web", protect: bool = True, **props: Any
) -> Resource:
    """An object of the cluster."""
    metadata: dict[str, Any] = {"name": name, "labels": {**LABELS, "app.kubernetes.io/managed-by": "pulumi"}}
    if namespace:
        metadata["namespace"] = namespace
    group = version if "/" in version else f"core/{version}"
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **props}
    return made(f"kubernetes:{group}:{kind}", name, protect=protect, **body)


def workload(kind: str = "Deployment", **spec: Any) -> Resource:
    """A hardened workload of two pods."""
    template = {"metadata": {"labels": LABELS}, "spec": copy.deepcopy(_POD)}
    if kind == "CronJob":
        return kubernetes("batch/v1", kind, spec={"jobTemplate": {"spec": {"template": template}}})
    return kubernetes("apps/v1", kind, spec={"replicas": 2, "template": template, **spec})


def spoilt(resource: Resource, path: str, value: Any) -> Resource:
    """The same with another value at a path like `spec.containers.0.image`; without it, if that is None."""
    props = copy.deepcopy(dict(resource.props))
    *way, last = path.split(".")
    place: Any = props
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    key: Any = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    else:
        place[key] = value
    return Resource(urn=resource.urn, type=resource.type, name=resource.name, props=props, protect=resource.protect)


def in_pod(path: str, value: Any) -> Resource:
    """The workload with something else in its pod."""
    return spoilt(workload(), f"spec.template.spec.{path}", value)


def in_container(path: str, value: Any) -> Resource:
    """The workload with something else in its container."""
    return in_pod(f"containers.0.{path}", value)


NAMESPACE = spoilt(
    kubernetes("v1", "Namespace", namespace=None),
    "metadata.labels",
    {
        "pod-security.kubernetes.io/enforce": "restricted",
        "app.kubernetes.io/part-of": "vision-week",
        "app.kubernetes.io/managed-by": "pulumi",
    },
)
ROLE = kubernetes(
    "rbac.authorization.k8s.io/v1",
    "Role",
    rules=[{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "update"]}],
)
BINDING = kubernetes(
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    roleRef={"name": "web"},
    subjects=[{"kind": "ServiceAccount", "name": "web"}],
)
ACCOUNT = kubernetes("v1", "ServiceAccount", automountServiceAccountToken=False)
SERVICE = kubernetes("v1", "Service", spec={"selector": LABELS, "ports": [{"port": 8080}]})
CONFIG = kubernetes("v1", "ConfigMap", data={"database-url": "postgres://db:5432/vision_week", "level": "info"})
CLAIM = kubernetes("v1", "PersistentVolumeClaim", spec={})
STORAGE = kubernetes("storage.k8s.io/v1", "StorageClass", namespace=None, reclaimPolicy="Retain")
INGRESS = kubernetes("networking.k8s.io/v1", "Ingress", spec={"tls": [{"hosts": ["vision-week.example"]}]})
GATEWAY = kubernetes(
    "gateway.networking.k8s.io/v1",
    "Gateway",
    spec={"listeners": [{"name": "http", "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}]},
)
GRANT = made("gcp:projects/iAMMember:IAMMember", role="roles/logging.logWriter", member="serviceAccount:a@b.c")
GKE = made(
    CLUSTER,
    privateClusterConfig={"enablePrivateNodes": True},
    masterAuthorizedNetworksConfig={"cidrBlocks": [{"cidrBlock": "192.0.2.0/28"}]},
    workloadIdentityConfig={"workloadPool": "project.svc.id.goog"},
    databaseEncryption={"state": "ENCRYPTED"},
    releaseChannel={"channel": "REGULAR"},
    datapathProvider="ADVANCED_DATAPATH",
)
POOL = made("gcp:container/nodePool:NodePool", nodeConfig={"shieldedInstanceConfig": {"enableSecureBoot": True}})
BACKUPS = made(BUCKET, publicAccessPrevention="enforced", uniformBucketLevelAccess=True, versioning={"enabled": True})
FIREWALL = made("gcp:compute/firewall:Firewall", allows=[{"protocol": "tcp"}], sourceRanges=["192.0.2.0/24"])

GOOD = (
    workload(), workload("StatefulSet"), workload("DaemonSet"), workload("CronJob"), NAMESPACE, ROLE, BINDING, ACCOUNT,
    SERVICE, CONFIG, CLAIM, STORAGE, INGRESS, GATEWAY, GRANT, GKE, POOL, BACKUPS, FIREWALL,
)  # fmt: skip
