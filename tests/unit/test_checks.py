"""Settings that are fine one by one and wrong together: each check refuses an example, and takes the one beside it."""

from typing import Any

import pytest

from components.checks import contradictions
from components.configuration import parse
from tests.unit.faults import GATEWAY, GKE, faults, refused
from tests.unit.parts import LEAST


def told(**changes: Any) -> list[str]:
    """The settings that are wrong."""
    return [fault.path for fault in faults({**LEAST, **changes})]


def resources(memory: str) -> dict[str, str]:
    return {"cpu": "10m", "cpu_limit": "2", "memory": memory}


# --- quotas


@pytest.mark.parametrize("area", ["app", "data", "edge"])
def test_a_quota_below_what_the_workloads_may_need_is_refused(area: str) -> None:
    """Service levels: the namespace's quota admits the autoscaler's maximum."""
    assert told(tenancy={area: {"pods": 1, "cpu": "10m", "memory": "1Mi"}}) == [
        f"tenancy.{area}.{what}" for what in ("pods", "cpu", "memory")
    ]


NEEDS = {
    # 20 app pods, 10 of the WebSocket service, one more of each for a roll-out, and the migrations.
    "app": {"pods": 33, "cpu": "14.2", "memory": "20992Mi"},
    "data": {"pods": 6, "cpu": "3.9", "memory": "15552Mi"},
    "edge": {"pods": 3, "cpu": "0.3", "memory": "384Mi"},
}


@pytest.mark.parametrize("area", NEEDS)
def test_a_quota_that_admits_the_most_and_a_roll_out_is_enough(area: str) -> None:
    assert told(tenancy={area: NEEDS[area]}) == []


@pytest.mark.parametrize("area", NEEDS)
def test_a_quota_that_lacks_the_least_is_refused(area: str) -> None:
    less = {"pods": NEEDS[area]["pods"] - 1, "cpu": "10m", "memory": "1Mi"}  # type: ignore[operator]
    hints = [fault.hint for fault in faults({**LEAST, "tenancy": {area: less}})]
    assert hints == [
        f"write {needed} or more, or make the workloads smaller" for needed in map(str, NEEDS[area].values())
    ]


def test_an_edge_that_the_cluster_runs_needs_no_quota() -> None:
    assert told(edge=GATEWAY, tenancy={"edge": {"pods": 1, "cpu": "1m", "memory": "1Mi"}}) == []


# --- memory


def test_workers_that_do_not_fit_the_memory_are_refused() -> None:
    """10 workers of 64Mi and 96Mi that they share."""
    assert told(app={"php_resources": resources("736Mi")}) == []
    assert refused(app={"php_resources": resources("735Mi")}) == [
        "app.php_resources.memory: is too little for 10 workers of 64Mi and what they share: 736Mi; "
        "give it more, or write fewer app.workers"
    ]


def test_connections_that_do_not_fit_the_databases_memory_are_refused() -> None:
    """A quarter for buffers, three times a twentieth for autovacuum, 5 MiB for each of 400 connections."""
    assert told(postgres={"max_connections": 400, "resources": resources("3330Mi")}) == []
    assert refused(postgres={"max_connections": 400, "resources": resources("3329Mi")}) == [
        "postgres.resources.memory: is too little for buffers (1330Mi) and 400 connections (2000Mi): 3330Mi; "
        "give it more, or write fewer postgres.max_connections"
    ]


def test_a_small_database_still_has_16_mib_to_clean_up() -> None:
    small = parse(
        {
            **LEAST,
            "app": {"replicas": 1, "workers": 2},
            "postgres": {"max_connections": 20, "resources": resources("256Mi")},
        }
    )
    assert (small.postgres.shared_buffers, small.postgres.maintenance_memory) == (64, 16)
    assert parse(LEAST).postgres.maintenance_memory == 204


@pytest.mark.parametrize(("members", "enough", "too_little"), [(3, "98Mi", "97Mi"), (1, "58Mi", "57Mi")])
def test_data_and_replication_that_do_not_fit_redis_memory_are_refused(
    members: int, enough: str, too_little: str
) -> None:
    """60 % for data, the backlog and as much again for a replica's buffer, 8 MiB for Redis itself."""
    assert told(redis={"members": members, "resources": resources(enough)}) == []
    assert told(redis={"members": members, "resources": resources(too_little)}) == ["redis.resources.memory"]


def test_a_larger_backlog_takes_memory() -> None:
    assert told(redis={"backlog": "300Mi"}) == ["redis.resources.memory"]


