"""Who may talk to whom, who may read which Secret, who has which rights: read from the resources of a state alone.

A connection is there when the policies of both sides allow it; who is outside of the cluster has one side. Whatever no
policy selects may talk and be talked to: the rules (`policies`) see to it that there is no such namespace.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.pods import pod_of, template_of
from policies.rules import Resource, at, chosen, listed, mapped
from policies.stack import secrets_of

ANYBODY: Final = "anybody"
DNS: Final = "53"  # left out of pictures: every pod may ask for names
# Labels that pods get when they run, from the StatefulSet's controller and from Patroni.
_LATER: Final = ("statefulset.kubernetes.io/", "vision-week/")
_NAME: Final = "kubernetes.io/metadata.name"

Connection = tuple[str, str, str]  # who, whom, port


@dataclass(frozen=True)
class Workload:
    """What makes pods: a label that its pods get later is fulfilled by any of them."""

    resource: Resource
    namespace: str
    labels: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What its pods are called: several jobs may make the same."""
        return str(self.labels.get("app.kubernetes.io/name") or self.resource.name)

    def fits(self, selector: Mapping[str, Any]) -> bool:
        wanted = mapped(selector.get("matchLabels"))
        later = {key: value for key, value in wanted.items() if key.startswith(_LATER)}
        return chosen(selector, {**self.labels, **later})


def resources_of(state: Mapping[str, Mapping[str, Any]]) -> list[Resource]:
    """A state's resources as the rules see them."""
    return [
        Resource(urn=urn, type=str(one.get("type")), name=urn.rpartition("::")[2], props=one.get("inputs") or {})
        for urn, one in state.items()
    ]


def workloads(resources: Iterable[Resource]) -> list[Workload]:
    """Everything that makes pods."""
    return [
        Workload(one, str(one.namespace), mapped(at(template_of(one), "metadata", "labels")))
        for one in resources
        if pod_of(one) is not None
    ]


def connections(resources: Sequence[Resource]) -> set[Connection]:
    """Every connection that the policies allow."""
    pods = workloads(resources)
    namespaces = {
        str(at(one.props, "metadata", "name")): mapped(at(one.props, "metadata", "labels"))
        for one in resources
        if one.type == "kubernetes:core/v1:Namespace"
    }
    policies = [one for one in resources if one.is_kubernetes and one.kind == "NetworkPolicy"]
    out = set(_side(pods, policies, namespaces, "egress", "to"))
    into = {(who, whom, port) for whom, who, port in _side(pods, policies, namespaces, "ingress", "from")}
    into |= {one for one in out if (ANYBODY, *one[1:]) in into}
    out |= {one for one in into if (one[0], ANYBODY, one[2]) in out}
    own = {pod.name for pod in pods}
    return {one for one in out if one in into or one[1] not in own} | {one for one in into if one[0] not in own}


def _side(
    pods: Sequence[Workload],
    policies: Sequence[Resource],
    namespaces: Mapping[str, Mapping[str, Any]],
    rules: str,
    peers: str,
) -> Iterator[Connection]:
    """(the pods that the policy is about, the other side, port)."""
    for policy in policies:
        for rule in listed(at(policy.props, "spec", rules)):
            others = [
                name for peer in listed(rule.get(peers)) or [{}] for name in _named(peer, policy, pods, namespaces)
            ]
            ports = [str(port.get("port", "all")) for port in listed(rule.get("ports"))] or ["all"]
            for pod in pods:
                if pod.namespace == policy.namespace and pod.fits(mapped(at(policy.props, "spec", "podSelector"))):
                    yield from ((pod.name, other, port) for other in others for port in ports)


def _named(
    peer: Mapping[str, Any],
    policy: Resource,
    pods: Sequence[Workload],
    namespaces: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    if not peer:
        return [ANYBODY]
    if "ipBlock" in peer:
        return [str(at(peer, "ipBlock", "cidr"))]
    selector = mapped(peer.get("namespaceSelector"))
    found = [
        pod.name
        for pod in pods
        if pod.fits(mapped(peer.get("podSelector")))
        and (
            chosen(selector, {**namespaces.get(pod.namespace, {}), _NAME: pod.namespace})
            if "namespaceSelector" in peer
            else pod.namespace == policy.namespace
        )
    ]
    return found or [_stranger(peer)]


def _stranger(peer: Mapping[str, Any]) -> str:
    """Pods that the stack doesn't make, by how a policy names them: the cluster's DNS, a controller."""
    labels = mapped(at(peer, "podSelector", "matchLabels")) or mapped(at(peer, "namespaceSelector", "matchLabels"))
    return ", ".join(str(value) for value in labels.values()) or "pods of other namespaces"


def readers(resources: Sequence[Resource]) -> set[tuple[str, str]]:
    """(Secret, workload that mounts it)."""
    return {(name, pod.name) for pod in workloads(resources) for name in secrets_of(pod_of(pod.resource) or {})}


def rights(resources: Sequence[Resource]) -> set[tuple[str, str, str]]:
    """(account, what it may do, where), in Kubernetes and on Google Cloud."""
    roles = {
        (one.kind, one.namespace, at(one.props, "metadata", "name")): one
        for one in resources
        if one.is_kubernetes and one.kind in {"Role", "ClusterRole"}
    }
    found = set()
    for one in resources:
        if one.is_kubernetes and one.kind in {"RoleBinding", "ClusterRoleBinding"}:
            kind, name = at(one.props, "roleRef", "kind"), at(one.props, "roleRef", "name")
            role = roles.get((str(kind), one.namespace if kind == "Role" else None, name))
            told = _granted(role) if role else [f"all of {kind} {name}"]
            for subject in listed(one.props.get("subjects")):
                found |= {(str(at(subject, "name")), what, str(one.namespace or "everywhere")) for what in told}
        elif one.type.startswith("gcp:") and one.kind.lower().endswith(("iammember", "iambinding")):
            members = [*listed(one.props.get("members")), *filter(None, [one.props.get("member")])]
            found |= {(str(member), str(one.props.get("role")), one.name) for member in members}
    return found


def _granted(role: Resource) -> list[str]:
    told = []
    for rule in listed(role.props.get("rules")):
        named = listed(rule.get("resourceNames"))
        which = f" named {', '.join(map(str, named))}" if named else ""
        told.append(f"{', '.join(listed(rule.get('verbs')))} {', '.join(listed(rule.get('resources')))}{which}")
    return told


def tables(stack: str, resources: Sequence[Resource]) -> str:
    """All of it as three tables in Markdown; drawn it is by `picture`."""
    return "\n".join(
        [
            f"# Access in {stack}\n\n## Who may talk to whom\n",
            *_table(("who", "whom", "port"), sorted(connections(resources))),
            "\n## Who mounts which Secret\n",
            *_table(("Secret", "workload"), sorted(readers(resources))),
            "\n## Who has which rights\n",
            *_table(("account", "may", "where"), sorted(rights(resources))),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
