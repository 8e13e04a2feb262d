"""The Kubernetes plugin and a real API server: making, changing, reading and removing objects.

Nothing runs on this control plane, and none of these tests needs anything to.
"""

import copy

import pytest

from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.plugins.kubernetes.managed_fields import owners
from localcloud.plugins.provider import Create, Failed, Read, Resource
from localcloud.plugins.values import Secret, reveal
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import NO_WAIT, Api, Stack, deployment
from tests.engine.waiting import Meanwhile
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
NAMESPACE = "kubernetes:core/v1:Namespace"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"


# Create.


def test_an_object_is_made_in_the_providers_namespace_and_comes_back_as_outputs(stack: Stack, api: Api) -> None:
    outputs = stack.up(CONFIG_MAP, "settings", {"data": {"a": "1"}})
    name = outputs["metadata"]["name"]
    assert stack.state["settings"].id == f"{api.namespace}/{name}"
    assert api.get(f"configmaps/{name}")["data"] == {"a": "1"}
    assert outputs["metadata"]["uid"] == api.get(f"configmaps/{name}")["metadata"]["uid"]


def test_an_object_that_is_there_already_is_not_taken_over(stack: Stack, api: Api) -> None:
    api.post("configmaps", {"metadata": {"name": "taken"}, "data": {"a": "theirs"}})
    with pytest.raises(Failed, match=r"already exists.*upsertExistingObjects"):
        stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "taken"}, "data": {"a": "ours"}})
    assert api.get("configmaps/taken")["data"] == {"a": "theirs"}


def test_an_object_that_is_there_already_is_updated_where_the_provider_says_so(plane: ControlPlane, api: Api) -> None:
    api.post("configmaps", {"metadata": {"name": "taken"}, "data": {"theirs": "1"}})
    stack = Stack(str(plane.kubeconfig), api.namespace, upsertExistingObjects="true")
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "taken"}, "data": {"ours": "1"}})
    assert api.get("configmaps/taken")["data"] == {"theirs": "1", "ours": "1"}


