"""The Kubernetes plugin and kinds that the API server learns of meanwhile; and patches of objects that others made."""

import pytest

from localcloud.plugins.provider import Create
from tests.engine.definitions import DEFINITION, definition
from tests.engine.planes import Api, Stack

pytestmark = pytest.mark.engine


def test_a_definition_and_an_object_of_it_are_made_in_one_update(stack: Stack, api: Api) -> None:
    group = f"{api.namespace}.example.com"
    token = f"kubernetes:{group}/v1:Thing"
    assert stack.preview(token, "thing", {"spec": {"a": 1}})["spec"] == {"a": 1}
    stack.up(DEFINITION, "things", definition(group))
    outputs = stack.up(token, "thing", {"metadata": {"name": "thing"}, "spec": {"a": 1}})
    assert outputs["metadata"]["namespace"] == api.namespace
    assert stack.diff(DEFINITION, "things", definition(group)).changes == {}
    stack.up(token, "thing", {"metadata": {"name": "thing"}, "spec": {"b": 2}})
    assert stack.state["thing"].outputs["spec"] == {"b": 2}
    stack.remove("things")
    stack.remove("thing")


def test_objects_of_a_definition_without_namespaces_get_none(stack: Stack, api: Api) -> None:
    group = f"{api.namespace}.wide.example.com"
    stack.check(DEFINITION, "things", definition(group, "Cluster"))
    _, checked = stack.check(f"kubernetes:{group}/v1:Thing", "thing", {"spec": {}})
    assert "namespace" not in checked["metadata"]


def test_an_object_that_was_checked_before_its_definition_finds_its_place(stack: Stack, api: Api) -> None:
    """The engine checks resources in any order: the object's namespace was filled in before its scope was known."""
    group = f"{api.namespace}.late.example.com"
    resource, checked = stack.check(f"kubernetes:{group}/v1:Thing", "thing", {"spec": {}})
    assert checked["metadata"]["namespace"] == api.namespace
    stack.up(DEFINITION, "things", definition(group, "Cluster"))
    identifier, outputs = stack.provider.create(Create(resource, checked, 0, preview=False))
    assert identifier == checked["metadata"]["name"]
    assert "namespace" not in outputs["metadata"]
    stack.remove("things")


def test_a_version_that_a_definition_no_longer_has_goes(stack: Stack, api: Api) -> None:
    """Definitions are replaced whole: applied, the removed version would stay."""
    group = f"{api.namespace}.versions.example.com"
    first = definition(group)
    older = {**first["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    first["spec"]["versions"] = [*first["spec"]["versions"], older]
    stack.up(DEFINITION, "things", first)
    outputs = stack.up(DEFINITION, "things", definition(group))
    assert [version["name"] for version in outputs["spec"]["versions"]] == ["v1"]
    stack.remove("things")


# Patches.


def test_a_patch_sets_its_fields_and_takes_them_back(stack: Stack, api: Api) -> None:
    api.post("configmaps", {"metadata": {"name": "theirs"}, "data": {"theirs": "1"}})
    inputs = {"kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"ours": "1"}}
    stack.up("kubernetes:core/v1:ConfigMapPatch", "patch", inputs)
    assert api.get("configmaps/theirs")["data"] == {"theirs": "1", "ours": "1"}
    stack.up("kubernetes:core/v1:ConfigMapPatch", "patch", {**inputs, "data": {"ours": "2"}})
    assert api.get("configmaps/theirs")["data"] == {"theirs": "1", "ours": "2"}
    stack.remove("patch")
    assert api.get("configmaps/theirs")["data"] == {"theirs": "1"}
