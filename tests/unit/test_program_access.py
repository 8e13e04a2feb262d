"""The whole program on mocks: what an auditor is told of who may talk to whom, and who may read and do what."""

from operations.audit.access import connections, page_of, readers, rights
from tests.policies.examples import BINDING, GRANT, ROLE, kubernetes, spoilt, workload
from tests.policies.seen import resources_of
from tests.unit import test_program_connections as program_connections
from tests.unit.conftest import Stacks
from tests.unit.pods import workloads
from tests.unit.recording import Recording


def test_the_connections_told_are_those_that_both_sides_allow(program: Recording) -> None:
    """They are looked up twice, by other code on other data: the program's inputs, and what the engine gets."""
    allowed = {(who, whom, str(port)) for who, whom, port in program_connections.connections(program)}
    assert connections(resources_of(program)) == allowed


def test_every_secret_is_told_with_its_reader(stacks: Stacks, stack: str) -> None:
    recording = stacks(stack)
    told = readers(resources_of(recording))
    assert {secret for secret, _ in told} == {one.object_name for one in recording.secrets}
    assert {reader for _, reader in told} <= {pod.name for pod in workloads(recording)}


def test_the_rights_told_are_those_of_every_role_that_is_bound(development: Recording) -> None:
    told = rights(resources_of(development))
    assert {account for account, _, _ in told} == {
        subject["name"] for one in development.of("RoleBinding") for subject in one.inputs["subjects"]
    }
    assert ("postgres", "get, list, watch pods, endpoints", "vision-week-data") in told


def test_a_binding_to_a_role_of_somebody_else_s_and_a_grant_of_google_s_are_told() -> None:
    foreign = spoilt(BINDING, "roleRef", {"kind": "ClusterRole", "name": "view"})
    assert rights([ROLE, foreign, GRANT]) == {
        ("web", "all of ClusterRole view", "web"),
        ("serviceAccount:a@b.c", "roles/logging.logWriter", "web"),
    }


def test_whom_the_stack_does_not_make_has_the_name_that_the_policy_has_for_it() -> None:
    policy = kubernetes(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {},
            "ingress": [
                {"from": [{"namespaceSelector": {"matchLabels": {"team": "visitors"}}}], "ports": [{"port": 80}]}
            ],
            "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}],
        },
    )
    assert connections([workload(), policy]) == {("visitors", "web", "80"), ("web", "192.0.2.0/24", "all")}


def test_the_picture_has_an_arrow_for_each_pair_without_the_look_ups_of_names(development: Recording) -> None:
    page = page_of("development", resources_of(development))
    picture, _, tables = page.partition("```mermaid")[2].partition("```")
    assert '"8080, 8443"' in picture
    assert "kube-dns" not in picture
    assert "| app | kube-dns | 53 |" in tables
