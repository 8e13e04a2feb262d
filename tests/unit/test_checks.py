"""Settings that are fine one by one and wrong together: each check refuses an example, and takes the one beside it."""

from typing import Any

import pytest

from components.bounds import php_variables
from components.checks import contradictions
from components.configuration import parse
from components.settings import App, Timeouts
from components.values import Resources, mebibytes
from tests.unit.faults import GATEWAY, GKE, changed, faults, refused, told
from tests.unit.parts import LEAST


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
    "app": {"pods": 33, "cpu": "14.41", "memory": "21664Mi"},
    # What is sized by its use may ask for its limits: 2, 1, 0.1, 0.09 and 0.3 for PostgreSQL, 2, twice 0.5 and 0.1 for
    # Redis, 1 at the edge. The exporters of nginx and of the pooler ask for 0.01 whatever they use.
    "data": {"pods": 15, "cpu": "20.25", "memory": "18000Mi"},
    "edge": {"pods": 3, "cpu": "3.03", "memory": "864Mi"},
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


@pytest.mark.parametrize(("area", "cpu"), [("data", "4.92"), ("edge", "0.33")])
def test_what_is_not_sized_by_its_use_needs_a_quota_for_its_requests(area: str, cpu: str) -> None:
    assert told(vertical_autoscaling=False, tenancy={area: {**NEEDS[area], "cpu": cpu}}) == []
    assert told(vertical_autoscaling=True, tenancy={area: {**NEEDS[area], "cpu": cpu}}) == [f"tenancy.{area}.cpu"]


@pytest.mark.parametrize("name", ["app", "websocket"])
def test_a_service_with_a_fixed_number_of_pods_is_sized_by_its_use(name: str) -> None:
    """S6.2: what the horizontal autoscaler follows is not. 2 more pods of a fixed one than the default's least."""
    changes = {"app": {"replicas": 20}, "websocket": {"replicas": 10}}
    (fault,) = faults({**LEAST, name: changes[name], "tenancy": {"app": NEEDS["app"]}})
    assert fault.path == "tenancy.app.cpu"
    # 21 times 3 instead of 0.6; 11 times 1 instead of 0.1.
    assert fault.hint.startswith({"app": "write 64.81 ", "websocket": "write 24.31 "}[name])


DATABASE = {"cpu": "1", "cpu_limit": "3.6", "memory": "4Gi"}


def test_a_database_that_could_outgrow_its_machine_is_refused() -> None:
    """n2-highmem-4 has 4 cores, of which half a one is the node's own."""
    changes: dict[str, Any] = {"cluster": GKE, "tenancy": {"data": {"pods": 24, "cpu": "40", "memory": "64Gi"}}}
    assert told(**changes) == []
    assert refused(**changes, postgres={"resources": DATABASE}) == [
        "postgres.resources.cpu_limit: lets the vertical autoscaler make a pod of 5.1 cores; a n2-highmem-4 "
        "(cluster.data.machine) has room for 3.5; write less, choose a larger machine, or set vertical_autoscaling to "
        "false"
    ]
    assert told(**changes, redis={"sentinel_resources": {**DATABASE, "memory": "64Mi"}}) == [
        "redis.resources.cpu_limit"
    ]
    assert told(**changes, postgres={"resources": DATABASE}, vertical_autoscaling=False) == []
    larger = {**GKE, "data": {"machine": "n2-highmem-8", "disk_type": "pd-ssd"}}
    assert told(**{**changes, "cluster": larger}, postgres={"resources": DATABASE}) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"app": {"replicas": 3}}, "app.php_resources.cpu_limit"),
        ({"websocket": {"replicas": 2}}, "websocket.resources.cpu_limit"),
        ({"edge": LEAST["edge"]}, "edge.resources.cpu_limit"),
    ],
)
def test_a_service_that_could_outgrow_its_machine_is_refused(changes: dict[str, Any], path: str) -> None:
    """Machines that share a core have none to give."""
    small = {**GKE, "apps": {"machine": "e2-medium"}}
    base = {"cluster": small, "edge": GATEWAY, "tenancy": {"app": {"pods": 48, "cpu": "99", "memory": "36Gi"}}}
    assert told(**base) == []
    assert told(**{**base, **changes}) == [path]


def test_what_runs_on_every_node_fits_all_that_there_may_be() -> None:
    """The collector of logs and what tells of nodes, in 3 zones with 3 and 2 nodes at most, and one more of each while
    they are upgraded."""
    changes = {"cluster": GKE, "images": PLACE}
    fits = {"pods": 42, "cpu": "1260m", "memory": "6048Mi"}
    assert told(**changes, tenancy={"node": fits}) == []
    for what, less in (("pods", 41), ("cpu", "1259m"), ("memory", "6047Mi")):
        assert told(**changes, tenancy={"node": {**fits, what: less}}) == [f"tenancy.node.{what}"]
    without = {"logs": False, "node_exporter": False, "traces": {"enabled": False}}
    assert told(**changes, monitoring=without, tenancy={"node": {**fits, "pods": 1}}) == []


