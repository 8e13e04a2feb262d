"""What is done about interrupted operations, on states as a killed engine leaves them."""

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.pulumi import recovery

URN = "urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::settings"


def resource(kind: str = "kubernetes:core/v1:ConfigMap", **more: Any) -> dict[str, Any]:
    inputs = {"metadata": {"name": "settings-1a2b", "namespace": "app"}}
    return {"urn": URN, "type": kind, "custom": True, "inputs": inputs, **more}


def pending(operation: str, of: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    return {"resources": list(others), "pending_operations": [{"resource": of, "type": operation}]}


def test_a_kubernetes_object_is_looked_up_by_the_name_that_only_the_state_knows() -> None:
    state = pending("creating", resource())
    assert recovery.settle(state) == [URN]
    assert state == {"resources": [{**resource(), "id": "app/settings-1a2b", "outputs": {}}]}


def test_the_successor_of_a_resource_that_is_still_there_is_removed_by_the_next_update() -> None:
    state = pending("creating", resource(), resource(id="app/settings-0000"))
    assert recovery.settle(state) == [URN]
    assert [item.get("delete", False) for item in state["resources"]] == [False, True]


def test_an_object_that_is_in_the_state_already_is_not_doubled() -> None:
    state = pending("creating", resource(), resource(id="app/settings-1a2b"))
    assert recovery.settle(state) == []
    assert len(state["resources"]) == 1


@pytest.mark.parametrize("operation", ["updating", "deleting", "reading"])
def test_other_operations_are_simply_done_again(operation: str) -> None:
    state = pending(operation, resource(id="app/settings-1a2b"), resource(id="app/settings-1a2b"))
    assert recovery.settle(state) == []
    assert "pending_operations" not in state


def test_what_exists_in_the_state_alone_is_made_again() -> None:
    state = pending("creating", resource("random:index/randomPassword:RandomPassword"))
    assert recovery.settle(state) == []
    assert state == {"resources": []}


def lock(folder: Path, **more: Any) -> Path:
    file = folder / "1.json"
    content = {"pid": os.getpid(), "hostname": socket.gethostname(), "timestamp": datetime.now(UTC).isoformat(), **more}
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    "of_the_dead",
    [
        {"pid": 2**22 + 1},
        {"hostname": "the-machine-before-the-reset"},
        {"timestamp": (datetime.now(UTC) - timedelta(days=99)).isoformat()},
        {},  # this process has the number and is no pulumi
        {"timestamp": "garbled"},
    ],
)
def test_a_lock_of_the_dead_is_removed(tmp_path: Path, of_the_dead: dict[str, Any]) -> None:
    """That of the living stands: tests/engine/test_plugin_protocol.py."""
    file = lock(tmp_path, **of_the_dead)
    recovery.remove_stale_locks(tmp_path)
    assert not file.exists()
