"""Rules about how the resources of a stack fit together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from components.values import amount
from policies.pods import containers_of, pod_of, template_of
from policies.rules import Demands, Finding, Framework, Opaque, Resource, Rule, at, chosen, listed, mapped

_REPLICATED: Final = {"Deployment", "StatefulSet"}
_LASTING: Final = {*_REPLICATED, "DaemonSet"}
_ZONES: Final = 3  # of a region, where a pool names none


def _of(resources: Iterable[Resource], *kinds: str) -> list[Resource]:
    return [one for one in resources if one.is_kubernetes and one.kind in kinds]


def _name(resource: Resource) -> Any:
    return at(resource.props, "metadata", "name")


def _pod_labels(resource: Resource) -> Mapping[str, Any]:
    return mapped(at(template_of(resource), "metadata", "labels"))


def _default_deny(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    denied: dict[Any, set[str]] = defaultdict(set)
    for policy in _of(resources, "NetworkPolicy"):
        spec = mapped(policy.props.get("spec"))
        if not any(mapped(spec.get("podSelector")).values()):
            denied[policy.namespace] |= {
                kind
                for kind, rules in (("Ingress", "ingress"), ("Egress", "egress"))
                if kind in listed(spec.get("policyTypes")) and not spec.get(rules)
            }
    for namespace in _of(resources, "Namespace"):
        if lacking := sorted({"Ingress", "Egress"} - denied[_name(namespace)]):
            yield Finding(message=f"nothing denies {' and '.join(lacking)} by default", urn=namespace.urn)


def _bounded(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    for kind in ("ResourceQuota", "LimitRange"):
        there = {one.namespace for one in _of(resources, kind)}
        for namespace in _of(resources, "Namespace"):
            if _name(namespace) not in there:
                yield Finding(message=f"has no {kind}", urn=namespace.urn)


def _selected(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    """A Service leads to pods; those need a policy that says who may come."""
    policies = [
        one for one in _of(resources, "NetworkPolicy") if any(mapped(at(one.props, "spec", "podSelector")).values())
    ]
    for service in _of(resources, "Service"):
        selector = at(service.props, "spec", "selector")
        if (
            isinstance(selector, Mapping)
            and selector
            and not any(
                policy.namespace == service.namespace
                and "Ingress" in listed(at(policy.props, "spec", "policyTypes"))
                and chosen(at(policy.props, "spec", "podSelector"), selector)
                for policy in policies
            )
        ):
            yield Finding(message="no NetworkPolicy says who may come to its pods", urn=service.urn)


def _leads_somewhere(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    workloads = _of(resources, *_LASTING)
    for service in _of(resources, "Service"):
        selector = at(service.props, "spec", "selector")
        if isinstance(selector, Mapping) and selector:
            rivals = (one for one in workloads if one.namespace == service.namespace)
            if not any(_may_have(_pod_labels(one), selector) for one in rivals):
                yield Finding(message="leads to no pod of the stack", urn=service.urn)


def _may_have(labels: Mapping[str, Any], selector: Mapping[str, Any]) -> bool:
    """Whether pods made with these labels can come to have those: Patroni's roles and a pod's name are added later."""
    return all(
        labels.get(key) == value if key.startswith("app.kubernetes.io/") else labels.get(key, value) == value
        for key, value in selector.items()
    )


def least(workload: Resource, resources: Sequence[Resource]) -> Any:
    """How many replicas a workload has at least: its own number, or its autoscaler's."""
    if scaler := _scaler(workload, resources):
        return at(scaler.props, "spec", "minReplicas")
    own = at(workload.props, "spec", "replicas")
    return 1 if own is None else own


def _scaler(workload: Resource, resources: Sequence[Resource]) -> Resource | None:
    for scaler in _of(resources, "HorizontalPodAutoscaler"):
        target = mapped(at(scaler.props, "spec", "scaleTargetRef"))
        scaled = (scaler.namespace, target.get("kind"), target.get("name"))
        if scaled == (workload.namespace, workload.kind, _name(workload)):
            return scaler
    return None


def _replicated(resources: Sequence[Resource], demands: Demands) -> Iterator[Finding]:
    if demands.relied_on:
        for workload in _of(resources, *_REPLICATED):
            count = least(workload, resources)
            if isinstance(count, int | float) and count < 2:
                yield Finding(message=f"has {count:g} replica: the loss of a pod is an outage", urn=workload.urn)


def _budgeted(resources: Sequence[Resource], demands: Demands) -> Iterator[Finding]:
    if not demands.relied_on:
        return
    budgets = _of(resources, "PodDisruptionBudget")
    for workload in _of(resources, *_REPLICATED):
        if least(workload, resources) != 1 and not any(
            budget.namespace == workload.namespace
            and chosen(mapped(at(budget.props, "spec", "selector")), _pod_labels(workload))
            for budget in budgets
        ):
            yield Finding(
                message="all its pods may be evicted at once: it has no PodDisruptionBudget", urn=workload.urn
            )