def test_what_an_interrupted_update_made_is_carried_on_with(stack: Stack, api: Api) -> None:
    """The plugin was killed after the API server had made the object, before the engine had written its state."""
    inputs = {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    resource, checked = stack.check(CONFIG_MAP, "settings", inputs)
    stack.provider.create(Create(resource, checked, 0, preview=False))
    stack.restart()
    stack.up(CONFIG_MAP, "settings", {**inputs, "data": {"a": "2"}})
    assert api.get("configmaps/settings")["data"] == {"a": "2"}


def test_a_renamed_resource_does_not_take_over_its_own_object(stack: Stack) -> None:
    """The engine would make the new one first and then delete the old one: the same object."""
    inputs = {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    stack.up(CONFIG_MAP, "old-name", inputs)
    with pytest.raises(Failed, match="already exists"):
        stack.up(CONFIG_MAP, "new-name", inputs)


def test_an_object_that_is_about_to_go_is_waited_for(stack: Stack, api: Api) -> None:
    """An interrupted `destroy` left it: it would go with the changes made to it."""
    old = stack.up(CONFIG_MAP, "it", {"metadata": {"name": "it", "finalizers": ["example.com/hold"]}})
    with pytest.raises(Failed, match="not gone after 1 s"):
        stack.remove("it", timeout=1)
    stack.state.clear()
    stack.restart()
    with Meanwhile(stack, CONFIG_MAP, {"metadata": {"name": "it"}, "data": {"a": "1"}}) as update:
        wait_for(lambda: any("example.com/hold" in message for message in stack.said), "the status")
        api.patch("configmaps/it", {"metadata": {"finalizers": None}})
        assert update.result.result(20)["metadata"]["uid"] != old["metadata"]["uid"]


def test_a_kind_that_the_api_server_does_not_know_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcloud.plugins.kubernetes.operations._PATIENCE", 0.0)
    with pytest.raises(Failed, match=r"knows no Nothing in example\.com/v1"):
        stack.up("kubernetes:example.com/v1:Nothing", "thing", {"spec": {}})


def test_what_the_api_server_does_not_like_is_told_without_the_secrets_in_it(stack: Stack) -> None:
    with pytest.raises(Failed, match=r"\[secret\]") as failure:
        stack.up(SERVICE, "web", {"spec": {"ports": [{"port": 80, "name": Secret("NOT A NAME")}]}})
    assert "NOT A NAME" not in str(failure.value)


def test_a_warning_of_the_api_server_is_shown_once(stack: Stack) -> None:
    for name in ("one", "two"):
        stack.up("kubernetes:core/v1:Endpoints", name, {})
    assert len([message for message in stack.said if message.startswith("v1 Endpoints is deprecated")]) == 1
    stack.restart(suppressDeprecationWarnings="true")
    stack.said.clear()
    stack.up("kubernetes:core/v1:Endpoints", "three", {})
    assert not stack.said


# Update.


def test_an_update_without_changes_is_none(stack: Stack) -> None:
    inputs = deployment(replicas=1)
    inputs["spec"]["template"]["spec"]["containers"][0] |= {"resources": {"requests": {"cpu": "0.5"}}, "tty": False}
    stack.up(DEPLOYMENT, "app", inputs)
    assert stack.diff(DEPLOYMENT, "app", inputs).changes == {}


def test_a_field_that_the_program_removes_is_removed_from_the_object(stack: Stack, api: Api) -> None:
    """The creator and the applier are two owners to the API server, even under one name."""
    inputs = {"metadata": {"name": "web", "labels": {"a": "1", "b": "1"}}, "spec": {"ports": [{"port": 80}]}}
    stack.up(SERVICE, "web", inputs)
    stack.up(SERVICE, "web", {**inputs, "metadata": {"name": "web", "labels": {"b": "2"}}})
    assert api.get("services/web")["metadata"]["labels"] == {"b": "2"}


def test_what_others_added_stays(stack: Stack, api: Api) -> None:
    inputs = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    stack.up(SERVICE, "web", inputs)
    api.patch("services/web", {"metadata": {"labels": {"theirs": "1"}}})
    stack.up(SERVICE, "web", {**inputs, "metadata": {"name": "web", "labels": {"ours": "1"}}})
    assert api.get("services/web")["metadata"]["labels"] == {"ours": "1", "theirs": "1"}


def test_a_field_that_another_manager_owns_is_a_conflict(stack: Stack, api: Api) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.patch("deployments.apps/app", {"spec": {"replicas": 5}}, manager="autoscaler")
    with pytest.raises(Failed, match=r'(?s)conflict.*with "autoscaler".*spec\.replicas.*pulumi\.com/patchForce'):
        stack.up(DEPLOYMENT, "app", deployment(replicas=2))
    assert api.get("deployments.apps/app")["spec"]["replicas"] == 5


@pytest.mark.parametrize("by", ["annotation", "provider"])
def test_a_conflict_is_overridden_where_the_program_says_so(stack: Stack, api: Api, by: str) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.patch("deployments.apps/app", {"spec": {"replicas": 5}}, manager="autoscaler")
    inputs = deployment(replicas=2)
    if by == "annotation":
        inputs["metadata"]["annotations"] = {**NO_WAIT, "pulumi.com/patchForce": "true"}
    else:
        stack.restart(enablePatchForce="true")
    stack.up(DEPLOYMENT, "app", inputs)
    assert api.get("deployments.apps/app")["spec"]["replicas"] == 2


def test_what_is_forced_is_what_the_program_names_and_no_more(stack: Stack, api: Api) -> None:
    """The field in conflict changes hands; others of the same manager stay its own, with the values that it gave."""
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.patch("deployments.apps/app", {"spec": {"replicas": 5, "minReadySeconds": 7}}, manager="autoscaler")
    inputs = deployment(replicas=2)
    inputs["metadata"]["annotations"] = {**NO_WAIT, "pulumi.com/patchForce": "true"}
    stack.up(DEPLOYMENT, "app", inputs)
    live = api.get("deployments.apps/app")
    assert (live["spec"]["replicas"], live["spec"]["minReadySeconds"]) == (2, 7)
    (owner,) = owners(live, ["spec", "replicas"])
    assert owner.startswith("pulumi-kubernetes-")
    assert owners(live, ["spec", "minReadySeconds"]) == {"autoscaler"}


def test_an_ignored_field_is_left_to_who_owns_it(stack: Stack, api: Api) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.patch("deployments.apps/app", {"spec": {"replicas": 5}}, manager="autoscaler")
    stack.up(DEPLOYMENT, "app", deployment(replicas=1, minReadySeconds=1), ignore=["spec.replicas"])
    spec = api.get("deployments.apps/app")["spec"]
    assert (spec["replicas"], spec["minReadySeconds"]) == (5, 1)


def test_each_resource_has_a_field_manager_of_its_own_and_keeps_it(stack: Stack, api: Api) -> None:
    for name in ("one", "two"):
        stack.up(CONFIG_MAP, name, {"metadata": {"name": name}, "data": {"a": "1"}})
    one, two = (
        {entry["manager"] for entry in api.get(f"configmaps/{name}")["metadata"]["managedFields"]}
        for name in ("one", "two")
    )
    assert one != two
    assert all(manager.startswith("pulumi-kubernetes-") for manager in one | two)
    stack.restart(enableConfigMapMutable="true")
    stack.up(CONFIG_MAP, "one", {"metadata": {"name": "one"}, "data": {"a": "2"}})
    assert {entry["manager"] for entry in api.get("configmaps/one")["metadata"]["managedFields"]} == one


def test_a_new_field_manager_takes_the_fields_of_the_old_one(stack: Stack, api: Api) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    inputs = deployment(replicas=1)
    inputs["metadata"]["annotations"] = {**NO_WAIT, "pulumi.com/patchFieldManager": "mine"}
    stack.up(DEPLOYMENT, "app", inputs)
    managers = {entry["manager"] for entry in api.get("deployments.apps/app")["metadata"]["managedFields"]}
    assert "mine" in managers
    assert not any(manager.startswith("pulumi-kubernetes-") for manager in managers)


def test_an_object_that_someone_removed_is_told_with_the_way_out(stack: Stack, api: Api) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    api.delete("deployments.apps/app")
    with pytest.raises(Failed, match="pulumi refresh"):
        stack.up(DEPLOYMENT, "app", deployment(replicas=2))


# Replace.


def test_a_config_map_with_a_made_name_is_replaced_by_one_beside_it(stack: Stack, api: Api) -> None:
    old = stack.up(CONFIG_MAP, "settings", {"data": {"a": "1"}})
    diff = stack.diff(CONFIG_MAP, "settings", {"data": {"a": "2"}})
    assert diff.changes == {"data.a": Change(Kind.UPDATE, replace=True)}
    assert not diff.delete_before_replace
    new = stack.up(CONFIG_MAP, "settings", {"data": {"a": "2"}})
    assert new["metadata"]["name"] != old["metadata"]["name"]
    found = {item["metadata"]["name"]: item.get("data") for item in api.get("configmaps")["items"]}
    assert found[new["metadata"]["name"]] == {"a": "2"}
    assert old["metadata"]["name"] not in found


def test_an_object_that_the_program_names_is_deleted_before_its_replacement(stack: Stack, api: Api) -> None:
    inputs = {"metadata": {"name": "settings"}, "data": {"a": "1"}}
    old = stack.up(CONFIG_MAP, "settings", inputs)
    assert stack.diff(CONFIG_MAP, "settings", {**inputs, "data": {"a": "2"}}).delete_before_replace
    new = stack.up(CONFIG_MAP, "settings", {**inputs, "data": {"a": "2"}})
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert api.get("configmaps/settings")["data"] == {"a": "2"}


def test_another_name_or_namespace_needs_no_deletion_first(stack: Stack) -> None:
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "old"}, "data": {"a": "1"}})
    diff = stack.diff(CONFIG_MAP, "settings", {"metadata": {"name": "new"}, "data": {"a": "1"}})
    assert diff.changes == {"metadata.name": Change(Kind.UPDATE, replace=True)}
    assert not diff.delete_before_replace