def test_connections_for_every_worker_at_the_largest_scale_are_asked_for() -> None:
    """21 pods with 10 workers, and 15 others."""
    assert told(postgres={"max_connections": 225}) == []
    assert refused(postgres={"max_connections": 224}) == [
        "postgres.max_connections: is too few: 20 app pods and one of a roll-out, 10 workers each, and 15 others need "
        "225; write 225 or more, or fewer app.workers"
    ]


# --- who stays


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"app": {"replicas": {"min": 2, "max": 4, "disruptions": 2}}}, "app.replicas.disruptions"),
        ({"websocket": {"replicas": {"min": 3, "max": 4, "disruptions": 3}}}, "websocket.replicas.disruptions"),
        ({"edge": {**LEAST["edge"], "replicas": 2, "disruptions": 2}}, "edge.disruptions"),
        ({"postgres": {"members": 3, "disruptions": 2}}, "postgres.disruptions"),
        ({"redis": {"members": 3, "disruptions": 2}}, "redis.disruptions"),
        ({"redis": {"members": 5, "disruptions": 2, "quorum": 4}}, "redis.disruptions"),
    ],
)
def test_a_budget_that_lets_too_many_go_is_refused(changes: dict[str, Any], path: str) -> None:
    assert told(**changes) == [path]


@pytest.mark.parametrize(
    "changes",
    [
        {"app": {"replicas": {"min": 3, "max": 4, "disruptions": 2}}},
        {"app": {"replicas": 1}},
        {"edge": {**LEAST["edge"], "replicas": 3, "disruptions": 2}},
        {"edge": {**LEAST["edge"], "replicas": 1}},
        {"postgres": {"members": 5, "disruptions": 2}},
        {"postgres": {"members": 1}},
        {"redis": {"members": 5, "disruptions": 2}},
        {"redis": {"members": 5, "quorum": 4}},
        {"redis": {"members": 1}},
        {"redis": {"members": 3, "quorum": 2}},
        {"redis": {"members": 3, "quorum": 3, "disruptions": 1}, "expected": ["redis.disruptions"]},
    ],
)
def test_a_budget_that_leaves_enough_is_fine(changes: dict[str, Any]) -> None:
    expected = changes.pop("expected", [])
    quota = {"tenancy": {"data": {"pods": 24, "cpu": "24", "memory": "64Gi"}}}
    assert told(**quota, **changes) == expected


def test_what_is_said_of_a_budget_names_who_must_stay() -> None:
    assert refused(postgres={"disruptions": 2}) == [
        "postgres.disruptions: is too many: of 3 pods 2 must stay; write 1 at most, or have more pods"
    ]
    assert refused(app={"replicas": {"min": 2, "max": 3, "disruptions": 2}}) == [
        "app.replicas.disruptions: is too many: of 2 pods 1 must stay; write 1 at most, or have more pods"
    ]


@pytest.mark.parametrize(("members", "quorum"), [(3, 1), (3, 4), (5, 2), (1, 2)])
def test_a_quorum_that_is_no_majority_or_more_than_all_is_refused(members: int, quorum: int) -> None:
    """Less than half could name a second primary."""
    least = members // 2 + 1
    said = f"redis.quorum: of {members} Sentinels it must be a majority: {least} to {members}; leave it out for {least}"
    assert said in refused(redis={"members": members, "quorum": quorum})


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


def test_ranges_that_the_largest_scale_would_fill_are_refused() -> None:
    assert told(cluster=pools(41, pods="10.64.0.0/16")) == []
    assert refused(cluster=pools(42, pods="10.64.0.0/16")) == [
        "cluster.network.pods: has room for 256 nodes; the pools at their largest, with an upgrade, have 258; "
        "choose a larger one, or fewer max_nodes"
    ]
    assert told(cluster=pools(41, nodes="10.10.0.0/24")) == []
    assert told(cluster=pools(42, nodes="10.10.0.0/24", pods="10.64.0.0/15")) == ["cluster.network.nodes"]
    assert told(cluster=pools(5, pods="10.64.0.0/21")) == ["cluster.network.pods"]


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


def test_a_host_outside_the_zone_is_refused() -> None:
    assert told(edge=gateway(dns_zone="vision-week.example", api_host="api.vision-week.example")) == []
    assert refused(edge=gateway(dns_zone="vision-week.example", api_host="api-vision-week.example")) == [
        "edge.api_host: is not in edge.dns_zone (vision-week.example); choose a host in that zone"
    ]
    assert told(edge=gateway(dns_zone="week.example")) == ["edge.url"]


