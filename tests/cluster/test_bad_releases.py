"""Releases that must not land: the update fails, says why, and the old release goes on serving (S9, S12.1).

A bad release is a checkout of its own in which one thing is broken, brought up on the shared stack.
"""

from pathlib import Path

import pytest

from tests.cluster.crowd import Gather
from tests.cluster.releases import change
from tests.cluster.stack import Stack

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("repaired")]


def test_pods_that_never_become_ready_leave_the_old_ones_serving(stack: Stack, release: Path, gather: Gather) -> None:
    """One service crashes as it starts, one says that it isn't ready, the image of the third isn't there."""
    change(
        release / "images/websocket/vision_week_websocket/__main__.py", "    settings =", "    1 / 0\n    settings ="
    )
    change(release / "app/src/Health/Checks.php", "'SELECT 1 AS one'", "'SELECT no_such_column'")
    change(release / "components/catalogue.py", 'tag="1.28-bookworm"', 'tag="1.28-missing"')
    with gather() as crowd:
        failed = stack.pulumi("up", "--yes", "--skip-preview", checkout=release, check=False)
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "CrashLoopBackOff" in said or "exit code 1" in said, said
    assert "ZeroDivisionError: division by zero" in said  # the container's last words
    assert "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503" in said, said
    assert "ErrImagePull" in said or "ImagePullBackOff" in said, said
    crowd.noticed_nothing()


def test_a_migration_that_fails_keeps_the_new_release_out(stack: Stack, release: Path, gather: Gather) -> None:
    """One that would fail again is not tried again."""
    (release / "app/migrations/0900_mistaken.sql").write_text("ALTER TABLE no_such_table ADD COLUMN name text;\n")
    change(release / "app/src/Health/Checks.php", "'SELECT 1 AS one'", "'SELECT no_such_column'")
    before = template(stack)
    with gather() as crowd:
        failed = stack.pulumi("up", "--yes", "--skip-preview", checkout=release, check=False)
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert r"relation \"no_such_table\" does not exist" in said, said  # a line of JSON
    assert said.count("migration failed") == 1, said
    assert template(stack) == before
    crowd.noticed_nothing()


def template(stack: Stack) -> object:
    """What the application's pods are made from."""
    (deployment,) = stack.objects("app", "deployments", "app.kubernetes.io/name=app")
    return deployment["spec"]["template"]
