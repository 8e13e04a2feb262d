"""The program's own components and a real API server: what somebody changed, what was there before, what was renamed.

`docs/adopting.md` and `docs/upgrading.md` tell people to do what is done here.
"""

import json

import pytest

from localcloud import paths
from localcloud.plugins.values import Values
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import Api
from tests.engine.project import STACK, Project

pytestmark = pytest.mark.engine

# The namespace that the program makes is protected: whoever would remove it, even to make it anew, is refused.
PROGRAM = f"""
    import sys

    sys.path.insert(0, {str(paths.CHECKOUT)!r})
    import pulumi
    from pulumi import Alias, ComponentResource, ResourceOptions

    from components.cluster import Cluster, ClusterArgs
    from components.tenancy import Quota, Tenancy, TenancyArgs

    config = pulumi.Config()
    where = ClusterArgs(
        context=config.require("context"), kubeconfig=config.require("kubeconfig"), identifier="the tests' own"
    )
    cluster = Cluster("cluster", where)
    inside = ResourceOptions(providers=[cluster.provider])
    quotas = {{"app": Quota(pods=10, cpu="2", memory="1Gi")}}
    args = TenancyArgs(prefix=config.require("prefix"), quotas=quotas, protect=True)
"""
AS_EVER = PROGRAM + '    Tenancy("tenancy", args, inside)\n'


@pytest.fixture
def area(api: Api) -> Api:
    """The namespace that the program makes for the area `app`."""
    return Api(api.client, f"{api.namespace}-app")


@pytest.fixture
def empty(project: Project, plane: ControlPlane, api: Api) -> Project:
    """The program, and nothing made."""
    where = {"kubeconfig": str(plane.kubeconfig), "context": plane.config["current-context"]}
    project.write(AS_EVER, {**where, "prefix": api.namespace})
    return project


@pytest.fixture
def made(empty: Project) -> Project:
    """The program, and what it makes."""
    empty.up()
    return empty


def uid(area: Api) -> str:
    """Of the namespace: another one is another namespace, and what was in the first is gone."""
    found: str = area.client.request("GET", f"/api/v1/namespaces/{area.namespace}")["metadata"]["uid"]
    return found


def operations(project: Project, *arguments: str) -> dict[str, str]:
    """What a preview would do, but for looking."""
    return {name: step["op"] for name, step in project.steps(*arguments).items() if step["op"] != "refresh"}


# Drift.

DENY = "networkpolicies.networking.k8s.io/default-deny"


def test_an_edit_by_hand_shows_as_drift_and_the_next_update_undoes_it(made: Project, area: Api) -> None:
    """S12.2. With a field manager of its own, as `kubectl edit` has, the edit stopped every later update."""
    before = area.get(DENY)["spec"]
    area.patch(DENY, {"spec": {"policyTypes": ["Egress"]}}, manager="kubectl-edit")
    # Without looking, the program is compared with the state alone.
    made.preview("--expect-no-changes")
    assert operations(made, "--refresh") == {"app-default-deny": "update"}
    assert "policyTypes" in made.refresh("--diff").said
    changes = made.steps()["app-default-deny"]["detailedDiff"]
    assert set(changes) == {"spec.policyTypes[0]", "spec.policyTypes[1]"}
    made.up()
    assert area.get(DENY)["spec"] == before
    made.preview("--refresh", "--expect-no-changes")


def test_what_somebody_removed_is_made_again(made: Project, area: Api) -> None:
    area.delete("resourcequotas/quota")
    assert operations(made, "--refresh") == {"app": "create"}
    made.up("--refresh")
    assert area.get("resourcequotas/quota")["spec"]["hard"]["pods"] == "10"


def test_what_others_added_is_no_drift_and_stays(made: Project, area: Api) -> None:
    area.patch(DENY, {"metadata": {"labels": {"team": "theirs"}}})
    made.preview("--refresh", "--expect-no-changes")
    made.up("--refresh")
    assert area.get(DENY)["metadata"]["labels"]["team"] == "theirs"


# Adopting.


@pytest.fixture
def theirs(area: Api) -> str:
    """The namespace is there before the program. Its uid."""
    labels = {"team": "theirs", "pod-security.kubernetes.io/enforce": "baseline"}
    body: Values = {"metadata": {"name": area.namespace, "labels": labels}}
    area.client.request("POST", "/api/v1/namespaces", body)
    return uid(area)


def test_what_is_there_already_is_not_taken_over_by_the_way(empty: Project, area: Api, theirs: str) -> None:
    said = empty.up(succeeds=False).said
    assert f"Namespace {area.namespace} already exists. Import it" in said
    assert uid(area) == theirs


