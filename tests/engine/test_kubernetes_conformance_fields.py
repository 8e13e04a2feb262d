"""Server-side apply: who owns which field, as the official plugin documents it.

Each test states one documented behaviour and where it is documented; the plugin under test comes from the environment
(`wire.py`). `python -m tests.engine.table` writes them into docs/local-cloud.md.
"""

from typing import Any

import pytest

from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values
from tests.engine.conformance import Wire
from tests.engine.planes import NO_WAIT, Api, deployment
from tests.engine.wire import WiredStack

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SERVICE = "kubernetes:core/v1:Service"
PATCH = "kubernetes:core/v1:ConfigMapPatch"


def settings(**data: str) -> Values:
    return {"metadata": {"name": "settings"}, "data": data}


def test_each_resource_has_a_field_manager_of_its_own(wired: WiredStack, api: Api) -> None:
    """Each resource applies under a field manager of its own.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    managers = []
    for name in ("one", "two"):
        wired.up(SERVICE, name, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}})
        wired.up(SERVICE, name, {"metadata": {"name": name}, "spec": {"ports": [{"port": 81}]}})
        entries = api.get(f"services/{name}")["metadata"]["managedFields"]
        managers.append({entry["manager"] for entry in entries if entry["operation"] == "Apply"})
    one, two = managers
    assert len(one) == len(two) == 1
    assert one != two


def test_a_field_that_another_manager_owns_is_a_conflict(wired: WiredStack, api: Api) -> None:
    """A change of a field that another manager owns fails, and the error names the other manager.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    wired.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.patch("deployments.apps/app", {"spec": {"replicas": 5}}, manager="autoscaler")
    with pytest.raises(Failed, match=r"(?s)conflict.*autoscaler.*replicas"):
        wired.up(DEPLOYMENT, "app", deployment(replicas=2))
    assert api.get("deployments.apps/app")["spec"]["replicas"] == 5


@pytest.mark.parametrize("by", ["annotation", "setting", "variable"])
def test_a_conflict_is_overridden_on_demand(wire: Wire, api: Api, by: str) -> None:
    """`pulumi.com/patchForce`, `enablePatchForce` and PULUMI_K8S_ENABLE_PATCH_FORCE override conflicts.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    given: dict[str, Any] = {
        "annotation": {},
        "setting": {"enablePatchForce": "true"},
        "variable": {"variables": {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true"}},
    }
    stack = wire(**given[by])
    inputs = deployment(replicas=1)
    stack.up(DEPLOYMENT, "app", inputs)
    api.patch("deployments.apps/app", {"spec": {"replicas": 5}}, manager="autoscaler")
    inputs = deployment(replicas=2)
    if by == "annotation":
        inputs["metadata"]["annotations"] = {**NO_WAIT, "pulumi.com/patchForce": "true"}
    stack.up(DEPLOYMENT, "app", inputs)
    assert api.get("deployments.apps/app")["spec"]["replicas"] == 2


def test_an_ignored_field_is_left_to_who_owns_it(wired: WiredStack, api: Api) -> None:
    """A field under `ignoreChanges` that another manager owns is no conflict, and stays as it is.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    wired.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.patch("deployments.apps/app", {"spec": {"replicas": 5}}, manager="autoscaler")
    wired.up(DEPLOYMENT, "app", deployment(replicas=1, minReadySeconds=1), ignore=["spec.replicas"])
    spec = api.get("deployments.apps/app")["spec"]
    assert (spec["replicas"], spec["minReadySeconds"]) == (5, 1)


def test_the_field_manager_is_named_on_demand(wired: WiredStack, api: Api) -> None:
    """`pulumi.com/patchFieldManager`: the name of the field manager to use.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    inputs: Values = {"metadata": {"name": "web", "annotations": {"pulumi.com/patchFieldManager": "mine"}}}
    wired.up(SERVICE, "web", {**inputs, "spec": {"ports": [{"port": 80}]}})
    wired.up(SERVICE, "web", {**inputs, "spec": {"ports": [{"port": 81}]}})
    managers = {entry["manager"] for entry in api.get("services/web")["metadata"]["managedFields"]}
    assert managers == {"mine"}


def test_what_others_added_stays(wired: WiredStack, api: Api) -> None:
    """Kubernetes resources may be safely managed by more than one controller.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    ports = {"ports": [{"port": 80}]}
    wired.up(SERVICE, "web", {"metadata": {"name": "web"}, "spec": ports})
    api.patch("services/web", {"metadata": {"labels": {"theirs": "1"}}})
    wired.up(SERVICE, "web", {"metadata": {"name": "web", "labels": {"ours": "1"}}, "spec": ports})
    assert api.get("services/web")["metadata"]["labels"] == {"ours": "1", "theirs": "1"}


def test_a_field_that_the_program_removes_goes(wired: WiredStack, api: Api) -> None:
    """A field that is no longer applied, and that nobody else owns, is removed.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#clearing-managedfields
    """
    ports = {"ports": [{"port": 80}]}
    wired.up(SERVICE, "web", {"metadata": {"name": "web", "labels": {"a": "1", "b": "1"}}, "spec": ports})
    wired.up(SERVICE, "web", {"metadata": {"name": "web", "labels": {"b": "1"}}, "spec": ports})
    assert api.get("services/web")["metadata"]["labels"] == {"b": "1"}


def test_kubectls_annotation_is_not_used(wired: WiredStack) -> None:
    """The last-applied-configuration annotation is no longer used.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    assert "annotations" not in wired.up(CONFIG_MAP, "settings", settings())["metadata"]


# Patches.


def test_a_patch_sets_its_fields_alone(wired: WiredStack, api: Api) -> None:
    """Patch resources modify existing objects; all properties but the name are optional.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    api.post("configmaps", settings(theirs="1"))
    patch = {"kind": "ConfigMap", **settings(ours="1")}
    wired.up(PATCH, "patch", patch)
    assert api.get("configmaps/settings")["data"] == {"theirs": "1", "ours": "1"}
    diff = wired.diff(PATCH, "patch", {**patch, "data": {"ours": "2"}})
    assert diff.changes
    assert not diff.replaces


def test_a_patch_gives_its_fields_back(wired: WiredStack, api: Api) -> None:
    """When a Patch resource is deleted, the fields that it alone managed are removed, and the object stays.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    api.post("configmaps", settings(theirs="1"))
    wired.up(PATCH, "patch", {"kind": "ConfigMap", **settings(ours="1")})
    wired.remove("patch")
    assert api.get("configmaps/settings")["data"] == {"theirs": "1"}


def test_a_patch_must_name_its_object(wired: WiredStack) -> None:
    """The name of the patched resource must be specified.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    with pytest.raises(Failed):
        wired.check(PATCH, "patch", {"kind": "ConfigMap", "data": {"ours": "1"}})
