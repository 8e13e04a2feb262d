"""The Kubernetes plugin under the real Pulumi engine, on a real API server whose kubelet is played.

Here is what only the engine can show: previews, state, secrets, interruptions. What the plugin does with each kind of
object is in `test_kubernetes_objects.py` and `test_kubernetes_awaits.py`.
"""

import json
import os
import signal

import pytest

from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import Api
from tests.engine.project import Project, interrupt
from tests.engine.waiting import exists, plugins_of
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

SMALL = """
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    provider = k8s.Provider(
        "cluster",
        kubeconfig=config.require("kubeconfig"),
        namespace=config.require("namespace"),
        cluster_identifier=config.get("identifier"),
    )
    options = pulumi.ResourceOptions(provider=provider)
"""

WORKLOAD = (
    SMALL
    + """
    labels = {"app": "app"}
    k8s.apps.v1.Deployment(
        "app",
        metadata={"name": "app"},
        spec={
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": {**labels, "plays": config.require("plays")}},
                "spec": {"containers": [{"name": "main", "image": "none"}]},
            },
        },
        opts=pulumi.ResourceOptions.merge(
            options, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=config.require("wait")))
        ),
    )
    k8s.core.v1.ConfigMap("beside", data={"a": "1"}, opts=options)
"""
)


@pytest.fixture
def settings(plane: ControlPlane, api: Api) -> dict[str, str]:
    """The configuration of a program for this test's namespace."""
    return {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace}


# Names, updates, replacements.


def test_a_made_name_is_the_same_in_preview_update_and_the_next_update(
    project: Project, settings: dict[str, str]
) -> None:
    program = SMALL + '    k8s.core.v1.Service("web", spec={"ports": [{"port": %d}]}, opts=options)\n'
    project.write(program % 80, settings)
    project.up()
    name = project.resource("web")["outputs"]["metadata"]["name"]
    project.write(program % 81)
    step = project.steps()["web"]
    assert step["op"] == "update"
    assert step["detailedDiff"] == {"spec.ports[0].port": {"kind": "update", "inputDiff": True}}
    project.up()
    assert project.resource("web")["outputs"]["metadata"]["name"] == name


