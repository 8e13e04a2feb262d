"""Each rule that looks at one resource: what it catches, and that it leaves good ones alone."""

import re
from typing import Any

import pytest

from policies.analyzer import RULES
from policies.rules import SECRET, UNKNOWN, Demands, Resource
from tests.policies.examples import (
    ACCOUNT,
    BACKUPS,
    BINDING,
    CONFIG,
    DEMANDS,
    FIREWALL,
    GATEWAY,
    GKE,
    GOOD,
    GRANT,
    IMAGE,
    INGRESS,
    NAMESPACE,
    POOL,
    ROLE,
    SERVICE,
    STORAGE,
    WORKBENCH,
    in_container,
    in_pod,
    kubernetes,
    made,
    spoilt,
    workload,
)
from tests.unit.recording import CHECKOUT

BY_NAME = {rule.name: rule for rule in RULES}
SELECTORS = "spec.template.spec"

# Rule, resource that it catches, a word of what it says.
ALERT = """
groups:
  - name: web
    rules:
      - {record: share, expr: vector(0)}
      - {alert: Slow, expr: share > 1, annotations: {runbook: docs/runbooks/Slow.md}}
"""
ALERTS = kubernetes("v1", "ConfigMap", data={"rules.yml": ALERT})

CAUGHT: list[tuple[str, Resource, str]] = [
    ("pod-not-privileged", in_container("securityContext.privileged", True), "main is privileged"),
    ("pod-not-in-host-namespaces", in_pod("hostNetwork", True), "hostNetwork"),
    ("pod-not-in-host-namespaces", in_pod("hostPID", True), "hostPID"),
    ("pod-not-in-host-namespaces", in_pod("hostIPC", True), "hostIPC"),
    ("pod-no-escalation", in_container("securityContext.allowPrivilegeEscalation", None), "not false"),
    ("pod-no-escalation", in_container("securityContext.allowPrivilegeEscalation", True), "not false"),
    ("pod-not-root", in_pod("securityContext.runAsNonRoot", None), "runAsNonRoot"),
    ("pod-not-root", in_container("securityContext.runAsNonRoot", False), "runAsNonRoot"),
    ("pod-not-root", in_container("securityContext.runAsUser", 0), "user 0"),
    ("pod-no-capabilities", in_container("securityContext.capabilities", None), "doesn't drop ALL"),
    ("pod-no-capabilities", in_container("securityContext.capabilities.drop", ["NET_RAW"]), "doesn't drop ALL"),
    (
        "pod-no-capabilities",
        in_container("securityContext.capabilities.add", ["SYS_ADMIN"]),
        "adds the capabilities SYS_",
    ),
    ("pod-no-host-path", in_pod("volumes", [{"name": "node", "hostPath": {"path": "/"}}]), "volume node"),
    (
        "pod-no-host-path",
        spoilt(
            spoilt(
                in_pod("volumes", [{"name": "logs", "hostPath": {"path": "/var/log/pods"}}]),
                "metadata.namespace",
                "vision-week-node",
            ),
            "spec.template.spec.containers.0.volumeMounts",
            [{"name": "logs", "mountPath": "/var/log/pods"}],
        ),
        "may write to the node's files",
    ),
    ("pod-no-host-port", in_container("ports", [{"containerPort": 80, "hostPort": 80}]), "port 80"),
    ("pod-seccomp", in_pod("securityContext.seccompProfile", None), "no seccomp"),
    ("pod-seccomp", in_pod("securityContext.seccompProfile.type", "Unconfined"), "no seccomp"),
    ("pod-seccomp", in_container("securityContext.seccompProfile", {"type": "Unconfined"}), "no seccomp"),
    ("pod-volume-kinds", in_pod("volumes", [{"name": "share", "nfs": {"server": "a"}}]), "the kind nfs"),
    ("pod-kernel-defaults", in_pod("securityContext.sysctls", [{"name": "kernel.msgmax"}]), "kernel.msgmax"),
    ("pod-kernel-defaults", in_container("securityContext.procMount", "Unmasked"), "procMount"),
    ("pod-kernel-defaults", in_container("securityContext.appArmorProfile", {"type": "Unconfined"}), "AppArmor"),
    ("pod-kernel-defaults", in_pod("securityContext.seLinuxOptions", {"type": "spc_t"}), "SELinux"),
    ("pod-read-only", in_container("securityContext.readOnlyRootFilesystem", None), "readOnlyRootFilesystem"),
    ("pod-own-account", in_pod("serviceAccountName", "default"), "default service account"),
    ("pod-own-account", in_pod("serviceAccountName", None), "default service account"),
    ("account-no-token", in_pod("automountServiceAccountToken", None), "is missing"),
    ("account-no-token", spoilt(ACCOUNT, "automountServiceAccountToken", None), "not false"),
    (
        "pod-secrets-are-files",
        in_container("env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]),
        "variable A",
    ),
    ("pod-secrets-are-files", in_container("envFrom", [{"secretRef": {"name": "s"}}]), "all keys"),
    ("pod-no-secret-literal", in_container("env", [{"name": "DB_PASSWORD", "value": "hunter22"}]), "DB_PASSWORD"),
    ("pod-no-secret-literal", in_container("env", [{"name": "API_KEY", "value": "abc"}]), "API_KEY"),
    ("pod-no-secret-literal", in_container("env", [{"name": "HARMLESS", "value": SECRET}]), "HARMLESS"),
    ("pod-limits", in_container("resources.limits.cpu", None), "no cpu in resources.limits"),
    ("pod-limits", in_container("resources.requests.memory", None), "no memory in resources.requests"),
    ("pod-limits", in_container("resources", None), "no cpu in resources.requests"),
    ("image-by-digest", in_container("image", "registry.example/web:v1"), "another image tomorrow"),
    (
        "image-by-digest",
        in_pod("initContainers", [{"name": "first", "image": "registry.example/web"}]),
        "container first",
    ),
    ("image-from-allowed-registry", in_container("image", IMAGE.replace("registry", "other")), "none of the allowed"),
    ("image-from-allowed-registry", in_container("image", "registry.example.evil/web:v1"), "none of the allowed"),
    ("workload-probes", in_container("readinessProbe", None), "no readinessProbe"),
    ("workload-probes", in_container("livenessProbe", None), "no livenessProbe"),
    ("workload-spread", in_pod("topologySpreadConstraints", None), "one zone"),
    ("workload-spread", in_pod("affinity", None), "one node"),
    ("role-no-wildcards", spoilt(ROLE, "rules.0.verbs", ["*"]), "all verbs"),
    ("role-no-wildcards", spoilt(ROLE, "rules.0.resources", ["*"]), "all resources"),
    ("role-no-wildcards", spoilt(ROLE, "rules.0.apiGroups", ["*"]), "all apiGroups"),
    (
        "role-makes-no-pods",
        spoilt(spoilt(ROLE, "rules.0.verbs", ["create"]), "rules.0.resources", ["pods"]),
        "create pods",
    ),
    ("role-no-escalation", spoilt(ROLE, "rules.0.verbs", ["impersonate"]), "impersonate"),
    ("binding-no-administrators", spoilt(BINDING, "roleRef.name", "cluster-admin"), "cluster-admin"),
    ("binding-no-administrators", spoilt(BINDING, "subjects.0.name", "default"), "default service account"),
    (
        "binding-no-administrators",
        spoilt(BINDING, "subjects", [{"kind": "Group", "name": "system:masters"}]),
        "system:masters",
    ),
    (
        "namespace-pod-security",
        spoilt(NAMESPACE, "metadata.labels", {"pod-security.kubernetes.io/enforce": "baseline"}),
        "less than",
    ),
    ("not-in-default-namespace", kubernetes("v1", "ConfigMap", namespace=None), "namespace default"),
    ("not-in-default-namespace", kubernetes("v1", "ConfigMap", namespace="default"), "namespace default"),
    ("standard-labels", spoilt(CONFIG, "metadata.labels", {}), "no label app.kubernetes.io/part-of"),
    ("standard-labels", spoilt(CONFIG, "metadata.labels", None), "no label app.kubernetes.io/managed-by"),
    ("no-removed-api", kubernetes("policy/v1beta1", "PodDisruptionBudget"), "policy/v1"),
    ("no-removed-api", kubernetes("autoscaling/v2beta2", "HorizontalPodAutoscaler"), "gone in Kubernetes 1.26"),
    ("no-secret-literal", kubernetes("v1", "Secret", stringData={"password": "hunter22"}), "in clear in the state"),
    ("no-secret-literal", kubernetes("v1", "Secret", data={"password": "aHVudGVy"}), "data.password"),
    ("no-secret-literal", spoilt(CONFIG, "data.url", "postgres://app:hunter22@db/x"), "a password in a URL"),
    ("no-secret-literal", spoilt(CONFIG, "data.key", "-----BEGIN EC PRIVATE KEY-----"), "a private key"),
    ("no-secret-literal", spoilt(CONFIG, "data.conf", "requirepass=x\nmaster_password = hunter2222"), "a password"),
    ("no-secret-literal", spoilt(CONFIG, "data.conf", SECRET), "in an object that is none"),
    (
        "alert-has-runbook",
        spoilt(ALERTS, "data", {"rules.yml": ALERT.replace("runbook", "summary")}),
        "Slow has no runbook",
    ),
    ("alert-has-runbook", spoilt(ALERTS, "data", {"rules.yml": "groups: ["}), "no YAML"),
    ("service-own-addresses", spoilt(SERVICE, "spec.externalIPs", ["192.0.2.1"]), "CVE-2020-8554"),
    (
        "service-own-addresses",
        kubernetes(
            "v1", "Service", spec={"type": "LoadBalancer", "loadBalancerSourceRanges": ["0.0.0.0/0", "192.0.2.0/24"]}
        ),
        "everybody",
    ),
    ("edge-has-tls", spoilt(INGRESS, "spec.tls", None), "without TLS"),
    ("edge-has-tls", spoilt(GATEWAY, "spec.listeners.0.allowedRoutes.namespaces.from", "All"), "without TLS"),
    ("data-protected", kubernetes("v1", "PersistentVolumeClaim", protect=False), "not protected"),
    ("data-protected", made("gcp:storage/bucket:Bucket", protect=False), "not protected"),
    ("volumes-retained", spoilt(STORAGE, "reclaimPolicy", "Delete"), "not Retain"),
    ("google-no-basic-roles", spoilt(GRANT, "role", "roles/editor"), "roles/editor"),
    (
        "google-no-basic-roles",
        made("gcp:projects/iAMBinding:IAMBinding", role="roles/owner", members=["user:a"]),
        "owner",
    ),
    ("google-nothing-public", spoilt(GRANT, "member", "allUsers"), "allUsers"),
    (
        "google-nothing-public",
        made("gcp:storage/bucketIAMBinding:BucketIAMBinding", role="r", members=["allUsers"]),
        "allUsers",
    ),
    (
        "google-nothing-public",
        made("gcp:storage/bucketAccessControl:BucketAccessControl", entity="allUsers"),
        "open to",
    ),
    ("google-bucket-guarded", spoilt(BACKUPS, "publicAccessPrevention", "inherited"), "made public"),
    ("google-bucket-guarded", spoilt(BACKUPS, "uniformBucketLevelAccess", False), "single objects"),
    ("google-bucket-guarded", spoilt(BACKUPS, "versioning", None), "no versions"),
    ("google-no-keys", made("gcp:serviceaccount/key:Key"), "for ever"),
    ("google-no-keys", made("gcp:storage/hmacKey:HmacKey"), "for ever"),
    ("gke-private-nodes", spoilt(GKE, "privateClusterConfig", None), "public addresses"),
    ("gke-authorised-networks", spoilt(GKE, "masterAuthorizedNetworksConfig", None), "answers everybody"),
    (
        "gke-authorised-networks",
        spoilt(GKE, "masterAuthorizedNetworksConfig.cidrBlocks.0.cidrBlock", "0.0.0.0/0"),
        "0.0.0.0/0 is authorised",
    ),
    ("gke-workload-identity", spoilt(GKE, "workloadIdentityConfig", None), "identity of their node"),
    ("gke-secrets-encrypted", spoilt(GKE, "databaseEncryption.state", "DECRYPTED"), "etcd"),
    ("gke-shielded-nodes", spoilt(GKE, "enableShieldedNodes", False), "not shielded"),
    ("gke-secure-boot", spoilt(POOL, "nodeConfig.shieldedInstanceConfig.enableSecureBoot", False), "isn't signed"),
    ("gke-no-legacy-rights", spoilt(GKE, "enableLegacyAbac", True), "before RBAC"),
    ("gke-release-channel", spoilt(GKE, "releaseChannel.channel", "UNSPECIFIED"), "no release channel"),
    ("gke-network-policies", spoilt(GKE, "datapathProvider", "LEGACY_DATAPATH"), "nothing enforces"),
    ("google-firewall-closed", spoilt(FIREWALL, "sourceRanges", ["0.0.0.0/0"]), "everybody in"),
]

# What looks alike and is no fault.
LEFT_ALONE: list[tuple[str, Resource, Demands]] = [
    ("image-by-digest", in_container("image", "docker.io/redis:7.4"), DEMANDS),
    ("image-by-digest", in_container("image", UNKNOWN), DEMANDS),
    # Before there is a cluster, a preview doesn't know the namespaces' names.
    (
        "pod-no-host-path",
        spoilt(in_pod("volumes", [{"name": "logs", "hostPath": {"path": "/"}}]), "metadata.namespace", UNKNOWN),
        DEMANDS,
    ),
    ("pod-no-capabilities", in_container("securityContext.capabilities.add", ["NET_BIND_SERVICE"]), DEMANDS),
    ("pod-no-secret-literal", in_container("env", [{"name": "DB_PASSWORD", "value": ""}]), DEMANDS),
    ("pod-no-secret-literal", in_container("env", [{"name": "TOKEN_LIFETIME", "value": "3600"}]), DEMANDS),
    ("no-secret-literal", kubernetes("v1", "Secret", stringData=SECRET), DEMANDS),
    ("no-secret-literal", kubernetes("v1", "Secret", stringData={"a": SECRET}), DEMANDS),
    ("no-secret-literal", kubernetes("v1", "Secret", stringData={"a": UNKNOWN}), DEMANDS),
    ("alert-has-runbook", ALERTS, DEMANDS),
    ("no-secret-literal", spoilt(CONFIG, "data.password_file", "/etc/secrets/password"), DEMANDS),
    ("workload-probes", in_container("livenessProbe", None), WORKBENCH),
    ("workload-spread", in_pod("affinity", None), WORKBENCH),
    ("volumes-retained", spoilt(STORAGE, "reclaimPolicy", "Delete"), WORKBENCH),
    ("data-protected", kubernetes("v1", "PersistentVolumeClaim", protect=False), WORKBENCH),
    ("workload-probes", workload("CronJob"), DEMANDS),
    ("edge-has-tls", GATEWAY, DEMANDS),
    ("not-in-default-namespace", STORAGE, DEMANDS),
    (
        "gke-authorised-networks",
        spoilt(
            spoilt(GKE, "masterAuthorizedNetworksConfig", None),
            "controlPlaneEndpointsConfig",
            {"ipEndpointsConfig": {"enabled": False}},
        ),
        DEMANDS,
    ),
    ("google-firewall-closed", spoilt(spoilt(FIREWALL, "sourceRanges", ["0.0.0.0/0"]), "direction", "EGRESS"), DEMANDS),
]


def said(rule: str, resource: Resource, demands: Demands = DEMANDS) -> list[str]:
    check = BY_NAME[rule].resource
    assert check is not None
    return list(check(resource, demands))


@pytest.mark.parametrize(("rule", "resource", "word"), CAUGHT, ids=[f"{one[0]}: {one[2]}" for one in CAUGHT])
def test_a_rule_catches_what_it_is_for(rule: str, resource: Resource, word: str) -> None:
    assert any(word in line for line in said(rule, resource)), said(rule, resource)


@pytest.mark.parametrize(("rule", "resource", "demands"), LEFT_ALONE, ids=[one[0] for one in LEFT_ALONE])
def test_a_rule_leaves_alone_what_only_looks_like_a_fault(rule: str, resource: Resource, demands: Demands) -> None:
    assert said(rule, resource, demands) == []


@pytest.mark.parametrize("resource", GOOD, ids=lambda one: one.type)
def test_good_resources_pass_every_rule(resource: Resource) -> None:
    found = {rule.name: said(rule.name, resource) for rule in RULES if rule.resource}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_every_rule_about_one_resource_is_seen_to_catch_something() -> None:
    assert {rule.name for rule in RULES if rule.resource} == {rule for rule, _, _ in CAUGHT}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_what_where_from_and_what_to_do(rule: Any) -> None:
    assert (rule.resource is None) != (rule.stack is None)
    assert rule.says.endswith(".")
    assert rule.mend.endswith(".")
    assert rule.framework.name
    assert rule.framework.item


def test_no_two_rules_have_one_name() -> None:
    assert len(BY_NAME) == len(RULES)


def test_the_page_on_rules_names_each_of_them_and_no_other() -> None:
    table = (
        (CHECKOUT / "docs" / "policies.md").read_text().partition("## What is checked")[2].partition("Each finding")[0]
    )
    assert sorted(re.findall(r"`([a-z-]+)`", table)) == sorted(BY_NAME)


@pytest.mark.parametrize("place", ["spec", "spec.template", f"{SELECTORS}.containers", f"{SELECTORS}.securityContext"])
def test_what_a_preview_does_not_know_is_no_fault(place: str) -> None:
    resource = spoilt(workload(), place, UNKNOWN)
    found = {rule.name: said(rule.name, resource) for rule in RULES if rule.resource}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("value", ["text", 7, [], {}, True], ids=repr)
@pytest.mark.parametrize("resource", GOOD, ids=lambda one: one.type)
def test_a_resource_of_an_odd_shape_breaks_no_rule(resource: Resource, value: Any) -> None:
    """What is wrong with it is the provider's to say."""
    for key in resource.props:
        for rule in RULES:
            if rule.resource:
                said(rule.name, spoilt(resource, key, value))
