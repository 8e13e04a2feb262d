"""What is missing before a stack is made on Google Cloud. Google is simulated: it answers as its reference has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.google.pipeline import CHANGES
from components.settings import GatewayEdge, GoogleCluster
from operations import preflight
from operations.cost import program
from operations.delivery.target import Target
from operations.preflight import PERMISSIONS, PROGRAMS, Finding, Google, findings, token, wanted
from operations.problem import Problem
from policies.rules import Resource
from tests.unit.answering import answering
from tests.unit.google_api import Answers, resources_once

SETTINGS = Target.named("production").settings
CLUSTER = SETTINGS.cluster
assert isinstance(CLUSTER, GoogleCluster)
PROJECT, NUMBER, REGION = CLUSTER.project, CLUSTER.project_number, CLUSTER.region
assert isinstance(SETTINGS.edge, GatewayEdge)
DOMAIN = SETTINGS.edge.dns_zone


PROJECT_PATH = f"/v1/projects/{PROJECT}"
BILLING_PATH = f"{PROJECT_PATH}/billingInfo"
PERMISSIONS_PATH = f"{PROJECT_PATH}:testIamPermissions"
BUCKETS = {f"{PROJECT}-{what}" for what in ("uploads", "vision-week-backups", "vision-week-logs")}
REGION_PATH = f"/compute/v1/projects/{PROJECT}/regions/{REGION}"


def wanted_here() -> dict[str, int]:
    assert isinstance(CLUSTER, GoogleCluster)
    return wanted(CLUSTER)


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Google, type[Answers]]]:
    """Google, and how it answers; every program that is looked for is there."""
    for name in PROGRAMS:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(program, "resources_of", resources_once)
    kind = type("Own", (Answers,), {"numbers": {PROJECT: NUMBER}, "instead": {}, "asked": []})
    with answering(kind) as address:
        yield Google("a-token", lambda _api: address, address), kind


def made_once() -> list[Resource]:
    return resources_once(SETTINGS)


def problems(google: Google) -> dict[str, str]:
    return {one.what: one.problem for one in findings(SETTINGS, google, made_once) if one.problem}


def test_a_project_that_has_everything_lacks_nothing(google: tuple[Google, type[Answers]]) -> None:
    found = list(findings(SETTINGS, google[0], made_once))
    assert [one for one in found if one.problem] == []
    assert len(found) == len(PROGRAMS) + 1 + 1 + len(PERMISSIONS) + 2 + 1 + len(wanted_here()) + len(BUCKETS)


def test_nothing_is_asked_that_changes_something(google: tuple[Google, type[Answers]]) -> None:
    list(findings(SETTINGS, google[0], made_once))
    assert set(google[1].asked) == {"GET Bearer a-token", "POST Bearer a-token"}
    # The one that is sent is the question which permissions there are.
    assert google[1].asked.count("POST Bearer a-token") == 1


DENIED = {"error": {"code": 403, "message": "The caller does not have permission"}}


@pytest.mark.parametrize(
    ("path", "answer", "what", "problem"),
    [
        (PROJECT_PATH, (403, DENIED), f"the project {PROJECT}", "403: The caller does not have permission"),
        (PROJECT_PATH, (404, {}), f"the project {PROJECT}", "404: {}"),
        (PROJECT_PATH, (200, {"projectNumber": "7", "lifecycleState": "ACTIVE"}), f"the project {PROJECT}",
         "its number is 7, not 100000000001"),
        (PROJECT_PATH, (200, {"projectNumber": "7", "lifecycleState": "DELETE_REQUESTED"}), f"the project {PROJECT}",
         "it is DELETE_REQUESTED"),
        (BILLING_PATH, (200, {}), "billing", "nobody pays for the project"),
        (BILLING_PATH, (403, DENIED), "billing", "can't be seen: 403: The caller does not have permission"),
        (PERMISSIONS_PATH, (200, {"permissions": [each for each in PERMISSIONS.values() if "dns" not in each]}),
         "roles/dns.admin", "you have no dns.managedZones.create"),
        (f"{PROJECT_PATH}/services/serviceusage.googleapis.com", (200, {"state": "DISABLED"}), "the API serviceusage",
         "it is not enabled"),
        (f"/storage/v1/b/{PROJECT}-uploads", (403, DENIED), f"the bucket {PROJECT}-uploads",
         "somebody has it: 403: The caller does not have permission"),
        (f"/storage/v1/b/{PROJECT}-uploads", (200, {"projectNumber": "7"}), f"the bucket {PROJECT}-uploads",
         "the project 7 has it"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(
    google: tuple[Google, type[Answers]], path: str, answer: tuple[int, Any], what: str, problem: str
) -> None:
    google[1].instead = {path: answer}
    assert problems(google[0]) == {what: problem}


def test_who_has_no_role_at_all_is_told_each(google: tuple[Google, type[Answers]]) -> None:
    google[1].instead = {PERMISSIONS_PATH: (200, {})}
    assert set(problems(google[0])) == {f"roles/{role}" for role in PERMISSIONS}


def test_an_api_that_is_not_enabled_yet_hides_no_other_finding(google: tuple[Google, type[Answers]]) -> None:
    disabled = {"error": {"code": 403, "message": "Compute Engine API has not been used in project 7 before"}}
    google[1].instead = {REGION_PATH: (403, disabled), BILLING_PATH: (200, {})}
    found = {one.what: one for one in findings(SETTINGS, google[0], made_once) if one.problem}
    assert found.keys() == {"billing", "region"}
    assert "gcloud services enable" in found["region"].hint


def test_a_region_that_is_too_small_is_found(google: tuple[Google, type[Answers]]) -> None:
    quota = {"metric": "N2_CPUS", "limit": 100.0, "usage": 17.0}
    google[1].instead = {REGION_PATH: (200, {"zones": ["b", "c"], "quotas": [quota]})}
    assert problems(google[0]) == {
        f"zones of {REGION}": "it has 2, and the platform takes 3",
        "quota N2_CPUS": "83 are free, and 84 are needed",
        "quota SSD_TOTAL_GB": "Google names none; 2100 are needed",
    }


def test_a_bucket_that_is_the_projects_own_is_none_of_somebody_elses(google: tuple[Google, type[Answers]]) -> None:
    google[1].instead = {f"/storage/v1/b/{name}": (200, {"projectNumber": str(NUMBER)}) for name in BUCKETS}
    assert problems(google[0]) == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Status": 3}, "the world asks nobody for it"),
        ({"Answer": [{"type": 2, "data": "NS.Other.Example."}]}, "the world asks ns.other.example. for it"),
        ({"Answer": [{"type": 2, "data": "ns-2.google.example."}, {"type": 2, "data": "ns-1.google.example."}]}, None),
    ],
)
def test_a_domain_that_leads_elsewhere_is_found_once_its_zone_is_there(
    google: tuple[Google, type[Answers]], answer: Any, said: str | None
) -> None:
    zone = {"nameServers": ["ns-1.google.example.", "ns-2.google.example."]}
    google[1].instead = {
        f"/dns/v1/projects/{PROJECT}/managedZones?dnsName={DOMAIN}.": (200, {"managedZones": [zone]}),
        f"/resolve?name={DOMAIN}&type=NS": (200, answer),
    }
    found = {one.what: one for one in findings(SETTINGS, google[0], made_once)}[f"the domain {DOMAIN}"]
    assert found.problem == said
    assert "ns-1.google.example., ns-2.google.example." in found.hint


def test_the_quotas_are_those_of_the_page() -> None:
    """docs/google-cloud.md has the sum for production."""
    assert wanted_here() == {"N2_CPUS": 84, "SSD_TOTAL_GB": 2100}
    assert "= 84 N2\nprocessors" in Path("docs/google-cloud.md").read_text()


def test_every_role_of_an_update_is_asked_for() -> None:
    assert sorted(PERMISSIONS) == sorted(CHANGES)


def test_a_program_that_is_not_there_is_named(google: tuple[Google, type[Answers]], tmp_path: Path) -> None:
    (tmp_path / "kubectl").unlink()
    assert problems(google[0]) == {"kubectl on PATH": "it is not there"}


# --- the command


def gcloud(folder: Path, script: str) -> None:
    (folder / "gcloud").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "gcloud").chmod(0o755)


def test_who_is_logged_in_has_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    gcloud(tmp_path, 'echo "of $*"')
    assert token() == "of auth application-default print-access-token"


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo 'no credentials' >&2; exit 1", "Nobody is logged in to Google Cloud: no credentials"), ("", "Nobody is")],
)
def test_who_is_not_logged_in_is_told_how(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    gcloud(tmp_path, script)
    with pytest.raises(Problem, match=said) as problem:
        token()
    assert "gcloud auth application-default login" in problem.value.hint


def test_without_gcloud_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = CliRunner().invoke(preflight.app, ["production"]).exception
    assert isinstance(refused, Problem)
    assert refused.what == "There is no gcloud on PATH."


def test_a_stack_that_is_elsewhere_is_refused() -> None:
    refused = CliRunner().invoke(preflight.app, ["development"]).exception
    assert isinstance(refused, Problem)
    assert refused.what == "development is not on Google Cloud."


def test_what_is_missing_ends_with_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "token", lambda: "a-token")
    monkeypatch.setattr(preflight, "findings", lambda *_: [Finding("billing", "nobody pays", "link it"), Finding("x")])
    done = CliRunner().invoke(preflight.app, ["production"])
    assert isinstance(done.exception, Problem)
    assert "1 of 2 things are missing; nothing was changed." in done.exception.what
    assert "nobody pays" in done.output
