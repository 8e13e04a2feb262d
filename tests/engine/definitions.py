"""A CustomResourceDefinition for tests."""

from localcloud.plugins.values import Values

DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"


def definition(group: str, scope: str = "Namespaced") -> Values:
    """One that takes anything in its objects: kind Thing of this group."""
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [version],
        },
    }
