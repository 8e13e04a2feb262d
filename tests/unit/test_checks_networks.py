"""Checks of what lies outside the pods: address ranges, names and certificates, machines and their disks."""

from typing import Any

import pytest

from tests.unit.faults import GATEWAY, GKE, INGRESS, refused, told
from tests.unit.parts import LEAST

# --- networks and names


def gke(**network: str) -> dict[str, Any]:
    return {**GKE, "network": network}


@pytest.mark.parametrize(
    ("network", "paths"),
    [
        ({"pods": "10.10.0.0/16"}, ["pods"]),
        ({"services": "10.64.128.0/20"}, ["services"]),
        ({"control_plane": "10.10.15.240/28"}, ["control_plane"]),
        ({"services": "10.10.0.0/24"}, ["services"]),
        ({"control_plane": "10.64.0.0/28"}, ["control_plane"]),
        ({"control_plane": "10.20.0.16/28"}, ["control_plane"]),
        ({"nodes": "172.20.16.0/20"}, ["nodes"]),
        ({"pods": "172.20.0.0/14"}, ["pods"]),
        ({"services": "172.20.255.0/24"}, ["services"]),
        ({"control_plane": "172.20.1.0/28"}, ["control_plane"]),
        ({"nodes": "172.20.0.0/20", "services": "172.20.0.0/20"}, ["services", "nodes", "services"]),
    ],
)
def test_address_ranges_that_overlap_are_refused(network: dict[str, str], paths: list[str]) -> None:
    """Nodes, pods, services, control plane, and compose's 172.20.0.0/16 (S2.4)."""
    assert told(cluster=gke(**network)) == [f"cluster.network.{path}" for path in paths]


def test_what_is_said_of_an_overlap_names_the_other() -> None:
    assert refused(cluster=gke(pods="10.10.0.0/16")) == [
        "cluster.network.pods: overlaps cluster.network.nodes (10.10.0.0/20); choose one that is apart"
    ]
    (fault,) = refused(cluster=gke(nodes="172.20.16.0/20"))
    assert fault.startswith("cluster.network.nodes: overlaps 172.20.0.0/16, compose's network")


def test_address_ranges_that_touch_are_apart() -> None:
    assert told(cluster=gke(nodes="10.0.0.0/20", services="10.0.16.0/20", control_plane="10.0.32.0/28")) == []
    assert told(cluster=gke(nodes="172.21.0.0/20", services="172.19.240.0/20")) == []


def pools(maximum: int, **network: str) -> dict[str, Any]:
    """Two pools over three zones: with one more for an upgrade, 6 x (maximum + 1) nodes."""
    pool = {"machine": "n2-standard-4", "max_nodes": maximum}
    return {**gke(**network), "apps": pool, "data": pool}


# What runs on each of so many nodes is another check's.
NOTHING_ON_NODES = {"logs": False, "node_exporter": False, "traces": {"enabled": False}}


def test_ranges_that_the_largest_scale_would_fill_are_refused() -> None:
    assert told(monitoring=NOTHING_ON_NODES, cluster=pools(41, pods="10.64.0.0/16")) == []
    assert refused(monitoring=NOTHING_ON_NODES, cluster=pools(42, pods="10.64.0.0/16")) == [
        "cluster.network.pods: has room for 256 nodes; the pools at their largest, with an upgrade, have 258; "
        "choose a larger one, or fewer max_nodes"
    ]
    assert told(monitoring=NOTHING_ON_NODES, cluster=pools(41, nodes="10.10.0.0/24")) == []
    assert told(monitoring=NOTHING_ON_NODES, cluster=pools(42, nodes="10.10.0.0/24", pods="10.64.0.0/15")) == [
        "cluster.network.nodes"
    ]
    assert told(monitoring=NOTHING_ON_NODES, cluster=pools(5, pods="10.64.0.0/21")) == ["cluster.network.pods"]


def gateway(**changes: Any) -> dict[str, Any]:
    return {**GATEWAY, **changes}


def test_a_host_that_the_certificate_lacks_is_refused() -> None:
    hosts = {"api_host": "api.vision-week.example", "websocket_host": "ws.vision-week.example"}
    assert told(edge=gateway(**hosts, certificate_names=["vision-week.example", "*.vision-week.example"])) == []
    assert told(edge=gateway(**hosts, certificate_names=[*hosts.values(), "vision-week.example"])) == []
    assert refused(edge=gateway(**hosts, certificate_names=["*.vision-week.example", "other.example"])) == [
        "edge.certificate_names: has no name for vision-week.example (edge.url); add vision-week.example"
    ]
    assert refused(edge=gateway(**hosts, certificate_names=["vision-week.example", "api.vision-week.example"])) == [
        "edge.certificate_names: has no name for ws.vision-week.example (edge.websocket_host); "
        'add ws.vision-week.example or "*.vision-week.example"'
    ]


