"""`deploy.sh ENV restore`: what can be restored and what not, and what it makes. That it does is tried on pods."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.delivery import command, data, jobs, place
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.restore import ADOPTED, NAME, Backup, Point, backups_of, beside, moment, options
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
    of = [{"id": 1, "system-id": 7000, "version": "15"}]
    return json.dumps([{"backup": told, "db": of, "status": {"code": code, "message": "of pgBackRest"}}])


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

    backups: Sequence[str] = ("full", "incr")
    jobs: list[dict[str, Any]] = field(default_factory=list)
    ending: str = "ready"
    # Of the Job, and what is told of everything in its namespace.
    pods: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    done: list[tuple[str, ...]] = field(default_factory=list)
    # Of the database's cluster, and bytes of what was restored and of the room for it.
    system: int = 7000
    size: int = 1000
    free: int = 2000
    refuses: str = "nothing"

    def listed(self, area: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        assert area == "data"
        if kind == "jobs":
            return self.jobs
        if kind == "events":
            return self.events
        if kind == "pods":
            return {
                "vision-week/role=primary": [{"metadata": {"name": "postgres-1"}}],
                f"batch.kubernetes.io/job-name={NAME}": self.pods,
            }[selector]
        backups = [_cron_job(what, "sh", "backup.sh", what) for what in self.backups]
        return [_cron_job("restore", "sh", "/etc/pgbackrest/restore.sh"), *backups]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        self.done.append(arguments)
        if any(self.refuses in word for word in arguments):
            raise DeliveryError("as PostgreSQL says it", "mend it")
        if arguments[0] == "apply":
            assert stdin
            statuses: dict[str, dict[str, Any]] = {
                "ready": {"ready": 1},
                "failed": {"conditions": [{"type": "Failed", "status": "True"}]},
                "complete": {"conditions": [{"type": "Complete", "status": "True"}]},
                "waiting": {"active": 1},
            }
            if self.ending != "removed":
                job = json.loads(stdin)
                metadata = {**job["metadata"], "uid": "of the job"}
                self.jobs.append({**job, "metadata": metadata, "status": statuses[self.ending]})
        said = {
            "info": info(*BOTH),
            "pg_control_system": f"{self.system}\n",
            "pg_database_size": f"{self.size}\n",
            "df": f"Avail\n{self.free}\n",
        }
        return next((told for what, told in said.items() if any(what in word for word in arguments)), "said by the pod")

    def piped(self, reading: Sequence[str], writing: Sequence[str]) -> None:
        self.done.append((*reading, *writing))
        if self.refuses == "copy":
            raise DeliveryError("as pg_restore says it", "mend it")


def _cron_job(what: str, *command: str) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"name": what, "command": [*command]}]}}, "backoffLimit": 0}
    template = {"metadata": {"labels": {"app.kubernetes.io/name": "postgres-backups"}}, "spec": spec}
    return {"metadata": {"name": f"postgres-backups-{what}", "uid": f"of {what}"}, "spec": {"jobTemplate": template}}


@pytest.fixture
def stack() -> Stack:
    base = Target.named("development")
    backups = base.settings.postgres.backups.model_copy(update={"enabled": True})
    postgres = base.settings.postgres.model_copy(update={"backups": backups})
    return Stack("development", base.file, base.settings.model_copy(update={"postgres": postgres}))


def run(stack: Stack, point: Point) -> list[str]:
    said: list[str] = []
    beside(stack, point, confirm=lambda: None, say=said.append)
    return said


def test_a_job_is_made_from_the_one_that_the_program_keeps(stack: Stack) -> None:
    run(stack, Point(backup=FIRST.label))
    (job,) = stack.jobs
    assert (job["metadata"]["name"], job["metadata"]["namespace"]) == (NAME, "vision-week-data")
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"], owner["controller"]) == ("postgres-backups-restore", "of restore", True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["sh", "/etc/pgbackrest/restore.sh", f"--set={FIRST.label}"]


def test_one_that_fails_says_why_and_goes(stack: Stack) -> None:
    with pytest.raises(DeliveryError, match="said by the pod") as caught:
        run(replace(stack, ending="failed"), Point())
    assert caught.value.code == Exit.BROKEN
    assert ("-n", "vision-week-data", "delete", "job", NAME) in stack.done


def pod(phase: str) -> dict[str, Any]:
    return {"metadata": {"name": f"{NAME}-abcde"}, "status": {"phase": phase}}


def event(reason: str, message: str, of: str, uid: str = "another's", kind: str = "Warning") -> dict[str, Any]:
    return {"type": kind, "reason": reason, "message": message, "involvedObject": {"name": of, "uid": uid}}


@pytest.mark.parametrize("pods", [[], [pod("Pending")]])
def test_one_whose_pod_does_not_run_is_given_up_with_what_is_in_its_way(
    stack: Stack, pods: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod without a place, or without a volume; and a Job whose pod a quota refuses. The latest word of each."""
    monkeypatch.setattr(jobs, "_START", -1)
    told = [
        event("FailedScheduling", "0/3 nodes are available: too many pods", f"{NAME}-abcde"),
        event("FailedScheduling", "0/3 nodes are available: insufficient memory", f"{NAME}-abcde"),
        event("ProvisioningFailed", "quota of disks is used up", f"{NAME}-abcde-data"),
        event("FailedCreate", "exceeded quota: pods", NAME, "of the job"),
        event("SuccessfulCreate", "Created pod", NAME, "of the job", "Normal"),
        event("FailedCreate", "of a restore before this one", NAME),
        event("Unhealthy", "of somebody else", "postgres-0"),
    ]
    waiting = replace(stack, ending="waiting", pods=pods, events=told)
    with pytest.raises(DeliveryError, match="Its pod does not run") as caught:
        run(waiting, Point())
    pods_own = [
        "FailedScheduling: 0/3 nodes are available: insufficient memory",
        "ProvisioningFailed: quota of disks is used up",
    ]
    lines = [*(pods_own if pods else []), "FailedCreate: exceeded quota: pods"]
    assert caught.value.what.splitlines()[1:] == lines
    assert caught.value.code == Exit.BROKEN
    assert waiting.done[-1] == ("-n", "vision-week-data", "delete", "job", NAME)


