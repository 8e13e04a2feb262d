"""Rules about objects that are no pods: rights, namespaces, Services, what is written where, and versions of APIs."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml

from policies.rules import (
    SECRET,
    Addition,
    Demands,
    Finding,
    Framework,
    Resource,
    Rule,
    at,
    is_of_nodes,
    is_other,
    listed,
    mapped,
    texts,
)

# Group/version -> kinds (all where none is named), the version of Kubernetes that no longer has them, their successor.
# From the deprecated API migration guide of Kubernetes.
_GONE: Final = {
    "extensions/v1beta1": ("", "1.22", "apps/v1 or networking.k8s.io/v1"),
    "apps/v1beta1": ("", "1.16", "apps/v1"),
    "apps/v1beta2": ("", "1.16", "apps/v1"),
    "networking.k8s.io/v1beta1": ("Ingress IngressClass", "1.22", "networking.k8s.io/v1"),
    "rbac.authorization.k8s.io/v1alpha1": ("", "1.23", "rbac.authorization.k8s.io/v1"),
    "rbac.authorization.k8s.io/v1beta1": ("", "1.22", "rbac.authorization.k8s.io/v1"),
    "storage.k8s.io/v1beta1": ("StorageClass CSIDriver CSINode CSIStorageCapacity", "1.27", "storage.k8s.io/v1"),
    "scheduling.k8s.io/v1beta1": ("", "1.22", "scheduling.k8s.io/v1"),
    "admissionregistration.k8s.io/v1beta1": (
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
    "apiextensions.k8s.io/v1beta1": ("", "1.22", "apiextensions.k8s.io/v1"),
    "certificates.k8s.io/v1beta1": ("CertificateSigningRequest", "1.22", "certificates.k8s.io/v1"),
    "coordination.k8s.io/v1beta1": ("Lease", "1.22", "coordination.k8s.io/v1"),
    "batch/v1beta1": ("", "1.25", "batch/v1"),
    "policy/v1beta1": ("", "1.25", "policy/v1, and Pod Security in place of PodSecurityPolicy"),
    "discovery.k8s.io/v1beta1": ("", "1.25", "discovery.k8s.io/v1"),
    "events.k8s.io/v1beta1": ("", "1.25", "events.k8s.io/v1"),
    "autoscaling/v2beta1": ("", "1.25", "autoscaling/v2"),
    "autoscaling/v2beta2": ("", "1.26", "autoscaling/v2"),
    "flowcontrol.apiserver.k8s.io/v1beta2": ("", "1.29", "flowcontrol.apiserver.k8s.io/v1"),
    "flowcontrol.apiserver.k8s.io/v1beta3": ("", "1.32", "flowcontrol.apiserver.k8s.io/v1"),
}
_LABELS: Final = ("app.kubernetes.io/part-of", "app.kubernetes.io/managed-by")
# What looks like a secret wherever it is written.
_SECRETS: Final = (
    (re.compile(r"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@$]{3,}@"), "a password in a URL"),
    (re.compile(r"\b(AKIA[0-9A-Z]{16}|ghp_[0-9A-Za-z]{36}|AIza[0-9A-Za-z_-]{35})\b"), "a token"),
    (re.compile(r"(?im)^\s*[\w.-]*(password|passwd|secret|token)\s*[:=]\s*[\"']?[^\s\"'${<(/]{8,}"), "a password"),
)
_EVERYBODY: Final = ("system:masters", "system:anonymous", "system:unauthenticated", "system:authenticated")
_SECRET_SPECS: Final = {"data", "stringData"}


def _rights(resource: Resource) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """The rules of a role: groups, resources, verbs."""
    if resource.is_kubernetes and resource.kind in {"Role", "ClusterRole"}:
        for rule in listed(resource.props.get("rules")):
            yield listed(at(rule, "apiGroups")), listed(at(rule, "resources")), listed(at(rule, "verbs"))


def _wildcards(resource: Resource, _demands: Demands) -> Iterator[str]:
    for groups, resources, verbs in _rights(resource):
        for what, values in (("apiGroups", groups), ("resources", resources), ("verbs", verbs)):
            if "*" in values:
                yield f"grants all {what}"


def _reads_secrets(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    """Users may, in a namespace and named one by one: a refresh reads what the program wrote."""
    for role in resources:
        for _, what, verbs in _rights(role):
            reads = sorted({"get", "list", "watch", "*"} & set(verbs))
            if reads and {"secrets", "*"} & set(what) and not _of_users_alone(role, resources):
                yield Finding(message=f"may {', '.join(reads)} Secrets", urn=role.urn)


def _of_users_alone(role: Resource, resources: Sequence[Resource]) -> bool:
    """Whether somebody has it, and no account of pods, no group."""
    subjects = [
        subject
        for one in resources
        if one.is_kubernetes and (one.kind, one.namespace) == ("RoleBinding", role.namespace)
        if not is_other(at(one.props, "roleRef", "kind"), role.kind)
        and not is_other(at(one.props, "roleRef", "name"), at(role.props, "metadata", "name"))
        for subject in listed(one.props.get("subjects"))
    ]
    # Accounts of pods are users, too, by a name that Kubernetes gives them.
    users = [one for one in subjects if at(one, "kind") == "User" and not str(at(one, "name")).startswith("system:")]
    return bool(users) and users == subjects


def _makes_pods(resource: Resource, _demands: Demands) -> Iterator[str]:
    makers = {"pods", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "replicasets"}
    for _, resources, verbs in _rights(resource):
        if {"create", "*"} & set(verbs) and (found := sorted(makers & set(resources))):
            yield f"may create {', '.join(found)}, and mount whatever is in the namespace"


def _raises_itself(resource: Resource, _demands: Demands) -> Iterator[str]:
    for _, _, verbs in _rights(resource):
        if found := sorted({"bind", "escalate", "impersonate"} & set(verbs)):
            yield f"may {', '.join(found)}: take other rights than these"


def _bindings(resource: Resource, _demands: Demands) -> Iterator[str]:
    if not (resource.is_kubernetes and resource.kind in {"RoleBinding", "ClusterRoleBinding"}):
        return
    role = at(resource.props, "roleRef", "name")
    if role in ("cluster-admin", "admin", "edit", "system:masters"):
        yield f"gives the role {role}"
    for subject in listed(resource.props.get("subjects")):
        if at(subject, "name") in _EVERYBODY:
            yield f"gives rights to {subject['name']}"
        if at(subject, "kind") == "ServiceAccount" and at(subject, "name") == "default":
            yield "gives rights to a namespace's default service account"


def _namespace(resource: Resource, _demands: Demands) -> Iterator[str]:
    labels = mapped(at(resource.props, "metadata", "labels"))
    if (
        resource.type == "kubernetes:core/v1:Namespace"
        and is_other(labels.get("pod-security.kubernetes.io/enforce"), "restricted")
        and not is_of_nodes(at(resource.props, "metadata", "name"))
    ):
        yield "admits pods that are less than restricted"


_CLUSTER_WIDE: Final = re.compile(r"^(Cluster\w+|Namespace|StorageClass|PersistentVolume|PriorityClass|\w+Webhook\w+|"
                                  r"\w+AdmissionPolicy\w*|CustomResourceDefinition|APIService|IngressClass|GatewayClass|"
                                  r"RuntimeClass|VolumeSnapshotClass|CSIDriver|Node)$")  # fmt: skip


def _default_namespace(resource: Resource, _demands: Demands) -> Iterator[str]:
    if not resource.is_kubernetes or _CLUSTER_WIDE.match(resource.kind) or resource.kind.endswith("List"):
        return
    if not is_other(resource.namespace, None, "", "default") and not is_hidden(resource.namespace):
        yield "is in the namespace default"


def is_hidden(value: Any) -> bool:
    """Whether a value is there and can't be seen."""
    return value is not None and not isinstance(value, str)


