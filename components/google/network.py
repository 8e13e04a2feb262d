"""The network: one subnet for nodes, pods and Services, one for the control plane, and one way out.

Nothing in it has a public address. Nodes reach Google's APIs from within, everybody else by Cloud NAT, and nobody
reaches them but through the load balancer: whatever comes in otherwise is refused, and the refusal logged. Of the
connections there are, half are logged too, enough to see who talked to whom (S7.1).

Cloud Storage, and the API that takes in logs and traces, are found at four addresses that Google keeps for networks
like this one, so that a pod can be let through to them and to nothing else of the internet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import compute, dns
from pulumi_kubernetes import networking

from components import kubernetes
from components.settings import ClusterNetwork

# Of the subnet's secondary ranges, and the tag of every node.
PODS, SERVICES = "pods", "services"
# Google's APIs as restricted.googleapis.com has them: those alone that VPC Service Controls can guard.
GOOGLE_APIS = "199.36.153.4/30"
# Where a pod gets the tokens of its own identity, with Dataplane V2 ("Workload Identity Federation for GKE").
METADATA_SERVER = "169.254.169.254/32"
# APIs that pods call.
_CALLED = {"storage": "Cloud Storage", "telemetry": "Logs and traces"}


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network needs.

    prefix: of the names. node_tag: of the machines that the firewall is about. after: what must be there before.
    labels: for the bill.
    """

    prefix: str
    region: str
    ranges: ClusterNetwork
    node_tag: str
    after: Sequence[Resource]
    labels: Mapping[str, str]


class Network(ComponentResource):
    """A network for one cluster.

    id, nodes, control_plane: of the network and its two subnets. way_out: without which no node starts.
    storage, telemetry: without which no pod reaches Cloud Storage, or what takes in logs and traces.
    """

    id: Output[str]
    nodes: Output[str]
    control_plane: Output[str]
    way_out: Sequence[Resource]
    storage: Sequence[Resource]
    telemetry: Sequence[Resource]

    def __init__(self, name: str, args: NetworkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Network", name, None, opts)
        child = ResourceOptions(parent=self)
        network = compute.Network(
            "network",
            name=args.prefix,
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        nodes = compute.Subnetwork(
            "nodes",
            name=f"{args.prefix}-nodes",
            network=network.id,
            region=args.region,
            ip_cidr_range=str(args.ranges.nodes),
            secondary_ip_ranges=[
                compute.SubnetworkSecondaryIpRangeArgs(range_name=range_name, ip_cidr_range=str(addresses))
                for range_name, addresses in ((PODS, args.ranges.pods), (SERVICES, args.ranges.services))
            ],
            private_ip_google_access=True,
            log_config=_flow_logs(),
            opts=child,
        )
        control_plane = compute.Subnetwork(
            "control-plane",
            name=f"{args.prefix}-control-plane",
            network=network.id,
            region=args.region,
            ip_cidr_range=str(args.ranges.control_plane),
            private_ip_google_access=True,
            log_config=_flow_logs(),
            opts=child,
        )
        router = compute.Router("router", name=args.prefix, network=network.id, region=args.region, opts=child)
        nat = compute.RouterNat(
            "nat",
            name=args.prefix,
            router=router.name,
            region=args.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            # A node with many pods takes more ports when it needs them, instead of dropping connections.
            enable_dynamic_port_allocation=True,
            enable_endpoint_independent_mapping=False,
            log_config=compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=child,
        )
        compute.Firewall(
            "deny-ingress",
            name=f"{args.prefix}-deny-ingress",
            network=network.id,
            direction="INGRESS",
            # Below what GKE itself allows: the control plane, the load balancer's health checks, other nodes.
            priority=65534,
            source_ranges=["0.0.0.0/0"],
            target_tags=[args.node_tag],
            denies=[compute.FirewallDenyArgs(protocol="all")],
            log_config=compute.FirewallLogConfigArgs(metadata="INCLUDE_ALL_METADATA"),
            opts=child,
        )
        found = {api: self._found_within(api, network, args) for api in _CALLED}
        self.id, self.nodes, self.control_plane = network.id, nodes.id, control_plane.id
        self.way_out, self.storage, self.telemetry = [nat], [found["storage"]], [found["telemetry"]]
        self.register_outputs({"id": self.id, "nodes": self.nodes, "control_plane": self.control_plane})

    def _found_within(self, api: str, network: compute.Network, args: NetworkArgs) -> dns.RecordSet:
        """An API's name leads to the four addresses."""
        child, name = ResourceOptions(parent=self), f"{api}.googleapis.com."
        zone = dns.ManagedZone(
            api,
            name=f"{args.prefix}-{api}",
            dns_name=name,
            description=f"{_CALLED[api]}, for pods that are let through to nothing else",
            visibility="private",
            private_visibility_config=dns.ManagedZonePrivateVisibilityConfigArgs(
                networks=[dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=network.id)]
            ),
            labels=args.labels,
            opts=child,
        )
        return dns.RecordSet(
            api,
            managed_zone=zone.name,
            name=name,
            type="A",
            ttl=300,
            rrdatas=[str(address) for address in IPv4Network(GOOGLE_APIS)],
            opts=child,
        )


def to_apis() -> Sequence[networking.v1.NetworkPolicyEgressRuleArgs]:
    """A pod's connections to those, as itself."""
    return [
        kubernetes.to([kubernetes.addresses(METADATA_SERVER)], 80),
        kubernetes.to([kubernetes.addresses(GOOGLE_APIS)], 443),
    ]


def _flow_logs() -> compute.SubnetworkLogConfigArgs:
    return compute.SubnetworkLogConfigArgs(
        aggregation_interval="INTERVAL_10_MIN", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
    )
