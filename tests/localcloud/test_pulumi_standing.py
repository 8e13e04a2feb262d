"""How a stack stands, read from a backend as the engine leaves it."""

import json
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud import pulumi
from localcloud.pulumi import backend
from tests.waiting import wait_for

PROJECT = "vision-week"
STACK = {
    "type": "pulumi:pulumi:Stack",
    "urn": "urn:s",
    "outputs": {"url": "https://it.test", "key": {"ciphertext": "v"}},
}


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def keep(result: str = "succeeded", **latest: Any) -> Path:
    file = backend.state_file(PROJECT, "development")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"checkpoint": {"latest": {"resources": [STACK], **latest}}}))
    history = backend.folder() / ".pulumi" / "history" / PROJECT / "development"
    history.mkdir(parents=True, exist_ok=True)
    (history / "development-1.history.json").write_text(json.dumps({"result": "failed", "endTime": 1}))
    (history / "development-2.history.json").write_text(json.dumps({"result": result, "endTime": 1_700_000_000}))
    return file


def test_what_was_never_made_is_not_up_and_no_problem() -> None:
    standing = pulumi.standing("development")
    assert (standing.said, standing.problem) == ("isn't up", None)


def test_the_last_update_counts_and_secrets_stay_closed() -> None:
    keep()
    standing = pulumi.standing("development")
    assert standing.said.startswith("is up, last update 2023-11-1")
    assert standing.problem is None
    assert standing.outputs == {"url": "https://it.test"}


def test_an_update_that_failed_is_a_problem() -> None:
    keep(result="failed")
    assert "could not be brought up at its last update, 2023-11-1" in str(pulumi.standing("development").problem)


def test_an_interrupted_update_is_a_problem() -> None:
    keep(pending_operations=[{"type": "creating"}])
    assert pulumi.standing("development").problem == "was interrupted in its last update"


def test_half_a_state_is_a_problem() -> None:
    file = keep()
    file.write_text(file.read_text()[:40])
    assert pulumi.standing("development").problem == "has a state that is damaged"


def test_a_stack_that_was_destroyed_is_not_up() -> None:
    keep(resources=[])
    assert pulumi.standing("development").said == "isn't up"


def test_a_running_update_is_named(tmp_path: Path) -> None:
    """A process by the name of pulumi; the real one is in tests/engine/test_plugin_protocol.py."""
    keep()
    program = tmp_path / "pulumi"
    program.symlink_to("/bin/sleep")
    folder = backend.lock_folder(PROJECT, "development")
    folder.mkdir(parents=True)
    with subprocess.Popen([program, "60"]) as process:
        wait_for(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "pulumi\n", "the process to have its name")
        lock = {"pid": process.pid, "hostname": socket.gethostname(), "timestamp": datetime.now(UTC).isoformat()}
        (folder / "1.json").write_text(json.dumps(lock))
        said = pulumi.standing("development").said
        process.kill()
    assert said == f"is being worked on by process {process.pid}"
