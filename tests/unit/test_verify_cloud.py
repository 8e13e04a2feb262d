"""What is verified in a project of Google Cloud, and when nothing is made there. Google is simulated: commands answer
as its reference has it. How claims are looked at: test_verify_cloud_edge.py, test_verify_cloud_google.py. The whole of
it is tried on the real engine in tests/engine/test_verify_cloud.py."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from components.settings import Settings
from operations.cost import program
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import CHECKOUT
from operations.preflight import PROGRAMS, Finding, Google
from operations.problem import Problem
from operations.verify_cloud import command, removal, run
from operations.verify_cloud.claim import Claim, Needs, RefutedError
from operations.verify_cloud.claims import CLAIMS, LEFT_OUT
from operations.verify_cloud.place import folders
from operations.verify_cloud.report import Left, Report, Step, Verdict
from operations.verify_cloud.settings import NO_ADDRESS, Site, overrides
from policies.rules import Resource
from tests.unit.answering import answering
from tests.unit.google_api import Answers, resources_once
from tests.unit.verifying import SITE, Answering, settings

# --- its settings


def test_its_settings_are_staging_s_but_for_what_is_shown(tmp_path: Path) -> None:
    settings(tmp_path)
    ours, staging = (
        yaml.safe_load(file.read_text())["config"]
        for file in (tmp_path / f"Pulumi.{SITE.name}.yaml", CHECKOUT / "Pulumi.staging.yaml")
    )
    shown = {each.path for each in overrides(SITE, NO_ADDRESS)}
    changed = set()
    for section in {*ours, *staging}:
        before, after, name = staging.get(section), ours.get(section), section.removeprefix("vision-week:")
        if isinstance(before, dict) and isinstance(after, dict):
            changed |= {
                f"{name}.{key}" for key in {*before, *after} if before.get(key) != after.get(key) and key != "apps"
            }
        elif before != after:
            changed.add(name if not isinstance(after, dict) else f"{name}.{next(iter(after))}")
    assert changed <= shown
    assert shown - changed <= {"cluster.apps.max_nodes", "cluster.region"}  # within another; the same here


def test_nothing_of_it_is_protected_and_no_disk_stays(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.protect, found.storage.retain, found.purpose) == (False, False, "workbench")


def test_a_project_of_the_checkout_s_stacks_is_refused(google: str) -> None:
    """Its policy of images would be taken over, and be gone at the end."""
    with pytest.raises(
        Problem, match=r"vision-week-production is the project of the stack in Pulumi\.production\.yaml"
    ):
        verify(google, Site(name="verify-1", project="vision-week-production", number=1, region="europe-west1"))
    assert not folders().exists()


# --- before anything is made


@pytest.fixture
def instead() -> dict[str, tuple[int, Any]]:
    """Path -> what Google answers there, not what is usual."""
    return {}


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instead: dict[str, tuple[int, Any]]) -> Iterator[str]:
    """Google's APIs, with an empty project; whatever would change something fails, and is written down."""
    for name in PROGRAMS:
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/ran"; exit 1\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"europe-west1-docker.pkg.dev": "gcloud"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(program, "resources_of", resources_once)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "KUBECONFIG", "CLOUDSDK_CORE_PROJECT"):
        monkeypatch.setenv(name, "")  # what it is set to goes with the test
    kind = type("Own", (Answers,), {"numbers": {SITE.project: SITE.number}, "instead": instead, "asked": []})
    with answering(kind) as address:
        yield address


def verify(address: str, site: Site = SITE, **more: Any) -> Report:
    given: dict[str, Any] = {"show": lambda _: None, "consent": lambda: None, "say": lambda _: None, **more}
    return run.verify(site, Google("a-token", lambda _api: address), **given)


def ran(tmp_path: Path) -> str:
    file = tmp_path / "ran"
    return file.read_text() if file.exists() else ""


