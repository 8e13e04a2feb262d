"""What a rehearsal takes, what it changes in a stack's file, and what it says of itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.checks import contradictions
from components.settings import Settings
from localcloud import rehearsal
from localcloud.cluster import layout
from localcloud.problem import Problem
from localcloud.rehearsal.overrides import needed, on_this_machine
from localcloud.rehearsal.report import Done, written
from operations.override import Override
from tests.unit.recording import stack_config
from tests.unit.stacks import buildable

ON_GOOGLE = ("staging", "production")


@pytest.mark.parametrize("stack", ON_GOOGLE)
def test_only_what_cannot_be_had_here_is_changed(stack: str) -> None:
    """The list of what is replaced where the program is built without a cloud, each with its reason."""
    changed = list(needed(rehearsal._settings(stack)))
    before, after = stack_config(stack), buildable(stack)
    wanted = {key.removeprefix("vision-week:") for key in after if after[key] != before.get(key)}
    assert {each.path.partition(".")[0] for each in changed} == wanted
    assert all(each.why for each in changed)


@pytest.mark.parametrize("stack", ON_GOOGLE)
def test_the_nodes_look_for_its_images_where_a_rehearsal_has_them(stack: str) -> None:
    registry = stack_config(stack)["vision-week:images"]["registry"]
    assert registry.partition("/")[0] in layout.ARTIFACT_REGISTRIES


@pytest.mark.parametrize("stack", ON_GOOGLE)
def test_the_program_takes_what_pods_on_this_machine_change(stack: str) -> None:
    """Each with its reason, and nothing else; the stack is as highly available as it was."""
    settings = buildable(stack)
    before = Settings.model_validate_json(json.dumps(named(settings)))
    changed = list(on_this_machine(named(settings), rehearsal._settings_of("development")))
    for each in changed:
        first, *others = each.path.split(".")
        place: Any = settings
        for key in (f"vision-week:{first}", *others)[:-1]:
            place = place.setdefault(key, {})
        place[others[-1] if others else f"vision-week:{first}"] = each.value
    after = Settings.model_validate_json(json.dumps(named(settings)))
    assert contradictions(after) == []
    assert after.app.replicas.min >= before.app.replicas.min
    assert (after.postgres.members, after.redis.members) == (before.postgres.members, before.redis.members)
    assert after.postgres.backups == before.postgres.backups
    assert all(each.why for each in changed)


def named(config: Mapping[str, Any]) -> dict[str, Any]:
    """A stack's settings by their names in the program."""
    return {key.removeprefix("vision-week:"): value for key, value in config.items() if key.startswith("vision-week:")}


def test_a_stack_that_is_not_on_google_cloud_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="The stack development is not on Google Cloud"):
        rehearsal.rehearse("development", tmp_path / "report.md")


def test_the_report_has_what_was_changed_what_was_done_and_how_far_to_trust_it() -> None:
    change = Override("purpose", "rehearsal", "no digests")
    done = [Done("production", "destroy", "3 deleted", 1.6)]
    text = written("production", {"production": [str(change)]}, done, played=True)
    assert "- `vision-week:purpose = rehearsal: no digests`" in text
    assert "| production | destroy | 3 deleted | 2 |" in text
    assert "| Nodes and pods | **simulated** | every pod is called ready" in text
    assert {"**real**", "**stand-in**", "**simulated**", "**unverified**"} <= set(text.split())
    text = written("production", {}, done, played=False)
    assert "| Nodes and pods | **real** |" in text
    assert (
        "| GCS FUSE | **real** | gcsfuse, in the pod's network; its driver and where it runs are a stand-in's |" in text
    )