def test_an_edge_that_the_cluster_runs_needs_no_quota() -> None:
    assert told(edge=GATEWAY, tenancy={"edge": {"pods": 1, "cpu": "1m", "memory": "1Mi"}}) == []


# --- memory


def test_workers_that_do_not_fit_the_memory_are_refused() -> None:
    """10 workers of 64Mi and 96Mi that they share."""
    assert told(app={"workers": 10, "php_resources": resources("736Mi")}) == []
    assert refused(app={"workers": 10, "php_resources": resources("735Mi")}) == [
        "app.php_resources.memory: is too little for 10 workers of 64Mi and what they share: 736Mi; "
        "give it more, or write fewer app.workers"
    ]


@pytest.mark.parametrize(
    ("memory", "each", "workers"),
    [("160Mi", "64Mi", 1), ("735Mi", "64Mi", 9), ("736Mi", "64Mi", 10), ("736Mi", "128Mi", 5), ("64Gi", "64Mi", 200)],
)
def test_there_are_as_many_workers_as_the_memory_holds(memory: str, each: str, workers: int) -> None:
    """S6, beyond"""
    app = App(php_resources=Resources(**resources(memory)), worker_memory=each)
    assert (app.php_workers, php_variables(app, Timeouts())["PHP_FPM_WORKERS"]) == (workers, str(workers))
    assert app.php_memory <= mebibytes(memory)
    assert App(workers=3, php_resources=Resources(**resources(memory)), worker_memory=each).php_workers == 3


def test_memory_that_holds_no_worker_is_refused() -> None:
    assert refused(app={"php_resources": resources("159Mi")}) == [
        "app.php_resources.memory: is too little for 1 workers of 64Mi and what they share: 160Mi; "
        "give it more, or write a smaller app.worker_memory"
    ]


