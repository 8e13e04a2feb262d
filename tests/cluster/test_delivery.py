"""`scripts/deploy.sh` on the real cluster: the life of a release, and what a person is told of it (S9, S12.1)."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from operations.delivery.problem import Exit
from tests.cluster import database, store
from tests.cluster.backups import made
from tests.cluster.releases import QUIET, change, commit, deliver, git, results
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.visitors import visitors
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("repaired")]

APP = f"{PREFIX}-app"
Visitor = Callable[..., httpx.Client]


def images(stack: Stack) -> dict[str, str]:
    found: dict[str, str] = stack.outputs()["images"]
    return found


def version(client: httpx.Client) -> str:
    return str(client.get("/config.json").json()["version"])


def test_what_runs_is_told_tested_and_heard(stack: Stack, tmp_path: Path) -> None:
    assert re.search(r"postgres +\d of \d ready", deliver(stack, "status"))
    assert "succeeded" in deliver(stack, "history")
    database.whole(stack)
    store.whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    report = tmp_path / "report.xml"
    deliver(stack, "test", "--junit", str(report), ends=None)
    found = results(report)
    quiet = found.pop(QUIET)
    assert quiet is None or quiet.startswith("raised: ")
    assert {name: problem for name, problem in found.items() if problem} == {}
    assert len(found) == 15
    line = json.loads(deliver(stack, "logs", "--service", "nginx", "--grep", "there-is-no-such-thing").splitlines()[-1])
    assert (line["service"], line["message"], line["fields"]["status"]) == ("nginx", "request", 404)


def test_a_rehearsal_changes_nothing(stack: Stack) -> None:
    before = stack.pulumi("stack", "history", "--json").stdout
    told = deliver(stack, "deploy", "--tag", "v9", "--dry-run")
    assert "data.APP_VERSION" in told
    assert stack.pulumi("stack", "history", "--json").stdout == before


@pytest.mark.drill
def test_the_life_of_a_release(
    stack: Stack, release: Path, visitor: Visitor, record_property: Callable[[str, object], None]
) -> None:
    """v1, v2, a broken v3 that is taken back before anybody notices, and v1 again with its images and its settings."""
    client = visitor()
    commit(release, "v1")
    stack.set("app.session_lifetime", 1800)
    began = time.monotonic()
    deliver(stack, "deploy", "--tag", "v1", "--yes", checkout=release)
    record_property("from deploy to proved good", f"{time.monotonic() - began:.0f} s")
    first = images(stack)
    assert version(client) == "v1"

    change(release / "app/web/index.html", "</title>", " two</title>")
    (release / "app/migrations/0900_colours.sql").write_text("CREATE TABLE colours (name text);\n")
    commit(release, "v2")
    stack.set("app.session_lifetime", 3600)
    built = deliver(stack, "build", "--tag", "v2", checkout=release).splitlines()
    assert version(client) == "v1"
    assert "build: v2" in deliver(stack, "history")
    told = deliver(stack, "deploy", "--tag", "v2", "--yes", checkout=release)
    assert "Migrates the database: app/migrations/0900_colours.sql" in told
    assert "Backed up after" in told
    assert version(client) == "v2"
    second = images(stack)
    assert second["app"] != first["app"]
    assert second["app"] in built

    change(release / "app/src/Health/Checks.php", "'SELECT 1 AS one'", "'SELECT no_such_column'")
    commit(release, "v3")
    # What runs is looked at as it was brought, whatever the checkout has by now, and is had back so.
    deliver(stack, "drift", checkout=release)
    stack.kubectl("-n", APP, "patch", "configmap", "app", "--type=merge", "-p", '{"data": {"LOG_LEVEL": "by-hand"}}')
    told = deliver(stack, "drift", checkout=release, ends=Exit.TESTS)
    (number,) = re.findall(r"deploy\.sh test rollback --to (\d+)", told)
    assert "data.LOG_LEVEL" in deliver(stack, "rollback", "--to", number, "--yes", checkout=release)
    deliver(stack, "drift", checkout=release)
    assert version(client) == "v2"
    assert images(stack) == second
    began = time.monotonic()
    with visitors(visitor(), visitor(keep=False)) as visits:
        told = deliver(stack, "deploy", "--tag", "v3", "--yes", checkout=release, ends=Exit.RESTORED)
    record_property("from deploy to taken back", f"{time.monotonic() - began:.0f} s")
    assert "The update failed" in told
    assert "The last good release, v2 of update" in told
    assert visits.bad == []
    assert visits.good > 0
    assert version(client) == "v2"
    assert images(stack) == second

    told = deliver(stack, "rollback", "--yes", checkout=release)
    assert "Back to v1" in told
    assert version(client) == "v1"
    assert images(stack)["app"] == first["app"]
    (config,) = stack.objects("app", "configmaps", "app.kubernetes.io/name=app")[:1]
    assert config["data"]["SESSION_LIFETIME"] == "1800"
    assert git(release, "worktree", "list").count("\n") == 0
