"""What a change means, in place or by replacement, as the official plugin documents it.

Each test states one documented behaviour and where it is documented; the plugin under test comes from the environment
(`wire.py`). `python -m tests.engine.table` writes them into docs/local-cloud.md.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.values import UNKNOWN, Values
from tests.engine.conformance import Wire
from tests.engine.planes import NO_WAIT, Api, deployment
from tests.engine.waiting import exists
from tests.engine.wire import WiredStack

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
POD: Values = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
PORTS = [{"port": 80}]


def workload(**spec: Any) -> Values:
    return {"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": POD, **spec}}


def changed(wired: WiredStack, token: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    """The changes from one set of inputs to the other of an object that nothing waits for."""
    metadata = {"name": "it", "annotations": NO_WAIT}
    before, after = ({**inputs, "metadata": {**metadata, **inputs.get("metadata", {})}} for inputs in (old, new))
    wired.up(token, "it", before)
    changes = wired.diff(token, "it", after).changes
    wired.remove("it")
    return dict(changes)


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
JOB_POD = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
OTHER_JOB_POD = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "other"}]}}


@pytest.mark.parametrize(
    ("token", "old", "new", "path"),
    [
        (SERVICE, {"spec": {"clusterIP": "None"}}, {"spec": {"clusterIP": "10.0.0.77", "ports": PORTS}}, "clusterIP"),
        (
            DEPLOYMENT,
            workload(),
            {
                "spec": {
                    "selector": {"matchLabels": {"app": "b"}},
                    "template": {**POD, "metadata": {"labels": {"app": "b"}}},
                }
            },
            "selector",
        ),
        (
            "kubernetes:apps/v1:StatefulSet",
            workload(serviceName="a", replicas=0),
            workload(serviceName="b", replicas=0),
            "serviceName",
        ),
        (
            "kubernetes:apps/v1:StatefulSet",
            workload(serviceName="a", replicas=0, podManagementPolicy="OrderedReady"),
            workload(serviceName="a", replicas=0, podManagementPolicy="Parallel"),
            "podManagementPolicy",
        ),
        (
            "kubernetes:batch/v1:Job",
            {"spec": {"suspend": True, "template": JOB_POD}},
            {"spec": {"suspend": True, "template": OTHER_JOB_POD}},
            "template",
        ),
        (
            "kubernetes:core/v1:PersistentVolumeClaim",
            {"spec": {**CLAIM, "storageClassName": "a"}},
            {"spec": {**CLAIM, "storageClassName": "b"}},
            "storageClassName",
        ),
        (
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}},
            {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "b"}},
            "roleRef",
        ),
        ("kubernetes:storage.k8s.io/v1:StorageClass", {"provisioner": "a"}, {"provisioner": "b"}, "provisioner"),
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, "data"),
        (SECRET, {"data": {"a": "MQ=="}}, {"data": {"a": "Mg=="}}, "data"),
        (SECRET, {"type": "Opaque"}, {"type": "example.com/other"}, "type"),
        (CONFIG_MAP, {"metadata": {"name": "it"}}, {"metadata": {"name": "another"}}, "metadata.name"),
    ],
)
def test_a_change_of_what_the_api_makes_immutable_replaces(
    wired: WiredStack, token: str, old: Values, new: Values, path: str
) -> None:
    """A field that can't be changed in place replaces the object.

    https://github.com/pulumi/pulumi-kubernetes/blob/master/provider/pkg/provider/diff.go
    """
    found = changed(wired, token, old, new)
    assert any(path in key and change.replace for key, change in found.items())


@pytest.mark.parametrize(
    ("token", "old", "new"),
    [
        (SERVICE, {"spec": {"ports": PORTS}}, {"spec": {"ports": PORTS, "type": "NodePort"}}),
        (DEPLOYMENT, workload(replicas=0), workload(replicas=1)),
        (
            "kubernetes:apps/v1:StatefulSet",
            workload(serviceName="a", replicas=0),
            workload(serviceName="a", replicas=0, minReadySeconds=1),
        ),
        (CONFIG_MAP, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}),
        (
            "kubernetes:core/v1:PersistentVolumeClaim",
            {"spec": {**CLAIM, "storageClassName": "a"}},
            {"spec": {**CLAIM, "storageClassName": "a", "resources": {"requests": {"storage": "2Gi"}}}},
        ),
    ],
)
def test_any_other_change_is_made_in_place(wired: WiredStack, token: str, old: Values, new: Values) -> None:
    """What the API lets change is updated.

    https://github.com/pulumi/pulumi-kubernetes/blob/master/provider/pkg/provider/diff.go
    """
    found = changed(wired, token, old, new)
    assert found
    assert not any(change.replace for change in found.values())


@pytest.mark.parametrize(
    ("token", "setting", "variable"),
    [
        (CONFIG_MAP, "enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
        (SECRET, "enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
    ],
)
@pytest.mark.parametrize("by", ["setting", "variable"])
def test_content_is_changed_in_place_on_demand(wire: Wire, token: str, setting: str, variable: str, by: str) -> None:
    """`enableConfigMapMutable` and `enableSecretMutable`: ConfigMaps and Secrets are mutated, not replaced.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    given: dict[str, Any] = {setting: "true"} if by == "setting" else {"variables": {variable: "true"}}
    found = changed(wire(**given), token, {"data": {"a": "MQ=="}}, {"data": {"a": "Mg=="}})
    assert found == {"data.a": Change(Kind.UPDATE)}


def test_immutable_content_is_replaced_all_the_same(wire: Wire) -> None:
    """A ConfigMap with `immutable: true` is replaced even with `enableConfigMapMutable`.

    https://github.com/pulumi/pulumi-kubernetes/issues/3181
    """
    stack = wire(enableConfigMapMutable="true")
    old, new = ({"immutable": True, "data": {"a": value}} for value in "12")
    assert any(change.replace for change in changed(stack, CONFIG_MAP, old, new).values())


