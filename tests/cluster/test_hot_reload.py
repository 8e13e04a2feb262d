"""Edited files are in the running pods at once: `make dev` with real pods, seen through the edge (S10.1).

How fast is measured by `make bench`; the bounds here are those of a busy machine.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from components.hot_reload import TREE
from tests.cluster.reloading import Dev, dev, saying
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture
def running(stack: Stack, release: Path) -> Iterator[Dev]:
    """`make dev` in a checkout that is the test's own; after it the pods have what everybody's has."""
    with dev(release, stack.settings_file) as started:
        yield started
    with dev(Path(__file__).resolve().parents[2], stack.settings_file):
        pass


def says(client: httpx.Client, path: str, text: str) -> bool:
    with suppress(httpx.HTTPError):
        return text in client.get(path).text
    return False


@pytest.mark.usefixtures("running")
def test_edited_php_and_pages_are_served_and_deleted_ones_are_not(client: httpx.Client, release: Path) -> None:
    saying(release, "edited")
    wait_for(lambda: says(client, "/health", '"edited"'), "PHP to run the edited file", patience=20)
    page = release / "app/web/index.html"
    page.write_text(page.read_text().replace("<title>", "<title>Edited: "))
    wait_for(lambda: says(client, "/", "<title>Edited: "), "the edited page", patience=20)
    (release / "app/public/new.txt").write_text("There.\n")
    wait_for(lambda: client.get("/new.txt").text == "There.\n", "the new file", patience=20)
    (release / "app/public/new.txt").unlink()
    wait_for(lambda: client.get("/new.txt").status_code == 404, "the deleted file to be gone", patience=20)


@pytest.mark.drill
def test_ctrl_c_ends_it(running: Dev) -> None:
    assert running.interrupt() == 130
    wait_for(lambda: "Ended." in "".join(running.said), "the last line", patience=10)


@pytest.mark.drill
@pytest.mark.usefixtures("running")
def test_a_broken_file_is_mended_in_a_pod_that_is_not_ready(client: httpx.Client, release: Path) -> None:
    """What is wrong with it is what was sent: a pod that waits to be ready would wait for ever."""
    php = release / "app/public/index.php"
    whole = php.read_text()
    php.write_text("<?php this is no PHP")
    wait_for(lambda: client.get("/health").status_code >= 500, "the broken file to be run")
    wait_for(lambda: client.get("/health").status_code in {502, 503, 504}, "the pod not to be ready")
    php.write_text(whole)
    wait_for(lambda: client.get("/health").status_code == 200, "the application to be well again")


@pytest.mark.drill
def test_a_pod_that_comes_later_gets_what_was_edited_before(
    stack: Stack, client: httpx.Client, release: Path, running: Dev
) -> None:
    saying(release, "later")
    (release / "app/bin/create-user.php").unlink()
    wait_for(lambda: says(client, "/health", '"later"'), "PHP to run the edited file", patience=20)
    (old,) = app_pods(stack)
    stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", old, "--wait=false")
    new = wait_for(lambda: next(iter(app_pods(stack) - {old}), None), "another pod")
    wait_for(lambda: new in "".join(running.said), "files to be sent to it")
    there = stack.kubectl("-n", f"{PREFIX}-app", "exec", new, "-c", "php", "--", "ls", f"{TREE}/bin")
    assert "create-user.php" not in there
    edited = stack.kubectl(
        "-n", f"{PREFIX}-app", "exec", new, "-c", "php", "--", "cat", f"{TREE}/src/Health/HealthRoutes.php"
    )
    assert "'later'" in edited
    wait_for(lambda: app_pods(stack) == {new}, "the old pod to be gone")


def test_php_can_not_change_what_it_runs(stack: Stack) -> None:
    """S7.2: not in development either."""
    writing = f"echo json_encode(@file_put_contents('{TREE}/public/index.php', ''));"
    told = stack.kubectl("-n", f"{PREFIX}-app", "exec", "deploy/app", "-c", "php", "--", "php", "-r", writing)
    assert json.loads(told) is False


def app_pods(stack: Stack) -> set[str]:
    return {pod["metadata"]["name"] for pod in stack.objects("app", "pods", "app.kubernetes.io/name=app")}
