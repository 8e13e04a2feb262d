"""`deploy.sh ENV restore`: what can be restored and what not, and what it makes. That it does is tried on pods."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.delivery import command
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.restore import NAME, Backup, Point, backups_of, moment, options, restore
from operations.delivery.target import Target

FIRST = Backup("20261101-020000F", "full", datetime(2026, 11, 1, 2, 5, tzinfo=UTC))
SECOND = Backup("20261101-020000F_20261101-080000I", "incr", datetime(2026, 11, 1, 8, 1, tzinfo=UTC))
BOTH = [FIRST, SECOND]
NOW = datetime(2026, 11, 2, tzinfo=UTC)


def info(*backups: Backup, code: int = 0, failed: Sequence[str] = ()) -> str:
    told = [
        {
            "label": each.label,
            "type": each.kind,
            "timestamp": {"start": 0, "stop": int(each.ended.timestamp())},
            "error": each.label in failed,
        }
        for each in backups
    ]
    return json.dumps([{"backup": told, "status": {"code": code, "message": "of pgBackRest"}}])


def refused(point: Point, backups: Sequence[Backup] = BOTH) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        options(backups, point, NOW)
    return caught.value


# --- what is asked for


def test_a_moment_is_told_in_its_time_zone() -> None:
    assert moment("2026-11-01T12:00:00Z") == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert moment("2026-11-01T12:00:00+01:00") == datetime(2026, 11, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "told"),
    [("yesterday", "is no time"), ("2026-11-01T12:00:00", "does not say in which time zone"), ("", "is no time")],
)
def test_a_moment_that_could_be_another_is_refused(text: str, told: str) -> None:
    with pytest.raises(DeliveryError, match=told) as caught:
        moment(text)
    assert "2026-11-01T12:00:00Z" in caught.value.hint


@pytest.mark.parametrize("words", [(), ("--latest", "--backup", "one"), ("--to", "2026-11-01T12:00:00Z", "--latest")])
def test_one_point_is_named_and_no_second(words: tuple[str, ...]) -> None:
    error = CliRunner().invoke(command.app, ("development", "restore", *words)).exception
    assert isinstance(error, DeliveryError)
    assert error.what == "It takes one of --to, --latest and --backup."


# --- what can be restored


def test_a_backup_that_failed_is_none() -> None:
    assert backups_of(info(*BOTH)) == BOTH
    assert backups_of(info(*BOTH, failed=[FIRST.label])) == [SECOND]
    assert backups_of(info(code=2)) == []


def test_a_repository_that_cant_be_read_is_named() -> None:
    with pytest.raises(DeliveryError, match="The repository can't be read: of pgBackRest"):
        backups_of(info(code=99))


def test_any_second_from_the_end_of_the_oldest_backup_can_be_restored() -> None:
    for when in (FIRST.ended, SECOND.ended, NOW):
        assert options(BOTH, Point(when), NOW)[0] == "--type=time"
    assert options(BOTH, Point(FIRST.ended), NOW)[1:] == [
        "--target=2026-11-01 02:05:00+00:00",
        "--target-action=promote",
    ]


@pytest.mark.parametrize(
    "when", [datetime(2026, 11, 1, 2, 4, 59, tzinfo=UTC), datetime(2026, 11, 2, 0, 0, 1, tzinfo=UTC)]
)
def test_another_second_is_refused_with_what_can(when: datetime) -> None:
    error = refused(Point(when))
    assert "any second from 2026-11-01T02:05:00Z until now, 2026-11-02T00:00:00Z" in error.what
    assert error.code == Exit.REFUSED


def test_a_backup_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert options(BOTH, Point(backup=SECOND.label), NOW)[0] == f"--set={SECOND.label}"
    told = refused(Point(backup="20261031-020000F")).what
    assert all(each.label in told for each in BOTH)


def test_without_a_backup_there_is_nothing() -> None:
    assert refused(Point(), []).what == "There is no backup yet."


# --- what it makes


@dataclass(frozen=True)
class Stack(Target):
    """A stack whose cluster is what these say."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    ending: str = "ready"
    done: list[tuple[str, ...]] = field(default_factory=list)

    def listed(self, area: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        assert (area, selector) == ("data", "")
        if kind == "jobs":
            return self.jobs
        container = {"name": "postgres", "command": ["sh", "/etc/pgbackrest/restore.sh"]}
        spec = {"template": {"spec": {"containers": [container]}}, "backoffLimit": 0}
        template = {"metadata": {"labels": {"app.kubernetes.io/name": "postgres-backups"}}, "spec": spec}
        return [{"metadata": {"name": "postgres-backups-restore"}, "spec": {"jobTemplate": template}}]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        self.done.append(arguments)
        if arguments[0] == "apply":
            assert stdin
            ready = {"ready": 1} if self.ending == "ready" else {"conditions": [{"type": "Failed", "status": "True"}]}
            self.jobs.append({**json.loads(stdin), "status": ready})
        return info(*BOTH) if "exec" in arguments else "what the pod has said"


@pytest.fixture
def stack() -> Stack:
    base = Target.named("development")
    backups = base.settings.postgres.backups.model_copy(update={"enabled": True})
    postgres = base.settings.postgres.model_copy(update={"backups": backups})
    return Stack("development", base.file, base.settings.model_copy(update={"postgres": postgres}))


def run(stack: Stack, point: Point) -> list[str]:
    said: list[str] = []
    restore(stack, point, confirm=lambda: None, say=said.append)
    return said


def test_a_job_is_made_from_the_one_that_the_program_keeps(stack: Stack) -> None:
    said = run(stack, Point(backup=FIRST.label))
    (job,) = stack.jobs
    assert (job["metadata"]["name"], job["metadata"]["namespace"]) == (NAME, "vision-week-data")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["sh", "/etc/pgbackrest/restore.sh", f"--set={FIRST.label}"]
    assert any(f"exec -it job/{NAME}" in line for line in said)


def test_one_that_fails_says_why_and_goes(stack: Stack) -> None:
    with pytest.raises(DeliveryError, match="what the pod has said") as caught:
        run(replace(stack, ending="failed"), Point())
    assert caught.value.code == Exit.BROKEN
    assert ("-n", "vision-week-data", "delete", "job", NAME) in stack.done


def test_what_was_restored_before_is_not_overwritten(stack: Stack) -> None:
    stack.jobs.append({"metadata": {"name": NAME}})
    with pytest.raises(DeliveryError, match="still there") as caught:
        run(stack, Point())
    assert f"delete job {NAME}" in caught.value.hint
    assert stack.done == []


def test_who_does_not_agree_changes_nothing(stack: Stack) -> None:
    def no() -> None:
        raise DeliveryError("no", "no")

    with pytest.raises(DeliveryError):
        restore(stack, Point(), confirm=no, say=print)
    assert stack.jobs == []


def test_a_stack_without_backups_is_told_so() -> None:
    with pytest.raises(DeliveryError, match=r"postgres\.backups\.enabled is false"):
        restore(Target.named("development"), Point(), confirm=lambda: None, say=print)


@pytest.mark.parametrize(("purpose", "asked"), [("live", True), ("workbench", False)])
def test_where_people_rely_on_it_its_name_is_asked_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, purpose: str, asked: bool
) -> None:
    chosen = replace(stack, settings=stack.settings.model_copy(update={"purpose": purpose}))
    monkeypatch.setattr(command, "target_of", lambda _: chosen)
    error = CliRunner().invoke(command.app, ("development", "restore", "--latest")).exception
    assert (isinstance(error, DeliveryError) and error.what == "There is nobody to ask.") is asked
    assert (stack.jobs == []) is asked


def test_who_is_sure_is_not_asked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(stack, settings=stack.settings.model_copy(update={"purpose": "live"}))
    monkeypatch.setattr(command, "target_of", lambda _: chosen)
    assert CliRunner().invoke(command.app, ("development", "restore", "--latest", "--yes")).exit_code == 0
    assert len(stack.jobs) == 1
