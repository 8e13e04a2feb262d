"""PostgreSQL as the cluster is told about it. That it fails over needs pods."""

import json
from typing import Any

import pytest

from components import patroni, pooler
from components.certificates import Authority, AuthorityArgs
from components.kubernetes import pods_of
from components.postgres import Postgres, PostgresArgs
from components.values import mebibytes
from tests.unit.parts import namespace, settings
from tests.unit.recording import Made, Recording, computed, record


def built(*, preview: bool = False, protect: bool = False, generation: int = 1, **changes: Any) -> Recording:
    def program() -> None:
        Postgres(
            "postgres",
            PostgresArgs(
                namespace=namespace("data"),
                settings=settings(postgres=changes).postgres,
                image="registry.example/postgres@sha256:0",
                storage_class="fast-ssd",
                authority=Authority("authority", AuthorityArgs(common_name="here CA")),
                archive=None,
                clients=[pods_of("apps", "app")],
                migrations=[],
                longest_ending=90,
                statement_timeout=30,
                generation=generation,
                control_plane=["10.0.0.0/28"],
                protect=protect,
            ),
        )

    return record(program, preview=preview)


@pytest.fixture(scope="module", params=[1, 3])
def members(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture(scope="module")
def postgres(members: int) -> Recording:
    return built(members=members)


def stateful_set(recording: Recording) -> Made:
    return recording.one("StatefulSet", "postgres")


def test_members_differ_by_number_alone() -> None:
    one, three = (
        {made.urn: made.inputs for made in built(members=count).objects if made.kind != "PodDisruptionBudget"}
        for count in (1, 3)
    )
    assert one.keys() == three.keys()
    touched = {urn.rpartition(":")[0].rpartition("$")[2] for urn in one if one[urn] != three[urn]}
    assert touched == {
        "kubernetes:apps/v1:StatefulSet:",
        "kubernetes:core/v1:Endpoints:",
        "kubernetes:rbac.authorization.k8s.io/v1:Role:",
    }


def test_where_the_primary_is_only_patroni_says(postgres: Recording) -> None:
    """A selector would still list a frozen primary."""
    service = postgres.one("Service", "postgres")
    assert service.at("spec", "selector") is None
    assert service.at("spec", "clusterIP") is None
    endpoints = postgres.one("Endpoints", "postgres")
    assert endpoints.at("subsets") is None
    assert endpoints.at("metadata", "annotations") is None


def test_replicas_are_chosen_by_their_role(postgres: Recording) -> None:
    assert postgres.one("Service", "postgres-replicas").at("spec", "selector", "vision-week/role") == "replica"


def test_patronis_records_exist_and_belong_to_a_service(postgres: Recording) -> None:
    """Patroni may not create them, and Kubernetes removes Endpoints without a Service."""
    names = {"postgres", "postgres-config", "postgres-failover", "postgres-sync"}
    assert {one.object_name for one in postgres.of("Endpoints")} == names
    assert names <= {one.object_name for one in postgres.of("Service")}
    assert all(one.urn in stateful_set(postgres).depends_on for one in postgres.of("Endpoints"))


def test_endpoints_go_before_the_service_without_which_kubernetes_removes_them(postgres: Recording) -> None:
    """Else a `destroy` that was stopped leaves a state with Endpoints that are gone, and no member may make them."""
    for one in postgres.of("Endpoints"):
        assert postgres.one("Service", one.name).urn in one.depends_on


def test_patroni_updates_its_own_objects_by_name_and_creates_none(postgres: Recording, members: int) -> None:
    rules = postgres.one("Role", "postgres").inputs["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch", "patch", "update"}
    writing = {tuple(rule["resources"]): rule.get("resourceNames") for rule in rules if "patch" in rule["verbs"]}
    assert writing == {
        ("pods",): [f"postgres-{number}" for number in range(members)],
        ("endpoints",): ["postgres", "postgres-config", "postgres-failover", "postgres-sync"],
    }


def test_patroni_finds_the_objects_by_the_labels_that_it_looks_for(postgres: Recording) -> None:
    member = json.loads(patroni.member())["kubernetes"]
    wanted = {**member["labels"], member["scope_label"]: patroni.SCOPE}
    for one in postgres.of("Endpoints"):
        assert wanted.items() <= one.metadata["labels"].items()
    assert wanted.items() <= stateful_set(postgres).at("spec", "template", "metadata", "labels").items()


def test_the_shared_configuration_is_written_as_patroni_writes_it() -> None:
    """Another spelling of the same JSON would be a change at the next update."""
    text = patroni.shared(settings().postgres)
    assert text == json.dumps(json.loads(text), separators=(",", ":"))


def test_no_acknowledged_write_is_lost_where_there_is_a_second_member(postgres: Recording, members: int) -> None:
    annotation = postgres.one("Endpoints", "postgres-config").metadata["annotations"]["config"]
    assert json.loads(annotation)["synchronous_mode"] is (members > 1)


def test_patronis_times_leave_room_for_two_tries() -> None:
    shared = json.loads(patroni.shared(settings().postgres))
    assert shared["ttl"] >= shared["loop_wait"] + 2 * shared["retry_timeout"]


def test_memory_settings_fit_the_containers_limit() -> None:
    resources = {"cpu": "1", "cpu_limit": "1", "memory": "1Gi"}
    chosen = settings(postgres={"resources": resources, "max_connections": 100}, app={"replicas": 2}).postgres
    parameters = json.loads(patroni.shared(chosen))["postgresql"]["parameters"]
    assert parameters["shared_buffers"] == "256MB"
    assert parameters["effective_cache_size"] == "614MB"


def test_the_processes_of_one_statement_have_room_for_what_they_share(postgres: Recording) -> None:
    """Else parallel VACUUM and joins fail: "could not resize shared memory segment". A runtime gives 64 MiB."""
    spec = stateful_set(postgres).at("spec", "template", "spec")
    (member,) = [container for container in spec["containers"] if container["name"] == "postgres"]
    (mount,) = [mount for mount in member["volumeMounts"] if mount["mountPath"] == "/dev/shm"]  # noqa: S108
    assert not mount.get("readOnly")
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1024Mi"}


@pytest.mark.parametrize("memory", ["512Mi", "4Gi"])
def test_what_is_shared_is_never_less_than_vacuum_takes_nor_than_a_runtime_gives(memory: str) -> None:
    """VACUUM needs some for its counters besides."""
    resources = {"cpu": "1", "cpu_limit": "1", "memory": memory}
    chosen = settings(postgres={"resources": resources, "max_connections": 40}, app={"replicas": 1}).postgres
    assert chosen.parallel_memory >= max(64, chosen.maintenance_memory * 5 // 4)
    assert chosen.parallel_memory + chosen.shared_buffers <= mebibytes(memory) // 2


def test_the_superuser_comes_over_the_pods_own_socket_only() -> None:
    rules = json.loads(patroni.member())["postgresql"]["pg_hba"]
    hosts = [rule.split() for rule in rules if not rule.startswith("local")]
    assert all("postgres" not in rule[2].split(",") and rule[2] != "all" for rule in hosts)
    assert all(rule[-1] == "scram-sha-256" for rule in hosts)
    assert not any("trust" in rule for rule in rules)


def test_nothing_goes_over_the_network_in_clear(postgres: Recording) -> None:
    """S7.3: who doesn't ask for TLS is refused, and what the members are given for it is where they look."""
    member = json.loads(patroni.member())["postgresql"]
    assert {rule.split()[0] for rule in member["pg_hba"]} == {"local", "hostssl"}
    told = {*member["parameters"].values(), *(role["sslrootcert"] for role in member["authentication"].values())}
    files = stateful_set(postgres).at("spec", "template", "spec", "volumes", 1, "projected", "sources", 1, "secret")
    given = {f"/etc/vision-week/{item['path']}" for item in files["items"]}
    assert {path for path in told if path.startswith("/etc")} <= given


def test_the_service_leads_to_the_primary_and_to_its_pooler(postgres: Recording) -> None:
    """Patroni writes the addresses, the program the ports: they meet by name."""
    ports = postgres.one("Service", "postgres").at("spec", "ports")
    written = json.loads(patroni.member())["kubernetes"]["ports"]
    assert [{"name": one["name"], "port": one["targetPort"]} for one in ports] == written
    assert {one["port"] for one in written} == {5432, 6432}


def test_the_pooler_leaves_connections_to_the_others_and_takes_nobody_in_clear() -> None:
    text = pooler.configuration("vision_week", settings(postgres={"max_connections": 300}).postgres, 30)
    lines = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert lines["max_db_connections"] == lines["default_pool_size"] == "285"
    assert lines["client_tls_sslmode"] == "require"
    assert lines["auth_type"] == "scram-sha-256"
    assert lines["query_wait_timeout"] == "30"


def test_the_pooler_knows_the_application_alone_by_what_the_database_knows(postgres: Recording) -> None:
    told = {one["role"]: one["verifier"] for one in logins(postgres)}
    users = postgres.one("Secret", "postgres").inputs["stringData"]["users.txt"]
    assert users == f'"vision_week_app_a" "{told["vision_week_app_a"]}"\n'


def test_members_prove_to_each_other_who_they_are() -> None:
    """They know addresses, which no certificate names: the password's proof is bound to the connection."""
    for role in json.loads(patroni.member())["postgresql"]["authentication"].values():
        assert role["sslmode"] == "verify-ca"
        assert role["channel_binding"] == "require"


def test_the_certificate_has_the_names_that_clients_use(postgres: Recording) -> None:
    names = postgres.one("CertRequest", "postgres").inputs["dnsNames"]
    assert names == ["postgres", *(f"{name}.data.svc.cluster.local" for name in ("postgres", "postgres-replicas"))]


def test_every_role_has_a_password_of_its_own(postgres: Recording) -> None:
    patronis = json.loads(postgres.one("Secret", "postgres").inputs["stringData"]["passwords.yaml"])
    found = [role["password"] for role in patronis["postgresql"]["authentication"].values()]
    found += [patronis["restapi"]["authentication"]["password"], *passwords(postgres).values()]
    assert len(set(found)) == len(found) == 6


def test_the_members_never_hold_the_password_of_a_client(postgres: Recording) -> None:
    """S7.3: one that is taken over learns nothing that opens another's door."""
    clients = set(passwords(postgres).values())
    for kind in ("Secret", "ConfigMap", "StatefulSet"):
        for one in postgres.of(kind):
            assert not any(password in json.dumps(one.inputs) for password in clients), one.urn


def test_the_next_generation_has_the_other_role_and_the_present_one_stays_valid() -> None:
    first, second, third = (built(generation=number) for number in (1, 2, 3))
    assert [(one["role"], one["generation"]) for one in logins(first)] == [
        ("vision_week_owner_a", 1),
        ("vision_week_app_a", 1),
    ]
    assert [(one["role"], one["generation"]) for one in logins(second)] == [
        ("vision_week_owner_a", 1),
        ("vision_week_owner_b", 2),
        ("vision_week_app_a", 1),
        ("vision_week_app_b", 2),
    ]
    assert {one["role"]: one["generation"] for one in logins(third) if "app" in one["role"]} == {
        "vision_week_app_b": 2,
        "vision_week_app_a": 3,
    }
    kept = [keepers(one) for one in (first, second, third)]
    assert kept[0].items() <= kept[1].items()
    assert kept[1]["postgres-app-b"] == kept[2]["postgres-app-b"]
    assert kept[1]["postgres-app-a"] != kept[2]["postgres-app-a"]


def test_a_statement_of_the_application_ends_and_one_of_a_migration_does_not(postgres: Recording) -> None:
    """The pooler shares connections, so it heeds no client's own word for it."""
    given = {one["role"]: one["settings"] for one in logins(postgres)}
    assert given["vision_week_app_a"] == {"statement_timeout": "30s"}
    assert "statement_timeout" not in given["vision_week_owner_a"]


def test_new_passwords_roll_no_member() -> None:
    """A roll hands the primary over, and whoever writes notices."""
    before, after = (
        stateful_set(built(generation=number)).at("spec", "template", "metadata", "annotations") for number in (1, 2)
    )
    assert before == after


def logins(recording: Recording) -> list[dict[str, Any]]:
    """What the members are told."""
    found: list[dict[str, Any]] = json.loads(recording.one("Secret", "postgres").inputs["stringData"]["logins.json"])
    return found


def keepers(recording: Recording) -> dict[str, Any]:
    """What each password of a client is kept for."""
    return {name: made.inputs["keepers"] for name, made in made_passwords(recording).items()}


def made_passwords(recording: Recording) -> dict[str, Made]:
    """The clients'."""
    return {one.name: one for one in recording.of("RandomPassword") if "keepers" in one.inputs}


def passwords(recording: Recording) -> dict[str, str]:
    return {name: computed(made)["result"] for name, made in made_passwords(recording).items()}


def test_what_only_a_start_makes_effective_rolls_the_members() -> None:
    before, after = (pod_annotations(max_connections=count) for count in (300, 350))
    assert before != after


def test_what_a_running_member_takes_over_does_not_roll_it() -> None:
    """The limits of WAL follow the volume, and `docs/growing-volumes.md` promises that no pod is touched."""
    before, after = (pod_annotations(size=size) for size in ("50Gi", "100Gi"))
    assert before == after


def pod_annotations(**changes: Any) -> Any:
    return stateful_set(built(**changes)).at("spec", "template", "metadata", "annotations")


@pytest.mark.parametrize("size", ["1Gi", "50Gi", "2Ti"])
def test_kept_wal_leaves_most_of_the_volume_to_the_data(size: str) -> None:
    """A slot of a replica that never comes back would fill the disk of the primary (PostgreSQL's default: no limit)."""
    chosen = settings(postgres={"size": size}).postgres
    parameters = json.loads(patroni.shared(chosen))["postgresql"]["parameters"]
    kept = [int(parameters[name].removesuffix("MB")) for name in ("max_wal_size", "max_slot_wal_keep_size")]
    assert 0 < sum(kept) <= mebibytes(size) / 2


def test_a_replica_that_is_frozen_is_given_up_before_a_client_is(members: int) -> None:
    """A commit waits for it; nginx waits 60 s for the application."""
    chosen = settings(postgres={"members": members}).postgres
    assert json.loads(patroni.shared(chosen))["postgresql"]["parameters"]["wal_sender_timeout"] == "10s"


def test_volumes_are_of_the_fast_class(postgres: Recording) -> None:
    """S5.2"""
    (claim,) = stateful_set(postgres).at("spec", "volumeClaimTemplates")
    assert claim["spec"]["storageClassName"] == "fast-ssd"
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"


def test_a_drain_takes_one_member_at_a_time_where_there_are_several(postgres: Recording, members: int) -> None:
    budgets = [one.at("spec", "maxUnavailable") for one in postgres.of("PodDisruptionBudget")]
    assert budgets == ([1] if members > 1 else [])


def test_a_first_preview_knows_what_does_not_depend_on_passwords() -> None:
    known, unknown = built(), built(preview=True)
    assert {one.urn for one in known.made} == {one.urn for one in unknown.made}
    assert known.one("ConfigMap", "postgres").inputs == unknown.one("ConfigMap", "postgres").inputs