# Read.


def test_a_refresh_without_drift_changes_nothing(stack: Stack) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1, paused=False))
    before = copy.deepcopy(stack.state["app"].inputs)
    stack.refresh("app")
    assert stack.state["app"].inputs == before
    assert stack.diff(DEPLOYMENT, "app", deployment(replicas=1, paused=False)).changes == {}


def test_a_refresh_finds_drift_and_the_next_update_mends_it(stack: Stack, api: Api) -> None:
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings", "labels": {"a": "1"}}, "data": {"a": "1"}})
    api.patch("configmaps/settings", {"metadata": {"labels": {"a": "drifted", "theirs": "1"}}})
    stack.refresh("settings")
    inputs = {
        "metadata": {"name": "settings", "labels": {"a": "1"}, "annotations": {"pulumi.com/patchForce": "true"}},
        "data": {"a": "1"},
    }
    assert stack.diff(CONFIG_MAP, "settings", inputs).changes["metadata.labels.a"] == Change(Kind.UPDATE)
    stack.up(CONFIG_MAP, "settings", inputs)
    assert api.get("configmaps/settings")["metadata"]["labels"] == {"a": "1", "theirs": "1"}


def test_a_refresh_forgets_an_object_that_is_gone(stack: Stack, api: Api) -> None:
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings"}})
    api.delete("configmaps/settings")
    assert stack.refresh("settings") is None


