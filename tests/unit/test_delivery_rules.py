"""Which updates of a delivery the rules look at: what they add once is there until the program says it itself."""

import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations.delivery import backup, checks, command, deploy, render
from operations.delivery.history import Good, Update
from operations.delivery.preview import Preview
from operations.delivery.problem import DeliveryError
from operations.delivery.rollback import Plan
from operations.delivery.target import Target


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What each update of a delivery is told of the rules; what else it does is tried elsewhere."""
    rules: dict[str, list[str]] = {}

    def told(what: str, words: Sequence[object]) -> int:
        rules[what] = [str(word).rpartition("/")[2] for word in words if str(word).startswith("--policy-pack")]
        return 0

    monkeypatch.setattr(Target, "shown", lambda _, *words: told("update", words))
    monkeypatch.setattr(Target, "pulumi", lambda _, *words: str(told("proof", words)))
    monkeypatch.setattr(Target, "outputs", lambda _: {"images": {}})
    monkeypatch.setattr(Preview, "of_stack", lambda _, *words: told("preview", words) or Preview((), 0, ()))
    monkeypatch.setattr(checks, "run", lambda *_, **__: [])
    monkeypatch.setattr(backup, "before_release", lambda *_: None)
    instead: dict[str, object] = {
        "ready": None,
        "program_of": "new",
        "history": [],
        "migrations": frozenset(),
        "locked": nullcontext(),
        "keep": None,
        "_tell": None,
    }
    for what, gives in instead.items():
        monkeypatch.setattr(deploy, what, lambda *_, gives=gives: gives)
    for what in ("released", "rolled"):
        monkeypatch.setattr(deploy, what, lambda target, _: nullcontext(target))
    return rules


def test_every_update_of_a_deployment_adds_what_rules_add(rules: dict[str, list[str]]) -> None:
    """What puts on record that a release is good runs no program, so it takes nothing of it away."""
    deploy.deploy(Target.named("development"), "v2", dry_run=False, confirm=lambda _: True, say=lambda _: None)
    assert rules == {"preview": ["policies"], "update": ["policies"], "proof": []}


def test_every_update_of_a_rollback_adds_it_too_and_is_not_stopped_by_a_rule(
    rules: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Update(number=1, kind="update", started="", result="succeeded", message="", changes={}, settings={})
    good = Good(release="v1", program="0" * 40, images={})
    chosen = Plan(update=update, good=good, settings={}, left=())
    monkeypatch.setattr(deploy, "plan", lambda *_: chosen)
    deploy.roll_back(Target.named("development"), None, dry_run=False, confirm=lambda _: True, say=lambda _: None)
    advice = ["policies", "advisory.json"]
    assert rules == {"preview": advice, "update": advice, "proof": []}


def test_who_looks_for_drift_looks_as_an_update_would_and_is_not_stopped_by_a_rule(
    rules: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there because a rule added it would be drift otherwise."""
    monkeypatch.setattr(command, "history", lambda _: [])
    CliRunner().invoke(command.app, ("staging", "drift"))
    assert rules == {"preview": ["policies", "advisory.json"]}


def test_what_is_rendered_has_what_rules_add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []

    def asked(_: Target, *words: str) -> tuple[subprocess.CompletedProcess[str], str]:
        seen.extend(words)
        return subprocess.CompletedProcess([], 1, "", "no login"), ""

    monkeypatch.setattr(render, "asked", asked)
    with pytest.raises(DeliveryError, match="no login"):
        render.render(target := Target.named("development"), tmp_path)
    assert seen == ["--show-sames", *target.policies]


def test_a_program_from_before_there_was_advice_is_rolled_back_to_without_rules(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "PulumiPolicy.yaml").touch()
    old = replace(Target.named("development"), checkout=tmp_path)
    assert old.policies == [f"--policy-pack={tmp_path / 'policies'}"]
    assert old.advice == []