def test_one_that_runs_may_take_as_long_as_it_takes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_START", -1)
    busy = replace(stack, ending="waiting", pods=[pod("Running")])

    def ends(_: float) -> None:
        busy.jobs[0]["status"] = {"ready": 1}

    monkeypatch.setattr(jobs, "sleep", ends)
    assert run(busy, Point())[-1].startswith("Restored after")


def test_one_that_somebody_removes_is_not_waited_for(stack: Stack) -> None:
    with pytest.raises(DeliveryError, match="Somebody has removed its Job"):
        run(replace(stack, ending="removed"), Point())


def test_what_was_restored_before_is_not_overwritten(stack: Stack) -> None:
    stack.jobs.append({"metadata": {"name": NAME}})
    with pytest.raises(DeliveryError, match="still there") as caught:
        run(stack, Point())
    assert f"delete job {NAME}" in caught.value.hint
    assert stack.done == []


@pytest.mark.parametrize("point", [Point(FIRST.ended), Point(backup=SECOND.label)])
def test_one_that_was_interrupted_is_gone_on_with_by_the_same_command(stack: Stack, point: Point) -> None:
    run(stack, point)
    stack.done.clear()
    assert run(stack, point)[0] == "It was begun before, and is gone on with …"
    assert not [words for words in stack.done if words[0] == "apply"]
    with pytest.raises(DeliveryError, match="still there"):
        run(stack, Point(backup=FIRST.label))


def test_the_latest_of_then_is_not_taken_for_the_latest_of_now(stack: Stack) -> None:
    run(stack, Point())
    with pytest.raises(DeliveryError, match="still there"):
        run(stack, Point())


def test_who_does_not_agree_changes_nothing(stack: Stack) -> None:
    def no() -> None:
        raise DeliveryError("no", "no")

    with pytest.raises(DeliveryError):
        beside(stack, Point(), confirm=no, say=print)
    assert stack.jobs == []


def test_a_stack_without_backups_is_told_so() -> None:
    with pytest.raises(DeliveryError, match=r"postgres\.backups\.enabled is false"):
        beside(Target.named("development"), Point(), confirm=lambda: None, say=print)


@pytest.mark.parametrize(("purpose", "asked"), [("live", True), ("workbench", False)])
def test_where_people_rely_on_it_its_name_is_asked_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, purpose: str, asked: bool
) -> None:
    chosen = replace(stack, settings=stack.settings.model_copy(update={"purpose": purpose}))
    monkeypatch.setattr(data, "target_of", lambda _: chosen)
    error = CliRunner().invoke(command.app, ("development", "restore", "--latest")).exception
    assert (isinstance(error, DeliveryError) and error.what == "There is nobody to ask.") is asked
    assert (stack.jobs == []) is asked


def test_who_is_sure_is_not_asked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(stack, settings=stack.settings.model_copy(update={"purpose": "live"}))
    monkeypatch.setattr(data, "target_of", lambda _: chosen)
    assert CliRunner().invoke(command.app, ("development", "restore", "--latest", "--yes")).exit_code == 0
    assert len(stack.jobs) == 1


