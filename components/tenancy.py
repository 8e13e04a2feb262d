"""The namespaces, and what holds in each before the first pod runs: pod security, quota, defaults, nothing allowed.

One namespace for each area, because who can make pods in a namespace can mount its Secrets. All connections are denied
both ways but for DNS; every component brings the few that it needs. No pod of these namespaces may be less than
`restricted`; in the one namespace for that they may read files of their node besides (DECISIONS: namespaces), which
the standard calls `privileged`: what runs there is as hardened as all else, and the policy pack sees to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_kubernetes import core, meta, networking

from components.kubernetes import Namespace, metadata
from components.settings import Quota

# Whose pods read files of their node.
NODE = "node"
_DNS_PORT = 53
# Where NodeLocal DNSCache listens elsewhere, on the node and not in a pod.
_NODE_LOCAL_DNS = "169.254.20.10/32"


@dataclass(frozen=True, kw_only=True)
class TenancyArgs:
    """Which namespaces.

    prefix: of their names.
    quotas: area -> what its pods together may ask for.
    pools: area -> nodes that are kept for its pods.
    protect: a namespace takes its claims along, so none is removed before this is taken away.
    """

    prefix: str
    quotas: Mapping[str, Quota]
    protect: bool
    pools: Mapping[str, str] = field(default_factory=dict)


class Tenancy(ComponentResource):
    """The namespaces by area: `<prefix>-<area>`."""

    namespaces: Mapping[str, Namespace]
    names: Output[Mapping[str, str]]

    def __init__(self, name: str, args: TenancyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:tenancy:Tenancy", name, None, opts)
        self.namespaces = {area: self._namespace(args, area, quota) for area, quota in args.quotas.items()}
        self.names = Output.all(**{area: namespace.name for area, namespace in self.namespaces.items()})
        self.register_outputs({"names": self.names})

    def _namespace(self, args: TenancyArgs, area: str, quota: Quota) -> Namespace:
        child = ResourceOptions(parent=self)
        namespace = core.v1.Namespace(
            area,
            metadata=meta.v1.ObjectMetaArgs(
                name=f"{args.prefix}-{area}",
                labels={
                    "app.kubernetes.io/part-of": "vision-week",
                    "app.kubernetes.io/managed-by": "pulumi",
                    **_security("privileged" if area == NODE else "restricted"),
                },
            ),
            opts=ResourceOptions(parent=self, protect=args.protect),
        )
        name = namespace.metadata.name
        guards = [
            core.v1.ResourceQuota(
                area,
                metadata=metadata("quota", name, app=area),
                spec=core.v1.ResourceQuotaSpecArgs(
                    hard={
                        "pods": str(quota.pods),
                        "requests.cpu": quota.cpu,
                        "requests.memory": quota.memory,
                        "limits.memory": quota.memory,
                    }
                ),
                opts=child,
            ),
            core.v1.LimitRange(
                area,
                metadata=metadata("defaults", name, app=area),
                spec=core.v1.LimitRangeSpecArgs(
                    limits=[
                        # For pods that are made by hand: without these the quota would refuse them.
                        core.v1.LimitRangeItemArgs(
                            type="Container",
                            default={"cpu": "500m", "memory": "128Mi"},
                            default_request={"cpu": "50m", "memory": "128Mi"},
                        )
                    ]
                ),
                opts=child,
            ),
            networking.v1.NetworkPolicy(
                f"{area}-default-deny",
                metadata=metadata("default-deny", name, app=area),
                spec=networking.v1.NetworkPolicySpecArgs(
                    pod_selector=meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
                ),
                opts=child,
            ),
            networking.v1.NetworkPolicy(
                f"{area}-dns", metadata=metadata("dns", name, app=area), spec=_look_ups(), opts=child
            ),
        ]
        return Namespace(name=name, guards=guards, pool=args.pools.get(area))


def _security(level: str) -> dict[str, str]:
    """What pods a namespace takes; the version is the API server's own numbering of the standard's: the newest."""
    return {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", level), ("-version", "latest"))
    }


def _look_ups() -> networking.v1.NetworkPolicySpecArgs:
    """DNS over UDP and TCP, at the cluster's resolvers and nowhere else (S7, beyond)."""
    resolvers, redirected = (
        networking.v1.NetworkPolicyPeerArgs(
            namespace_selector=meta.v1.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": "kube-system"}),
            pod_selector=meta.v1.LabelSelectorArgs(match_labels={"k8s-app": name}),
        )
        # GKE's Dataplane V2 sends what is asked of the first to the second: NodeLocal DNSCache, there in pods.
        for name in ("kube-dns", "node-local-dns")
    )
    node_local = networking.v1.NetworkPolicyPeerArgs(ip_block=networking.v1.IPBlockArgs(cidr=_NODE_LOCAL_DNS))
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=meta.v1.LabelSelectorArgs(),
        policy_types=["Egress"],
        egress=[
            networking.v1.NetworkPolicyEgressRuleArgs(
                to=[resolvers, redirected, node_local],
                ports=[
                    networking.v1.NetworkPolicyPortArgs(protocol=protocol, port=_DNS_PORT)
                    for protocol in ("UDP", "TCP")
                ],
            )
        ],
    )