def test_clients_that_begin_tls_and_go_no_further_have_to_fit_the_edges_memory() -> None:
    edge = {**LEAST["edge"], "replicas": 1}
    assert told(edge={**edge, "resources": resources("244Mi")}) == []
    assert refused(edge={**edge, "resources": resources("243Mi")}) == [
        "edge.resources.memory: is too little for 4096 clients that have begun TLS: 244Mi; "
        "give it more, for it can't let in fewer"
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


def test_clients_that_do_not_fit_haproxy_are_refused() -> None:
    """21 pods of 10 workers and 11 of two connections, 40 KiB each, and 24 MiB."""
    assert told(redis={"haproxy_resources": resources("34Mi")}) == []
    assert told(redis={"haproxy_resources": resources("33Mi")}) == ["redis.haproxy_resources.memory"]


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

ROOMY = {"tenancy": {"data": {"pods": 24, "cpu": "28", "memory": "64Gi"}}}


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
    assert told(**ROOMY, **changes) == [path]


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
    assert told(**ROOMY, **changes) == expected


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
    assert refused(cluster=GKE, postgres=backups(copied_by=1)) == [
        "postgres.backups.copied_by: is the cluster's own project: who can delete the one can delete the other; "
        "write another project's number"
    ]
    assert told(cluster=GKE, postgres=backups(copied_by=2)) == []


@pytest.mark.parametrize(
    "chosen",
    [
        {"cluster": GKE, "postgres": backups(repository="volume", copied_by=2)},
        {"cluster": GKE, "postgres": backups(bucket="a-bucket", copied_by=2)},
        {"postgres": backups(copied_by=2)},
    ],
    ids=["a volume", "somebody's bucket", "no cluster of Google's"],
)
def test_only_a_bucket_that_the_program_makes_is_copied(chosen: dict[str, Any]) -> None:
    assert refused(**chosen) == [
        "postgres.backups.copied_by: only a bucket that the program makes is opened to another project; leave it out"
    ]


def test_an_alarm_within_the_goal_is_refused() -> None:
    assert told(monitoring={"alerts": {"latency_ms": 501}}) == []
    assert refused(monitoring={"alerts": {"latency_ms": 500}}) == [
        "monitoring.alerts.latency_ms: is within the goal (monitoring.alerts.latency_goal_ms, 500); write 501 or more"
    ]


# --- volumes

PLACE = {"registry": "europe-west1-docker.pkg.dev/a-project/vision-week"}


@pytest.mark.parametrize(
    "given",
    [
        {"storage": {"shared_class": "shared"}},
        {"storage": {"shared_access": "ReadWriteMany"}},
        {"app": {"uploads": "10Gi"}},
    ],
)
def test_where_uploads_are_in_a_bucket_no_volume_of_a_class_can_be_meant(given: dict[str, Any]) -> None:
    ((part, settings),) = given.items()
    (setting,) = settings
    assert told(**given) == []
    assert refused(cluster=GKE, images=PLACE, **given) == [
        f"{part}.{setting}: has no effect where the program makes the cluster: uploads are in a bucket; leave it out"
    ]


def test_where_uploads_are_in_a_volume_there_are_no_versions_to_keep() -> None:
    kept = {"storage": {"uploads_days": 40}}
    assert told(cluster=GKE, images=PLACE, **kept) == []
    assert refused(**kept) == [
        "storage.uploads_days: has no effect in a cluster that is there already: uploads are in a volume of "
        "storage.shared_class; leave it out"
    ]


def test_a_quota_has_room_for_the_containers_that_mount_a_bucket() -> None:
    """One in each of 21 pods: a tenth of a core and 288 MiB."""
    without = {"pods": 33, "cpu": "14.41", "memory": "21664Mi"}
    assert told(tenancy={"app": without}) == []
    assert refused(cluster=GKE, images=PLACE, tenancy={"app": without}) == [
        f"tenancy.app.{what}: is too little: the workloads at their largest, with a roll-out, need {needed}; "
        f"write {needed} or more, or make the workloads smaller"
        for what, needed in (("cpu", "16.51"), ("memory", "27712Mi"))
    ]


# --- texts


@pytest.mark.parametrize(("setting", "value"), [("debugger", "192.0.2.7:9003"), ("hot_reload", True)])
def test_what_only_the_development_stage_has_is_refused_on_another(setting: str, value: Any) -> None:
    """S1.4, S10.1"""
    images = LEAST["images"]
    assert told(app={setting: value}, images={**images, "app_target": "development"}) == []
    assert refused(app={setting: value}) == [
        f"app.{setting}: has no effect on the image's production stage (images.app_target); "
        "set images.app_target to development, or leave it out"
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("images.app_target", "production"),
        ("images.flutter", "3.32.0"),
        ("source.path", "app"),
        ("source.document_root", "web"),
    ],
)
def test_what_a_build_is_told_is_refused_where_nothing_is_built(setting: str, value: Any) -> None:
    """DECISIONS: promotion"""
    promoted = {"images": {**LEAST["images"], "promoted_from": "registry.example/tried"}}
    assert told(**promoted) == []
    assert told(**changed(LEAST, setting, value)) == []
    assert refused(**changed({**LEAST, **promoted}, setting, value)) == [
        f"{setting}: has no effect on images that another stack builds (images.promoted_from); "
        "leave it out here, and write it in that stack's file"
    ]


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


def test_variables_are_told_apart() -> None:
    assert told(source={"variables": {"DATABASE_HOST": "DB_SERVERNAME"}, "constants": {"DATABASE_HOST": "x"}}) == []
    assert refused(source={"variables": {"DATABASE_HOST": "DB", "DATABASE_NAME": "DB"}}) == [
        "source.variables: gives DB to two variables; give each a name of its own"
    ]
    assert told(source={"variables": {"DATABASE_HOST": "REDIS_HOST"}}) == ["source.variables"]
    assert told(source={"variables": {"DATABASE_HOST": "DATABASE_PASSWORD"}}) == []
    assert told(source={"variables": {"DATABASE_PASSWORD": "DATABASE_HOST"}}) == ["source.variables"]
    assert told(source={"variables": {"DATABASE_HOST": "PHP_MEMORY_LIMIT"}}) == ["source.variables"]
    assert refused(source={"constants": {"LOG_LEVEL": "x"}}) == [
        "source.constants.LOG_LEVEL: is set by the platform; leave it out"
    ]
    assert told(source={"constants": {"PHP_FPM_WORKERS": "1"}}) == ["source.constants.PHP_FPM_WORKERS"]
    assert told(source={"constants": {"PHP_MEMORY_LIMIT": "1M"}}) == ["source.constants.PHP_MEMORY_LIMIT"]
    assert told(source={"constants": {"XDEBUG_CONFIG": "log=/tmp/x"}}) == ["source.constants.XDEBUG_CONFIG"]


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


# --- traces


def test_traces_without_collectors_are_refused() -> None:
    assert refused(monitoring={"logs": False}) == [
        "monitoring.traces.enabled: is on, and without monitoring.logs there are no collectors, which take traces in; "
        "write false, or set monitoring.logs to true"
    ]
    assert told(monitoring={"logs": False, "traces": {"enabled": False}}) == []
    assert told(monitoring={"enabled": False, "logs": False}) == []