# --- in place


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is tried with the deliveries."""
    monkeypatch.setattr(place, "locked", lambda _: nullcontext())


def done(stack: Stack, what: str) -> list[tuple[str, ...]]:
    return [words for words in stack.done if any(what in word for word in words)]


def test_what_was_restored_takes_the_place_and_goes(stack: Stack) -> None:
    said: list[str] = []
    place.in_place(stack, said.append)
    (copied,) = done(stack, "pg_restore")
    assert f"job/{NAME}" in copied
    assert {"postgres-1", "--dbname=vision_week_restored", "--role=vision_week_owner", "--single-transaction"} <= {
        *copied
    }
    (changed,) = done(stack, "--set=former=")
    assert stack.done.index(copied) < stack.done.index(changed)
    former = next(word for word in changed if "former" in word).removeprefix("--set=former=")
    assert former.startswith("vision_week_until_")
    assert any(f"DROP DATABASE {former}" in line for line in said)
    (granted,) = done(stack, "roles.sql")
    assert stack.done.index(changed) < stack.done.index(granted)
    assert done(stack, "delete") == [("-n", "vision-week-data", "delete", "job", NAME)]
    assert stack.jobs == []


class Shell(Target):
    """A stack whose `kubectl` runs what it is given as a script."""

    def kubectl_command(self, *arguments: str) -> list[str]:
        return ["sh", "-c", *arguments]


@pytest.mark.parametrize(
    ("reading", "writing", "said"),
    [
        ("echo half; echo broke off >&2; exit 1", "cat", "broke off"),
        ("yes", "echo is full >&2; exit 1", "is full"),
    ],
)
def test_a_copy_that_breaks_off_at_either_end_has_failed(reading: str, writing: str, said: str) -> None:
    base = Target.named("development")
    with pytest.raises(DeliveryError, match=said):
        Shell(base.stack, base.file, base.settings).piped([reading], [writing])


def test_a_copy_is_all_of_what_was_read(tmp_path: Path) -> None:
    base = Target.named("development")
    Shell(base.stack, base.file, base.settings).piped(["seq 100000"], [f"cat > {tmp_path}/copied"])
    assert (tmp_path / "copied").read_text().split()[-1] == "100000"


def test_without_room_for_the_copy_and_its_wal_nothing_is_begun(stack: Stack) -> None:
    """A volume that is full stops every write."""
    place.in_place(stack, print)
    tight = replace(stack, free=1999, done=[])
    with pytest.raises(DeliveryError, match="of postgres-1 has"):
        place.in_place(tight, print)
    assert done(tight, "DATABASE") == []


@pytest.mark.parametrize("refuses", ["copy", "CREATE DATABASE"])
def test_a_copy_that_fails_changes_nothing(stack: Stack, refuses: str) -> None:
    bad = replace(stack, refuses=refuses)
    with pytest.raises(DeliveryError):
        place.in_place(bad, print)
    assert done(bad, "--set=former=") == []
    assert done(bad, "delete") == []


def test_a_database_that_could_not_change_its_name_is_opened_again(stack: Stack) -> None:
    bad = replace(stack, refuses="--set=former=")
    with pytest.raises(DeliveryError, match="They could not change names: as PostgreSQL says it"):
        place.in_place(bad, print)
    assert "--command=ALTER DATABASE vision_week ALLOW_CONNECTIONS true" in bad.done[-1]


def test_a_database_that_was_about_to_change_its_name_is_opened_again_after_an_interrupt(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(target: Target, primary: str, *words: str, stdin: str | None = None) -> str:
        if stdin is not None:
            raise KeyboardInterrupt
        return psql(target, primary, *words)

    psql = place._psql
    monkeypatch.setattr(place, "_psql", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place.in_place(stack, print)
    assert "--command=ALTER DATABASE vision_week ALLOW_CONNECTIONS true" in stack.done[-1]


def test_rights_that_could_not_be_given_are_told_with_what_gives_them(stack: Stack) -> None:
    bad = replace(stack, refuses="roles.sql")
    with pytest.raises(DeliveryError, match="Its rights could not be put right") as caught:
        place.in_place(bad, print)
    assert caught.value.code == Exit.BROKEN
    assert "exec postgres-1 -c roles -- psql" in caught.value.hint


def test_the_repository_of_a_cluster_that_was_lost_is_taken_over(stack: Stack) -> None:
    anew = replace(stack, system=7001)
    place.in_place(anew, print)
    (job,) = anew.jobs
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (job["metadata"]["name"], container["command"]) == (ADOPTED, ["sh", "backup.sh", "adopt"])


def test_the_command_restores_beside_first(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "target_of", lambda _: stack)
    assert CliRunner().invoke(command.app, ("development", "restore", "--latest", "--in-place")).exit_code == 0
    assert [job["metadata"]["name"] for job in stack.jobs] == [NAME]
    assert len(done(stack, "--set=former=")) == 1
