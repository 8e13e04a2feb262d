"""The workflows: each step runs by hand, too; nobody has a right more than needed, and no code of strangers has any."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import typer
import yaml

from components.google.pipeline import Pipeline, PipelineArgs
from operations.audit import command as audit
from operations.delivery import command
from operations.scan import command as scan
from operations.scan import sign
from tests.unit.recording import CHECKOUT, record

FOLDER: Final = CHECKOUT / ".github" / "workflows"
WORKFLOWS: Final = {file.name: yaml.safe_load(file.read_text()) for file in sorted(FOLDER.glob("*.yaml"))}
JOBS: Final = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
LOGIN: Final = "gcloud container clusters get-credentials"
CLOCK: Final = 'date --utc +began=%FT%T >> "$GITHUB_OUTPUT"'
AUDIT: Final = ".venv/bin/python -m operations.audit "
SCAN: Final = ".venv/bin/python -m operations.scan --stack "
SIGN: Final = ".venv/bin/python -m operations.scan.sign "


def job_of(workflow: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = WORKFLOWS[workflow]["jobs"][name]
    return found


def steps(key: str) -> Iterator[str]:
    for name, job in JOBS:
        yield from (step[key] for step in job_of(name, job)["steps"] if key in step)


def signs_in(job: Mapping[str, Any]) -> bool:
    return "id-token" in job["permissions"]


def test_every_step_is_a_target_of_make_or_an_action_of_the_script() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    actions = typer.main.get_group(command.app).commands
    audits = typer.main.get_group(audit.app).commands
    signs = typer.main.get_group(sign.app).commands
    for line in steps("run"):
        words = line.split()
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= {*targets, ".venv/.ready"}, line
        elif words[0] == "./scripts/deploy.sh":
            assert (CHECKOUT / f"Pulumi.{words[1]}.yaml").exists(), line
            assert options(words) <= known(actions[words[2]]), line
        elif line.startswith(AUDIT):
            words = line.removeprefix(AUDIT).split()
            assert options(words) <= known(audits[words[0]]), line
        elif line.startswith(SCAN):
            assert options(words[3:]) <= known(typer.main.get_command(scan.app)), line
        elif line.startswith(SIGN):
            words = line.removeprefix(SIGN).split()
            assert options(words) <= known(signs[words[0]]), line
        else:
            assert line == CLOCK or line.startswith(LOGIN), line


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("--")}


def known(action: Any) -> set[str]:
    return {option for parameter in action.params for option in parameter.opts}


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_whatever_becomes_of_a_delivery_there_is_evidence_of_it(stack: str) -> None:
    steps = job_of("main.yaml", stack)["steps"]
    record = next(step for step in steps if step.get("run", "").startswith(f"{AUDIT}record {stack}"))
    assert record["if"] == "always()"
    before = [step.get("run", "") for step in steps]
    assert before.index(CLOCK) < before.index(f'./scripts/deploy.sh {stack} deploy --tag "$GITHUB_SHA" --yes')


def test_what_a_release_is_made_of_is_kept_with_the_evidence_of_it() -> None:
    """Of the stack where it is built and scanned; production runs the same images."""
    lines = [step.get("run", "") for step in job_of("main.yaml", "staging")["steps"]]
    (scanned,) = (line.rpartition("--output ")[2] for line in lines if line.startswith(f"{SCAN}staging"))
    assert any(line.startswith(f"{AUDIT}record staging") and f"--scanned {scanned} " in line for line in lines)


def test_nothing_is_deployed_that_was_not_scanned_and_signed() -> None:
    for stack, before in (
        ("staging", ["./scripts/deploy.sh staging build", f"{SCAN}staging", f"{SIGN}sign staging"]),
        ("production", [f"{SIGN}verify production"]),
    ):
        steps = job_of("main.yaml", stack)["steps"]
        lines = [step.get("run", "") for step in steps]
        wanted = [*before, f"./scripts/deploy.sh {stack} deploy"]
        found = [next(number for number, line in enumerate(lines) if line.startswith(each)) for each in wanted]
        assert found == sorted(found)
        # Nor is a step gone past that has failed.
        assert not any("if" in steps[number] or "continue-on-error" in steps[number] for number in found)


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_what_may_need_an_earlier_program_has_the_whole_history(name: str, job: str) -> None:
    """A roll-back brings the program of then, and a look for drift is by the program that was deployed."""
    steps = job_of(name, job)["steps"]
    if any(re.search(r"deploy\.sh \w+ (deploy|drift|rollback) ?", step.get("run", "")) for step in steps):
        (depth,) = {step["with"].get("fetch-depth", 1) for step in steps if "actions/checkout@" in step.get("uses", "")}
        assert depth == 0


def test_a_release_bears_load_in_staging_before_anybody_promotes_it() -> None:
    lines = [step.get("run", "") for step in job_of("main.yaml", "staging")["steps"]]
    deployed = next(
        number for number, line in enumerate(lines) if line.startswith("./scripts/deploy.sh staging deploy")
    )
    assert "./scripts/deploy.sh staging load" in lines[deployed:]


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_every_night_asks_what_is_known_by_now_of_what_runs(stack: str) -> None:
    lines = [step.get("run", "") for step in job_of("nightly.yaml", f"drift-{stack}")["steps"]]
    assert any(line.startswith(f"{SCAN}{stack}") for line in lines)


def test_nothing_that_others_write_is_pasted_into_a_command() -> None:
    assert not [line for line in steps("run") if "${{" in line]


def test_every_action_is_pinned_by_commit_and_says_which_version_that_is() -> None:
    for file in FOLDER.glob("*.yaml"):
        for line in re.findall(r"uses: (.+)", file.read_text()):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    versions: dict[str, set[str]] = {}
    for action in steps("uses"):
        versions.setdefault(action.partition("@")[0], set()).add(action)
    assert all(len(each) == 1 for each in versions.values())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_as_a_whole_has_no_right_and_no_stored_secret(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert "secrets." not in (FOLDER / name).read_text()
    assert "pull_request_target" not in (FOLDER / name).read_text()


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_every_job_ends_and_keeps_no_credentials_in_its_checkout(name: str, job: str) -> None:
    found = job_of(name, job)
    assert found["timeout-minutes"] <= 180
    checkouts = [step for step in found["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


def test_what_signing_in_leaves_in_the_checkout_is_no_change_of_it() -> None:
    """`google-github-actions/auth` writes the login there, and a release is a checkout without changes."""
    for file in ("gha-creds-0123456789abcdef.json", "report.xml"):
        subprocess.run(["git", "check-ignore", "--quiet", file], cwd=CHECKOUT, check=True)


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_who_signs_in_does_so_in_an_environment_and_writes_nothing_on_the_host(name: str, job: str) -> None:
    found = job_of(name, job)
    if signs_in(found):
        assert found["environment"]
        assert found["permissions"] == {"contents": "read", "id-token": "write"}
    else:
        assert "environment" not in found
        assert not any(action.startswith("google-github-actions/") for action in map(str, found["steps"]))


def test_a_pull_request_signs_in_as_a_reader_and_never_from_a_fork() -> None:
    for name, job in WORKFLOWS["pull-request.yaml"]["jobs"].items():
        if signs_in(job):
            assert job["environment"].endswith("-preview"), name
            assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository", name


def environments(stack: str) -> set[str]:
    """Those whose runs may be an account of the stack's pipeline."""
    args = PipelineArgs(project="a-project", repository="an-owner/a-repository", repository_id=2, environment=stack)
    made = record(lambda: Pipeline("pipeline", args))
    members = [one.inputs["member"] for one in made.of("IAMMember") if "subject" in one.inputs["member"]]
    return {member.rpartition(":environment:")[2] for member in members}