def test_a_star_in_a_certificate_stands_for_one_part_alone() -> None:
    star = {"certificate_names": ["*.a.example"]}
    assert told(edge=gateway(url="https://b.a.example", **star)) == []
    assert told(edge=gateway(url="https://c.b.a.example", **star)) == ["edge.certificate_names"]
    assert told(edge=gateway(url="https://a.example", **star)) == ["edge.certificate_names"]


# Where the program makes the cluster.
OWN: dict[str, Any] = {"cluster": GKE, "images": {"registry": "europe-west1-docker.pkg.dev/a-project/x"}}
ZONE = {"dns_zone": "vision-week.example"}


def test_a_host_outside_the_zone_is_refused() -> None:
    assert told(edge=gateway(**ZONE, api_host="api.vision-week.example"), **OWN) == []
    assert refused(edge=gateway(**ZONE, api_host="api-vision-week.example"), **OWN) == [
        "edge.api_host: is not in edge.dns_zone (vision-week.example); choose a host in that zone"
    ]
    assert told(edge=gateway(dns_zone="week.example"), **OWN) == ["edge.url"]


def test_a_name_that_no_record_in_the_zone_can_prove_is_refused() -> None:
    """Google refuses a record outside the zone, when half of the rest is made."""
    names = ["*.vision-week.example", "vision-week.example", "*.week.example"]
    edge = gateway(**ZONE, certificate_map="a-map", certificate_names=names)
    assert refused(edge=edge, **OWN) == [
        "edge.certificate_names: has *.week.example, which edge.dns_zone (vision-week.example) can't prove to be "
        "yours; leave that name out, or make the map by hand and leave edge.dns_zone out"
    ]
    assert told(edge={**edge, "certificate_names": names[:2]}, **OWN) == []
    assert told(edge={**edge, "certificate_map": None}, **OWN) == []
    assert told(edge={**edge, "dns_zone": None}, **OWN) == []


@pytest.mark.parametrize("given", [ZONE, {"requests_per_minute": 600, "security_policy": "armour"}])
def test_what_only_a_project_of_the_program_s_can_hold_is_refused_beside_another_cluster(given: Any) -> None:
    (said,) = refused(edge=gateway(**given))
    assert said == (
        f"edge.{next(iter(given))}: has no effect: the program makes nothing of Google's beside a cluster that is "
        "there already; leave it out, or let the program make the cluster (cluster.flavour: gke)"
    )
    assert told(edge=gateway(**given), **OWN) == []


def test_a_limit_without_the_policy_that_has_it_is_refused() -> None:
    assert refused(edge=gateway(requests_per_minute=600), **OWN) == [
        "edge.requests_per_minute: has no effect without edge.security_policy; name a policy to make"
    ]


def test_a_balancer_of_one_region_does_not_find_what_is_made_for_one_of_the_world() -> None:
    regional = gateway(class_name="gke-l7-regional-external-managed", ssl_policy="modern", security_policy="armour")
    assert refused(edge=regional, **OWN) == [
        "edge.class_name: is not a balancer of the world, and finds no edge.ssl_policy that is made for one; "
        "write gke-l7-global-external-managed"
    ]
    assert told(edge=regional) == []
    assert told(edge={**regional, "class_name": "gke-l7-gxlb"}, **OWN) == []
    assert told(edge=gateway(class_name="gke-l7-regional-external-managed"), **OWN) == []


def test_a_host_that_stands_for_two_things_is_refused() -> None:
    assert refused(edge=gateway(api_host="a.example", websocket_host="a.example")) == [
        "edge.websocket_host: is the host of edge.api_host already; leave it out, or choose another"
    ]
    assert told(edge=gateway(api_host="vision-week.example")) == ["edge.api_host"]


@pytest.mark.parametrize("flavour", [GATEWAY, INGRESS])
def test_a_port_is_only_our_own_edges(flavour: dict[str, str]) -> None:
    assert refused(edge={**flavour, "url": "https://a.example:8443"}) == [
        f"edge.url: has a port; a {flavour['flavour']} listens on 443 alone; write https://a.example"
    ]
    assert told(edge={"flavour": "nginx", "url": "https://a.example:8443"}) == []


def test_a_port_on_the_nodes_needs_a_service_of_that_type() -> None:
    nginx = {**LEAST["edge"], "node_port": 30443}
    assert refused(edge=nginx) == [
        "edge.node_port: a LoadBalancer has no port of its own on the nodes; set edge.service to NodePort"
    ]
    assert told(edge={**nginx, "service": "NodePort"}) == []
    assert told(edge={**LEAST["edge"], "service": "NodePort"}) == []