def test_a_host_that_stands_for_two_things_is_refused() -> None:
    assert refused(edge=gateway(api_host="a.example", websocket_host="a.example")) == [
        "edge.websocket_host: is the host of edge.api_host already; leave it out, or choose another"
    ]
    assert told(edge=gateway(api_host="vision-week.example")) == ["edge.api_host"]


@pytest.mark.parametrize("flavour", [{"flavour": "gateway"}, {"flavour": "ingress", "class_name": "nginx"}])
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


# --- time


def test_timeouts_that_do_not_nest_are_refused() -> None:
    """Edge > nginx > FPM > database."""
    assert told(timeouts={"edge": 8, "nginx": 7, "php": 6, "database": 5}) == []
    assert refused(timeouts={"edge": 65}) == [
        "timeouts.edge: must be longer than timeouts.nginx (65); write 66 or more"
    ]
    assert told(timeouts={"nginx": 60}) == ["timeouts.nginx"]
    assert told(timeouts={"database": 60}) == ["timeouts.php"]
    assert told(timeouts={"edge": 5, "nginx": 5, "php": 5, "database": 5}) == [
        "timeouts.edge",
        "timeouts.nginx",
        "timeouts.php",
    ]


def backups(**changes: Any) -> dict[str, Any]:
    return {"backups": changes}


def test_backups_that_go_before_the_window_ends_are_refused() -> None:
    assert told(postgres=backups(recover_days=30, keep_days=31)) == []
    assert refused(postgres=backups(recover_days=30, keep_days=30)) == [
        "postgres.backups.keep_days: is too short: to restore to any second of 30 days, the full backup before them is "
        "needed; write 31 or more"
    ]


def test_an_alert_that_would_never_stop_is_refused() -> None:
    assert told(postgres=backups(archive_timeout=30, archive_alert=31)) == []
    assert refused(postgres=backups(archive_timeout=30, archive_alert=30)) == [
        "postgres.backups.archive_alert: would be raised all the time: a quiet database archives every 30 s "
        "(postgres.backups.archive_timeout); write 31 or more"
    ]


def test_a_copy_of_the_backups_is_elsewhere() -> None:
    copy = {"project": "a-project", "region": "europe-west4"}
    assert refused(cluster=GKE, postgres=backups(copy_to=copy)) == [
        "postgres.backups.copy_to.project: is the cluster's own: who can delete the one can delete the other; "
        "name another project"
    ]
    assert told(cluster=GKE, postgres=backups(copy_to={**copy, "project": "b-project"})) == []
    assert told(postgres=backups(copy_to=copy)) == []


def test_only_a_bucket_is_copied() -> None:
    copy = {"project": "b-project", "region": "europe-west4"}
    assert refused(cluster=GKE, postgres=backups(repository="volume", copy_to=copy)) == [
        "postgres.backups.copy_to: only a bucket is copied; set postgres.backups.repository to bucket"
    ]
    assert told(postgres=backups(repository="volume")) == []


def test_an_alarm_within_the_goal_is_refused() -> None:
    assert told(monitoring={"alerts": {"latency_ms": 501}}) == []
    assert refused(monitoring={"alerts": {"latency_ms": 500}}) == [
        "monitoring.alerts.latency_ms: is within the goal (monitoring.alerts.latency_goal_ms, 500); write 501 or more"
    ]


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


# --- texts


def test_the_source_is_one_place() -> None:
    git, reference = "https://git.example/app.git", "0" * 40
    assert told(source={"path": "app"}) == []
    assert told(source={"git": git, "reference": reference}) == []
    assert refused(source={"git": git, "reference": reference, "path": "app"}) == [
        "source.path: is given beside source.git: only one can be meant; leave one of them out"
    ]
    assert refused(source={"git": git}) == ["source.reference: is required with source.git; give the commit in full"]
    assert refused(source={"reference": reference}) == [
        "source.git: is required with source.reference; give the repository's address"
    ]


def test_receivers_and_exemptions_are_told_apart() -> None:
    receivers = [{"name": name, "secret": "s"} for name in ("a", "b", "a")]
    assert refused(monitoring={"receivers": receivers}) == [
        "monitoring.receivers[2]: is there twice; leave one out, or rename it"
    ]
    exemption = {"rule": "r", "resource": "x", "reason": "r" * 20, "owner": "o", "expires": "2027-01-31"}
    assert told(policies={"exemptions": [exemption, {**exemption, "resource": "y"}, {**exemption, "rule": "q"}]}) == []
    assert told(policies={"exemptions": [exemption, exemption]}) == ["policies.exemptions[1]"]


def test_the_least_settings_contradict_nothing() -> None:
    assert contradictions(parse(LEAST)) == []
