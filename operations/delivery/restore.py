"""A backup restored beside the database: looked at, and taken over from there, or put in its place (`place.py`).

A Job is made from the CronJob that the program keeps for it, suspended. Its pod restores into a volume of its own and
serves what is there until the Job is removed; the volume goes with it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from components import patroni, pgbackrest
from operations.delivery import jobs
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

NAME: Final = "postgres-restored"
ADOPTED: Final = "postgres-adopted"


@dataclass(frozen=True)
class Backup:
    """One of the repository's. ended: from then on the database can be restored by it."""

    label: str
    kind: str
    ended: datetime


@dataclass(frozen=True)
class Point:
    """What is asked for: a moment, a backup, or the latest there is, where neither is given."""

    moment: datetime | None = None
    backup: str | None = None


def moment(text: str) -> datetime:
    """A time as people write it. Raises `DeliveryError` for one that could be two."""
    example = "write it as 2026-11-01T12:00:00Z"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise DeliveryError(f"{text} is no time.", example) from None
    if found.tzinfo is None:
        raise DeliveryError(f"{text} does not say in which time zone.", f"{example}; Z is UTC")
    return found.astimezone(UTC)


def info(target: Target) -> str:
    """What pgBackRest tells of the repository, as JSON."""
    asked = ["pgbackrest", f"--stanza={patroni.STANZA}", "--output=json", "--log-level-console=off", "info"]
    return target.kubectl("-n", target.namespaces["data"], "exec", f"deploy/{pgbackrest.REPOSITORY}", "--", *asked)


def whose(told: str) -> str:
    """The system identifier of the cluster that the repository takes WAL of."""
    (stanza,) = json.loads(told)
    return str(stanza["db"][-1]["system-id"])


def backups_of(told: str) -> list[Backup]:
    """The whole ones, oldest first, of what `pgbackrest info --output=json` prints."""
    (stanza,) = json.loads(told)
    if stanza["status"]["code"] not in {0, 2}:  # 2: no backup yet
        raise DeliveryError(f"The repository can't be read: {stanza['status']['message']}.", "see docs/backups.md")
    return [
        Backup(each["label"], each["type"], datetime.fromtimestamp(each["timestamp"]["stop"], UTC))
        for each in stanza["backup"]
        if not each["error"]
    ]


def options(backups: Sequence[Backup], point: Point, now: datetime) -> list[str]:
    """What pgBackRest is told. Raises `DeliveryError` for what can't be restored, with what can."""
    if not backups:
        raise DeliveryError("There is no backup yet.", "wait for the first one: docs/backups.md says how to see it")
    oldest, latest = backups[0].ended, backups[-1].ended
    if point.backup:
        if point.backup not in {each.label for each in backups}:
            known = "\n".join(f"{each.label}  {each.kind}, {_written(each.ended)}" for each in backups)
            raise DeliveryError(f"There is no backup {point.backup}. There are:\n{known}", "name one of them")
        return [_asked(point), "--type=immediate", "--target-action=promote"]
    if point.moment is None:
        return ["--type=default"]
    if not oldest <= point.moment <= now:
        raise DeliveryError(
            f"{_written(point.moment)} can't be restored: any second from {_written(oldest)} until now, "
            f"{_written(now)}, can (the latest backup is of {_written(latest)}).",
            "name a time between these",
        )
    return ["--type=time", _asked(point), "--target-action=promote"]


def _asked(point: Point) -> str:
    """The option that says which, but for the latest."""
    return f"--target={point.moment.isoformat(sep=' ')}" if point.moment else f"--set={point.backup}"


def _restores(job: Mapping[str, Any], point: Point) -> bool:
    """Whether a Job restores just this. The latest of then is not the latest of now."""
    if point == Point():
        return False
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return _asked(point) in container["command"]


def beside(target: Target, point: Point, *, confirm: Callable[[], None], say: Callable[[str], None]) -> None:
    """Restore beside, and wait until it is there; what an interrupted one has begun of the same is gone on with.

    confirm: raises where the person doesn't agree.
    """
    if not target.settings.postgres.backups.enabled:
        raise DeliveryError(f"{target.stack} has no backups: postgres.backups.enabled is false.", "see docs/backups.md")
    there = jobs.found(target, NAME)
    if there and not _restores(there, point):
        raise DeliveryError(
            "Something that was restored is still there.",
            f"remove it when it is no longer needed: kubectl -n {target.namespaces['data']} delete job {NAME}",
        )
    chosen = options(backups_of(info(target)), point, datetime.now(UTC))
    confirm()
    if there:
        say("It was begun before, and is gone on with …")
    else:
        jobs.begin(target, NAME, "restore", lambda command: [*command, *chosen])
        say(f"Restoring beside, by {' '.join(chosen)} …")
    # Its pod is ready when PostgreSQL serves what was restored.
    seconds = jobs.wait(target, NAME, lambda status: bool(status.get("ready")), "It could not be restored", Exit.BROKEN)
    say(f"Restored after {seconds:.0f} s.")


def adopt(target: Target, say: Callable[[str], None]) -> None:
    """Have the repository of the cluster that was lost serve this one, which begins with a full backup."""
    target.kubectl("-n", target.namespaces["data"], "delete", "job", ADOPTED, "--ignore-not-found")
    jobs.begin(target, ADOPTED, "full", lambda command: [*command[:-1], "adopt"])
    say("The repository is taken over from the cluster that was lost, and a first full backup made:")
    say(f"  kubectl -n {target.namespaces['data']} logs --follow job/{ADOPTED}")


def remove(target: Target) -> None:
    """What was restored beside."""
    jobs.remove(target, NAME)


def tell(target: Target, say: Callable[[str], None]) -> None:
    """What a person can do with what was restored beside."""
    say(f"Look at it: kubectl -n {target.namespaces['data']} exec -it job/{NAME} -- psql vision_week")
    say("Take a table of it over, and remove it: docs/backups.md")


def _written(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
