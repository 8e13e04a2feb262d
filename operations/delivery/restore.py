"""A backup restored beside the database: looked at, and taken over from there. The database itself is left as it is.

A Job is made from the CronJob that the program keeps for it, suspended. Its pod restores into a volume of its own and
serves what is there until the Job is removed; the volume goes with it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Final

from components import patroni, pgbackrest
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

NAME: Final = "postgres-restored"
_EVERY: Final = 1  # seconds between two looks


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
        return [f"--set={point.backup}", "--type=immediate", "--target-action=promote"]
    if point.moment is None:
        return ["--type=default"]
    if not oldest <= point.moment <= now:
        raise DeliveryError(
            f"{_written(point.moment)} can't be restored: any second from {_written(oldest)} until now, "
            f"{_written(now)}, can (the latest backup is of {_written(latest)}).",
            "name a time between these",
        )
    return ["--type=time", f"--target={point.moment.isoformat(sep=' ')}", "--target-action=promote"]


def restore(target: Target, point: Point, *, confirm: Callable[[], None], say: Callable[[str], None]) -> None:
    """Restore beside, and wait until it is there. confirm: raises where the person doesn't agree."""
    if not target.settings.postgres.backups.enabled:
        raise DeliveryError(f"{target.stack} has no backups: postgres.backups.enabled is false.", "see docs/backups.md")
    namespace = target.namespaces["data"]
    if [each for each in target.listed("data", "jobs") if each["metadata"]["name"] == NAME]:
        raise DeliveryError(
            "Something that was restored is still there.",
            f"remove it when it is no longer needed: kubectl -n {namespace} delete job {NAME}",
        )
    asked = ["pgbackrest", f"--stanza={patroni.STANZA}", "--output=json", "--log-level-console=off", "info"]
    told = target.kubectl("-n", namespace, "exec", f"deploy/{pgbackrest.REPOSITORY}", "--", *asked)
    chosen = options(backups_of(told), point, datetime.now(UTC))
    confirm()
    (kept,) = [
        each for each in target.listed("data", "cronjobs") if each["metadata"]["name"] == f"{pgbackrest.JOBS}-restore"
    ]
    target.kubectl("apply", "-f", "-", stdin=json.dumps(_job(kept, namespace, chosen)))
    say(f"Restoring beside, by {' '.join(chosen)} …")
    _wait(target, namespace, say)


def _job(kept: Mapping[str, Any], namespace: str, chosen: Sequence[str]) -> dict[str, Any]:
    template = kept["spec"]["jobTemplate"]
    spec = json.loads(json.dumps(template["spec"]))
    (container,) = spec["template"]["spec"]["containers"]
    container["command"] = [*container["command"], *chosen]
    labels = template["metadata"]["labels"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


def _wait(target: Target, namespace: str, say: Callable[[str], None]) -> None:
    """Until PostgreSQL serves it, however long that takes: a large database takes hours."""
    began = monotonic()
    while True:
        (job,) = [each for each in target.listed("data", "jobs") if each["metadata"]["name"] == NAME]
        if job["status"].get("ready"):
            break
        if any(each["type"] == "Failed" and each["status"] == "True" for each in job["status"].get("conditions", [])):
            said = target.kubectl("-n", namespace, "logs", f"job/{NAME}", "--tail=40")
            target.kubectl("-n", namespace, "delete", "job", NAME)
            raise DeliveryError(f"It could not be restored:\n{said}", "see docs/backups.md", Exit.BROKEN)
        sleep(_EVERY)
    say(f"Restored after {monotonic() - began:.0f} s. Look at it:")
    say(f"  kubectl -n {namespace} exec -it job/{NAME} -- psql vision_week")
    say("Take it over, or a table of it, and remove it: docs/backups.md")


def _written(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
