"""The backup before a release that migrates the database: when it is taken, and what follows where it fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest

from operations.delivery import backup, deploy
from operations.delivery.backup import NAME, before_release
from operations.delivery.history import Good, Update, message_of, parsed
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target
from tests.unit.test_delivery_restore import Stack, stack  # noqa: F401  a stack whose cluster is played


@pytest.fixture
def good(stack: Stack) -> Stack:  # noqa: F811  the fixture
    """One whose backups go well."""
    return replace(stack, ending="complete")


def test_it_is_the_scheduled_job_at_once_and_goes_when_it_is_done(good: Stack) -> None:
    said: list[str] = []
    before_release(good, said.append)
    (job,) = good.jobs
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (job["metadata"]["name"], container["command"]) == (NAME, ["sh", "backup.sh", "incr"])
    assert good.done[-1] == ("-n", "vision-week-data", "delete", "job", NAME)
    assert said[-1].startswith("Backed up after")


def test_one_that_an_interrupted_delivery_left_is_not_taken_for_it(good: Stack) -> None:
    before_release(good, print)
    assert good.done[0] == ("-n", "vision-week-data", "delete", "job", NAME, "--ignore-not-found")


def test_one_that_fails_says_why_and_that_nothing_was_begun(good: Stack) -> None:
    with pytest.raises(DeliveryError, match="the release was not begun:\nsaid by the pod") as caught:
        before_release(replace(good, ending="failed"), print)
    assert caught.value.code == Exit.REFUSED


def test_an_environment_without_backups_is_told_so_and_goes_on(good: Stack) -> None:
    said: list[str] = []
    before_release(replace(good, backups=()), said.append)
    assert said == ["The database is not backed up before: this environment has no backups."]
    assert good.jobs == []


# --- the order of a deployment


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a deployment goes through, in its order; what each step does is tried elsewhere."""
    steps: list[str] = []

    def does(what: str) -> None:
        def step(*_: object, **__: object) -> bool:
            steps.append(what)
            return True

        monkeypatch.setattr(deploy, what, step)

    for what in ("ready", "_agreed", "_bring", "_prove"):
        does(what)
    monkeypatch.setattr(backup, "before_release", lambda *_: steps.append("backup"))
    monkeypatch.setattr(deploy, "program_of", lambda *_: "new")

    @contextmanager
    def locked(_: Target) -> Iterator[None]:
        steps.append("locked")
        yield

    monkeypatch.setattr(deploy, "locked", locked)
    monkeypatch.setattr(deploy, "released", lambda target, _: nullcontext(target))
    known = {"old": {"0001.sql"}, "new": {"0001.sql", "0002.sql"}, "same": {"0001.sql"}}
    monkeypatch.setattr(deploy, "migrations", lambda _, program: frozenset(known[program]))
    return steps


def delivered(monkeypatch: pytest.MonkeyPatch, updates: Sequence[Update]) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(deploy, "history", lambda _: updates)
    deploy.deploy(Target.named("development"), "v2", dry_run=False, confirm=lambda _: True, say=said.append)
    return said


def found_good(program: str) -> Update:
    proof = Good(release="v1", program=program, images={})
    (update,) = parsed([{"kind": "update", "startTime": "", "result": "succeeded", "message": message_of(proof)}])
    return update


def test_a_release_that_migrates_is_backed_up_after_it_was_agreed_on_and_before_it_comes(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Migrates the database: 0002.sql" in delivered(monkeypatch, [found_good("old")])
    assert steps == ["ready", "locked", "_agreed", "backup", "_bring", "_prove"]


def test_a_release_that_leaves_the_schema_as_it_is_waits_for_no_backup(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "program_of", lambda *_: "same")
    delivered(monkeypatch, [found_good("old")])
    assert "backup" not in steps


def test_where_nothing_says_what_was_migrated_before_it_is_backed_up(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(monkeypatch, [])
    assert steps.index("backup") < steps.index("_bring")


def test_without_the_backup_nothing_comes(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise DeliveryError("no", "no")

    monkeypatch.setattr(backup, "before_release", fails)
    with pytest.raises(DeliveryError, match="no"):
        delivered(monkeypatch, [found_good("old")])
    assert "_bring" not in steps
