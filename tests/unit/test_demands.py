"""What a stack must have for those who rely on it, by its purpose and not by its name."""

from typing import Any

import pytest

from components.configuration import parse
from components.demands import DEMANDS
from components.unbuilt import unbuilt
from tests.unit.faults import GATEWAY, GKE, changed, faults
from tests.unit.parts import LEAST

CRITICAL = {"name": "on-call", "secret": "alerts"}
HEARTBEAT = {"name": "heartbeat", "secret": "heartbeat", "severities": ["heartbeat"]}
STAGED = "europe-west1-docker.pkg.dev/tried/vision-week"
LIVE: dict[str, Any] = {
    **LEAST,
    "purpose": "live",
    "cluster": GKE,
    "edge": GATEWAY,
    "images": {**LEAST["images"], "promoted_from": STAGED},
    "postgres": {"backups": {"copied_by": 2}},
    "monitoring": {"receivers": [CRITICAL, HEARTBEAT]},
}

# Setting, the value that no stack which people rely on may have, one that it may, and what is said.
BOTH: list[tuple[str, Any, Any, str]] = [
    ("images.app_target", "development", "production", "the development stage holds a debugger"),
    ("app.environment", "development", "production", "the application would show its errors"),
    ("app.debugger", "192.0.2.7:9003", None, "could read and change what the application works on"),
    ("app.hot_reload", True, False, "what runs would not be what is in the image"),
    ("app.replicas", 1, {"min": 3, "max": 4}, "with one pod every roll-out"),
    ("websocket.replicas", 1, 2, "with one pod every roll-out"),
    ("postgres.members", 1, 3, "with one member acknowledged writes are lost"),
    ("redis.members", 1, 3, "nobody to fail over to"),
    ("postgres.backups.enabled", False, True, "a mistaken DELETE could not be undone"),
    ("monitoring.enabled", False, True, "nobody would see it fail"),
    ("monitoring.logs", False, True, "what a pod that is gone has said"),
]
LIVE_ALONE = [
    ("protect", False, True, "would take the data along"),
    ("storage.retain", False, True, "would take its volume along"),
    ("storage.snapshots.enabled", False, True, "the databases' volumes would have no second line"),
    ("storage.uploads_days", 29, 30, "30 days are promised"),
    ("images.allow_unpinned", ["nginx"], [], "a tag may be another program tomorrow"),
    ("images.allow_unpinned", "all", [], "a tag may be another program tomorrow"),
    ("images.promoted_from", None, STAGED, "what runs must be what was tried"),
    ("app.replicas", 2, 3, "none would be left"),
    ("app.environment", "staging", "production", "believe that it is being tried"),
    ("app.log_level", "debug", "info", "debug logs hold personal data"),
    ("websocket.log_level", "debug", "warning", "debug logs hold personal data"),
    ("postgres.backups.repository", "volume", "bucket", "go with it"),
    ("postgres.backups.copied_by", None, 2, "could delete its backups"),
    ("postgres.backups.recover_days", 29, 30, "30 days are promised"),
    ("monitoring.logs_days", 179, 180, "180 days are promised"),
    ("monitoring.receivers", [HEARTBEAT], [HEARTBEAT, CRITICAL], "nobody would be told"),
    (
        "monitoring.receivers",
        [{**CRITICAL, "severities": ["warning"]}, HEARTBEAT],
        [CRITICAL, HEARTBEAT],
        "nobody would be told",
    ),
    ("monitoring.receivers", [CRITICAL], [CRITICAL, HEARTBEAT], "nobody would notice that alerts don't get through"),
]


def said(purpose: str, path: str, value: Any) -> list[str]:
    """What a purpose has against a setting."""
    found = faults(changed({**LIVE, "purpose": purpose}, path, value))
    return [fault.reason for fault in found if f"does not go with the purpose {purpose}: " in fault.reason]


def test_a_live_stack_that_has_everything_is_fine() -> None:
    assert faults(LIVE) == []


@pytest.mark.parametrize(("path", "wrong", "right", "why"), BOTH + LIVE_ALONE)
def test_a_live_stack_without_what_people_need_is_refused(path: str, wrong: Any, right: Any, why: str) -> None:
    assert said("live", path, right) == []
    assert any(why in reason for reason in said("live", path, wrong))


@pytest.mark.parametrize(("path", "wrong", "right", "why"), BOTH)
def test_a_rehearsal_without_productions_shape_is_refused(path: str, wrong: Any, right: Any, why: str) -> None:
    assert said("rehearsal", path, right) == []
    (reason,) = said("rehearsal", path, wrong)
    assert why in reason


@pytest.mark.parametrize(("path", "wrong", "right", "why"), LIVE_ALONE)
def test_a_rehearsal_need_not_have_what_only_people_need(path: str, wrong: Any, right: Any, why: str) -> None:
    assert why
    assert said("rehearsal", path, wrong) == said("rehearsal", path, right) == []


@pytest.mark.parametrize(("path", "wrong", "right", "why"), BOTH + LIVE_ALONE)
def test_nothing_is_demanded_of_a_workbench(path: str, wrong: Any, right: Any, why: str) -> None:
    assert why
    assert said("workbench", path, wrong) == said("workbench", path, right) == []


@pytest.mark.parametrize("purpose", ["live", "rehearsal"])
def test_one_pod_at_our_own_edge_is_not_enough(purpose: str) -> None:
    """Where Google's load balancer is the edge there are no pods to count."""
    nginx = {"flavour": "nginx", "url": "https://vision-week.example"}
    (reason,) = said(purpose, "edge", {**nginx, "replicas": 1})
    assert "every lost node is an outage" in reason
    assert said(purpose, "edge", {**nginx, "replicas": 2}) == []
    assert said(purpose, "edge", GATEWAY) == []


def test_a_live_stack_may_be_in_a_cluster_that_is_there_already() -> None:
    """Its purpose demanded snapshots, which are made on GKE alone; and refused they were without it."""
    nginx = {"flavour": "nginx", "url": "https://vision-week.example"}
    backups = {"backups": {"bucket": "somebody-s-backups"}}
    there = {"cluster": "somebody-s", "edge": nginx, "postgres": backups, "storage": {"snapshots": {"enabled": False}}}
    live = {**LIVE, **there}
    assert faults(live) == []
    assert "storage.snapshots.enabled" not in {fault.path for fault in unbuilt(parse(live))}


def test_every_demand_says_what_to_write() -> None:
    tried = {path for path, *_ in BOTH + LIVE_ALONE} | {"app.replicas.min", "websocket.replicas.min", "edge.replicas"}
    for demand in DEMANDS:
        assert demand.path in tried
        assert demand.hint
        assert demand.reason.endswith(")"), "its source is missing"
