"""The development stack by the commands that a person has: up, looked at, used, mended.

It is made for these tests and removed after them. One that is there already stays, brought up to date.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud import paths, pulumi
from tests.localcloud.test_command import make, shell
from tests.waiting import wait_for

pytestmark = pytest.mark.development
STACK = "development"
URL = "https://vision-week.localhost:8443"


@pytest.fixture(scope="module", autouse=True)
def first() -> Iterator[subprocess.CompletedProcess[str]]:
    """The first `make up`."""
    was_there = bool(pulumi.standing(STACK).outputs)
    yield make("up")
    if not was_there:
        # The checkout keeps the stack's file.
        removed = f"pulumi stack rm --yes --preserve-config {STACK}"
        commands = f"pulumi destroy --yes --skip-preview --stack {STACK} && {removed}"
        done = shell(f'eval "$(make -s env)" && {commands}')
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second checkout, whose files a test may edit."""
    folder = tmp_path_factory.mktemp("second") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (paths.CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(paths.CHECKOUT / name, folder / name)
    (folder / ".venv").symlink_to(paths.CHECKOUT / ".venv")
    return folder


@contextmanager
def written_instead(checkout: Path, words: str) -> Iterator[None]:
    """The stack's settings with these words where they ask for every line of the log."""
    settings = checkout / f"Pulumi.{STACK}.yaml"
    text = settings.read_text()
    assert "log_level: debug" in text
    settings.write_text(text.replace("log_level: debug", words))
    try:
        yield
    finally:
        settings.write_text(text)


def test_up_shows_each_step_and_ends_with_the_url(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{URL}\n"
    for step in ("Toolchain", "Docker engine", "Registry", "Kubernetes cluster", f"Pulumi stack {STACK}"):
        assert f"✓ {step}" in first.stderr


def test_up_again_changes_nothing_and_says_so() -> None:
    again = make("up")
    assert f"{STACK}: nothing to change" in again.stderr, again.stderr
    assert again.stdout == f"{URL}\n"


def test_the_application_answers_at_the_url_to_who_trusts_its_authority() -> None:
    """As the README has it."""
    done = shell('curl --silent --show-error --fail --cacert "$(make -s ca)" "$(make -s url)/api/health"')
    assert json.loads(done.stdout) == {"status": "ok"}, done.stderr
    stranger = shell('curl --silent --show-error "$(make -s url)/api/health"')
    assert stranger.returncode != 0
    assert "certificate" in stranger.stderr


def test_status_knows_the_stack_and_asks_the_application() -> None:
    done = make("status")
    assert done.returncode == 0, done.stderr
    assert "is up, last update" in done.stderr
    assert f"answers at {URL}" in done.stderr


def test_plain_pulumi_works_by_hand() -> None:
    done = shell(f'eval "$(make -s env)" && pulumi stack output --stack {STACK} url')
    assert done.stdout == f"{URL}\n", done.stderr


def test_a_preview_shows_what_an_edit_would_change(checkout: Path) -> None:
    done = make("preview", checkout=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged" in done.stdout
    with written_instead(checkout, "log_level: info"):
        edited = make("preview", checkout=checkout)
    assert edited.returncode == 0, edited.stdout + edited.stderr
    assert "LOG_LEVEL" in edited.stdout
    assert "to update" in edited.stdout or "to replace" in edited.stdout


def test_a_preview_of_wrong_settings_fails_and_names_them(checkout: Path) -> None:
    with written_instead(checkout, "log_levl: debug"):
        done = make("preview", checkout=checkout)
    assert done.returncode != 0
    assert "log_levl" in done.stdout + done.stderr
    assert "Did you mean log_level" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_what_was_deleted_by_hand_is_seen_and_mended() -> None:
    delete = "kubectl -n vision-week-edge delete deployment edge --wait"
    assert shell(f'eval "$(make -s env)" && {delete}').returncode == 0
    # Its pod finishes what it has begun before it goes.
    broken = wait_for(lambda: done if (done := make("status")).returncode else None, "the application to be missed")
    assert "doesn't answer" in broken.stderr
    assert "make up" in broken.stderr
    mended = make("up")
    assert "1 created" in mended.stderr, mended.stderr
    assert make("status").returncode == 0


def test_an_update_that_fails_says_what_to_do_and_the_next_carries_on(checkout: Path) -> None:
    with written_instead(checkout, "log_levl: debug"):
        failed = make("up", checkout=checkout)
    assert failed.returncode != 0
    assert f"✗ Pulumi stack {STACK}" in failed.stderr
    assert "Did you mean log_level" in failed.stderr
    assert "What to do:" in failed.stderr
    assert "nothing to change" in make("up").stderr


def test_the_checkout_stays_clean() -> None:
    """But for what an engineer is editing just now."""
    before = subprocess.check_output(["git", "status", "--porcelain"], cwd=paths.CHECKOUT)
    make("preview")
    make("up")
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=paths.CHECKOUT) == before
    assert os.environ.get("PULUMI_OPTION_CONFIG_FILE") is None
