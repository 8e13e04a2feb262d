"""The whole program on mocks: what an auditor is told of who may talk to whom, and who may read and do what."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from operations.audit.access import connections, readers, rights, tables
from operations.audit.picture import picture
from tests.policies.examples import BINDING, GRANT, ROLE, kubernetes, spoilt, workload
from tests.policies.seen import resources_of
from tests.unit import test_program_connections as program_connections
from tests.unit.conftest import Stacks
from tests.unit.pods import workloads
from tests.unit.recording import Recording
from tests.unit.stacks import STACKS

SVG = "{http://www.w3.org/2000/svg}"


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


def test_whom_one_reaches_who_is_let_out_to_anybody_is_told() -> None:
    open_out = kubernetes(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {},
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 80}]}],
            "egress": [{"ports": [{"port": 80}]}],
        },
    )
    assert connections([workload(), open_out]) == {("web", "web", "80"), ("web", "anybody", "80")}


@pytest.mark.parametrize("stack", STACKS)
def test_who_may_do_what_in_a_stack_is_as_it_was_reviewed(
    stack: str, stacks: Stacks, reviewed: Callable[[str, str], None]
) -> None:
    resources = resources_of(stacks(stack))
    reviewed(f"access-{stack}.md", tables(stack, resources))
    reviewed(f"access-{stack}.svg", picture(stack, resources))


def test_the_picture_has_each_connection_and_right_but_the_look_ups_of_names(stacks: Stacks, stack: str) -> None:
    resources = resources_of(stacks(stack))
    drawn = read(picture(stack, resources))
    titles = {text for one in drawn.iter(f"{SVG}title") if (text := one.text)}
    texts = " ".join(text for one in drawn.iter(f"{SVG}text") if (text := one.text))
    for who, whom, port in connections(resources):
        if port != "53" and who != whom:
            (title,) = [one for one in titles if one.startswith(f"{who} to {whom}: ")]
            assert port in title.partition(": ")[2].split(", ")
    assert "kube-dns" not in texts
    assert {f"{secret} to {reader}" for secret, reader in readers(resources)} <= titles
    assert {f"{account} to {right}" for account, right, _ in rights(resources)} <= titles


def test_whom_the_picture_names_can_not_break_it() -> None:
    hostile = spoilt(BINDING, "subjects", [{"name": "<a> & 'b'"}])
    drawn = read(picture("a", [ROLE, hostile]))
    assert "<a> & 'b'" in {one.text for one in drawn.iter(f"{SVG}text")}


def read(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)  # noqa: S314  the program's own
