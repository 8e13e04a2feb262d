"""What benchmarks ask for is in production's resources, and `docs/hardening.md` says so."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.unit import hardening
from tests.unit.conftest import Stacks
from tests.unit.pods import workloads
from tests.unit.recording import CHECKOUT, Recording

PAGE = CHECKOUT / "docs" / "hardening.md"
# What comes before the tables on the page is written by hand.
BEGIN = "<!-- made by tests/unit/test_hardening.py -->"


@pytest.fixture
def production(stacks: Stacks) -> Recording:
    return stacks("production")


def test_every_field_that_the_table_names_is_so_in_production(production: Recording) -> None:
    assert [field.said for field in hardening.fields() if not field.holds(production)] == []


def test_a_field_that_is_otherwise_is_noticed(production: Recording) -> None:
    """A path that leads nowhere would prove anything."""
    assert [field.said for field in hardening.fields() if field.otherwise.holds(production)] == []
    nowhere = [field.said for field in hardening.fields() if not field.found(production)]
    assert nowhere == []


def test_every_test_that_the_table_names_is_there() -> None:
    assert [test.name for test in hardening.tests() if not test.exists] == []


def test_no_recommendation_of_the_benchmark_is_left_out() -> None:
    numbers = [item.number for item in hardening.CIS]
    assert numbers == [f"{group}.{one + 1}" for group, count in hardening.CIS_GROUPS.items() for one in range(count)]


def test_the_page_has_the_tables(request: pytest.FixtureRequest) -> None:
    tables = {
        "CIS Google Kubernetes Engine Benchmark 1.6.0": hardening.CIS,
        "NSA and CISA, Kubernetes Hardening Guidance 1.2": hardening.NSA,
        "Beyond them": hardening.BEYOND,
    }
    told = "\n".join(line for title, items in tables.items() for line in (f"\n## {title}\n", *hardening.table(items)))
    head, found, rest = PAGE.read_text().partition(BEGIN)
    assert found, f"{PAGE} has lost the line {BEGIN}"
    if request.config.getoption("--update-inventories"):
        PAGE.write_text(f"{head}{BEGIN}\n{told}\n")
        return
    assert rest == f"\n{told}\n", "review, and write anew by: make test-unit ARGUMENTS=--update-inventories"


def test_every_namespace_but_the_nodes_takes_restricted_pods_only(production: Recording) -> None:
    """DECISIONS: namespaces. In that one is what runs on every node; the collector of logs alone mounts a path
    of it, to read."""
    levels = {
        one.object_name: one.metadata["labels"]["pod-security.kubernetes.io/enforce"]
        for one in production.of("Namespace")
    }
    (node,) = (name for name, level in levels.items() if level != "restricted")
    assert (node, levels[node]) == ("vision-week-node", "privileged")
    on_nodes = [(one, template) for one, template in production.pods() if one.namespace == node]
    assert sorted(one.object_name for one, _ in on_nodes) == ["collector", "node-exporter"]
    for one, template in production.pods():
        paths = {each["name"]: each["hostPath"] for each in template["spec"].get("volumes", []) if "hostPath" in each}
        collects = one.object_name == "collector"
        assert paths == ({"logs": {"path": "/var/log/pods", "type": "Directory"}} if collects else {})
        for container in template["spec"]["containers"]:
            assert all(mount["readOnly"] for mount in container.get("volumeMounts", []) if mount["name"] in paths)


# --- rights in the cluster


def rules(recording: Recording) -> Iterator[Mapping[str, Any]]:
    for one in [*recording.of("Role"), *recording.of("ClusterRole")]:
        yield from one.inputs["rules"]


def test_no_right_is_given_by_a_wildcard(production: Recording) -> None:
    found = list(rules(production))
    assert found
    for rule in found:
        assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]


def test_nobody_may_become_somebody_else(production: Recording) -> None:
    assert {verb for rule in rules(production) for verb in rule["verbs"]} & {"bind", "escalate", "impersonate"} == set()


def test_rights_in_the_cluster_are_given_to_our_service_accounts_alone(production: Recording) -> None:
    """But for the pipeline's account that looks for drift and tests."""
    bindings = [*production.of("RoleBinding"), *production.of("ClusterRoleBinding")]
    ours = {(one.namespace, one.object_name) for one in production.of("ServiceAccount")}
    given = [(one, subject) for one in bindings for subject in one.inputs["subjects"]]
    accounts = [subject for _, subject in given if subject["kind"] == "ServiceAccount"]
    assert accounts
    assert {(subject["namespace"], subject["name"]) for subject in accounts} <= ours
    others = [(one, subject) for one, subject in given if subject["kind"] != "ServiceAccount"]
    assert {(subject["kind"], subject["name"]) for _, subject in others} == {
        ("User", "nightly@vision-week-production.iam.gserviceaccount.com")
    }
    assert {(one.kind, one.inputs["roleRef"]["kind"], one.inputs["roleRef"]["name"]) for one, _ in others} == {
        ("RoleBinding", "Role", "moments"),
        ("RoleBinding", "Role", "inspection"),
    }


def test_who_looks_may_renew_three_leases_and_nothing_else(production: Recording) -> None:
    rule = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["last-delivery", "drift-checked", "drift-none"],
        "verbs": ["get", "patch"],
    }
    assert production.one("Role", "moments").inputs["rules"] == [rule]


def test_who_looks_reads_secrets_where_the_stack_has_some_and_runs_commands_where_tests_do(
    production: Recording,
) -> None:
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    commands = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]}
    roles = {one.namespace: one.inputs["rules"] for one in production.of("Role") if one.object_name == "inspection"}
    assert roles == {
        "vision-week-app": [secrets],
        "vision-week-data": [secrets, commands],
        "vision-week-edge": [secrets],
        "vision-week-monitoring": [secrets, commands],
    }
    assert {one.namespace for one in production.secrets} <= set(roles)
    bound = {one.namespace for one in production.of("RoleBinding") if one.object_name == "inspection"}
    assert bound == set(roles)


def test_where_nobody_is_named_nobody_has_such_rights(stacks: Stacks) -> None:
    assert [one for one in stacks("development").objects if one.object_name == "inspection"] == []


def test_every_pod_has_an_account_that_is_not_the_default_one(production: Recording) -> None:
    accounts = {(pod.spec["serviceAccountName"], pod.name) for pod in workloads(production)}
    by_account = Counter(account for account, _ in accounts)
    assert "default" not in by_account
    assert all(count == 1 for name, count in by_account.items() if name != "app")


def test_nothing_is_in_the_default_namespace(production: Recording) -> None:
    """What has no namespace at all is of a kind that is in none."""
    of_no_namespace = {"ClusterRole", "ClusterRoleBinding", "Namespace", "PersistentVolume", "StorageClass"}
    of_no_namespace |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    homeless = {one.kind for one in production.objects if not one.namespace}
    assert homeless <= of_no_namespace
    assert "default" not in {one.namespace for one in production.objects}
