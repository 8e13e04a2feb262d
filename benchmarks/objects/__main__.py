"""The manifests as typed resources."""

import importlib
import re
from typing import Any

import pulumi
from manifests import manifests  # type: ignore[import-not-found]  # beside this file when Pulumi runs it

_MODULES = {"v1": "core.v1", "rbac.authorization.k8s.io/v1": "rbac.v1"}


def snake(value: Any) -> Any:
    """Keys as the SDK has them."""
    if isinstance(value, dict):
        return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower(): snake(item) for key, item in value.items()}
    return [snake(item) for item in value] if isinstance(value, list) else value


config = pulumi.Config()
for manifest in manifests(config.require_int("count"), config.require("namespace")):
    version, kind = manifest.pop("apiVersion"), manifest.pop("kind")
    module = importlib.import_module(f"pulumi_kubernetes.{_MODULES.get(version, version.replace('/', '.'))}")
    name = manifest["metadata"]["name"]
    getattr(module, kind)(name, **snake(manifest))
