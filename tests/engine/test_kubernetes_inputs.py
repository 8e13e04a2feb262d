"""What the Kubernetes plugin makes of a resource's inputs, without asking an API server.

The behaviour is that of the official provider's reference: https://www.pulumi.com/registry/packages/kubernetes/
"""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.kubernetes.annotations import AUTONAMED
from localcloud.plugins.kubernetes.awaiting.jsonpath import parse, values
from localcloud.plugins.kubernetes.comparison import changes, drifted
from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.plugins.kubernetes.kubeconfig import connect, load
from localcloud.plugins.kubernetes.objects import kind_of
from localcloud.plugins.kubernetes.provider import KubernetesProvider
from localcloud.plugins.kubernetes.replacement import replacing_fields
from localcloud.plugins.kubernetes.settings import check_settings, diff_settings
from localcloud.plugins.provider import Check, Failed, Naming, Refused, Resource
from localcloud.plugins.values import UNKNOWN, Secret, Values

CONFIG_MAP = Resource(
    "urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::settings", "kubernetes:core/v1:ConfigMap", "settings"
)


def checked(new: Values, old: Values | None = None, **options: Any) -> Values:
    resource = options.pop("resource", CONFIG_MAP)
    request = Check(resource, old or {}, new, options.pop("seed", b"seed"), options.pop("naming", None))
    return dict(KubernetesProvider().check(request))


def changed(token: str, old: Values, new: Values, **mutable: bool) -> dict[str, Change]:
    options = {"config_map_mutable": False, "secret_mutable": False} | mutable
    return changes(old, new, replacing_fields(kind_of(token, new), new, **options))


# Names.


def test_an_object_without_a_name_gets_one_of_the_resources_name_and_eight_digits() -> None:
    inputs = checked({"data": {"a": "b"}})
    name = inputs["metadata"]["name"]
    assert name.startswith("settings-")
    assert len(name) == len("settings-") + 8
    assert int(name.removeprefix("settings-"), 16) >= 0
    assert inputs["metadata"]["annotations"] == {AUTONAMED: "true"}


def test_a_made_name_stays_for_as_long_as_the_object_lives() -> None:
    first = checked({"data": {"a": "b"}}, seed=b"one")
    again = checked({"data": {"a": "changed"}}, old=first, seed=b"another")
    assert again["metadata"]["name"] == first["metadata"]["name"]
    assert again["metadata"]["annotations"] == {AUTONAMED: "true"}


def test_two_made_names_differ() -> None:
    assert checked({}, seed=b"one")["metadata"]["name"] != checked({}, seed=b"two")["metadata"]["name"]


def test_the_programs_name_is_taken_as_it_is() -> None:
    inputs = checked({"metadata": {"name": "mine"}})
    assert inputs["metadata"] == {"name": "mine"}


def test_a_name_that_is_not_known_yet_is_not_made_up() -> None:
    assert checked({"metadata": {"name": UNKNOWN}})["metadata"] == {"name": UNKNOWN}


def test_the_engines_naming_rules_are_obeyed() -> None:
    assert checked({}, naming=Naming("propose", "proposed-1"))["metadata"]["name"] == "proposed-1"
    with pytest.raises(Failed, match="autonaming"):
        checked({}, naming=Naming("disable", ""))


def test_a_generated_name_is_refused_because_server_side_apply_needs_one() -> None:
    with pytest.raises(Failed, match="generateName"):
        checked({"metadata": {"generateName": "settings-"}})


def test_kind_and_version_are_filled_in() -> None:
    inputs = checked({})
    assert (inputs["apiVersion"], inputs["kind"]) == ("v1", "ConfigMap")


def test_a_list_can_not_be_made_itself() -> None:
    resource = Resource("urn", "kubernetes:core/v1:ConfigMapList", "many")
    with pytest.raises(Failed, match="declare each of them"):
        checked({"items": []}, resource=resource)


def test_a_patch_must_name_its_object() -> None:
    resource = Resource("urn", "kubernetes:core/v1:ConfigMapPatch", "patch")
    with pytest.raises(Failed, match=r"metadata\.name"):
        checked({"kind": "ConfigMap", "data": {}}, resource=resource)


