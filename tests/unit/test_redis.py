"""Redis and Sentinel as the cluster is told about them."""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.certificates import Authority, AuthorityArgs
from components.kubernetes import pods_of
from components.redis import Redis, RedisArgs
from tests.unit.parts import namespace, settings
from tests.unit.recording import CHECKOUT, UNKNOWN, Recording, computed, record

SCRIPTS = sorted((CHECKOUT / "components" / "files").glob("*.sh"))


def built(*, preview: bool = False, generation: int = 1, **changes: Any) -> Recording:
    def program() -> None:
        Redis(
            "redis",
            RedisArgs(
                namespace=namespace("data"),
                settings=settings(redis=changes).redis,
                image="registry.example/redis:7",
                haproxy_image="registry.example/haproxy:3",
                exporter_image="registry.example/redis_exporter:1",
                storage_class="fast-ssd",
                authority=Authority("authority", AuthorityArgs(common_name="here CA")),
                clients=[pods_of("apps", "app")],
                longest_ending=60,
                generation=generation,
                protect=False,
            ),
        )

    return record(program, preview=preview)


def files(recording: Recording) -> dict[str, str]:
    found: dict[str, str] = recording.one("ConfigMap", "redis").inputs["data"]
    return found


def options(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(" ", 1) for line in lines)


@pytest.mark.parametrize("members", [1, 3])
def test_each_member_has_an_address_that_outlives_its_pod(members: int) -> None:
    """Host names would have to be looked up when DNS may be slow."""
    redis = built(members=members)
    for number in range(members):
        service = redis.one("Service", f"redis-{number}")
        assert service.at("spec", "selector", "statefulset.kubernetes.io/pod-name") == f"redis-{number}"
        assert service.at("spec", "publishNotReadyAddresses") is True
        assert service.at("spec", "clusterIP") is None
    assert len(re.findall(r"redis-\d=10\.96\.\d+\.\d+", files(redis)["members.env"])) == members


@pytest.mark.parametrize("members", [1, 3])
def test_the_api_server_refuses_fewer_members(members: int) -> None:
    """What they confirm to each other while they go would be lost. It has to stand before there are fewer."""
    policy = built(members=members).one("ValidatingAdmissionPolicy", "redis-members")
    (rule,) = policy.at("spec", "matchConstraints", "resourceRules")
    assert rule["resources"] == ["statefulsets", "statefulsets/scale"]
    assert rule["resourceNames"] == ["redis"]


@pytest.mark.parametrize(("members", "quorum"), [(1, 1), (3, 2), (5, 3)])
def test_the_quorum_is_a_majority(members: int, quorum: int) -> None:
    assert f"quorum={quorum}\n" in files(built(members=members))["members.env"]


def test_data_is_appended_and_dumped() -> None:
    """S5.3"""
    found = options(files(built())["redis.conf"])
    assert (found["appendonly"], found["appendfsync"], found["dir"]) == ("yes", "everysec", "/data")
    assert "save" in found


def test_data_leaves_room_in_the_memory_limit() -> None:
    resources = {"cpu": "1", "cpu_limit": "1", "memory": "1000Mi"}
    found = options(files(built(resources=resources, memory_percent=50))["redis.conf"])
    assert int(found["maxmemory"]) == 500 * 2**20


@pytest.mark.parametrize(("members", "refuses"), [(1, False), (3, True)])
def test_a_primary_that_is_alone_refuses_writes_where_it_should_not_be(members: int, refuses: bool) -> None:
    assert ("min-replicas-to-write" in options(files(built(members=members))["redis.conf"])) is refuses


def test_the_password_is_in_no_configuration_and_no_argument() -> None:
    redis = built()
    password = redis.one("Secret", "redis").inputs["stringData"]["redis-password"]
    assert len(password) == 32
    for one in redis.made:
        assert password not in one.clear


