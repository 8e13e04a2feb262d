"""Networks, names, and where things are reached."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

from components.checks.fault import Fault
from components.settings import GatewayEdge, GoogleCluster, IngressEdge, NginxEdge, Settings

COMPOSE = IPv4Network("172.20.0.0/16")  # S2.4
_ADDRESSES_PER_NODE = 256  # GKE takes a /24 of the pods' range for each node
# GKE's classes of Gateways whose balancer is global ("GatewayClass capabilities").
_OF_THE_WORLD = ("gke-l7-global-external-managed", "gke-l7-gxlb")


def networks_are_apart(settings: Settings) -> Iterator[Fault]:
    """Two ranges that overlap route each other's traffic to the wrong place, and can't be changed later."""
    if not isinstance(settings.cluster, GoogleCluster):
        return
    network = settings.cluster.network
    ranges = [(name, getattr(network, name)) for name in ("nodes", "pods", "services", "control_plane")]
    for (first, one), (second, other) in combinations(ranges, 2):
        if one.overlaps(other):
            yield Fault(
                f"cluster.network.{second}", f"overlaps cluster.network.{first} ({one})", "choose one that is apart"
            )
    for name, one in ranges:
        if one.overlaps(COMPOSE):
            yield Fault(
                f"cluster.network.{name}",
                f"overlaps {COMPOSE}, compose's network: a machine that runs that could not reach the cluster",
                "choose one that is apart",
            )


def networks_are_large_enough(settings: Settings) -> Iterator[Fault]:
    """A range that is full stops the autoscaler, and can't be changed later."""
    cluster = settings.cluster
    if not isinstance(cluster, GoogleCluster):
        return
    nodes = cluster.most_nodes
    for name, has, needs in (
        ("nodes", cluster.network.nodes.num_addresses - 4, nodes),  # Google keeps four of each range
        ("pods", cluster.network.pods.num_addresses // _ADDRESSES_PER_NODE, nodes),
    ):
        if needs > has:
            yield Fault(
                f"cluster.network.{name}",
                f"has room for {has} nodes; the pools at their largest, with an upgrade, have {needs}",
                "choose a larger one, or fewer max_nodes",
            )


def hosts_and_certificates_agree(settings: Settings) -> Iterator[Fault]:
    """A name that the certificate lacks is a warning in every browser; one outside the zone leads nowhere (S4.1)."""
    edge = settings.edge
    hosts = edge.hosts
    for (first, one), (second, other) in combinations(hosts.items(), 2):
        if one == other:
            yield Fault(f"edge.{second}", f"is the host of edge.{first} already", "leave it out, or choose another")
    for setting, host in hosts.items():
        if edge.certificate_names and not any(_covers(name, host) for name in edge.certificate_names):
            yield Fault(
                "edge.certificate_names",
                f"has no name for {host} (edge.{setting})",
                f"add {host}" + (f' or "*.{parent}"' if "." in (parent := host.partition(".")[2]) else ""),
            )
        if isinstance(edge, GatewayEdge) and edge.dns_zone and not _within(host, edge.dns_zone):
            yield Fault(f"edge.{setting}", f"is not in edge.dns_zone ({edge.dns_zone})", "choose a host in that zone")
    if isinstance(edge, GatewayEdge | IngressEdge) and edge.url != f"https://{edge.host}":
        yield Fault("edge.url", f"has a port; a {edge.flavour} listens on 443 alone", f"write https://{edge.host}")


def _covers(name: str, host: str) -> bool:
    """Whether a certificate for `name` is one for `host`: a star stands for one part."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def _within(host: str, zone: str) -> bool:
    return f".{host}".endswith(f".{zone}")


def edge_can_be_reached(settings: Settings) -> Iterator[Fault]:
    edge = settings.edge
    if isinstance(edge, NginxEdge) and edge.node_port is not None and edge.service != "NodePort":
        yield Fault(
            "edge.node_port", f"a {edge.service} has no port of its own on the nodes", "set edge.service to NodePort"
        )


def googles_edge_is_complete(settings: Settings) -> Iterator[Fault]:
    """What is asked of Google beside the cluster is made in the program's own project, for a balancer of the world."""
    edge = settings.edge
    if not isinstance(edge, GatewayEdge):
        return
    names = ("dns_zone", "requests_per_minute")
    given = [name for name in names if name in edge.model_fields_set and getattr(edge, name) is not None]
    if not isinstance(settings.cluster, GoogleCluster):
        for name in given:
            yield Fault(
                f"edge.{name}",
                "has no effect: the program makes nothing of Google's beside a cluster that is there already",
                "leave it out, or let the program make the cluster (cluster.flavour: gke)",
            )
        return
    if "requests_per_minute" in given and edge.security_policy is None:
        yield Fault("edge.requests_per_minute", "has no effect without edge.security_policy", "name a policy to make")
    if edge.dns_zone and edge.certificate_map:
        for host in edge.certificate_names:
            if not _within(host.removeprefix("*."), edge.dns_zone):
                yield Fault(
                    "edge.certificate_names",
                    f"has {host}, which edge.dns_zone ({edge.dns_zone}) can't prove to be yours",
                    "leave that name out, or make the map by hand and leave edge.dns_zone out",
                )
    made = [name for name in ("certificate_map", "ssl_policy", "security_policy") if getattr(edge, name) is not None]
    if made and not edge.class_name.startswith(_OF_THE_WORLD):
        yield Fault(
            "edge.class_name",
            f"is not a balancer of the world, and finds no edge.{made[0]} that is made for one",
            f"write {GatewayEdge.model_fields['class_name'].default}",
        )


def images_are_pushed_where_the_cluster_pulls(settings: Settings) -> Iterator[Fault]:
    """The program makes the repository, and its cluster runs images of this project's registry alone (S1, beyond)."""
    cluster, registry = settings.cluster, settings.images.registry
    if not isinstance(cluster, GoogleCluster):
        return
    place = f"{cluster.registry}/"
    if not registry.startswith(place):
        yield Fault(
            "images.registry",
            "is not in the cluster's own project and region, and nothing else may run there",
            f"write {place}vision-week",
        )
