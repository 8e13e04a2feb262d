"""Each rule that looks at a whole stack: a small stack that all are content with, spoilt in one place."""

from collections.abc import Sequence
from typing import Any

import pytest

from policies.analyzer import RULES
from policies.rules import UNKNOWN, Demands, Resource
from tests.policies.examples import (
    BINDING,
    DEMANDS,
    LABELS,
    NAMESPACE,
    ROLE,
    SERVICE,
    WORKBENCH,
    kubernetes,
    made,
    spoilt,
    workload,
)

BY_NAME = {rule.name: rule for rule in RULES}
SAME = {"matchLabels": LABELS}
DENY = kubernetes(
    "networking.k8s.io/v1", "NetworkPolicy", "deny", spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
)
POLICY = kubernetes(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    spec={"podSelector": SAME, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8080}]}]},
)
QUOTA = kubernetes("v1", "ResourceQuota", spec={"hard": {"pods": "6", "requests.cpu": "1", "limits.memory": "1Gi"}})
DEFAULTS = kubernetes("v1", "LimitRange", spec={})
SCALER = kubernetes(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    spec={"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
)
BUDGET = kubernetes("policy/v1", "PodDisruptionBudget", spec={"selector": SAME, "maxUnavailable": 1})
SECRET = kubernetes("v1", "Secret")
WEB = workload(strategy={"rollingUpdate": {"maxSurge": 1}})
JOB = spoilt(workload("Job"), "spec.parallelism", 2)
AGENT = spoilt(workload("DaemonSet"), "metadata.name", "agent")
# In three zones, with one more in each while it is upgraded: nine nodes, and as many pods of the agent.
POOL = made("gcp:container/nodePool:NodePool", "apps", autoscaling={"maxNodeCount": 2}, upgradeSettings={"maxSurge": 1})
STORED = kubernetes("apps/v1", "StatefulSet", "db", spec={"replicas": 2, "volumeClaimTemplates": [{"spec": {}}]})
PLAN = made(
    "gcp:gkebackup/backupPlan:BackupPlan",
    backupConfig={"includeVolumeData": True, "selectedNamespaces": {"namespaces": ["web"]}},
)
# A claim in a namespace that the plan leaves out: what it stores is in a bucket that keeps versions.
UPLOADS = kubernetes("v1", "PersistentVolumeClaim", "uploads", namespace="app", spec={"volumeName": "uploads"})
VOLUME = kubernetes("v1", "PersistentVolume", "uploads", namespace=None, spec={"csi": {"volumeHandle": "a-bucket"}})
BUCKET = spoilt(made("gcp:storage/bucket:Bucket", "uploads", versioning={"enabled": True}), "name", "a-bucket")
DUMPS = spoilt(
    kubernetes("batch/v1", "CronJob", "db-full", spec={"schedule": "0 2 * * *"}),
    "metadata.labels",
    {"app.kubernetes.io/name": "db-backups"},
)
READER = spoilt(ROLE, "rules.0.resources", ["secrets"])
EVERYWHERE = kubernetes("rbac.authorization.k8s.io/v1", "ClusterRole", namespace=None, rules=READER.props["rules"])
PERSON = {"kind": "User", "name": "ada@vision-week.example"}
READS = spoilt(spoilt(BINDING, "roleRef", {"kind": "Role", "name": "web"}), "subjects", [PERSON])
STACK = (NAMESPACE, DENY, POLICY, QUOTA, DEFAULTS, SERVICE, WEB, SCALER, BUDGET, SECRET)
BACKED_UP = (STORED, PLAN, UPLOADS, VOLUME, BUCKET)


def instead(*changed: Resource, without: Sequence[Resource] = ()) -> list[Resource]:
    """The stack with other resources in the place of those with the same kind and name, and without some."""
    new = {one.urn: one for one in changed}
    kept = [new.pop(one.urn, one) for one in STACK if one not in without]
    return [*kept, *new.values()]


def said(rule: str, resources: Sequence[Resource], demands: Demands = DEMANDS) -> list[tuple[str, str]]:
    """What it finds: name of the resource, and message."""
    check = BY_NAME[rule].stack
    assert check is not None
    return [(one.urn.rpartition("::")[2], one.message) for one in check(resources, demands)]


CAUGHT: list[tuple[str, list[Resource], str, str]] = [
    ("namespace-default-deny", instead(without=[DENY]), "web", "nothing denies Egress and Ingress"),
    ("namespace-default-deny", instead(spoilt(DENY, "spec.policyTypes", ["Ingress"])), "web", "denies Egress"),
    ("namespace-default-deny", instead(spoilt(DENY, "spec.ingress", [{}])), "web", "denies Ingress"),
    ("namespace-default-deny", instead(spoilt(DENY, "metadata.namespace", "other")), "web", "nothing denies"),
    ("namespace-bounded", instead(without=[QUOTA]), "web", "no ResourceQuota"),
    ("namespace-bounded", instead(without=[DEFAULTS]), "web", "no LimitRange"),
    ("service-has-policy", instead(without=[POLICY]), "web", "no NetworkPolicy"),
    (
        "service-has-policy",
        instead(spoilt(POLICY, "spec.podSelector.matchLabels", {"a": "b"})),
        "web",
        "no NetworkPolicy",
    ),
    ("service-has-policy", instead(spoilt(POLICY, "spec.policyTypes", ["Egress"])), "web", "no NetworkPolicy"),
    ("service-has-pods", instead(spoilt(SERVICE, "spec.selector", {"app.kubernetes.io/name": "x"})), "web", "no pod"),
    ("workload-replicated", instead(spoilt(SCALER, "spec.minReplicas", 1)), "web", "1 replica"),
    ("workload-replicated", instead(spoilt(WEB, "spec.replicas", 1), without=[SCALER]), "web", "1 replica"),
    ("workload-replicated", instead(spoilt(WEB, "spec.replicas", None), without=[SCALER]), "web", "1 replica"),
    ("workload-has-budget", instead(without=[BUDGET]), "web", "PodDisruptionBudget"),
    ("workload-has-budget", instead(spoilt(BUDGET, "spec.selector.matchLabels", {"a": "b"})), "web", "PodDisruption"),
    ("scaling-within-quota", instead(spoilt(SCALER, "spec.maxReplicas", 6)), "web", "pods: 6 are allowed, 7 may"),
    (
        "scaling-within-quota",
        instead(spoilt(WEB, "spec.strategy.rollingUpdate.maxSurge", 4)),
        "web",
        "pods: 6 are allowed, 9 may",
    ),
    (
        "scaling-within-quota",
        instead(spoilt(WEB, "spec.strategy.rollingUpdate.maxSurge", "50%")),
        "web",
        "pods: 6 are allowed, 8 may",
    ),
    ("scaling-within-quota", instead(spoilt(WEB, "spec.strategy", None)), "web", "pods: 6 are allowed, 7 may"),
    ("scaling-within-quota", instead(JOB), "web", "pods: 6 are allowed, 8 may"),
    ("scaling-within-quota", instead(AGENT), "web", "pods: 6 are allowed, 7 may"),
    ("scaling-within-quota", instead(AGENT, POOL), "web", "pods: 6 are allowed, 15 may"),
    ("scaling-within-quota", instead(spoilt(QUOTA, "spec.hard", {"limits.memory": "300Mi"})), "web", "limits.memory"),
    (
        "scaling-within-quota",
        instead(spoilt(QUOTA, "spec.hard", {"requests.cpu": "400m"})),
        "web",
        "requests.cpu: 400m",
    ),
    ("claim-backed-up", [STORED, UPLOADS, VOLUME, BUCKET], "db", "no backup"),
    ("claim-backed-up", [STORED, spoilt(PLAN, "backupConfig.includeVolumeData", False)], "db", "no backup"),
    (
        "claim-backed-up",
        [STORED, spoilt(PLAN, "backupConfig.selectedNamespaces", {"namespaces": ["other"]})],
        "db",
        "no backup",
    ),
    ("claim-backed-up", [PLAN, UPLOADS, VOLUME, spoilt(BUCKET, "versioning.enabled", False)], "uploads", "no backup"),
    ("claim-backed-up", [PLAN, UPLOADS, BUCKET], "uploads", "no backup"),
    ("claim-backed-up", [STORED, spoilt(DUMPS, "spec.suspend", True)], "db", "no backup"),
    ("claim-backed-up", [STORED, spoilt(DUMPS, "metadata.namespace", "other")], "db", "no backup"),
    ("claim-backed-up", [spoilt(STORED, "metadata.name", "redis"), DUMPS], "db", "no backup"),
    (
        "secret-has-one-reader",
        instead(spoilt(workload("StatefulSet"), "metadata.name", "worker")),
        "web",
        "is read by web and worker",
    ),
    ("role-no-secrets", [READER], "web", "may get Secrets"),
    ("role-no-secrets", [EVERYWHERE, spoilt(READS, "roleRef.kind", "ClusterRole")], "web", "may get Secrets"),
    ("role-no-secrets", [READER, spoilt(READS, "metadata.namespace", "other")], "web", "may get Secrets"),
    ("role-no-secrets", [READER, spoilt(READS, "roleRef.name", "other")], "web", "may get Secrets"),
    ("role-no-secrets", [READER, spoilt(READS, "roleRef.kind", "ClusterRole")], "web", "may get Secrets"),
    *(
        ("role-no-secrets", [READER, spoilt(READS, "subjects", [PERSON, other])], "web", "may get Secrets")
        for other in (
            {"kind": "ServiceAccount", "name": "web"},
            {"kind": "Group", "name": "developers@vision-week.example"},
            {"kind": "User", "name": "system:serviceaccount:web:web"},
        )
    ),
]


@pytest.mark.parametrize(("rule", "resources", "name", "word"), CAUGHT, ids=[f"{one[0]}: {one[3]}" for one in CAUGHT])
def test_a_rule_catches_what_it_is_for(rule: str, resources: list[Resource], name: str, word: str) -> None:
    found = said(rule, resources)
    assert any(who == name and word in line for who, line in found), found


def test_a_claim_is_backed_up_by_a_plan_or_by_a_bucket_that_keeps_versions() -> None:
    assert said("claim-backed-up", BACKED_UP) == []
    everywhere = spoilt(PLAN, "backupConfig", {"includeVolumeData": True, "allNamespaces": True})
    assert said("claim-backed-up", [STORED, everywhere]) == []
    assert said("claim-backed-up", [UPLOADS, spoilt(VOLUME, "spec.csi.volumeHandle", UNKNOWN)]) == []
    assert said("claim-backed-up", [STORED, UPLOADS], WORKBENCH) == []


def test_a_database_that_jobs_of_its_own_back_up_needs_no_plan_of_google_s() -> None:
    """In a cluster that is there already there is none, and its one finding was a wrong one."""
    repository = kubernetes("v1", "PersistentVolumeClaim", "db-repository", spec={})
    assert said("claim-backed-up", [STORED, DUMPS]) == []
    assert [who for who, _ in said("claim-backed-up", [repository, STORED, DUMPS])] == ["db-repository"]


@pytest.mark.parametrize(
    ("path", "value", "pods"),
    [
        ("upgradeSettings.maxSurge", 2, 12),
        ("upgradeSettings", None, 9),
        ("nodeLocations", ["a"], 3),
        ("autoscaling", {"totalMaxNodeCount": 4}, 7),
        ("autoscaling", None, 3),
    ],
)
def test_what_runs_on_every_node_needs_room_on_those_that_an_upgrade_adds(path: str, value: Any, pods: int) -> None:
    """A quota had room for a pod on each node, and the new node of an upgrade stayed without."""
    pool = spoilt(POOL, path, value)
    quota = spoilt(QUOTA, "spec.hard", {"pods": str(6 + pods)})
    assert said("scaling-within-quota", instead(AGENT, pool, quota)) == []
    quota = spoilt(QUOTA, "spec.hard", {"pods": str(5 + pods)})
    assert said("scaling-within-quota", instead(AGENT, pool, quota)) == [
        ("web", f"pods: {5 + pods} are allowed, {6 + pods} may be asked for")
    ]


def test_a_deployment_that_is_made_anew_has_no_more_pods_in_a_roll_out() -> None:
    alone = instead(spoilt(WEB, "spec.strategy", {"type": "Recreate"}), spoilt(SCALER, "spec.maxReplicas", 6))
    assert said("scaling-within-quota", alone) == []


def test_jobs_that_make_the_same_pods_are_one_reader_of_their_secret() -> None:
    """A backup's jobs differ by their time."""
    same = [spoilt(workload("CronJob"), "metadata.name", name) for name in ("full", "incremental")]
    assert said("secret-has-one-reader", [*STACK, *same]) == []
    label = "spec.jobTemplate.spec.template.metadata.labels"
    others = [spoilt(one, label, {"app.kubernetes.io/name": "backups"}) for one in same]
    assert said("secret-has-one-reader", [*STACK, *others]) == [("web", "is read by backups and web")]


def test_a_user_who_is_named_may_read_secrets_in_one_namespace() -> None:
    """A refresh reads them, by the account that looks for drift."""
    assert said("role-no-secrets", [READER, READS]) == []
    assert said("role-no-secrets", [READER, spoilt(READS, "roleRef.name", UNKNOWN)]) == []


def test_every_rule_about_a_stack_is_seen_to_catch_something() -> None:
    assert {rule.name for rule in RULES if rule.stack} == {one[0] for one in CAUGHT}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.stack])