def _quotas(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    """The namespace's quota admits what its workloads ask for when each autoscaler is at its maximum, all of them are
    rolled out and their jobs run, while the pools of nodes are at their largest and upgraded."""
    nodes = _most_nodes(resources)
    wanted: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for workload in _of(resources, *_LASTING, "Job"):
        pod = pod_of(workload)
        if pod is None:
            return  # a preview doesn't know yet what there will be
        count = nodes if workload.kind == "DaemonSet" else _most(workload, resources)
        wanted[workload.namespace]["pods"] += count
        for container in listed(pod.get("containers")):
            for key, where, what in (
                ("requests.cpu", "requests", "cpu"),
                ("requests.memory", "requests", "memory"),
                ("limits.memory", "limits", "memory"),
            ):
                asked = at(container, "resources", where, what)
                wanted[workload.namespace][key] += count * (amount(str(asked)) if isinstance(asked, str) else 0)
    for quota in _of(resources, "ResourceQuota"):
        for key, allowed in mapped(at(quota.props, "spec", "hard")).items():
            needed = wanted[quota.namespace].get(key, Decimal(0))
            if isinstance(allowed, str) and needed > amount(allowed):
                yield Finding(
                    message=f"{key}: {allowed} are allowed, {needed.normalize():f} may be asked for", urn=quota.urn
                )


def _most(workload: Resource, resources: Sequence[Resource]) -> Decimal:
    """Its pods at most: as many as the autoscaler, the workload or the job says, and those of a roll-out besides."""
    spec = mapped(workload.props.get("spec"))
    if workload.kind == "Job":
        return _number(spec.get("parallelism"), otherwise=1)
    scaler = _scaler(workload, resources)
    most = (
        _number(at(scaler.props, "spec", "maxReplicas"), otherwise=0)
        if scaler
        else _number(spec.get("replicas"), otherwise=1)
    )
    return most + (_surge(spec, most) if workload.kind == "Deployment" else 0)


def _surge(deployment: Mapping[str, Any], replicas: Decimal) -> Decimal:
    """New pods of a roll-out that are there before old ones go: a number, or a share that is rounded up; Kubernetes'
    default is 25 %."""
    if at(deployment, "strategy", "type") == "Recreate":
        return Decimal(0)
    surge = at(deployment, "strategy", "rollingUpdate", "maxSurge")
    share = surge if isinstance(surge, str) and surge.endswith("%") else "25%"
    return _number(surge, otherwise=(replicas * Decimal(share[:-1]) / 100).to_integral_value(ROUND_CEILING))


def _most_nodes(resources: Sequence[Resource]) -> Decimal:
    """Of all pools of the stack in their zones, with those that an upgrade makes before old ones go. Where it makes no
    pools nobody says how many there may be, and one is sure."""
    pools = [one.props for one in resources if one.type == "gcp:container/nodePool:NodePool"]
    return sum((_most_of(pool) for pool in pools), Decimal(0)) or Decimal(1)


def _most_of(pool: Mapping[str, Any]) -> Decimal:
    zones = len(listed(pool.get("nodeLocations"))) or _ZONES
    each = at(pool, "autoscaling", "maxNodeCount") or pool.get("nodeCount")
    # Google's default is one node more, in each zone.
    surge = zones * _number(at(pool, "upgradeSettings", "maxSurge"), otherwise=1)
    return _number(at(pool, "autoscaling", "totalMaxNodeCount"), otherwise=zones * _number(each, otherwise=0)) + surge


def _number(value: Any, *, otherwise: Decimal | int) -> Decimal:
    return Decimal(str(value)) if isinstance(value, int | float) else Decimal(otherwise)


def _backed_up(resources: Sequence[Resource], demands: Demands) -> Iterator[Finding]:
    """By a plan that takes the volumes of its namespace, by a bucket that keeps what was written over, or by jobs of
    its own: those of `postgres` are called `postgres-backups`. Where they write to a claim, that needs a backup."""
    if not demands.relied_on:
        return
    planned: set[Any] = set()
    for plan in (one for one in resources if one.type == "gcp:gkebackup/backupPlan:BackupPlan"):
        taken = mapped(plan.props.get("backupConfig"))
        if taken.get("includeVolumeData"):
            everywhere = {one.namespace for one in resources} if taken.get("allNamespaces") else set()
            planned |= {*everywhere, *listed(at(taken, "selectedNamespaces", "namespaces"))}
    kept = {
        one.props.get("name")
        for one in resources
        if one.type == "gcp:storage/bucket:Bucket" and at(one.props, "versioning", "enabled")
    }
    volumes = {_name(one): at(one.props, "spec", "csi", "volumeHandle") for one in _of(resources, "PersistentVolume")}
    at_work = {
        (one.namespace, at(one.props, "metadata", "labels", "app.kubernetes.io/name"))
        for one in _of(resources, "CronJob")
        if not at(one.props, "spec", "suspend")
    }
    for one in resources:
        mounted = volumes.get(at(one.props, "spec", "volumeName")) if one.kind == "PersistentVolumeClaim" else None
        holds = one.kind == "PersistentVolumeClaim" or at(one.props, "spec", "volumeClaimTemplates")
        covered = one.namespace in planned or (one.namespace, f"{_name(one)}-backups") in at_work
        if one.is_kubernetes and holds and not covered and mounted not in {*kept, *Opaque}:
            yield Finding(message="no backup covers what it stores", urn=one.urn)


def _one_secret_each(resources: Sequence[Resource], _demands: Demands) -> Iterator[Finding]:
    """One Secret for each consumer: then a right to one pod is a right to nothing else."""
    readers: dict[tuple[Any, Any], set[str]] = defaultdict(set)
    for workload in resources:
        pod = pod_of(workload)
        for name in secrets_of(pod or {}):
            # Several jobs may make pods of one kind; of what lasts each is a kind of its own.
            labels = ("metadata", "labels", "app.kubernetes.io/name")
            called = None if workload.kind in _LASTING else at(template_of(workload), *labels)
            readers[workload.namespace, name].add(str(called or _name(workload) or workload.name))
    for secret in _of(resources, "Secret"):
        who = readers.get((secret.namespace, _name(secret)), set())
        if len(who) > 1:
            yield Finding(message=f"is read by {' and '.join(sorted(who))}", urn=secret.urn)


def secrets_of(pod: Mapping[str, Any]) -> set[str]:
    """The names of the Secrets that a pod mounts or has in variables."""
    found = set()
    for volume in listed(pod.get("volumes")):
        found.add(at(volume, "secret", "secretName"))
        found |= {at(source, "secret", "name") for source in listed(at(volume, "projected", "sources"))}
    for container in containers_of(pod):
        found |= {at(variable, "valueFrom", "secretKeyRef", "name") for variable in listed(container.get("env"))}
        found |= {at(source, "secretRef", "name") for source in listed(container.get("envFrom"))}
    return {name for name in found if isinstance(name, str)}


_SPEC: Final = "Platform specification"
_NSA: Final = "NSA/CISA Kubernetes Hardening Guide 1.2"

RULES = (
    Rule(name="namespace-default-deny", says="Nothing goes in or out of a namespace that no policy allows (S7.1).",
         severity="critical", framework=Framework(name="CIS Kubernetes Benchmark 1.10", item="5.3.2"),
         mend="Add it to components/tenancy.py, which denies both ways.", stack=_default_deny),
    Rule(name="namespace-bounded", says="No namespace can use up the cluster.", severity="medium",
         framework=Framework(name=_NSA, item="Resource policies"),
         mend="Give it a ResourceQuota and a LimitRange.", stack=_bounded),
    Rule(name="service-has-policy", says="Every Service's pods have a policy that says who may come (S7.1).",
         severity="high", framework=Framework(name=_NSA, item="Network policies"),
         mend="Write a NetworkPolicy with components.kubernetes.allow.", stack=_selected),
    Rule(name="service-has-pods", says="Every Service leads to pods of the stack.", severity="medium",
         framework=Framework(name=_SPEC, item="S4.1"), mend="Mend the selector.", stack=_leads_somewhere),
    Rule(name="workload-replicated", says="What people rely on stands the loss of a pod (S5).", severity="high",
         framework=Framework(name=_SPEC, item="S5.1"), mend="Give it two replicas or more.", stack=_replicated),
    Rule(name="workload-has-budget", says="What people rely on is never evicted all at once.", severity="medium",
         framework=Framework(name=_SPEC, item="S5, beyond"), mend="Give it a PodDisruptionBudget.", stack=_budgeted),
    Rule(name="scaling-within-quota", says="Quotas admit what autoscalers, roll-outs and upgrades may make.",
         severity="high", framework=Framework(name=_SPEC, item="S6, service levels: HPA and quota"),
         mend="Raise vision-week:tenancy, or lower the maximum.", stack=_quotas),
    Rule(name="claim-backed-up", says="What people rely on has a backup of every claim (S11).", severity="high",
         framework=Framework(name=_SPEC, item="S11.2"),
         mend="On GKE name its namespace in storage.snapshots' plan (components/platform.py); elsewhere say "
         "in an exemption who backs it up; on both, why it may be lost.", stack=_backed_up),
    Rule(name="secret-has-one-reader", says="Every Secret is one workload's (S7.3).", severity="medium",
         framework=Framework(name=_SPEC, item="S7.3"), mend="Make one Secret for each consumer.",
         stack=_one_secret_each),
)  # fmt: skip
