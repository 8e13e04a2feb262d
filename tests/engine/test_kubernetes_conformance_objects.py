"""Objects made, changed, read and removed, as the official plugin documents it.

Each test states one documented behaviour and where it is documented; the plugin under test comes from the environment
(`wire.py`). `python -m tests.engine.table` writes them into docs/local-cloud.md.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.plugins.provider import Create, Failed
from localcloud.plugins.values import UNKNOWN, Secret, Values, reveal
from tests.engine.conformance import Wire
from tests.engine.definitions import DEFINITION, definition
from tests.engine.planes import NO_WAIT, Api, deployment
from tests.engine.waiting import exists
from tests.engine.wire import WiredStack
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"


def settings(**data: str) -> Values:
    return {"metadata": {"name": "settings"}, "data": data}


# Names.


def test_an_object_without_a_name_gets_one_made_of_the_resources(wired: WiredStack, api: Api) -> None:
    """Auto-naming: the resource's name and a random suffix, so that replacements need no downtime.

    https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    name = wired.up(CONFIG_MAP, "settings", {"data": {"a": "1"}})["metadata"]["name"]
    assert name.startswith("settings-")
    assert name != wired.up(CONFIG_MAP, "settings-2", {"data": {"a": "1"}})["metadata"]["name"]
    assert exists(api, f"configmaps/{name}")


def test_a_made_name_is_marked(wired: WiredStack) -> None:
    """`pulumi.com/autonamed` marks an object whose name was made by the provider.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    outputs = wired.up(CONFIG_MAP, "settings", {"data": {"a": "1"}})
    assert outputs["metadata"]["annotations"]["pulumi.com/autonamed"] == "true"
    assert "annotations" not in wired.up(CONFIG_MAP, "named", settings())["metadata"]


def test_a_made_name_stays(wired: WiredStack) -> None:
    """A name is made once, and kept over updates.

    https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    inputs: Values = {"spec": {"ports": [{"port": 80}]}}
    made = wired.up(SERVICE, "web", inputs)["metadata"]["name"]
    assert wired.up(SERVICE, "web", {"spec": {"ports": [{"port": 81}]}})["metadata"]["name"] == made


