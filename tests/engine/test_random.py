"""What the local random plugin does beyond what is documented of the official one (`test_random_conformance.py`)."""

import pytest

from tests.engine.project import Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_random as random

    password = random.RandomPassword("password", length=24, keepers={})
    identity = random.RandomId("identity", byte_length=4, prefix="stack-")
    pulumi.export("derived", password.result.apply(lambda value: pulumi.info("seen") or value))
"""


def test_ids_are_the_official_ones(made: Project) -> None:
    """Recorded from the official plugin: `none` for a password, without the prefix for an id."""
    assert made.resource("password")["id"] == "none"
    assert made.resource("identity")["id"] == made.resource("identity")["outputs"]["b64Url"].removeprefix("stack-")


def test_defaults_are_in_the_outputs_and_not_in_the_inputs(made: Project) -> None:
    password = made.resource("password")
    assert "special" not in password["inputs"]
    assert password["outputs"]["special"] is True
    assert password["outputs"]["numeric"] is True
    assert password["outputs"]["minLower"] == 0


def test_keepers_that_keep_nothing_are_none(made: Project) -> None:
    made.write(PROGRAM.replace(", keepers={}", ""))
    try:
        made.preview("--expect-no-changes")
    finally:
        made.write(PROGRAM)


def test_values_are_unknown_in_a_preview(project: Project) -> None:
    project.write(PROGRAM, {})
    assert "seen" not in project.preview().said
    assert "seen" in project.up().said


def test_a_state_that_another_plugin_wrote_is_left_alone(changing: Project) -> None:
    """Quarantine: it may be the official plugin's, and hold what the stand-in doesn't know."""
    changing.unmark()
    before = changing.ids()
    for said in (
        changing.preview(succeeds=False).said,
        changing.refresh(succeeds=False).said,
        changing.destroy(succeeds=False).said,
    ):
        assert "was not written by the local random plugin" in said
    assert changing.ids() == before