def test_every_environment_has_an_account_and_every_account_an_environment_of_some_job() -> None:
    named = {job_of(*where).get("environment") for where in JOBS} - {None}
    assert named == environments("staging") | environments("production")


def test_the_night_waits_for_nobody() -> None:
    """Required reviewers hold back scheduled runs as well: the first night waited, and the next ones for it."""
    reviewed = set(re.findall(r"`([\w-]+)`\s+\(with reviewers\)", (CHECKOUT / "docs" / "delivery.md").read_text()))
    assert reviewed == {"production", "production-preview"}
    for name, workflow in WORKFLOWS.items():
        if "schedule" in (workflow[True] or {}):  # `on`, as YAML 1.1 has it
            assert reviewed & {job.get("environment") for job in workflow["jobs"].values()} == set(), name


def test_a_night_s_job_waits_for_none_but_the_same_of_the_night_before() -> None:
    assert "concurrency" not in WORKFLOWS["nightly.yaml"]
    jobs = WORKFLOWS["nightly.yaml"]["jobs"]
    groups = {name: job["concurrency"]["group"] for name, job in jobs.items()}
    assert groups == {
        "drift-staging": "nightly-staging",
        "drift-production": "nightly-production",
        "drills": "nightly-drills",
    }


def test_only_the_night_has_the_account_that_reads_secrets_and_runs_commands_in_pods() -> None:
    """It runs what is on `main`, by hand as well: the environments take no other branch (docs/delivery.md)."""
    files = {name for name, job in JOBS if job_of(name, job).get("environment", "").endswith("-nightly")}
    assert files == {"nightly.yaml"}
    assert set(WORKFLOWS["nightly.yaml"][True]) == {"schedule", "workflow_dispatch"}


def test_what_may_write_a_comment_is_not_the_pull_requests_own_code() -> None:
    writers = [job for job in WORKFLOWS["pull-request.yaml"]["jobs"].values() if "write" in job["permissions"].values()]
    for job in writers:
        if not signs_in(job):
            assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
            assert job["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_production_comes_after_staging_and_staging_after_the_tests() -> None:
    jobs = WORKFLOWS["main.yaml"]["jobs"]
    assert jobs["production"]["needs"] == "staging"
    assert jobs["staging"]["needs"] == "checks"
    for stack in ("staging", "production"):
        assert jobs[stack]["environment"] == stack
        assert jobs[stack]["concurrency"] == {"group": f"stack-{stack}", "cancel-in-progress": False}


def test_newer_bases_are_proposed_for_each_of_our_images() -> None:
    updates = yaml.safe_load((FOLDER.parent / "dependabot.yml").read_text())["updates"]
    (docker,) = (each for each in updates if each["package-ecosystem"] == "docker")
    ours = {f"/{file.parent.relative_to(CHECKOUT)}" for file in (CHECKOUT / "images").glob("*/Dockerfile")}
    assert set(docker["directories"]) == ours