def test_an_object_is_imported_by_its_id_with_all_that_a_program_would_say_of_it(stack: Stack, api: Api) -> None:
    api.post("configmaps", {"metadata": {"name": "theirs", "labels": {"a": "1"}}, "data": {"a": "1"}})
    found = stack.get(CONFIG_MAP, f"{api.namespace}/theirs")
    assert found is not None
    assert found.inputs == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": api.namespace, "labels": {"a": "1"}},
        "data": {"a": "1"},
    }
    assert found.outputs["metadata"]["uid"]


def test_an_object_is_looked_up_with_what_the_sdk_says_of_custom_ones(stack: Stack, api: Api) -> None:
    """`CustomResource.get` gives kind and version along, as if they were a state."""
    api.post("configmaps", {"metadata": {"name": "theirs"}, "data": {"a": "1"}})
    resource = Resource("urn:pulumi:test::test::kubernetes:v1:ConfigMap::it", "kubernetes:v1:ConfigMap", "it")
    given = {"apiVersion": "v1", "kind": "ConfigMap"}
    found = stack.provider.read(Read(resource, f"{api.namespace}/theirs", {}, given, 0))
    assert found is not None
    assert found.outputs["data"] == {"a": "1"}


def test_an_object_that_is_not_there_is_not_found(stack: Stack, api: Api) -> None:
    assert stack.get(CONFIG_MAP, f"{api.namespace}/nothing") is None
    assert stack.get("kubernetes:example.com/v1:Nothing", "nothing") is None


# Secrets.


def test_secret_inputs_are_secret_outputs(stack: Stack) -> None:
    inputs = deployment()
    inputs["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": Secret("hidden")}]
    outputs = stack.up(DEPLOYMENT, "app", inputs)
    assert isinstance(outputs["spec"]["template"]["spec"]["containers"], Secret)
    assert outputs["spec"]["replicas"] == 1


def test_what_string_data_becomes_is_secret_too(stack: Stack) -> None:
    outputs = stack.up(SECRET, "password", {"stringData": {"password": "hidden"}})
    assert isinstance(outputs["data"], Secret)
    assert reveal(outputs["data"]) == {"password": "aGlkZGVu"}
    assert stack.diff(SECRET, "password", {"stringData": {"password": "hidden"}}).changes == {}


def test_an_imported_secret_is_secret(stack: Stack, api: Api) -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": '{"data": {"password": "aGlkZGVu"}}'}
    api.post("secrets", {"metadata": {"name": "theirs", "annotations": annotations}, "data": {"password": "aGlkZGVu"}})
    found = stack.get(SECRET, f"{api.namespace}/theirs")
    assert found is not None
    assert "aGlkZGVu" not in str(found)


# Delete.


def test_a_deletion_waits_until_the_object_is_gone(stack: Stack, api: Api) -> None:
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings", "finalizers": ["example.com/hold"]}})
    with pytest.raises(Failed, match=r"not gone after 1 s\n.*example\.com/hold"):
        stack.remove("settings", timeout=1)
    api.patch("configmaps/settings", {"metadata": {"finalizers": None}})
    stack.remove("settings")
    with pytest.raises(ApiError, match="not found"):
        api.get("configmaps/settings")


def test_deleting_what_is_gone_is_no_error(stack: Stack, api: Api) -> None:
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings"}})
    api.delete("configmaps/settings")
    stack.remove("settings")


def test_what_an_object_owns_goes_before_it(stack: Stack, api: Api) -> None:
    owner = stack.up(CONFIG_MAP, "owner", {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    references = [{**reference, "blockOwnerDeletion": True}]
    api.post("configmaps", {"metadata": {"name": "owned", "ownerReferences": references}})
    stack.remove("owner")
    with pytest.raises(ApiError, match="not found"):
        api.get("configmaps/owned")


def test_what_an_object_owns_stays_where_the_program_says_so(stack: Stack, api: Api) -> None:
    annotations = {"pulumi.com/deletionPropagationPolicy": "orphan"}
    owner = stack.up(CONFIG_MAP, "owner", {"metadata": {"name": "owner", "annotations": annotations}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    api.post("configmaps", {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    stack.remove("owner")
    assert api.get("configmaps/owned")


def test_deleting_a_namespace_waits_for_what_is_in_it(stack: Stack, api: Api) -> None:
    outputs = stack.up(NAMESPACE, "space", {})
    name = outputs["metadata"]["name"]
    stack.up(CONFIG_MAP, "settings", {"metadata": {"namespace": name}})
    stack.remove("space")
    with pytest.raises(ApiError, match="not found"):
        api.client.request("GET", f"/api/v1/namespaces/{name}")
