"""The history that the real engine writes, as an auditor reads it."""

from pathlib import Path

import pytest

from operations.audit.history import entries, files
from operations.audit.updates import Update, updates
from tests.engine.project import STACK, Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_random as random

    config = pulumi.Config()
    random.RandomString("salt", length=int(config.require("length")), special=False)
    pulumi.export("images", {"app": "registry.example/app@sha256:0"})
"""


def history(project: Project) -> Path:
    return project.state / "pulumi" / ".pulumi" / "history" / "tried" / STACK


def told(project: Project) -> list[Update]:
    return list(updates(entries(files(history(project), STACK))))


def test_updates_are_told_with_what_they_changed(project: Project) -> None:
    project.write(PROGRAM, {"length": "8"})
    project.up("--message", 'deploy: {"release": "v1"}')
    project.write(PROGRAM, {"length": "9"})
    project.up()
    project.up()
    first, second, third = told(project)
    assert [one.made for one in (first, second, third)] == ["deployment", "by hand", "by hand"]
    assert {f"{one.operation} {one.kind} {one.name}" for one in first.resources} >= {"created RandomString salt"}
    assert first.images == {"app": "registry.example/app@sha256:0"}
    assert [(one.path, one.before, one.after) for one in second.settings] == [("tried:length", "8", "9")]
    (replaced,) = second.resources
    assert (replaced.operation, replaced.name) == ("replaced", "salt")
    assert ("length", "8", "9") in [(one.path, one.before, one.after) for one in replaced.fields]
    assert third.resources == ()
    assert [one.faults for one in (first, second, third)] == [(), (), ()]