def test_without_consent_nothing_is_made(google: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    told: list[Settings] = []

    def resources(settings: Settings) -> list[Resource]:
        told.append(settings)
        return resources_once(settings)

    monkeypatch.setattr(program, "resources_of", resources)

    def refuse() -> None:
        raise Problem("That isn't its name.", "write it")

    with pytest.raises(Problem, match="That isn't its name"):
        verify(google, consent=refuse, say=said.append)
    # What it would cost was told first.
    assert any(re.search(r"costs \d\.\d\d USD an hour", line) for line in said)
    # For its names and its costs the program is loaded once, which takes seconds.
    assert len(told) == 1
    assert ran(tmp_path) == ""
    assert list(folders().iterdir()) == []


def test_where_nobody_can_be_asked_nothing_is_made(
    google: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "token", lambda: "a-token")
    monkeypatch.setattr(command, "Google", lambda token: Google(token, lambda _api: google))
    monkeypatch.setattr(run, "_price", lambda _: "")  # told in the test above, for the seconds that it takes
    done = CliRunner().invoke(command.app, ["--project", SITE.project])
    assert isinstance(done.exception, DeliveryError)
    assert (done.exception.what, done.exception.code) == ("There is nobody to ask.", Exit.REFUSED)
    assert ran(tmp_path) == ""
    assert list(folders().iterdir()) == []


@pytest.mark.parametrize(
    ("path", "answer", "what"),
    [
        (f"/v1/projects/{SITE.project}/billingInfo", (200, {}), "billing"),
        (f"/v1/projects/{SITE.project}/locations/-/clusters", (200, {"clusters": [{}]}), "a project without a cluster"),
        (
            f"/storage/v1/b/{SITE.project}-uploads",
            (200, {"name": "b", "projectNumber": str(SITE.number)}),
            "a project without a bucket of a stack",
        ),
        (
            f"/v1/projects/{SITE.project}/locations/europe-west1/repositories/docker-io",
            (200, {"name": "r"}),
            "a project without a repository of a stack",
        ),
        (f"/storage/v1/b/{SITE.project}-uploads", (403, {}), f"the bucket {SITE.project}-uploads"),
    ],
)
def test_what_is_missing_is_found_before_anybody_is_asked(
    google: str, instead: dict[str, tuple[int, Any]], path: str, answer: tuple[int, Any], what: str
) -> None:
    instead[path] = answer
    shown: list[Finding] = []

    def consent() -> None:
        pytest.fail("it was asked for")

    with pytest.raises(Problem, match=r"1 of \d+ things are missing; nothing was made"):
        verify(google, show=shown.extend, consent=consent)
    assert [each.what for each in shown if each.problem] == [what]
    assert list(folders().iterdir()) == []


def test_an_api_that_is_not_enabled_yet_has_nothing_of_anybody_s(
    google: str, instead: dict[str, tuple[int, Any]]
) -> None:
    disabled = {"error": {"message": "Kubernetes Engine API has not been used in project 42 before or it is disabled."}}
    instead[f"/v1/projects/{SITE.project}/locations/-/clusters"] = (403, disabled)
    shown: list[Finding] = []
    with pytest.raises(DeliveryError):  # `pulumi` is none here
        verify(google, show=shown.extend)
    assert [each for each in shown if each.problem] == []


def test_a_registry_that_docker_has_no_login_for_is_found(google: str, tmp_path: Path) -> None:
    """Else our images would be built for minutes, and then not be pushed."""
    (tmp_path / "config.json").write_text("{}")
    shown: list[Finding] = []
    with pytest.raises(Problem, match="nothing was made"):
        verify(google, show=shown.extend)
    assert [each.hint for each in shown if each.problem] == ["gcloud auth configure-docker europe-west1-docker.pkg.dev"]


def test_a_project_that_cannot_be_seen_is_named(
    google: str, instead: dict[str, tuple[int, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "token", lambda: "a-token")
    monkeypatch.setattr(command, "Google", lambda token: Google(token, lambda _api: google))
    instead[f"/v1/projects/{SITE.project}"] = (403, {"error": {"message": "denied"}})
    done = CliRunner().invoke(command.app, ["--project", SITE.project, "--yes"])
    assert isinstance(done.exception, Problem)
    assert done.exception.what == f"The project {SITE.project} can't be seen: 403: denied."


@pytest.mark.parametrize("project", ["", "A/project", "../x"])
def test_what_is_no_project_s_id_is_a_wrong_word(project: str) -> None:
    done = CliRunner().invoke(command.app, ["--project", project])
    assert done.exit_code == 2
    assert "give a project's id" in " ".join(done.output.split())


# --- claims


def test_every_claim_is_told_in_a_page_that_is_there_or_by_a_fact() -> None:
    for told in [*(each.told for each in CLAIMS), *(told for told, _ in LEFT_OUT.values())]:
        pages = re.findall(r"(docs/[\w.-]+\.md)(?:#([\w-]+))?", told)
        assert pages or re.match(r"S\d|service levels", told), told
        for page, heading in pages:
            text = (CHECKOUT / page).read_text()
            known = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()}
            assert not heading or heading in known, told
    assert len({each.what for each in CLAIMS} | set(LEFT_OUT)) == len(CLAIMS) + len(LEFT_OUT)


def test_numbers_of_the_benchmark_are_those_of_its_page() -> None:
    text = (CHECKOUT / "docs/hardening.md").read_text()
    for each in CLAIMS:
        if "docs/hardening.md " in each.told:
            for number in re.findall(r"\d+\.\d+\.\d+", each.told):
                assert f"| {number} |" in text, each.told


# --- what comes of it


def report(*verdicts: Verdict, **more: Any) -> Report:
    found = Report(SITE.name, SITE.project, ["a setting"], **more)
    for number, verdict in enumerate(verdicts):
        claim = Claim(f"claim {number}", "S1", Needs.PROGRAM, lambda _: "seen")
        found.results.append(claim._result(verdict, "seen"))
    return found


@pytest.mark.parametrize(
    ("verdicts", "left", "code"),
    [
        ((Verdict.VERIFIED, Verdict.NOT_TRIED), [], Exit.DONE),
        ((Verdict.VERIFIED, Verdict.REFUTED), [], Exit.TESTS),
        ((Verdict.VERIFIED, Verdict.NO_ANSWER), [], Exit.TESTS),
        ((Verdict.VERIFIED,), [Left("a disk", "remove it")], Exit.BROKEN),
    ],
)
def test_the_exit_code_says_what_came_of_it(verdicts: tuple[Verdict, ...], left: list[Left], code: Exit) -> None:
    assert report(*verdicts, left=left).code == code


def test_what_is_refuted_is_named_with_what_was_seen(tmp_path: Path) -> None:
    def look(_: Any) -> str:
        raise RefutedError("another | thing")

    place: Any = None
    found = report(Verdict.VERIFIED, gone=True)
    found.results.append(Claim("Nodes are private", "S5", Needs.PROGRAM, look).judged(place, run.ALL))
    assert "refuted: Nodes are private (S5): another | thing" in list(found.summary())
    found.steps.append(Step("up", 1, None))
    found.write(tmp_path / "report.md")
    assert "| Nodes are private | S5 | **refuted** | another / thing |" in (tmp_path / "report.md").read_text()


def test_a_claim_has_its_time_before_it_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's balancer answers some minutes after it is there."""
    monkeypatch.setattr("operations.verify_cloud.claim.sleep", lambda _: None)
    answers: list[Callable[[], str]] = []

    def look(_: Any) -> str:
        answers.append(lambda: "")
        if len(answers) < 3:
            raise RefutedError("not yet")
        return "there"

    place: Any = None
    assert Claim("it answers", "S5", Needs.BALANCER, look, 60).judged(place, run.ALL).seen == "there"


# --- what is left


def leftovers(place: Any, monkeypatch: pytest.MonkeyPatch, disks: list[str]) -> list[Left]:
    monkeypatch.setattr(removal, "sleep", lambda _: None)
    return removal._left(place, disks)


def test_what_is_left_is_named_with_the_command_that_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "asset search-all-resources": [
            {"assetType": "storage.googleapis.com/Bucket", "name": "//storage.googleapis.com/a-bucket"},
            {"assetType": "cloudkms.googleapis.com/CryptoKey", "name": "//cloudkms.googleapis.com/…/disks"},
        ],
        "compute disks list": [{"name": "pvc-1", "region": "https://…/regions/europe-west1"}],
        "compute forwarding-rules list": [{"name": "gkegw1-fr"}],
    }
    found = leftovers(Answering(settings(tmp_path), said), monkeypatch, ["pvc-1"])
    # Keys can't be deleted.
    assert [each.command for each in found] == [
        "gcloud storage rm --recursive gs://a-bucket",
        "gcloud compute disks delete pvc-1 --project=an-empty-project --region=europe-west1",
        "gcloud compute forwarding-rules delete gkegw1-fr --global --project=an-empty-project",
    ]


def test_the_listing_is_asked_again_as_it_lags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Place(Answering):
        looks: int = 0

        def gcloud(self, *words: str) -> Any:
            self.looks += words[0] == "asset"
            bucket = {"assetType": "storage.googleapis.com/Bucket", "name": "//storage.googleapis.com/a-bucket"}
            return [bucket] if words[0] == "asset" and self.looks < 3 else None

    place = Place(settings(tmp_path))
    assert leftovers(place, monkeypatch, []) == []
    assert place.looks == 3


def test_a_stack_that_is_not_on_this_machine_can_t_be_removed(google: str) -> None:
    with pytest.raises(Problem, match=r"There is no stack verify-ffffffff in .*: there is none\."):
        run.remove("verify-ffffffff", Google("a-token", lambda _api: google), lambda _: None)
    assert os.environ["PULUMI_BACKEND_URL"] == ""