def test_what_is_there_already_is_imported_by_a_list_that_the_preview_writes(
    empty: Project, area: Api, theirs: str
) -> None:
    empty.up("--target=**::cluster")
    empty.preview("--import-file=adopt.json")
    file = empty.directory / "adopt.json"
    adopt = json.loads(file.read_text())
    for entry in adopt["resources"]:
        if entry["type"] == "kubernetes:core/v1:Namespace":
            entry["id"] = area.namespace
    adopt["resources"] = [entry for entry in adopt["resources"] if entry.get("id") != "<PLACEHOLDER>"]
    file.write_text(json.dumps(adopt))
    listed = ("--file=adopt.json", "--protect=false", "--yes", "--skip-preview")
    empty.pulumi("import", *listed, f"--stack={STACK}")
    assert operations(empty)["app-default-deny"] == "create"
    adopted(empty, area, theirs)


def test_what_is_there_already_is_taken_over_where_the_provider_is_told_so(
    empty: Project, area: Api, theirs: str
) -> None:
    empty.environment["PULUMI_K8S_UPSERT_EXISTING_OBJECTS"] = "true"
    empty.up()
    del empty.environment["PULUMI_K8S_UPSERT_EXISTING_OBJECTS"]
    adopted(empty, area, theirs)


def test_after_a_lost_state_all_is_taken_over(made: Project, area: Api) -> None:
    before, policy = uid(area), area.get(DENY)["metadata"]["uid"]
    made.state_file.unlink()
    made.pulumi("stack", "init", STACK)
    made.environment["PULUMI_K8S_UPSERT_EXISTING_OBJECTS"] = "true"
    made.up()
    del made.environment["PULUMI_K8S_UPSERT_EXISTING_OBJECTS"]
    made.up()
    made.preview("--refresh", "--expect-no-changes")
    assert (uid(area), area.get(DENY)["metadata"]["uid"]) == (before, policy)


def adopted(project: Project, area: Api, theirs: str) -> None:
    """The next update makes it as the program wants it, keeps what it says nothing of, and is the last."""
    project.up()
    project.preview("--expect-no-changes")
    assert uid(area) == theirs
    labels = area.client.request("GET", f"/api/v1/namespaces/{area.namespace}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["team"] == "theirs"


# Renames.

MOVED = """
    platform = ComponentResource("vision-week:platform:Platform", "platform")
    before = [Alias(name="tenancy", parent=pulumi.ROOT_STACK_RESOURCE)]
    options = ResourceOptions(parent=platform, providers=[cluster.provider], aliases={aliases})
    Tenancy("namespaces", args, options)
"""
OF_ANOTHER_TYPE = """
    class Namespaces(Tenancy):
        def __init__(self, name, args, opts):
            was = [Alias(type_="vision-week:tenancy:Tenancy")] if {aliased} else []
            opts = ResourceOptions.merge(opts, ResourceOptions(aliases=was))
            ComponentResource.__init__(self, "vision-week:tenancy:Namespaces", name, None, opts)
            self.namespaces = {{area: self._namespace(args, area, quota) for area, quota in args.quotas.items()}}

    Namespaces("tenancy", args, inside)
"""


@pytest.mark.parametrize(
    ("renamed", "forgotten"),
    [
        pytest.param(MOVED.format(aliases="before"), MOVED.format(aliases="[]"), id="renamed and moved"),
        pytest.param(OF_ANOTHER_TYPE.format(aliased=True), OF_ANOTHER_TYPE.format(aliased=False), id="of another type"),
    ],
)
def test_a_renamed_component_keeps_its_resources(made: Project, area: Api, renamed: str, forgotten: str) -> None:
    before = uid(area)
    made.write(PROGRAM + forgotten)
    assert "pulumi state unprotect" in made.preview(succeeds=False).said
    made.write(PROGRAM + renamed)
    assert {name for name, operation in operations(made).items() if operation != "update"} <= {"platform"}
    made.up()
    assert uid(area) == before
    made.preview("--expect-no-changes")


# Upgrades.


def test_a_state_that_an_older_provider_wrote_is_taken_over(made: Project, area: Api) -> None:
    before, now = uid(area), provider(made)["version"]
    export = made.pulumi("stack", "export", f"--stack={STACK}").output
    (made.directory / "older.json").write_text(export.replace(f'"version": "{now}"', '"version": "4.20.0"'))
    made.pulumi("stack", "import", "--file=older.json", f"--stack={STACK}")
    assert provider(made)["version"] == "4.20.0"
    # Without the program it is the old provider that is asked for, which isn't there any more.
    assert "4.20.0" in made.refresh(succeeds=False).said
    made.refresh("--run-program")
    made.up()
    assert provider(made)["version"] == now
    assert uid(area) == before
    made.preview("--expect-no-changes")
    made.refresh("--expect-no-changes")


def provider(project: Project) -> Values:
    """What the state has of the provider."""
    resources = project.deployment()["resources"]
    (found,) = [each for each in resources if each["type"] == "pulumi:providers:kubernetes"]
    return dict(found["inputs"])