def _labels(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.is_kubernetes:
        labels = at(resource.props, "metadata", "labels")
        if labels is None or isinstance(labels, dict):
            for label in _LABELS:
                if label not in (labels or {}):
                    yield f"has no label {label}"


def _known_labels(resource: Resource) -> Iterator[Addition]:
    """The project that the object is of, and who manages it: what is being made here is."""
    if resource.is_kubernetes and isinstance(resource.props.get("metadata"), dict):
        for label, value in zip(_LABELS, (_project_of(resource.urn), "pulumi"), strict=True):
            yield ("metadata", "labels", label), value


def _project_of(urn: str) -> str:
    """`vision-week` of `urn:pulumi:production::vision-week::…`."""
    return urn.split("::")[1]


def _versions(resource: Resource, _demands: Demands) -> Iterator[str]:
    if not resource.is_kubernetes:
        return
    version = resource.props.get("apiVersion") or _version_of(resource.type)
    kinds, since, successor = _GONE.get(str(version), ("", "", ""))
    if since and (not kinds or resource.kind in kinds.split()):
        yield f"{version} {resource.kind} is gone in Kubernetes {since}; its successor is {successor}"


def _version_of(token: str) -> str:
    """`apps/v1` of `kubernetes:apps/v1:Deployment`, `v1` of core."""
    return token.split(":")[1].removeprefix("core/")


def _alerts(resource: Resource, _demands: Demands) -> Iterator[str]:
    """Prometheus reads its rules from files, which are a ConfigMap's."""
    if resource.is_kubernetes and resource.kind == "ConfigMap":
        for key, text in mapped(resource.props.get("data")).items():
            if key.endswith("rules.yml") and isinstance(text, str):
                yield from _without_page(key, text)


def _without_page(file: str, text: str) -> Iterator[str]:
    try:
        groups = listed(mapped(yaml.load(text, yaml.CSafeLoader)).get("groups"))
    except yaml.YAMLError:
        yield f"{file} is no YAML: nobody knows which alerts it has"
        return
    for alert in (rule for group in groups for rule in listed(at(group, "rules")) if at(rule, "alert")):
        if not at(alert, "annotations", "runbook"):
            yield f"the alert {at(alert, 'alert')} has no runbook"


def _literals(resource: Resource, _demands: Demands) -> Iterator[str]:
    """What a resource has in clear, or shows to whoever may read it, and should be in a Secret alone."""
    if not resource.is_kubernetes:
        return
    if resource.kind == "Secret":
        for key in sorted(_SECRET_SPECS):
            for path, value in texts(resource.props.get(key), key):
                if isinstance(value, str) and value:
                    yield f"{path} is not marked as secret: it is in clear in the state"
        return
    for path, value in texts(resource.props):
        if value is SECRET:
            yield f"{path} is a secret, in an object that is none"
        elif isinstance(value, str):
            yield from (f"{path} has {what} in it" for form, what in _SECRETS if form.search(value))


def _outside(resource: Resource, _demands: Demands) -> Iterator[str]:
    if not (resource.is_kubernetes and resource.kind == "Service"):
        return
    if listed(at(resource.props, "spec", "externalIPs")):
        yield "takes addresses that it was not given: externalIPs (CVE-2020-8554)"
    open_to_all = listed(at(resource.props, "spec", "loadBalancerSourceRanges"))
    if at(resource.props, "spec", "type") == "LoadBalancer" and "0.0.0.0/0" in open_to_all and len(open_to_all) > 1:
        yield "lists sources beside 0.0.0.0/0, which is everybody"


def _tls(resource: Resource, _demands: Demands) -> Iterator[str]:
    if not resource.is_kubernetes:
        return
    if resource.kind == "Ingress" and not at(resource.props, "spec", "tls"):
        yield "answers without TLS: spec.tls is missing"
    if resource.kind == "Gateway":
        for listener in listed(at(resource.props, "spec", "listeners")):
            everybody = at(listener, "allowedRoutes", "namespaces", "from")
            if at(listener, "protocol") == "HTTP" and is_other(everybody, None, "Same"):
                yield f"listener {listener.get('name')} lets other namespaces serve without TLS"


def _protected(resource: Resource, demands: Demands) -> Iterator[str]:
    holds = {
        "kubernetes:core/v1:Namespace",
        "kubernetes:core/v1:PersistentVolumeClaim",
        "kubernetes:apps/v1:StatefulSet",
        "gcp:storage/bucket:Bucket",
        "gcp:container/cluster:Cluster",
        "gcp:kms/keyRing:KeyRing",
        "gcp:kms/cryptoKey:CryptoKey",
    }
    if demands.protect and resource.type in holds and not resource.protect:
        yield "holds data, and `pulumi destroy` would take it: it is not protected"


def _reclaim(resource: Resource, demands: Demands) -> Iterator[str]:
    if resource.type != "kubernetes:storage.k8s.io/v1:StorageClass" or not demands.relied_on:
        return
    if is_other(resource.props.get("reclaimPolicy"), "Retain"):
        yield "volumes go with their claims: reclaimPolicy is not Retain"


_CIS: Final = "CIS Kubernetes Benchmark 1.10"
_NSA: Final = "NSA/CISA Kubernetes Hardening Guide 1.2"
_SPEC: Final = "Platform specification"

RULES = (
    Rule(name="role-no-wildcards", says="Roles name what they grant.", severity="high",
         framework=Framework(name=_CIS, item="5.1.3"), mend="Name groups, resources and verbs.", resource=_wildcards),
    Rule(name="role-no-secrets", says="No service account reads Secrets through the API.", severity="critical",
         framework=Framework(name=_CIS, item="5.1.2"), mend="Mount the one Secret that the pod needs.",
         stack=_reads_secrets),
    Rule(name="role-makes-no-pods", says="No service account makes pods.", severity="high",
         framework=Framework(name=_CIS, item="5.1.4"), mend="Let the program make the workload.", resource=_makes_pods),
    Rule(name="role-no-escalation", says="No role can be used to get another.", severity="critical",
         framework=Framework(name=_CIS, item="5.1.8"), mend="Take bind, escalate and impersonate away.",
         resource=_raises_itself),
    Rule(name="binding-no-administrators", says="Nobody and nothing is made an administrator by the program.",
         severity="critical", framework=Framework(name=_CIS, item="5.1.1, 5.1.5, 5.1.7"),
         mend="Bind a role that has what is needed and no more, to an account of its own.", resource=_bindings),
    Rule(name="namespace-pod-security", says="Namespaces admit only restricted pods, but for `…-node`.",
         severity="critical",
         framework=Framework(name=_CIS, item="5.2.1"),
         mend="Label the namespace pod-security.kubernetes.io/enforce: restricted.", resource=_namespace),
    Rule(name="not-in-default-namespace", says="Nothing is in the namespace default.", severity="medium",
         framework=Framework(name=_CIS, item="5.7.4"), mend="Give metadata.namespace.", resource=_default_namespace),
    Rule(name="standard-labels", says="Every object says what it belongs to.", severity="low",
         framework=Framework(name=_SPEC, item="S4.1"), mend="Use components.kubernetes.metadata.", resource=_labels,
         adds=_known_labels),
    Rule(name="no-removed-api", says="No object has a version of an API that is gone or going.", severity="high",
         framework=Framework(name="Kubernetes deprecated API migration guide", item="all"),
         mend="Use the successor that is named.", resource=_versions),
    Rule(name="no-secret-literal", says="Secrets are in Secrets alone, and encrypted in the state (S7.3).",
         severity="critical", framework=Framework(name=_NSA, item="Protecting Pod service account tokens and secrets"),
         mend="Put it into a Secret by Output.secret; then change it, because it has been seen.", resource=_literals),
    Rule(name="alert-has-runbook", says="Whoever is woken by an alert is told what to do.", severity="medium",
         framework=Framework(name=_SPEC, item="S8, beyond"),
         mend="Write docs/runbooks/NAME.md, and name it in the alert's annotation runbook.", resource=_alerts),
    Rule(name="service-own-addresses", says="Services take no addresses that aren't theirs.", severity="high",
         framework=Framework(name="CVE-2020-8554", item="mitigation"), mend="Take externalIPs away; list real sources.",
         resource=_outside),
    Rule(name="edge-has-tls", says="Whatever users reach has TLS.", severity="high",
         framework=Framework(name=_SPEC, item="S4.1, service levels: crypto"), mend="Give it a certificate.",
         resource=_tls),
    Rule(name="data-protected", says="What holds data can't be removed in passing.", severity="high",
         framework=Framework(name=_SPEC, item="S11"), mend="Give the resource protect=settings.protect.",
         resource=_protected),
    Rule(name="volumes-retained", says="Volumes outlive their claims where people rely on them.", severity="high",
         framework=Framework(name=_SPEC, item="S11"), mend="Set vision-week:storage.retain to true.",
         resource=_reclaim),
)  # fmt: skip
