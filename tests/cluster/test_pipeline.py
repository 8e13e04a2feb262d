"""The workflow that delivers what is merged: its own commands, in their order, on the test stack (S12.1)."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from operations.delivery.problem import Exit
from tests.cluster import database, store
from tests.cluster.backups import made
from tests.cluster.releases import QUIET, commit, deliver, git, results
from tests.cluster.stack import CHECKOUT, Stack
from tests.localcloud import scanning
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

# What is in a step's words, and what is there here: the stack, of which there is one, and what it needs besides.
HERE: Final = {
    "./scripts/deploy.sh staging ": "./scripts/deploy.sh test ",
    "./scripts/deploy.sh production ": "./scripts/deploy.sh test ",
    "operations.audit record staging ": "operations.audit record test ",
    "operations.audit record production ": "operations.audit record test ",
    # The publisher's database of vulnerabilities is in no package registry.
    "operations.scan --stack staging ": 'operations.scan --stack test --database "$DATABASE" ',
    # Two cores are no staging: less of it, and not for two minutes.
    "./scripts/deploy.sh test load": "./scripts/deploy.sh test load --seconds 20 --pages 10",
}
# What a step begins with that isn't run here, and why.
LEFT_OUT: Final = {
    "make lint": "looks at the sources alone, and is run beside this test",
    "make test": "this test is one of its kind",
    "gcloud container clusters get-credentials ": "it is Google's cluster; the local one is reached already",
    ".venv/bin/python -m operations.scan.sign ": "cosign signs, and looks, by GitHub's identity of the workflow",
    "actions/checkout@": "GitHub's; here each job begins with the same copy, without what the one before it left",
    "google-github-actions/auth@": "signs in to Google by GitHub's identity of the workflow",
    "sigstore/cosign-installer@": "brings cosign, which is left out",
    "actions/upload-artifact@": "GitHub's; what it would keep is looked for",
}


class Runner:
    """Runs steps as GitHub's does: each in a shell of its own, in the checkout. What a job's own `env` has, the local
    cloud's environment has instead.

    values: of the expressions in a step's `env`. ran: the lines that were run.
    """

    def __init__(self, checkout: Path, folder: Path, environment: Mapping[str, str], values: Mapping[str, str]) -> None:
        self.checkout = checkout
        self.output, self.summary = folder / "output", folder / "summary"
        self._environment = {
            **os.environ,
            **environment,
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "COLUMNS": "200",
        }
        self.values = dict(values)
        self.ran: list[str] = []

    def run(self, step: Mapping[str, Any]) -> None:
        line = step["run"]
        for words, here in HERE.items():
            line = line.replace(words, here)
        given = {name: self.values[value] for name, value in step.get("env", {}).items()}
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["bash", "-e"]
        done = subprocess.run(
            [*shell, "-c", line],
            cwd=self.checkout,
            env={**self._environment, **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = f"{line} exits with {done.returncode}:\n{done.stdout}{done.stderr}"
        if "--junit" in line and done.returncode == Exit.TESTS:
            found = results(self.checkout / "report.xml")
            assert {name for name, problem in found.items() if problem} == {QUIET}, said
        else:
            assert done.returncode == 0, said
        self.ran.append(line)
        if self.output.exists():
            told = dict(each.split("=", 1) for each in self.output.read_text().split())
            self.values |= {f"${{{{ steps.{step.get('id')}.outputs.{name} }}}}": value for name, value in told.items()}
            self.output.unlink()


@pytest.fixture
def as_it_was(stack: Stack) -> Iterator[None]:
    """Afterwards the stack has its own release again."""
    yield
    stack.pulumi("up", "--yes", "--skip-preview")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The pipeline's, and beside it the public one."""
    made = Ed25519PrivateKey.generate()
    file = tmp_path / "evidence.key"
    file.touch(mode=0o600)
    plain = serialization.NoEncryption()
    file.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    public = made.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    file.with_suffix(".pub").write_bytes(public)
    return file


@pytest.mark.usefixtures("as_it_was")
def test_the_commands_of_the_workflow_deliver_a_release(
    stack: Stack, release: Path, key: Path, tmp_path: Path, visitor: Callable[..., httpx.Client]
) -> None:
    """Each step is run, or is among those that are left out and why; what is kept of a run is there."""
    database.whole(stack)
    store.whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    # As it is of every stack, a first release was deployed by hand (docs/delivery.md): it makes what is pushed to.
    commit(release, "first")
    deliver(stack, "deploy", "--tag", "first", "--yes", checkout=release)
    commit(release, "merged")
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    environment = {
        "GITHUB_SHA": git(release, "rev-parse", "HEAD"),
        "PULUMI_OPTION_CONFIG_FILE": str(stack.settings_file),
        "DATABASE": str(scanning.archive(scanning.database(tmp_path / "vulnerabilities", []))),
    }
    values = {"${{ vars.EVIDENCE }}": str(evidence), "${{ vars.EVIDENCE_KEY }}": str(key)}
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    runner = Runner(release, tmp_path, environment, values)
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/main.yaml").read_text())
    left_out = set()
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            what = step.get("run") or step["uses"]
            if found := {begins for begins in LEFT_OUT if what.startswith(begins)}:
                left_out |= found
                assert "upload-artifact" not in what or (release / step["with"]["path"]).exists(), step
                if "checkout" in found.pop():
                    git(release, "clean", "-fdxq", "--exclude=.venv")
            else:
                runner.run(step)
    assert left_out == LEFT_OUT.keys()
    told = [line.split()[:3] for line in runner.ran if line.startswith("./scripts/deploy.sh")]
    assert [words[2] for words in told] == ["build", "deploy", "load", "test", "deploy", "test"]
    assert visitor().get("/config.json").json()["version"] == environment["GITHUB_SHA"]
    # What the run was about has its evidence, and the newest hash is where it was to be kept.
    newest = runner.summary.read_text().split()[-1]
    verify = [".venv/bin/python", "-m", "operations.audit", "verify", "test", "--evidence", str(evidence)]
    verify += ["--public-key", str(key.with_suffix(".pub")), "--anchor", newest, "--since", began]
    done = subprocess.run(verify, cwd=release, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