def test_a_good_stack_passes(rule: str) -> None:
    assert said(rule, STACK) == []


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.stack])
def test_an_empty_stack_passes(rule: str) -> None:
    assert said(rule, []) == []


@pytest.mark.parametrize("rule", ["workload-replicated", "workload-has-budget"])
def test_a_workbench_may_lose_its_only_pod(rule: str) -> None:
    alone = instead(spoilt(WEB, "spec.replicas", 1), without=[SCALER, BUDGET])
    assert said(rule, alone, WORKBENCH) == []


def test_a_budget_for_a_single_pod_would_only_stop_the_node_s_drain() -> None:
    alone = instead(spoilt(WEB, "spec.replicas", 1), without=[SCALER, BUDGET])
    assert said("workload-has-budget", alone) == []


def test_labels_that_a_controller_adds_to_its_pods_may_be_selected_by() -> None:
    """Patroni writes the role on the pods that the StatefulSet made."""
    by_role = spoilt(SERVICE, "spec.selector", {**LABELS, "role": "replica"})
    assert said("service-has-pods", instead(by_role)) == []


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.stack])
@pytest.mark.parametrize("value", [UNKNOWN, "text", 7, [], {}], ids=repr)
def test_what_is_not_known_or_of_an_odd_shape_breaks_no_rule(rule: str, value: Any) -> None:
    for one in STACK:
        for key in one.props:
            said(rule, instead(spoilt(one, key, value)))