def test_a_change_of_what_is_fixed_is_previewed_as_a_replacement_and_made_as_one(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    program = SMALL + '    k8s.core.v1.ConfigMap("settings", data={"a": "%s"}, opts=options)\n'
    project.write(program % "1", settings)
    project.up()
    old = project.resource("settings")["id"]
    project.write(program % "2")
    step = project.steps()["settings"]
    assert step["op"] == "replace"
    assert step["detailedDiff"] == {"data.a": {"kind": "update-replace", "inputDiff": True}}
    project.up()
    new = project.resource("settings")["id"]
    assert new != old
    assert exists(api, f"configmaps/{new.partition('/')[2]}")
    assert not exists(api, f"configmaps/{old.partition('/')[2]}")


TWO = (
    SMALL
    + """
    for name in ("one", "two"):
        k8s.core.v1.Service(name, metadata={"labels": {"a": "%s"}}, spec={"ports": [{"port": 80}]}, opts=options)
"""
)


def test_a_targeted_update_leaves_the_rest_alone(project: Project, settings: dict[str, str], api: Api) -> None:
    project.write(TWO % "1", settings)
    project.up()
    project.write(TWO % "2")
    project.up("--target", project.resource("one")["urn"])
    found = {name: api.get(f"services/{name_of(project, name)}")["metadata"]["labels"] for name in ("one", "two")}
    assert found == {"one": {"a": "2"}, "two": {"a": "1"}}


def test_an_object_is_replaced_on_demand(project: Project, settings: dict[str, str], api: Api) -> None:
    project.write(TWO % "1", settings)
    project.up()
    before = {name: name_of(project, name) for name in ("one", "two")}
    project.up("--replace", project.resource("one")["urn"])
    after = {name: name_of(project, name) for name in ("one", "two")}
    assert (after["one"] != before["one"], after["two"] == before["two"]) == (True, True)
    assert not exists(api, f"services/{before['one']}")
    assert exists(api, f"services/{after['one']}")


def test_an_object_of_a_given_name_survives_a_replacement_on_demand(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    """The engine makes the new one first and deletes the old one then, without asking for a diff: the same object."""
    program = SMALL + '    k8s.core.v1.ConfigMap("it", metadata={"name": "it"}, data={"a": "1"}, opts=options)\n'
    project.write(program, settings)
    project.up()
    said = project.up("--replace", project.resource("it")["urn"]).said
    assert exists(api, "configmaps/it")
    assert "keeps its object" in said


def name_of(project: Project, resource: str) -> str:
    """The name of a resource's object."""
    return str(project.resource(resource)["outputs"]["metadata"]["name"])


# Secrets and unknowns.


def test_a_secret_is_never_in_clear_in_the_state_or_in_what_is_printed(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    program = (
        SMALL
        + """
    password = config.require_secret("password")
    name = {"name": "given"}
    given = k8s.core.v1.Secret("given", metadata=name, string_data={"password": password}, opts=options)
    k8s.core.v1.Secret("plain", string_data={"password": "in-the-program"}, opts=options)
    k8s.core.v1.ConfigMap("derived", data={"url": pulumi.Output.format("//{}@", password)}, opts=options)
    pulumi.export("content", k8s.core.v1.Secret.get("again", given.id, opts=options).data)
"""
    )
    project.write(program, settings)
    project.pulumi("config", "set", "--secret", "password", "hunter2-hunter2", "--stack=test")
    said = project.preview("--diff").said + project.up("--diff").said
    said += project.preview("--diff", "--refresh").said
    project.pulumi("config", "set", "--secret", "password", "hunter3-hunter3", "--stack=test")
    said += project.preview("--diff").said + project.up("--diff").said
    assert api.get("secrets/given")["data"] == {"password": "aHVudGVyMy1odW50ZXIz"}
    assert project.outputs()["content"] == {"password": "aHVudGVyMy1odW50ZXIz"}
    state = "".join(file.read_text() for file in project.state.rglob("*.json"))
    assert "given" in state
    for text in ("hunter", "aHVudGVy", "in-the-program", "aW4tdGhlLXByb2dyYW0="):
        assert text not in state
        assert text not in said


def test_what_is_not_known_yet_stays_unknown_in_a_preview(project: Project, settings: dict[str, str], api: Api) -> None:
    program = (
        SMALL
        + """
    web = k8s.core.v1.Service("web", metadata={"name": "web"}, spec={"ports": [{"port": 80}]}, opts=options)
    k8s.core.v1.ConfigMap("address", metadata={"name": "address"}, data={"ip": web.spec.cluster_ip}, opts=options)
    pulumi.export("ip", web.spec.cluster_ip)
    pulumi.export("uid", web.metadata.uid)
"""
    )
    project.write(program, settings)
    assert project.steps()["address"]["newState"]["inputs"]["data"] == {"ip": UNKNOWN}
    project.up()
    address = api.get("services/web")["spec"]["clusterIP"]
    assert api.get("configmaps/address")["data"] == {"ip": address}
    assert project.outputs() == {"ip": address, "uid": api.get("services/web")["metadata"]["uid"]}


# Failures and interruptions.


def test_what_was_made_and_never_became_ready_is_kept_and_the_next_update_carries_on(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    project.write(WORKLOAD, {**settings, "plays": "unpullable", "wait": "3s"})
    failed = project.up(succeeds=False)
    assert "container main: ImagePullBackOff" in failed.said
    assert "not ready after 3 s" in failed.said
    made = api.get("deployments.apps/app")["metadata"]["uid"]
    assert project.resource("app")["outputs"]["metadata"]["uid"] == made
    assert project.resource("beside")["id"]
    project.write(WORKLOAD, {**settings, "plays": "ready", "wait": "60s"})
    project.up()
    assert project.resource("app")["outputs"]["status"]["readyReplicas"] == 1
    assert api.get("deployments.apps/app")["metadata"]["uid"] == made
    project.preview("--expect-no-changes")


def test_an_interrupted_wait_is_kept_and_the_next_update_carries_on(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    project.write(WORKLOAD, {**settings, "plays": "unpullable", "wait": "120s"})
    with project.start("up", "--yes", "--skip-preview", "--stack=test") as process:
        wait_for(lambda: exists(api, "deployments.apps/app"), "the Deployment")
        interrupt(process)
        said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "is not ready yet: cancelled" in said
    assert project.resource("app")["id"] == f"{api.namespace}/app"
    project.write(WORKLOAD, {**settings, "plays": "ready", "wait": "60s"})
    project.up()
    project.preview("--expect-no-changes")


def test_after_the_plugin_was_killed_the_next_update_carries_on(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    """The object is there, the state knows nothing of it: it is recognised by its field manager."""
    project.write(WORKLOAD, {**settings, "plays": "unpullable", "wait": "120s"})
    with project.start("up", "--yes", "--skip-preview", "--stack=test") as process:
        wait_for(lambda: exists(api, "deployments.apps/app"), "the Deployment")
        for plugin in plugins_of(process.pid):
            os.kill(plugin, signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode != 0
    made = api.get("deployments.apps/app")["metadata"]["uid"]
    project.write(WORKLOAD, {**settings, "plays": "ready", "wait": "60s"})
    project.up()
    assert project.resource("app")["outputs"]["metadata"]["uid"] == made
    project.preview("--expect-no-changes")


def test_a_conflict_with_another_manager_is_told_and_nothing_is_overwritten(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    program = (
        SMALL
        + """
    metadata = {"name": "web", "labels": {"a": "%s"}}
    k8s.core.v1.Service("web", metadata=metadata, spec={"ports": [{"port": 80}]}, opts=options)
"""
    )
    project.write(program % "1", settings)
    project.up()
    api.patch("services/web", {"metadata": {"labels": {"a": "theirs"}}}, manager="someone")
    project.write(program % "2")
    failed = project.up(succeeds=False)
    assert 'conflict with "someone"' in failed.said
    assert "pulumi.com/patchForce" in failed.said
    assert api.get("services/web")["metadata"]["labels"] == {"a": "theirs"}


def test_destroying_waits_and_leaves_nothing(project: Project, settings: dict[str, str], api: Api) -> None:
    project.write(WORKLOAD, {**settings, "plays": "ready", "wait": "60s"})
    project.up()
    pods = f"/api/v1/namespaces/{api.namespace}/pods"
    assert api.client.request("GET", pods)["items"]
    project.destroy()
    assert not exists(api, "deployments.apps/app")
    assert api.client.request("GET", pods)["items"] == []


# The cluster out of reach, or another one.


def test_without_a_cluster_a_preview_goes_on_and_an_update_fails_clearly(project: Project, plane: ControlPlane) -> None:
    config = plane.config
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    program = SMALL + '    k8s.core.v1.ConfigMap("settings", data={"a": "1"}, opts=options)\n'
    project.write(program, {"kubeconfig": json.dumps(config), "namespace": "default"})
    preview = project.preview().said
    assert "can't be reached" in preview
    assert "3 to create" in preview
    failed = project.up(succeeds=False).said
    assert "was not made: " in failed or "can't be reached: no answer from https://127.0.0.1:1" in failed


def test_another_kubeconfig_of_the_same_cluster_identifier_replaces_nothing(
    project: Project, settings: dict[str, str], plane: ControlPlane
) -> None:
    program = SMALL + '    k8s.core.v1.ConfigMap("settings", data={"a": "1"}, opts=options)\n'
    project.write(program, {**settings, "identifier": "one"})
    project.up()
    config = plane.config
    port = config["clusters"][0]["cluster"]["server"].rpartition(":")[2]
    config["clusters"][0]["cluster"] |= {"server": f"https://localhost:{port}", "tls-server-name": "127.0.0.1"}
    moved = {**settings, "kubeconfig": json.dumps(config)}
    project.write(program, {**moved, "identifier": "one"})
    assert {name: step["op"] for name, step in project.steps().items()} == {"cluster": "update"}
    project.up()
    project.write(program, {**moved, "identifier": "two"})
    steps = project.steps()
    assert steps["settings"]["op"] == "replace"


def test_the_default_provider_takes_the_clusters_from_the_environment(
    project: Project, plane: ControlPlane, api: Api
) -> None:
    project.environment["KUBECONFIG"] = str(plane.kubeconfig)
    project.write(
        """
        import pulumi_kubernetes as k8s

        k8s.core.v1.ConfigMap("settings", metadata={"name": "settings", "namespace": "NAMESPACE"}, data={"a": "1"})
        """.replace("NAMESPACE", api.namespace),
        {},
    )
    project.up()
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


# Import.


def test_an_object_is_imported_and_then_managed(project: Project, settings: dict[str, str], api: Api) -> None:
    api.post("configmaps", {"metadata": {"name": "theirs"}, "data": {"a": "1"}})
    program = (
        SMALL
        + """
    k8s.core.v1.ConfigMap(
        "settings",
        metadata={"name": "theirs"},
        data={"a": "1"},
        opts=pulumi.ResourceOptions.merge(
            options, pulumi.ResourceOptions(import_=config.require("namespace") + "/theirs")
        ),
    )
"""
    )
    project.write(program, settings)
    project.up()
    project.preview("--expect-no-changes")
    project.destroy()
    assert not exists(api, "configmaps/theirs")
