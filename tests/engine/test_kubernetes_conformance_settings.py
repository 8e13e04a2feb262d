"""The provider's settings, as the official plugin documents them.

Each test states one documented behaviour and where it is documented; the plugin under test comes from the environment
(`wire.py`). `python -m tests.engine.table` writes them into docs/local-cloud.md.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.plugins.provider import Failed, Refused
from localcloud.plugins.values import Secret, Values
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.conformance import Wire
from tests.engine.definitions import DEFINITION, definition
from tests.engine.planes import Api
from tests.engine.wire import WiredStack

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SETTINGS: Values = {"metadata": {"name": "settings"}, "data": {"a": "1"}}


def elsewhere(plane: ControlPlane, *, port: int = 0, cluster: str = "test", user: str = "admin") -> str:
    """The control plane's kubeconfig with another address of the same server, or other names."""
    config = plane.config
    entry = config["clusters"][0]
    if port:
        entry["cluster"]["server"] = f"https://127.0.0.1:{port}"
    entry["name"] = config["contexts"][0]["context"]["cluster"] = cluster
    config["users"][0]["name"] = config["contexts"][0]["context"]["user"] = user
    return json.dumps(config)


def test_it_answers_with_the_version_that_the_sdk_asks_for(wired: WiredStack) -> None:
    """The engine asks a plugin for its version and warns of another than the SDK's.

    https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
    """
    assert wired.plugin.information() == "4.34.2"


# Which cluster.


def test_a_kubeconfig_is_given_by_content(wire: Wire, plane: ControlPlane, api: Api) -> None:
    """`kubeconfig`: the contents of a kubeconfig file or the path to one.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    wire(plane.kubeconfig.read_text()).up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_a_kubeconfig_is_given_by_path(wire: Wire, plane: ControlPlane, api: Api) -> None:
    """`kubeconfig`: the contents of a kubeconfig file or the path to one.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    wire(str(plane.kubeconfig)).up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_a_kubeconfig_is_found_by_the_variable(plane: ControlPlane, api: Api) -> None:
    """By default the kubeconfig is looked for in the environment variable KUBECONFIG, as kubectl does.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    stack = WiredStack("", api.namespace, {"KUBECONFIG": str(plane.kubeconfig)})
    try:
        stack.up(CONFIG_MAP, "settings", SETTINGS)
    finally:
        stack.close()
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_a_context_is_chosen_by_name(wire: Wire, plane: ControlPlane, api: Api) -> None:
    """`context`: the name of the kubeconfig context to use.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    config = plane.config
    config["current-context"] = "nowhere"
    wire(json.dumps(config), context="test").up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_a_program_is_run_for_credentials(wire: Wire, plane: ControlPlane, api: Api, tmp_path: Path) -> None:
    """Authentication is client-go's, as kubectl's: exec plugins of the kubeconfig are run.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    certificate, key = ((plane.directory / f"admin.{kind}").read_text() for kind in ("crt", "key"))
    kind = "client.authentication.k8s.io/v1"
    status = {"clientCertificateData": certificate, "clientKeyData": key}
    (tmp_path / "answer").write_text(json.dumps({"apiVersion": kind, "kind": "ExecCredential", "status": status}))
    config = plane.config
    command = {"apiVersion": kind, "command": "cat", "args": [str(tmp_path / "answer")], "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": command}
    wire(json.dumps(config)).up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


# When the provider itself is replaced.


def test_another_cluster_replaces_the_provider(wired: WiredStack, plane: ControlPlane) -> None:
    """Without `clusterIdentifier` heuristics decide; another server is another cluster.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    old, new = elsewhere(plane), elsewhere(plane, port=1, cluster="another")
    assert wired.plugin.replaced_by({"kubeconfig": old}, {"kubeconfig": new})


def test_another_user_of_the_same_cluster_replaces_nothing(wired: WiredStack, plane: ControlPlane) -> None:
    """Without `clusterIdentifier` heuristics decide; credentials don't tell clusters apart.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    old, new = elsewhere(plane), elsewhere(plane, user="another")
    assert not wired.plugin.replaced_by({"kubeconfig": old}, {"kubeconfig": new})


def test_with_a_cluster_identifier_another_kubeconfig_replaces_nothing(wired: WiredStack, plane: ControlPlane) -> None:
    """The provider is only replaced when `clusterIdentifier` changes; everything else is an update.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    old, new = elsewhere(plane), elsewhere(plane, port=1, cluster="another")
    settings = {"clusterIdentifier": "one"}
    assert not wired.plugin.replaced_by({**settings, "kubeconfig": old}, {**settings, "kubeconfig": new})