def test_fields_that_only_the_server_sets_are_no_inputs() -> None:
    metadata = {"name": "copied", "uid": "1", "resourceVersion": "2", "managedFields": [], "creationTimestamp": "3"}
    assert checked({"metadata": metadata})["metadata"] == {"name": "copied"}


def test_the_content_of_a_secret_is_secret_even_where_the_program_gave_it_in_clear() -> None:
    resource = Resource("urn", "kubernetes:core/v1:Secret", "password")
    inputs = checked({"stringData": {"password": "in clear"}, "data": {"other": "aGlkZGVu"}}, resource=resource)
    assert isinstance(inputs["stringData"], Secret)
    assert isinstance(inputs["data"], Secret)


def test_one_secret_variable_does_not_hide_the_rest_of_the_container() -> None:
    container = {"name": "main", "env": [{"name": "PASSWORD", "value": Secret("hidden")}]}
    resource = Resource("urn", "kubernetes:core/v1:Pod", "pod")
    inputs = checked({"spec": {"containers": [container]}}, resource=resource)
    assert inputs["spec"]["containers"] == [container]


# What a change means.

SERVICE = "kubernetes:core/v1:Service"


@pytest.mark.parametrize(
    ("token", "old", "new", "path"),
    [
        (SERVICE, {"spec": {"clusterIP": "None"}}, {"spec": {"clusterIP": "10.0.0.1"}}, "spec.clusterIP"),
        (
            "kubernetes:apps/v1:Deployment",
            {"spec": {"selector": {"matchLabels": {"app": "a"}}}},
            {"spec": {"selector": {"matchLabels": {"app": "b"}}}},
            "spec.selector.matchLabels.app",
        ),
        (
            "kubernetes:apps/v1:StatefulSet",
            {"spec": {"serviceName": "a"}},
            {"spec": {"serviceName": "b"}},
            "spec.serviceName",
        ),
        (
            "kubernetes:apps/v1:StatefulSet",
            {"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "a"}}]}},
            {"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "b"}}]}},
            "spec.volumeClaimTemplates[0].spec.storageClassName",
        ),
        (
            "kubernetes:batch/v1:Job",
            {"spec": {"template": {"spec": {"containers": [{"image": "a"}]}}}},
            {"spec": {"template": {"spec": {"containers": [{"image": "b"}]}}}},
            "spec.template.spec.containers[0].image",
        ),
        (
            "kubernetes:core/v1:PersistentVolumeClaim",
            {"spec": {"storageClassName": "a"}},
            {"spec": {"storageClassName": "b"}},
            "spec.storageClassName",
        ),
        (
            "kubernetes:core/v1:Pod",
            {"spec": {"containers": [{"name": "a", "image": "a"}]}},
            {"spec": {"containers": [{"name": "a", "image": "b"}]}},
            "spec.containers[0].image",
        ),
        (
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            {"roleRef": {"name": "a"}},
            {"roleRef": {"name": "b"}},
            "roleRef.name",
        ),
        (
            "kubernetes:storage.k8s.io/v1:StorageClass",
            {"provisioner": "a"},
            {"provisioner": "b"},
            "provisioner",
        ),
        ("kubernetes:core/v1:ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}, "data.a"),
        ("kubernetes:core/v1:Secret", {"data": {"a": "MQ=="}}, {"data": {"a": "Mg=="}}, "data.a"),
        (SERVICE, {"metadata": {"namespace": "a"}}, {"metadata": {"namespace": "b"}}, "metadata.namespace"),
    ],
)
def test_changing_what_the_api_does_not_let_change_replaces(token: str, old: Values, new: Values, path: str) -> None:
    assert changed(token, old, new) == {path: Change(Kind.UPDATE, replace=True)}


@pytest.mark.parametrize(
    ("token", "old", "new"),
    [
        (SERVICE, {"spec": {"type": "ClusterIP"}}, {"spec": {"type": "NodePort"}}),
        ("kubernetes:apps/v1:StatefulSet", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}),
        (
            "kubernetes:core/v1:PersistentVolumeClaim",
            {"spec": {"resources": {"requests": {"storage": "1Gi"}}}},
            {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
        ),
        ("kubernetes:core/v1:ConfigMap", {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}),
        ("kubernetes:stable.example.com/v1:Thing", {"spec": {"selector": "a"}}, {"spec": {"selector": "b"}}),
    ],
)
def test_changing_anything_else_updates_in_place(token: str, old: Values, new: Values) -> None:
    found = changed(token, old, new)
    assert found
    assert not any(change.replace for change in found.values())


def test_config_maps_and_secrets_are_updated_in_place_where_the_provider_says_so() -> None:
    old, new = {"data": {"a": "1"}}, {"data": {"a": "2"}}
    in_place = {"data.a": Change(Kind.UPDATE)}
    assert changed("kubernetes:core/v1:ConfigMap", old, new, config_map_mutable=True) == in_place
    assert changed("kubernetes:core/v1:Secret", old, new, secret_mutable=True) == in_place


def test_an_immutable_config_map_is_replaced_all_the_same() -> None:
    old, new = {"immutable": True, "data": {"a": "1"}}, {"immutable": True, "data": {"a": "2"}}
    assert changed("kubernetes:core/v1:ConfigMap", old, new, config_map_mutable=True)["data.a"].replace


def test_a_branch_that_brings_a_fixed_field_with_it_replaces() -> None:
    found = changed("kubernetes:apps/v1:Deployment", {}, {"spec": {"selector": {"matchLabels": {}}}})
    assert found == {"spec": Change(Kind.ADD, replace=True)}


def test_an_unknown_value_counts_as_changed() -> None:
    found = changed(SERVICE, {"spec": {"clusterIP": "10.0.0.1"}}, {"spec": {"clusterIP": UNKNOWN}})
    assert found == {"spec.clusterIP": Change(Kind.UPDATE, replace=True)}


def test_keys_that_are_no_names_are_quoted_in_paths() -> None:
    old, new = ({"metadata": {"labels": {"app.kubernetes.io/name": value}}} for value in "ab")
    assert list(changed(SERVICE, old, new)) == ['metadata.labels["app.kubernetes.io/name"]']


def test_true_and_one_are_not_the_same() -> None:
    assert changed("kubernetes:core/v1:Thing", {"spec": {"a": 1}}, {"spec": {"a": True}})


# Drift.


def test_what_the_server_filled_in_or_respelt_is_no_drift() -> None:
    inputs = {"spec": {"cpu": "0.5", "hostNetwork": False, "empty": []}}
    live = {"spec": {"cpu": "500m", "defaulted": 1}}
    assert drifted(inputs, live, live) == inputs


def test_what_someone_changed_is_drift() -> None:
    inputs = {"spec": {"replicas": 1, "paused": False}}
    before, now = {"spec": {"replicas": 1, "paused": False}}, {"spec": {"replicas": 5}}
    assert drifted(inputs, before, now) == {"spec": {"replicas": 5}}


def test_items_are_told_apart_by_name_when_someone_adds_one() -> None:
    inputs = {"spec": {"containers": [{"name": "main", "image": "a"}]}}
    before = {"spec": {"containers": [{"name": "main", "image": "a", "tty": False}]}}
    sidecar = {"name": "sidecar", "image": "s"}
    now = {"spec": {"containers": [sidecar, {"name": "main", "image": "changed", "tty": False}]}}
    assert drifted(inputs, before, now) == {"spec": {"containers": [{"name": "main", "image": "changed"}]}}


def test_drift_of_a_secret_is_seen_through_the_encoding() -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    inputs = {"kind": "Secret", "stringData": {"a": "same", "b": "old", "c": "gone"}}
    before = {"kind": "Secret", "data": {"a": encoded("same"), "b": encoded("old"), "c": encoded("gone")}}
    now = {"kind": "Secret", "data": {"a": encoded("same"), "b": encoded("new")}}
    assert drifted(inputs, before, now)["stringData"] == {"a": "same", "b": "new"}


# Kubeconfigs and the provider's settings.


def kubeconfig(server: str = "https://127.0.0.1:1", user: str = "admin") -> str:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "users": [{"name": user, "user": {"token": "t"}}],
            "contexts": [{"name": "main", "context": {"cluster": "here", "user": user, "namespace": "home"}}],
            "current-context": "main",
        }
    )


def test_a_kubeconfig_is_taken_by_content_by_path_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(kubeconfig())
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{file}")
    assert connect(load(kubeconfig())) == connect(load(str(file))) == connect(load(None))
    assert connect(load(None)).namespace == "home"
    assert connect(load(None), namespace="elsewhere").namespace == "elsewhere"


def test_several_kubeconfigs_are_merged_and_the_first_to_say_a_thing_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").write_text(kubeconfig("https://127.0.0.1:1"))
    (tmp_path / "two").write_text(kubeconfig("https://127.0.0.1:2").replace("main", "second"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    assert connect(load(None)).server == connect(load(None), context="second").server == "https://127.0.0.1:1"


def test_a_context_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(Unreachable, match=r"no context 'other' \(it has: main\)"):
        connect(load(kubeconfig()), context="other")


def test_another_user_of_the_same_cluster_does_not_replace_the_provider() -> None:
    diff = diff_settings({"kubeconfig": kubeconfig(user="a")}, {"kubeconfig": kubeconfig(user="b")})
    assert diff.changes == {"kubeconfig": Change(Kind.UPDATE)}


def test_another_cluster_replaces_the_provider_and_so_all_that_it_made() -> None:
    diff = diff_settings({"kubeconfig": kubeconfig()}, {"kubeconfig": kubeconfig("https://127.0.0.1:2")})
    assert diff.changes == {"kubeconfig": Change(Kind.UPDATE, replace=True)}


@pytest.mark.parametrize("new", [kubeconfig("https://127.0.0.1:2"), UNKNOWN], ids=["another cluster", "unknown"])
def test_with_a_cluster_identifier_its_change_alone_replaces(new: Any) -> None:
    old = {"clusterIdentifier": "x", "kubeconfig": kubeconfig()}
    assert not diff_settings(old, {"clusterIdentifier": "x", "kubeconfig": new}).replaces
    changed = diff_settings(old, {"clusterIdentifier": "y", "kubeconfig": kubeconfig()})
    assert changed.changes == {"clusterIdentifier": Change(Kind.UPDATE, replace=True)}


def test_giving_a_cluster_identifier_for_the_first_time_replaces_nothing() -> None:
    old = {"kubeconfig": kubeconfig()}
    assert not diff_settings(old, {**old, "clusterIdentifier": "x"}).replaces


def test_strict_mode_asks_for_kubeconfig_and_context() -> None:
    with pytest.raises(Refused) as refusal:
        check_settings({"strictMode": "true", "context": "main"}, "urn:pulumi:s::p::pulumi:providers:kubernetes::mine")
    assert [name for name, _ in refusal.value.failures] == ["kubeconfig"]


def test_client_side_apply_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="server-side apply only"):
        check_settings({"enableServerSideApply": "false"}, "urn")


def test_rendering_to_a_directory_excludes_a_cluster() -> None:
    with pytest.raises(Refused, match="exclude each other"):
        check_settings({"renderYamlToDirectory": "out", "context": "main"}, "urn")


# JSONPath.

ITEM = {
    "status": {
        "phase": "Running",
        "nodes": [{"name": "a", "leader": True}, {"name": "b", "leader": False}],
        "a.b/c": "dotted",
    }
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("{.status.phase}", ["Running"]),
        ("{.status.nodes[1].name}", ["b"]),
        ("{.status.nodes[-1].name}", ["b"]),
        ("{.status.nodes[*].name}", ["a", "b"]),
        ('{.status.nodes[?(@.leader=="true")].name}', ["a"]),
        ('{.status.nodes[?(@.name != "a")].name}', ["b"]),
        ("{.status['a.b/c']}", ["dotted"]),
        (r"{.status.a\.b/c}", ["dotted"]),
        ("{.status.missing.deeper}", []),
    ],
)
def test_a_jsonpath_leads_where_kubectls_does(path: str, expected: list[str]) -> None:
    assert values(parse(path), ITEM) == expected


def test_a_jsonpath_that_can_not_be_read_is_refused() -> None:
    with pytest.raises(Failed, match="braces"):
        parse(".status.phase")
    with pytest.raises(Failed, match=r"can't be read from '\.\.phase' on"):
        parse("{..phase}")