def test_ids_are_namespace_and_name(wired: WiredStack, api: Api) -> None:
    """Kubernetes ids are `namespace/name`, or just `name` for cluster-scoped kinds.

    https://github.com/pulumi/pulumi-kubernetes/blob/master/docs/list-rpc-semantics.md
    """
    wired.up(CONFIG_MAP, "settings", settings())
    wired.up("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "role", {"metadata": {"name": api.namespace}})
    assert wired.state["settings"].id == f"{api.namespace}/settings"
    assert wired.state["role"].id == api.namespace
    wired.remove("role")


# Create.


def test_an_object_that_is_there_already_is_an_error(wired: WiredStack, api: Api) -> None:
    """By default it is an error if the object already exists in the cluster, to prevent accidental data loss.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    api.post("configmaps", settings(a="theirs"))
    with pytest.raises(Failed, match="already exists"):
        wired.up(CONFIG_MAP, "settings", settings(a="ours"))
    assert api.get("configmaps/settings")["data"] == {"a": "theirs"}


@pytest.mark.parametrize("by", ["setting", "variable"])
def test_an_object_that_is_there_already_is_updated_on_demand(wire: Wire, api: Api, by: str) -> None:
    """`upsertExistingObjects`, or PULUMI_K8S_UPSERT_EXISTING_OBJECTS: objects that exist are updated.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    api.post("configmaps", settings(theirs="1"))
    stack = (
        wire(upsertExistingObjects="true")
        if by == "setting"
        else wire(variables={"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"})
    )
    stack.up(CONFIG_MAP, "settings", settings(ours="1"))
    assert api.get("configmaps/settings")["data"] == {"theirs": "1", "ours": "1"}


def test_a_list_of_objects_can_not_be_made_directly(wired: WiredStack) -> None:
    """List resources are answers of the API; creating one directly is an error.

    https://github.com/pulumi/pulumi-kubernetes/issues/2494
    """
    with pytest.raises(Failed):
        wired.up("kubernetes:core/v1:ConfigMapList", "list", {"items": [settings()]})


def test_an_object_of_a_definition_is_made_in_the_same_update(wired: WiredStack, api: Api) -> None:
    """A CustomResourceDefinition and its objects are created by one program: creation is tried again.

    https://github.com/pulumi/pulumi-kubernetes/pull/271
    """
    group = f"{api.namespace}.example.com"
    token = f"kubernetes:{group}/v1:Thing"
    assert wired.preview(token, "thing", {"spec": {"a": 1}})["spec"] == {"a": 1}
    wired.up(DEFINITION, "things", definition(group))
    # The garbage collector learns of new kinds every 30 s.
    at_once = {"name": "thing", "annotations": {"pulumi.com/deletionPropagationPolicy": "background"}}
    assert wired.up(token, "thing", {"metadata": at_once, "spec": {"a": 1}})["spec"] == {"a": 1}
    wired.remove("thing")
    wired.remove("things")


def test_an_object_is_made_before_its_namespace_is_there(wired: WiredStack, api: Api) -> None:
    """Creation is tried again while something that it needs is being made, such as the namespace.

    https://github.com/pulumi/pulumi-kubernetes/pull/262
    """
    name = f"{api.namespace}-later"
    resource, checked = wired.check(CONFIG_MAP, "it", {"metadata": {"name": "it", "namespace": name}})
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(wired.provider.create, Create(resource, checked, 0, preview=False))
        api.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert made.result(60)[0] == f"{name}/it"
    api.client.request("DELETE", f"/api/v1/namespaces/{name}")


def test_an_object_of_a_kind_that_is_gone_counts_as_deleted(wired: WiredStack, api: Api) -> None:
    """Without its definition a custom resource is considered deleted, by a refresh and by a deletion.

    https://github.com/pulumi/pulumi-kubernetes/pull/530
    """
    group = f"{api.namespace}.gone.example.com"
    token = f"kubernetes:{group}/v1:Thing"
    wired.up(DEFINITION, "things", definition(group))
    wired.up(token, "thing", {"metadata": {"name": "thing"}})
    wired.up(token, "other", {"metadata": {"name": "other"}})
    wired.remove("things")
    wired.restart()
    wired.remove("thing")
    assert wired.refresh("other") is None


# Previews.


def test_a_preview_changes_nothing_and_shows_the_servers_defaults(wired: WiredStack, api: Api) -> None:
    """Previews use dry runs; a provider in preview must not make anything.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    outputs = wired.preview(SERVICE, "web", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    assert outputs["spec"]["ports"][0]["protocol"] == "TCP"
    with pytest.raises(ApiError, match="not found"):
        api.get("services/web")


def test_unknown_inputs_stay_unknown_in_a_preview(wired: WiredStack) -> None:
    """What isn't known before the update is not known in the preview either.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    outputs = wired.preview(CONFIG_MAP, "settings", {"data": {"known": "1", "unknown": UNKNOWN}})
    assert outputs["data"] == {"known": "1", "unknown": UNKNOWN}


def test_a_missing_namespace_does_not_stop_a_preview(wired: WiredStack) -> None:
    """Preview failures of what may be made in the same update are no errors.

    https://github.com/pulumi/pulumi-kubernetes/issues/2926
    """
    inputs = {"metadata": {"namespace": "made-in-the-same-update"}, "data": {"a": "1"}}
    assert wired.preview(CONFIG_MAP, "settings", inputs)["data"] == {"a": "1"}


# Read.


def test_a_refresh_finds_what_has_changed(wired: WiredStack, api: Api) -> None:
    """Drift shows after a refresh: the live state is compared with the program's inputs.

    https://www.pulumi.com/docs/iac/cli/commands/pulumi_refresh/
    """
    wired.up(SERVICE, "web", {"metadata": {"name": "web", "labels": {"a": "1"}}, "spec": {"ports": [{"port": 80}]}})
    api.patch("services/web", {"metadata": {"labels": {"a": "drifted"}}})
    wired.refresh("web")
    inputs = {"metadata": {"name": "web", "labels": {"a": "1"}}, "spec": {"ports": [{"port": 80}]}}
    assert wired.diff(SERVICE, "web", inputs).changes == {"metadata.labels.a": Change(Kind.UPDATE)}


def test_a_refresh_forgets_what_is_gone(wired: WiredStack, api: Api) -> None:
    """An object that isn't there any more leaves the state.

    https://www.pulumi.com/docs/iac/cli/commands/pulumi_refresh/
    """
    wired.up(CONFIG_MAP, "settings", settings())
    api.delete("configmaps/settings")
    assert wired.refresh("settings") is None


def test_an_object_is_imported_by_its_id(wired: WiredStack, api: Api) -> None:
    """An import reads the object; its inputs are those that would make it.

    https://www.pulumi.com/docs/iac/guides/migration/import/
    """
    api.post("configmaps", settings(a="1"))
    found = wired.get(CONFIG_MAP, f"{api.namespace}/settings")
    assert found is not None
    assert reveal(found.inputs)["data"] == {"a": "1"}
    assert found.inputs["metadata"]["name"] == "settings"
    assert "uid" not in found.inputs["metadata"]


# Secrets.


def test_the_content_of_a_secret_is_always_secret(wired: WiredStack) -> None:
    """`data` and `stringData` of a Secret are marked as secret, whether the program does or not.

    https://github.com/pulumi/pulumi-kubernetes/pull/803
    """
    outputs = wired.up(SECRET, "password", {"stringData": {"password": "hidden"}})
    assert isinstance(outputs["data"], Secret)
    assert isinstance(wired.state["password"].inputs["stringData"], Secret)


def test_secret_inputs_are_secret_outputs(wired: WiredStack) -> None:
    """Secret values of inputs don't come back in clear as outputs.

    https://www.pulumi.com/docs/iac/concepts/secrets/
    """
    outputs = wired.up(CONFIG_MAP, "settings", {"data": {"password": Secret("hidden")}})
    assert "'hidden'" not in str(outputs)
    assert reveal(outputs)["data"] == {"password": "hidden"}


# Delete.


def test_what_an_object_owns_goes_first(wired: WiredStack, api: Api) -> None:
    """By default deletion propagates in the foreground: dependents are deleted before their owner.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    inputs = deployment(replicas=1)
    inputs["metadata"]["annotations"] = {"pulumi.com/skipAwait": "ready"}
    wired.up(DEPLOYMENT, "app", inputs)
    wait_for(lambda: api.get("replicasets.apps")["items"], "the ReplicaSet")
    wired.remove("app")
    assert not api.get("replicasets.apps")["items"]


def test_what_an_object_owns_stays_on_demand(wired: WiredStack, api: Api) -> None:
    """`pulumi.com/deletionPropagationPolicy: orphan` leaves dependents untouched.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    inputs = deployment(replicas=0)
    inputs["metadata"]["annotations"] = {**NO_WAIT, "pulumi.com/deletionPropagationPolicy": "orphan"}
    wired.up(DEPLOYMENT, "app", inputs)
    wait_for(lambda: api.get("replicasets.apps")["items"], "the ReplicaSet")
    wired.remove("app")
    wait_for(lambda: not exists(api, "deployments.apps/app"), "the Deployment to go")
    assert api.get("replicasets.apps")["items"]


def test_a_deletion_waits_for_finalizers(wired: WiredStack) -> None:
    """A deletion waits until the object is gone, and fails when it isn't in time.

    https://www.pulumi.com/docs/iac/concepts/resources/options/customtimeouts/
    """
    inputs = settings()
    inputs["metadata"]["finalizers"] = ["example.com/hold"]
    wired.up(CONFIG_MAP, "settings", inputs)
    with pytest.raises(Failed):
        wired.remove("settings", timeout=2)


def test_deleting_what_is_gone_is_no_error(wired: WiredStack, api: Api) -> None:
    """Deletion of an object that isn't there succeeds.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    wired.up(CONFIG_MAP, "settings", settings())
    api.delete("configmaps/settings")
    wired.remove("settings")
    assert not wired.state


def test_deleting_a_namespace_waits_for_what_is_in_it(wired: WiredStack, api: Api) -> None:
    """A Namespace is deleted when its finalizers have run and its content is gone.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
    """
    name = f"{api.namespace}-inner"
    wired.up("kubernetes:core/v1:Namespace", "space", {"metadata": {"name": name}})
    wired.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings", "namespace": name}})
    wired.remove("space")
    with pytest.raises(ApiError, match="not found"):
        api.client.request("GET", f"/api/v1/namespaces/{name}")