def test_another_cluster_identifier_replaces_the_provider(wired: WiredStack, plane: ControlPlane) -> None:
    """The provider is only replaced when `clusterIdentifier` changes.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    settings = {"kubeconfig": elsewhere(plane)}
    assert wired.plugin.replaced_by({**settings, "clusterIdentifier": "one"}, {**settings, "clusterIdentifier": "two"})


def test_strict_mode_asks_for_kubeconfig_and_context(wired: WiredStack) -> None:
    """`strictMode`: the `kubeconfig` and `context` settings are required.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    with pytest.raises(Refused) as refusal:
        wired.plugin.check_config({"strictMode": "true"})
    assert "kubeconfig" in str(refusal.value)
    assert "context" in str(refusal.value)


def test_strict_mode_forbids_the_default_provider(wired: WiredStack) -> None:
    """`strictMode`: the default Kubernetes provider is disabled.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    settings = {"strictMode": "true", "kubeconfig": "{}", "context": "test"}
    with pytest.raises(Refused):
        wired.plugin.check_config(settings, name="default_4_34_2")


# Namespaces.


def test_a_resources_own_namespace_comes_first(wire: Wire, api: Api) -> None:
    """The namespace is the resource's own, then the provider's, then the context's.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    stack = wire(namespace="kube-system")
    stack.up(CONFIG_MAP, "settings", {**SETTINGS, "metadata": {"name": "settings", "namespace": api.namespace}})
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_the_providers_namespace_is_the_default(wire: Wire, api: Api) -> None:
    """`namespace`: the default namespace to use, in the second place.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    outputs = wire(namespace=api.namespace).up(CONFIG_MAP, "settings", SETTINGS)
    assert outputs["metadata"]["namespace"] == api.namespace


def test_the_contexts_namespace_comes_last(plane: ControlPlane, api: Api) -> None:
    """The namespace set for the active context in the kubeconfig is the third place.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    config = plane.config
    config["contexts"][0]["context"]["namespace"] = api.namespace
    stack = WiredStack(json.dumps(config), "")
    try:
        outputs = stack.up(CONFIG_MAP, "settings", SETTINGS)
    finally:
        stack.close()
    assert outputs["metadata"]["namespace"] == api.namespace


def test_objects_of_the_whole_cluster_get_no_namespace(wired: WiredStack) -> None:
    """`namespace` is ignored for cluster-scoped resources.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    _, checked = wired.check("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "role", {"rules": []})
    assert "namespace" not in checked["metadata"]


# A cluster out of reach.


@pytest.fixture
def lost(plane: ControlPlane) -> str:
    """The kubeconfig of a cluster that isn't there any more."""
    return elsewhere(plane, port=1)


def test_a_preview_goes_on_without_the_cluster(wire: Wire, lost: str) -> None:
    """Previews are computed from inputs; an unreachable cluster is a warning.

    https://github.com/pulumi/pulumi-kubernetes/pull/946
    """
    stack = wire(lost)
    assert stack.preview(CONFIG_MAP, "settings", SETTINGS)["data"] == {"a": "1"}
    assert any("unreachable" in said or "can't be reached" in said for said in stack.said)


def test_an_update_without_the_cluster_fails(wire: Wire, lost: str) -> None:
    """An unreachable cluster is an error as soon as something is to be made.

    https://github.com/pulumi/pulumi-kubernetes/pull/946
    """
    with pytest.raises(Failed):
        wire(lost).up(CONFIG_MAP, "settings", SETTINGS)


def test_resources_of_a_lost_cluster_are_kept(wire: Wire, wired: WiredStack, lost: str) -> None:
    """Without `deleteUnreachable` neither a refresh nor a deletion forgets a resource that can't be asked for.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    wired.up(CONFIG_MAP, "settings", SETTINGS)
    stack = wire(lost)
    stack.state = dict(wired.state)
    with pytest.raises(Failed):
        stack.refresh("settings")
    with pytest.raises(Failed):
        stack.remove("settings")


def test_resources_of_a_lost_cluster_are_forgotten_on_demand(wire: Wire, wired: WiredStack, lost: str) -> None:
    """`deleteUnreachable`: resources of an unreachable cluster are deleted from the state.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    wired.up(CONFIG_MAP, "settings", SETTINGS)
    stack = wire(lost, deleteUnreachable="true")
    stack.state = dict(wired.state)
    assert stack.refresh("settings") is None
    stack.state = dict(wired.state)
    stack.remove("settings")
    assert not stack.state