# --- machines and disks


def disks(machine: str, parameters: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """A cluster whose nodes are all of one family, their own disks fitting."""
    own = "hyperdisk-balanced" if machine.startswith(("c4", "n4")) else "pd-ssd"
    pool = {"machine": machine, "disk_type": own}
    storage = {} if parameters is None else {"parameters": parameters}
    return {"cluster": {**GKE, "apps": pool, "data": pool}, "storage": {**storage, **changes}}


REGIONAL = {"type": "pd-ssd", "replication-type": "regional-pd"}
HYPERDISK = {"type": "hyperdisk-balanced"}
NOT_N4 = "can't be attached to n4 machines (cluster.data.machine); use hyperdisk-balanced, or n2 machines"
HIGHLY_AVAILABLE = {"type": "hyperdisk-balanced-high-availability"}


@pytest.mark.parametrize(
    ("machine", "parameters"),
    [
        *((f"{family}-standard-4", REGIONAL) for family in ("e2", "n1", "n2", "n2d", "z9")),
        *((f"{family}-standard-4", {"type": "pd-ssd"}) for family in ("e2", "n2", "c3", "c3d", "t2d", "c2", "m3")),
        *(
            (f"{family}-standard-4", HYPERDISK)
            for family in ("c3", "c3d", "c4", "c4a", "c4d", "n4", "n4a", "n4d", "m3")
        ),
        *((f"{family}-standard-4", HIGHLY_AVAILABLE) for family in ("c3", "c4", "n4")),
        ("n2-standard-4", {"type": "hyperdisk-extreme"}),
        ("n2-standard-4", {}),
    ],
)
def test_a_disk_that_goes_with_the_machines_is_fine(machine: str, parameters: dict[str, str]) -> None:
    assert told(**disks(machine, parameters)) == []


@pytest.mark.parametrize(
    ("machine", "parameters", "said"),
    [
        *(
            (
                f"{family}-standard-4",
                REGIONAL,
                f"pd-ssd can't be attached to {family} machines (cluster.data.machine); "
                "use hyperdisk-balanced-high-availability, or n2 machines",
            )
            for family in ("c4", "c4a", "c4d", "n4", "n4a", "n4d")
        ),
        (
            "n4-standard-4",
            {"type": "pd-balanced"},
            f"pd-balanced {NOT_N4}",
        ),
        (
            "n4-standard-4",
            {},
            f"pd-standard {NOT_N4}",
        ),
        *(
            (
                f"{family}-standard-4",
                REGIONAL,
                f"a regional pd-ssd can't be attached to {family} machines (cluster.data.machine); "
                "use n2 machines, or hyperdisk-balanced-high-availability",
            )
            for family in ("c2", "c2d", "c3", "c3d", "t2a", "t2d", "m1", "m2", "m3")
        ),
        *(
            (
                f"{family}-standard-4",
                kind,
                f"{kind['type']} can't be attached to {family} machines (cluster.data.machine); "
                "use pd-ssd, or n4 machines",
            )
            for family in ("e2", "n1", "n2", "n2d", "c2", "c2d", "t2a", "t2d", "m2")
            for kind in (HYPERDISK, HIGHLY_AVAILABLE)
        ),
        (
            "c3-standard-4",
            {**HYPERDISK, "replication-type": "regional-pd"},
            "hyperdisk-balanced is not replicated by replication-type (cluster.data.machine); "
            "leave that out and use hyperdisk-balanced-high-availability",
        ),
    ],
)
def test_a_disk_that_the_machines_do_not_take_is_refused(machine: str, parameters: dict[str, str], said: str) -> None:
    """DECISIONS: regional pd-ssd only goes with machine families that take it."""
    assert refused(**disks(machine, parameters)) == [f"storage.parameters.type: {said}"]


@pytest.mark.parametrize("pool", ["apps", "data"])
def test_a_nodes_own_disk_goes_with_its_machine(pool: str) -> None:
    wrong = {**GKE, pool: {"machine": "n4-standard-4", "disk_type": "pd-ssd"}}
    other = {"storage": {"parameters": HIGHLY_AVAILABLE}} if pool == "data" else {}
    assert refused(cluster=wrong, **other) == [
        f"cluster.{pool}.disk_type: pd-ssd can't be attached to n4 machines; use hyperdisk-balanced, or n2 machines"
    ]
    assert (
        told(cluster={**GKE, pool: {"machine": "c3-standard-4", "disk_type": "pd-ssd"}}, storage={"parameters": {}})
        == []
    )


def test_another_provisioners_disks_are_its_own_business() -> None:
    assert told(**disks("n4-standard-4", REGIONAL, provisioner="csi.example")) == []
    assert told(storage={"parameters": {"type": "hyperdisk-balanced"}}) == []
