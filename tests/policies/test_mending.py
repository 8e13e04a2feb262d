"""What rules add where nothing was said: it contents the rule, and touches nothing that is there."""

from typing import Any

import pytest
from google.protobuf import struct_pb2

from components.settings import Exemption
from policies.analyzer import RULES, remedies
from policies.exemptions import Stack
from policies.mending import mended as with_additions
from policies.rules import Resource, at
from tests.policies.examples import (
    ACCOUNT,
    BACKUPS,
    CONFIG,
    DEMANDS,
    GOOD,
    in_container,
    in_pod,
    made,
    spoilt,
    workload,
)
from tests.policies.seen import TODAY, mended, struct

BY_NAME = {rule.name: rule for rule in RULES}
SETTINGS = Stack(demands=DEMANDS)
SECURITY = "securityContext"
POD = ("spec", "template", "spec")
SEEN_BY_NOBODY = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hunter22"}
NOT_KNOWN_YET = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
FIRST = {"name": "first", SECURITY: {"capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "Localhost"}}}
CRON = spoilt(workload("CronJob"), f"spec.jobTemplate.spec.template.spec.{SECURITY}.seccompProfile", None)

# Rule, a resource that says nothing, where something is added, and what.
MENDED: list[tuple[str, Resource, tuple[str | int, ...], Any]] = [
    ("pod-seccomp", in_pod(f"{SECURITY}.seccompProfile", None), (*POD, SECURITY, "seccompProfile"), "RuntimeDefault"),
    ("pod-seccomp", in_pod(SECURITY, {"runAsNonRoot": True}), (*POD, SECURITY, "seccompProfile"), "RuntimeDefault"),
    ("pod-seccomp", CRON, ("spec", "jobTemplate", "spec", "template", "spec", SECURITY, "seccompProfile"),
     "RuntimeDefault"),
    ("pod-no-escalation", in_container(f"{SECURITY}.allowPrivilegeEscalation", None),
     (*POD, "containers", 0, SECURITY, "allowPrivilegeEscalation"), False),
    ("pod-no-escalation", in_pod("initContainers", [FIRST]),
     (*POD, "initContainers", 0, SECURITY, "allowPrivilegeEscalation"), False),
    ("account-no-token", spoilt(ACCOUNT, "automountServiceAccountToken", None), ("automountServiceAccountToken",),
     False),
    ("standard-labels", spoilt(CONFIG, "metadata.labels", None),
     ("metadata", "labels", "app.kubernetes.io/part-of"), "vision-week"),
    ("standard-labels", spoilt(CONFIG, "metadata.labels", {"app.kubernetes.io/part-of": "another"}),
     ("metadata", "labels", "app.kubernetes.io/managed-by"), "pulumi"),
    ("google-bucket-guarded", spoilt(BACKUPS, "publicAccessPrevention", None), ("publicAccessPrevention",), "enforced"),
    ("google-bucket-guarded", spoilt(BACKUPS, "uniformBucketLevelAccess", None), ("uniformBucketLevelAccess",), True),
]  # fmt: skip

# Rule, and what somebody wrote, or what only a person can know: the rule stays broken.
LEFT_BROKEN: list[tuple[str, Resource]] = [
    ("pod-seccomp", in_pod(f"{SECURITY}.seccompProfile.type", "Unconfined")),
    ("pod-seccomp", in_container(f"{SECURITY}.seccompProfile", {"type": "Unconfined"})),
    ("pod-no-escalation", in_container(f"{SECURITY}.allowPrivilegeEscalation", True)),
    ("pod-no-escalation", in_container(SECURITY, {"capabilities": {"drop": ["NET_RAW"]}})),
    ("pod-no-escalation", in_container(SECURITY, {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}})),
    ("pod-no-escalation", in_container(SECURITY, {"capabilities": {"drop": ["ALL"]}, "privileged": True})),
    ("account-no-token", spoilt(ACCOUNT, "automountServiceAccountToken", True)),
    ("account-no-token", in_pod("automountServiceAccountToken", None)),
    ("google-bucket-guarded", spoilt(BACKUPS, "publicAccessPrevention", "inherited")),
    ("google-bucket-guarded", spoilt(BACKUPS, "uniformBucketLevelAccess", False)),
    ("google-bucket-guarded", spoilt(BACKUPS, "versioning", None)),
    ("standard-labels", made("kubernetes:helm.sh/v3:Release", chart="of others")),
    ("pod-not-root", in_pod(f"{SECURITY}.runAsNonRoot", None)),
    ("pod-no-capabilities", in_container(f"{SECURITY}.capabilities", None)),
    ("pod-read-only", in_container(f"{SECURITY}.readOnlyRootFilesystem", None)),
]


def said(rule: str, resource: Resource) -> list[str]:
    check = BY_NAME[rule].resource
    assert check is not None
    return list(check(resource, DEMANDS))


@pytest.mark.parametrize(("rule", "resource", "path", "value"), MENDED, ids=[f"{one[0]}: {one[2]}" for one in MENDED])
def test_what_is_missing_is_added_and_contents_the_rule(
    rule: str, resource: Resource, path: tuple[str | int, ...], value: Any
) -> None:
    assert said(rule, resource)
    after, rules = mended(resource, SETTINGS)
    assert rules == [rule]
    assert said(rule, after) == []
    assert at(after.props, *path) in (value, {"type": value})


@pytest.mark.parametrize("resource", [one[1] for one in MENDED], ids=[f"{one[0]}: {one[2]}" for one in MENDED])
def test_what_is_mended_needs_nothing_more(resource: Resource) -> None:
    after, _ = mended(resource, SETTINGS)
    assert mended(after, SETTINGS) == (after, [])


@pytest.mark.parametrize(("rule", "resource"), LEFT_BROKEN, ids=[one[0] for one in LEFT_BROKEN])
def test_what_somebody_wrote_or_only_a_person_knows_stays_as_it_is(rule: str, resource: Resource) -> None:
    after, rules = mended(resource, SETTINGS)
    assert rules == []
    assert after == resource
    assert said(rule, after)


@pytest.mark.parametrize("resource", GOOD, ids=lambda one: one.type)
def test_a_good_resource_is_left_alone(resource: Resource) -> None:
    assert mended(resource, SETTINGS) == (resource, [])


def test_every_rule_that_mends_is_seen_to() -> None:
    assert {rule.name for rule in RULES if rule.adds} == {rule for rule, *_ in MENDED}


def test_two_rules_mend_one_resource_one_after_the_other() -> None:
    """The engine keeps what the last of them gives."""
    twice = spoilt(in_pod(f"{SECURITY}.seccompProfile", None), "metadata.labels", None)
    after, rules = mended(twice, SETTINGS)
    assert rules == ["pod-seccomp", "standard-labels"]
    assert [said(rule, after) for rule in rules] == [[], []]


def test_what_is_exempted_is_not_mended() -> None:
    exemption = Exemption(
        rule="account-no-token", resource="web", reason="its pods are made by others", owner="x", expires="2026-12-01"
    )
    bare = spoilt(ACCOUNT, "automountServiceAccountToken", None)
    assert mended(bare, Stack(demands=DEMANDS, exemptions=[exemption])) == (bare, [])


def test_what_no_rule_sees_goes_back_as_it_came() -> None:
    """Secrets, what a preview doesn't know yet, and numbers with a fraction are the engine's."""
    props: dict[str, Any] = {
        "apiVersion": "v1",
        "metadata": {"name": "web", "annotations": {"a": SEEN_BY_NOBODY, "b": NOT_KNOWN_YET}},
        "stringData": SEEN_BY_NOBODY,
        "ratio": 0.1,
    }
    resource = made("kubernetes:core/v1:Secret", **props)
    ((rule, after),) = remedies(resource, struct(props), SETTINGS, TODAY)
    assert rule.name == "standard-labels"
    del after.fields["metadata"].struct_value.fields["labels"]
    assert after == struct(props)


@pytest.mark.parametrize("hidden", [SEEN_BY_NOBODY, NOT_KNOWN_YET, ["text"], 7], ids=["secret", "unknown", "list", "7"])
@pytest.mark.parametrize("place", [("metadata",), ("metadata", "labels"), ("metadata", "labels", "mine")], ids=str)
def test_nothing_is_added_inside_of_what_can_not_be_seen(place: tuple[str, ...], hidden: Any) -> None:
    props = struct_pb2.Struct()
    inner = props
    for step in place[:-1]:
        inner = inner.get_or_create_struct(step)
    inner.update({place[-1]: hidden})
    assert with_additions(props, [(("metadata", "labels", "mine", "own"), "x")]) == props


@pytest.mark.parametrize("value", ["text", 7, [], {}, True, SEEN_BY_NOBODY, NOT_KNOWN_YET], ids=repr)
@pytest.mark.parametrize("resource", GOOD, ids=lambda one: one.type)
def test_a_resource_of_an_odd_shape_is_not_bent(resource: Resource, value: Any) -> None:
    for key in resource.props:
        odd = spoilt(resource, key, value)
        assert key in mended(odd, SETTINGS)[0].props
