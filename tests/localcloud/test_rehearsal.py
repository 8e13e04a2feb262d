"""What a rehearsal takes, what it changes in a stack's file, and what it says of itself."""

from pathlib import Path

import pytest

from localcloud import rehearsal
from localcloud.cluster import layout
from localcloud.problem import Problem
from localcloud.rehearsal.report import Done, written
from tests.unit.recording import stack_config
from tests.unit.stacks import buildable

ON_GOOGLE = ("staging", "production")


@pytest.mark.parametrize("stack", ON_GOOGLE)
def test_only_what_cannot_be_had_here_is_changed(stack: str) -> None:
    """The list of what is replaced where the program is built without a cloud, each with its reason."""
    changed = list(rehearsal._overrides(rehearsal._settings(stack)))
    before, after = stack_config(stack), buildable(stack)
    wanted = {key.removeprefix("vision-week:") for key in after if after[key] != before.get(key)}
    assert {each.path.partition(".")[0] for each in changed} == wanted
    assert all(each.why for each in changed)


@pytest.mark.parametrize("stack", ON_GOOGLE)
def test_the_nodes_look_for_its_images_where_a_rehearsal_has_them(stack: str) -> None:
    registry = stack_config(stack)["vision-week:images"]["registry"]
    assert registry.partition("/")[0] in layout.ARTIFACT_REGISTRIES


def test_a_stack_that_is_not_on_google_cloud_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="The stack development is not on Google Cloud"):
        rehearsal.rehearse("development", tmp_path / "report.md")


def test_the_report_has_what_was_changed_what_was_done_and_how_far_to_trust_it() -> None:
    change = rehearsal.Override("purpose", "rehearsal", "no digests")
    text = written("production", {"production": [str(change)]}, [Done("production", "destroy", "3 deleted", 1.6)])
    assert "- `vision-week:purpose = rehearsal: no digests`" in text
    assert "| production | destroy | 3 deleted | 2 |" in text
    assert "| Nodes and pods | **simulated** | every pod is called ready" in text
    assert {"**real**", "**stand-in**", "**simulated**", "**unverified**"} <= set(text.split())
