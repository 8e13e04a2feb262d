"""The whole program on mocks: where its secrets go, and where not."""

import re

from tests.unit.conftest import Stacks
from tests.unit.pods import workloads
from tests.unit.recording import CHECKOUT, Recording
from tests.unit.stacks import STACKS


def secret_values(recording: Recording) -> dict[str, str]:
    """Every value of a Secret, by where it is."""
    return {
        f"{secret.object_name}/{key}": value
        for secret in recording.secrets
        for key, value in secret.inputs["stringData"].items()
    }


def test_secrets_are_marked_as_such_wherever_they_go(stacks: Stacks, stack: str) -> None:
    """S7.3: the engine encrypts what is marked, and prints none of it."""
    recording = stacks(stack)
    passwords = {value for key, value in secret_values(recording).items() if key.endswith("password")}
    # PostgreSQL's owner's and application's; Redis' own and theirs who use it; Grafana's where there is one.
    assert len(passwords) == (5 if stack == "development" else 6)
    keys = {value for key, value in secret_values(recording).items() if key.endswith(".key")}
    for one in recording.made:
        assert not any(value in one.clear for value in passwords | keys), one.urn


def test_secrets_reach_pods_as_files_only(program: Recording) -> None:
    for pod in workloads(program):
        for container in pod.containers:
            assert not any(
                "valueFrom" in variable and "secretKeyRef" in variable["valueFrom"]
                for variable in container.get("env", [])
            )
            assert not any("secretRef" in source for source in container.get("envFrom", []))


def test_each_secret_is_mounted_by_one_workload(program: Recording) -> None:
    mounted: set[tuple[str, str]] = set()
    for pod in workloads(program):
        sources = [
            source
            for volume in pod.spec.get("volumes", [])
            for source in [volume, *volume.get("projected", {}).get("sources", [])]
            if "secret" in source
        ]
        names = {source["secret"].get("secretName", source["secret"].get("name")) for source in sources}
        mounted |= {(name, pod.name) for name in names}
    assert sorted(name for name, _ in mounted) == sorted({one.object_name for one in program.secrets})


def test_earlier_logins_end_after_all_pods_have_the_new_ones(program: Recording) -> None:
    """S7.3: an update that stops before leaves both valid."""
    clients = {program.one("Deployment", name).urn for name in ("app", "websocket")}
    assert clients <= program.one("ConfigMap", "serving").depends_on


def test_no_pod_may_read_secrets_through_the_api(program: Recording) -> None:
    """Somebody who looks for drift may, one by one."""
    for role in (*program.of("Role"), *program.of("ClusterRole")):
        for rule in role.inputs["rules"]:
            if {"secrets", "*"} & {*rule["resources"]}:
                assert (role.object_name, rule["verbs"]) == ("inspection", ["get"])
    bound = [one for one in program.of("RoleBinding") if one.object_name == "inspection"]
    assert {subject["kind"] for one in bound for subject in one.inputs["subjects"]} <= {"User"}


def test_the_page_on_secrets_names_every_one_of_them(stacks: Stacks) -> None:
    """And where it is: a Secret that nobody wrote down is one that nobody looks after."""
    page = (CHECKOUT / "docs" / "secrets.md").read_text().partition("## What is encrypted where")[0]
    listed = re.findall(r"^\| `([a-z-]+)` \| `([a-z-]+)` \|", page, re.MULTILINE)
    made = {
        (one.object_name.removesuffix("-1234abcd"), one.namespace.removeprefix("vision-week-"))
        for name in STACKS
        for one in stacks(name).secrets
    }
    assert sorted(listed) == sorted(made)
