"""What is signed and what is asked of signatures. cosign is a stand-in that writes down how it was called; the real one
needs an identity and a log that nobody has here."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from operations.problem import Problem
from operations.scan.sign import app
from operations.stacks import settings_of
from tests.unit.recording import CHECKOUT

STAGING = settings_of(CHECKOUT / "Pulumi.staging.yaml").images.registry
PRODUCTION = settings_of(CHECKOUT / "Pulumi.production.yaml").images.promoted_from
DIGEST = "sha256:" + "1" * 64
WORKFLOW = "owner/name/.github/workflows/main.yaml@refs/heads/main"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that has a line for each call."""
    program = tmp_path / "bin" / "cosign"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", WORKFLOW)
    return tmp_path / "calls"


def scanned(folder: Path, *, passed: bool, reference: str = f"{STAGING}/app@{DIGEST}") -> Path:
    images = [{"reference": each, "digest": DIGEST, "sbom": "app.cdx.json"} for each in (reference, "other/nginx:1")]
    (folder / "scan.json").write_text(json.dumps({"passed": passed, "images": images}))
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_our_images_are_signed_by_digest_with_their_parts_and_other_peoples_are_not(
    calls: Path, tmp_path: Path
) -> None:
    done = run("sign", "staging", "--scanned", scanned(tmp_path, passed=True))
    assert done.exit_code == 0, done.output
    reference = f"{STAGING}/app@{DIGEST}"
    assert calls.read_text().splitlines() == [
        f"sign --yes {reference}",
        f"attest --yes --type cyclonedx --predicate {tmp_path}/app.cdx.json {reference}",
    ]


def test_what_failed_its_scan_is_signed_by_nobody(calls: Path, tmp_path: Path) -> None:
    done = run("sign", "staging", "--scanned", scanned(tmp_path, passed=False))
    assert isinstance(done.exception, Problem)
    assert not calls.exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_scan_of_other_images_or_none_signs_nothing(calls: Path, tmp_path: Path, there: bool) -> None:
    if there:
        scanned(tmp_path, passed=True, reference="elsewhere/app@sha256:1")
    done = run("sign", "staging", "--scanned", tmp_path)
    assert isinstance(done.exception, Problem)
    assert not calls.exists()


def test_production_asks_for_this_workflows_signature_on_what_it_promotes(calls: Path) -> None:
    done = run("verify", "production", "--tag", "v2")
    assert done.exit_code == 0, done.output
    asked = calls.read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in asked[::2]] == [
        f"{PRODUCTION}/{name}:v2" for name in ("app", "postgres", "websocket")
    ]
    assert [line.split()[0] for line in asked] == ["verify", "verify-attestation"] * 3
    assert all(f"--certificate-identity https://github.com/{WORKFLOW} " in line for line in asked)


def test_an_image_that_is_not_signed_is_refused(calls: Path) -> None:
    (calls.parent / "bin/cosign").write_text("#!/bin/sh\necho no matching signatures >&2\nexit 1\n")
    done = run("verify", "production", "--tag", "v2")
    assert isinstance(done.exception, Problem)
    assert "no matching signatures" in done.exception.what