def test_a_secrets_type_is_replaced_all_the_same(wire: Wire) -> None:
    """Changes of a Secret's `type` still trigger a replacement with `enableSecretMutable`.

    https://github.com/pulumi/pulumi-kubernetes/pull/3164
    """
    stack = wire(enableSecretMutable="true")
    found = changed(stack, SECRET, {"type": "Opaque"}, {"type": "example.com/other"})
    assert found["type"].replace


# How the replacement is made.


def test_an_object_with_a_made_name_is_replaced_by_one_beside_it(wired: WiredStack, api: Api) -> None:
    """An auto-named object's replacement is made first, under another name; then the old one goes.

    https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    old = wired.up(CONFIG_MAP, "settings", {"data": {"a": "1"}})["metadata"]["name"]
    assert not wired.diff(CONFIG_MAP, "settings", {"data": {"a": "2"}}).delete_before_replace
    new = wired.up(CONFIG_MAP, "settings", {"data": {"a": "2"}})["metadata"]["name"]
    assert new != old
    assert exists(api, f"configmaps/{new}")
    assert not exists(api, f"configmaps/{old}")


def test_an_object_that_the_program_names_goes_first(wired: WiredStack, api: Api) -> None:
    """An object of a given name is deleted before its replacement is made.

    https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
    """
    inputs = {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    old = wired.up(CONFIG_MAP, "settings", inputs)["metadata"]["uid"]
    assert wired.diff(CONFIG_MAP, "settings", {**inputs, "data": {"a": "2"}}).delete_before_replace
    assert wired.up(CONFIG_MAP, "settings", {**inputs, "data": {"a": "2"}})["metadata"]["uid"] != old
    assert api.get("configmaps/settings")["data"] == {"a": "2"}


def test_another_name_needs_no_deletion_first(wired: WiredStack) -> None:
    """Two objects of different names can be there at once.

    https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
    """
    wired.up(CONFIG_MAP, "settings", {"metadata": {"name": "old"}})
    diff = wired.diff(CONFIG_MAP, "settings", {"metadata": {"name": "new"}})
    assert diff.replaces
    assert not diff.delete_before_replace


def test_another_namespace_needs_no_deletion_first(wired: WiredStack) -> None:
    """Two objects of one name in different namespaces can be there at once.

    https://www.pulumi.com/docs/iac/concepts/resources/options/deletebeforereplace/
    """
    wired.up(CONFIG_MAP, "settings", {"metadata": {"name": "it"}})
    diff = wired.diff(CONFIG_MAP, "settings", {"metadata": {"name": "it", "namespace": "kube-public"}})
    assert diff.replaces
    assert not diff.delete_before_replace


# What is no change.


def test_the_same_inputs_are_no_change(wired: WiredStack) -> None:
    """What the API server adds to an object is no difference.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    wired.up(DEPLOYMENT, "app", deployment(replicas=1))
    diff = wired.diff(DEPLOYMENT, "app", deployment(replicas=1))
    assert (diff.changes, diff.due) == ({}, False)


@pytest.mark.parametrize(("old", "new", "same"), [("0.5", "500m", True), ("1000m", "1", True), ("1", "2", False)])
def test_a_quantity_written_in_another_way_is_no_change(wired: WiredStack, old: str, new: str, same: bool) -> None:
    """Quantities are compared in their canonical form.

    https://github.com/pulumi/pulumi-kubernetes/issues/2760
    """

    def inputs(cpu: str) -> Values:
        found = deployment(replicas=1)
        container = found["spec"]["template"]["spec"]["containers"][0]
        found["spec"]["template"]["spec"]["containers"] = [{**container, "resources": {"requests": {"cpu": cpu}}}]
        return found

    wired.up(DEPLOYMENT, "app", inputs(old))
    assert (not wired.diff(DEPLOYMENT, "app", inputs(new)).changes) is same


def test_a_secret_given_in_clear_or_encoded_is_the_same(wired: WiredStack) -> None:
    """`stringData` is a write-only convenience for `data`.

    https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
    """
    metadata = {"name": "password"}
    wired.up(SECRET, "password", {"metadata": metadata, "stringData": {"a": "hidden"}})
    assert not wired.diff(SECRET, "password", {"metadata": metadata, "data": {"a": "aGlkZGVu"}}).changes


def test_a_value_that_is_not_known_yet_is_a_change(wired: WiredStack) -> None:
    """An unknown value may differ, so it counts as changed.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    wired.up(SERVICE, "web", {"metadata": {"name": "web"}, "spec": {"ports": PORTS}})
    found = wired.diff(SERVICE, "web", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": UNKNOWN}]}})
    assert "spec.ports[0].port" in found.changes


def test_changes_are_told_by_path_and_kind(wired: WiredStack) -> None:
    """A detailed diff has property paths, and says of each whether it is added, deleted or updated.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    old = {
        "metadata": {"name": "web", "labels": {"gone": "1", "app.kubernetes.io/name": "a"}},
        "spec": {"ports": PORTS},
    }
    new = {
        "metadata": {"name": "web", "labels": {"come": "1", "app.kubernetes.io/name": "b"}},
        "spec": {"ports": PORTS},
    }
    wired.up(SERVICE, "web", old)
    assert {path: change.kind for path, change in wired.diff(SERVICE, "web", new).changes.items()} == {
        "metadata.labels.come": Kind.ADD,
        "metadata.labels.gone": Kind.DELETE,
        'metadata.labels["app.kubernetes.io/name"]': Kind.UPDATE,
    }
