"""The objects that Pulumi and kubectl are both given: mixed kinds, nothing that runs."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

Body = dict[str, Any]


def _deployment(number: int) -> Body:
    labels = {"app": f"app-{number}"}
    container = {
        "name": "main",
        "image": "docker.io/library/none:1",
        "env": [{"name": f"VARIABLE_{index}", "value": str(index)} for index in range(10)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}}


def _binding(number: int) -> Body:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"role-{number % 30}"}
    return {"roleRef": reference, "subjects": [{"kind": "ServiceAccount", "name": "default"}]}


_RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}

# Of each ten objects: kind, apiVersion, prefix of the name, body.
_MIX: tuple[tuple[str, str, str, Callable[[int], Body]], ...] = (
    ("ConfigMap", "v1", "config", lambda n: {"data": {f"key-{index}": f"{n}-{index}" * 20 for index in range(10)}}),
    ("ConfigMap", "v1", "more", lambda n: {"data": {"number": str(n)}}),
    ("Secret", "v1", "secret", lambda n: {"data": {"password": base64.b64encode(str(n).encode()).decode()}}),
    ("Service", "v1", "service", lambda _: {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
    ("Service", "v1", "headless", lambda _: {"spec": {"clusterIP": "None", "ports": [{"name": "a", "port": 80}]}}),
    ("Deployment", "apps/v1", "app", _deployment),
    ("ServiceAccount", "v1", "account", lambda _: {"automountServiceAccountToken": False}),
    ("Role", "rbac.authorization.k8s.io/v1", "role", lambda _: {"rules": [_RULE]}),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "binding", _binding),
    ("PodDisruptionBudget", "policy/v1", "budget", lambda _: {"spec": {"maxUnavailable": 1}}),
)


def manifests(count: int, namespace: str) -> Iterator[Body]:
    """So many objects."""
    for index in range(count):
        number, place = divmod(index, len(_MIX))
        kind, api_version, prefix, body = _MIX[place]
        metadata = {"name": f"{prefix}-{number}", "namespace": namespace, "labels": {"part": "objects"}}
        yield {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body(number)}