def test_nobody_speaks_in_clear() -> None:
    """S7.2"""
    redis = built()
    told = files(redis)
    for name, port in (("redis.conf", "6380"), ("sentinel.conf", "26379")):
        found = options(told[name])
        assert (found["port"], found["tls-port"], found["tls-replication"]) == ("0", port, "yes")
    checks = redis.one("Secret", "redis").inputs["stringData"]["haproxy.cfg"]
    assert checks.count("check-ssl verify required") == checks.count("\nbackend ")
    containers = redis.one("StatefulSet", "redis").at("spec", "template", "spec", "containers")
    asking = re.findall(r"redis-cli\W+(?:--|\$)tls", json.dumps([told, containers]))
    assert len(asking) == json.dumps([told, containers]).count("redis-cli")


def test_the_certificate_names_what_is_looked_for() -> None:
    """By clients, HAProxy's checks and the exporter; what the exporter shows Prometheus is good for nothing else."""
    redis = built()
    asked = redis.one("CertRequest", "redis").at("dnsNames")
    assert asked == ["redis", "redis.data.svc.cluster.local", "localhost"]
    assert redis.one("CertRequest", "redis-exporter").at("dnsNames") == ["redis-exporter"]


def test_members_know_whether_a_password_is_right_and_not_what_it_is() -> None:
    """S7.3: who has the members' Secret can't log in as somebody else, but for HAProxy's checks and the exporter."""
    redis = built()
    told = redis.one("Secret", "redis").inputs["stringData"]
    for user in ("app", "websocket"):
        password = computed(redis.one("RandomPassword", f"redis-{user}"))["result"]
        assert password not in "".join(told.values())
        assert f"user {user} on #{hashlib.sha256(password.encode()).hexdigest()} ~" in told["users.conf"]


def test_the_next_password_is_valid_beside_the_present_one() -> None:
    """And those of HAProxy's checks and of the exporter, who read it when they start, stay."""
    made = {number: built(generation=number) for number in (1, 2, 3)}
    told = {number: users(redis) for number, redis in made.items()}
    for user in ("app", "websocket"):
        first, second, third = (told[number][user] for number in (1, 2, 3))
        assert [len(each) for each in (first, second, third)] == [1, 2, 2]
        assert second[0] == first[0]
        assert third[0] == second[1]
        kept = [made[number].one("RandomPassword", f"redis-{user}").inputs.get("keepers") for number in (1, 2, 3)]
        assert kept == [None, None, {"generation": "3"}]
    for user in ("haproxy", "exporter"):
        assert len(told[1][user]) == 1
        assert told[1][user] == told[2][user] == told[3][user]


def test_a_client_is_given_the_latest_password() -> None:
    redis = built(generation=2)
    latest = computed(redis.one("RandomPassword", "redis-app-b"))["result"]
    assert hashlib.sha256(latest.encode()).hexdigest() == users(redis)["app"][-1]


def test_new_passwords_roll_no_member() -> None:
    before, after = (
        built(generation=number).one("StatefulSet", "redis").at("spec", "template", "metadata", "annotations")
        for number in (1, 2)
    )
    assert before == after


def users(redis: Recording) -> dict[str, list[str]]:
    """The hashes of each user's passwords, as the members are told."""
    lines = redis.one("Secret", "redis").inputs["stringData"]["users.conf"].splitlines()
    words = [line.split() for line in lines if line.startswith("user ")]
    return {line[1]: [word[1:] for word in line if word.startswith("#")] for line in words}


def test_clients_reach_haproxy_and_nothing_else() -> None:
    (port,) = built().one("Service", "redis").at("spec", "ports")
    assert port["port"] == 6379


def test_a_first_preview_knows_everything_but_addresses_and_passwords() -> None:
    known, unknown = built(), built(preview=True)
    assert {one.urn for one in known.made} == {one.urn for one in unknown.made}
    assert files(unknown)["redis.conf"] == files(known)["redis.conf"]
    assert files(unknown)["members.env"] == UNKNOWN


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_scripts_are_shell(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)