def test_resources_of_a_lost_cluster_are_skipped_on_demand(wire: Wire, wired: WiredStack, lost: str) -> None:
    """`skipUpdateUnreachable`: resources of an unreachable cluster are left as the state has them.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    wired.up(CONFIG_MAP, "settings", SETTINGS)
    stack = wire(lost, skipUpdateUnreachable="true")
    stack.state = dict(wired.state)
    found = stack.refresh("settings")
    assert found is not None
    assert found.outputs["data"] == {"a": "1"}


# Rendering.


def test_manifests_are_rendered_to_a_directory(wire: Wire, api: Api, tmp_path: Path) -> None:
    """`renderYamlToDirectory`: manifests are written, nothing is made on a cluster; definitions are kept apart.

    https://github.com/pulumi/pulumi-kubernetes/pull/936
    """
    stack = wire(renderYamlToDirectory=str(tmp_path))
    stack.up(CONFIG_MAP, "settings", {**SETTINGS, "metadata": {"name": "settings", "namespace": api.namespace}})
    stack.up(DEFINITION, "things", definition("example.com"))
    (manifest,) = (tmp_path / "1-manifest").iterdir()
    (crd,) = (tmp_path / "0-crd").iterdir()
    assert "ConfigMap" in manifest.read_text()
    assert "things.example.com" in crd.read_text()
    assert not [item for item in api.get("configmaps")["items"] if item["metadata"]["name"] == "settings"]


def test_rendered_manifests_follow_the_program(wire: Wire, tmp_path: Path) -> None:
    """`renderYamlToDirectory`: the rendered manifests are kept in sync with changes to the program.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    stack = wire(renderYamlToDirectory=str(tmp_path), enableConfigMapMutable="true")
    stack.up(CONFIG_MAP, "settings", SETTINGS)
    stack.up(CONFIG_MAP, "settings", {**SETTINGS, "data": {"a": "changed"}})
    (manifest,) = (tmp_path / "1-manifest").iterdir()
    assert "changed" in manifest.read_text()
    stack.remove("settings")
    assert not manifest.exists()


def test_a_rendered_secret_is_in_clear_and_warned_of(wire: Wire, tmp_path: Path) -> None:
    """`renderYamlToDirectory`: any secret values are rendered in plaintext; a warning says so.

    https://github.com/pulumi/pulumi-kubernetes/pull/936
    """
    stack = wire(renderYamlToDirectory=str(tmp_path))
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings"}, "data": {"password": Secret("hidden")}})
    (manifest,) = (tmp_path / "1-manifest").iterdir()
    assert "hidden" in manifest.read_text()
    assert any("secret" in said for said in stack.said)


def test_manifests_are_rendered_without_a_cluster(wire: Wire, lost: str, tmp_path: Path) -> None:
    """When no cluster is reachable, kinds that nobody knows are rendered without a namespace, with a warning.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    stack = wire(lost, "somewhere", renderYamlToDirectory=str(tmp_path))
    stack.up("kubernetes:example.com/v1:Thing", "thing", {"metadata": {"name": "thing"}, "spec": {}})
    (manifest,) = (tmp_path / "1-manifest").iterdir()
    assert "namespace" not in manifest.read_text()
    assert any("Thing" in said for said in stack.said)


@pytest.mark.parametrize("always", ["true", "false"])
def test_everything_is_rendered_on_every_update_on_demand(wire: Wire, tmp_path: Path, always: str) -> None:
    """`alwaysRender`: all resources are rendered on every update, even if the resource has not changed.

    https://github.com/pulumi/pulumi-kubernetes/pull/4122
    """
    stack = wire(renderYamlToDirectory=str(tmp_path), alwaysRender=always)
    stack.up(CONFIG_MAP, "settings", SETTINGS)
    diff = stack.diff(CONFIG_MAP, "settings", SETTINGS)
    assert (diff.due, diff.replaces) == (always == "true", False)


# What the API server warns of.


@pytest.mark.parametrize("by", ["setting", "variable"])
def test_warnings_of_deprecation_are_suppressed_on_demand(wire: Wire, by: str) -> None:
    """`suppressDeprecationWarnings`, or PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS: no deprecation warnings.

    https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/
    """
    loud = wire()
    quiet: Any = (
        wire(suppressDeprecationWarnings="true")
        if by == "setting"
        else wire(variables={"PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS": "true"})
    )
    for stack, name in ((loud, "one"), (quiet, "two")):
        stack.up("kubernetes:core/v1:Endpoints", name, {"metadata": {"name": name}})
    assert any("deprecated" in said for said in loud.said)
    assert not any("deprecated" in said for said in quiet.said)
