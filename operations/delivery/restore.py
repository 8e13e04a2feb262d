"""A backup restored beside the database: looked at, and taken over from there, or put in its place (`place.py`).

A Job is made from the CronJob that the program keeps for it, suspended. Its pod restores into a volume of its own and
serves what is there until the Job is removed; the volume goes with it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Final

from components import patroni, pgbackrest
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

NAME: Final = "postgres-restored"
ADOPTED: Final = "postgres-adopted"
_EVERY: Final = 1  # seconds between two looks
# Seconds that its pod may take to run: a node that has to be added first, and a disk of its own, take five minutes.
_START: Final = 600


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


def beside(target: Target, point: Point, *, confirm: Callable[[], None], say: Callable[[str], None]) -> None:
    """Restore beside, and wait until it is there. confirm: raises where the person doesn't agree."""
    if not target.settings.postgres.backups.enabled:
        raise DeliveryError(f"{target.stack} has no backups: postgres.backups.enabled is false.", "see docs/backups.md")
    namespace = target.namespaces["data"]
    if [each for each in target.listed("data", "jobs") if each["metadata"]["name"] == NAME]:
        raise DeliveryError(
            "Something that was restored is still there.",
            f"remove it when it is no longer needed: kubectl -n {namespace} delete job {NAME}",
        )
    chosen = options(backups_of(info(target)), point, datetime.now(UTC))
    confirm()
    _begin(target, NAME, "restore", lambda command: [*command, *chosen])
    say(f"Restoring beside, by {' '.join(chosen)} …")
    _wait(target, namespace, say)


def adopt(target: Target, say: Callable[[str], None]) -> None:
    """Have the repository of the cluster that was lost serve this one, which begins with a full backup."""
    target.kubectl("-n", target.namespaces["data"], "delete", "job", ADOPTED, "--ignore-not-found")
    _begin(target, ADOPTED, "full", lambda command: [*command[:-1], "adopt"])
    say("The repository is taken over from the cluster that was lost, and a first full backup made:")
    say(f"  kubectl -n {target.namespaces['data']} logs --follow job/{ADOPTED}")


def remove(target: Target) -> None:
    """What was restored beside."""
    target.kubectl("-n", target.namespaces["data"], "delete", "job", NAME)


def _begin(target: Target, name: str, like: str, command: Callable[[list[str]], list[str]]) -> None:
    """Make a Job from one of the CronJobs that the program keeps."""
    (kept,) = [
        each for each in target.listed("data", "cronjobs") if each["metadata"]["name"] == f"{pgbackrest.JOBS}-{like}"
    ]
    template = kept["spec"]["jobTemplate"]
    spec = json.loads(json.dumps(template["spec"]))
    (container,) = spec["template"]["spec"]["containers"]
    container["command"] = command(container["command"])
    known = {"name": name, "namespace": target.namespaces["data"], "labels": template["metadata"]["labels"]}
    # What made it takes it along when it goes: a pod that is left would hold the repository's volume.
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": kept["metadata"]["name"],
        "uid": kept["metadata"]["uid"],
    }
    metadata = {**known, "ownerReferences": [{**owner, "controller": True}]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    target.kubectl("apply", "-f", "-", stdin=json.dumps(job))


def _wait(target: Target, namespace: str, say: Callable[[str], None]) -> None:
    """Until PostgreSQL serves it, however long that takes once its pod runs: a large database takes hours."""
    began = monotonic()
    runs = False
    while True:
        job = next((each for each in target.listed("data", "jobs") if each["metadata"]["name"] == NAME), None)
        if job is None:
            raise DeliveryError("Somebody has removed its Job.", "begin again", Exit.BROKEN)
        if job["status"].get("ready"):
            break
        if any(each["type"] == "Failed" and each["status"] == "True" for each in job["status"].get("conditions", [])):
            said = target.kubectl("-n", namespace, "logs", f"job/{NAME}", "--tail=40")
            target.kubectl("-n", namespace, "delete", "job", NAME)
            raise DeliveryError(f"It could not be restored:\n{said}", "see docs/backups.md", Exit.BROKEN)
        pods = [] if runs else target.listed("data", "pods", f"batch.kubernetes.io/job-name={NAME}")
        runs = runs or any(pod["status"]["phase"] != "Pending" for pod in pods)
        if not runs and monotonic() - began > _START:
            said = _in_the_way(target, job, pods)
            target.kubectl("-n", namespace, "delete", "job", NAME)
            raise DeliveryError(
                f"Its pod does not run after {_START / 60:g} minutes, and was removed. Kubernetes says:\n{said}",
                "make room, or mend what it names, and begin again",
                Exit.BROKEN,
            )
        sleep(_EVERY)
    say(f"Restored after {monotonic() - began:.0f} s.")


def _in_the_way(target: Target, job: dict[str, Any], pods: Sequence[dict[str, Any]]) -> str:
    """What is told of the Job, its pod and the pod's volume: the latest word of each kind."""
    names = tuple(pod["metadata"]["name"] for pod in pods)
    told = {
        event["reason"]: event["message"]
        for event in target.listed("data", "events")
        if event["type"] == "Warning"
        and (
            event["involvedObject"].get("uid") == job["metadata"]["uid"]
            or event["involvedObject"]["name"].startswith(names)
        )
    }
    return "\n".join(f"{reason}: {message}" for reason, message in told.items()) or "nothing"


def tell(target: Target, say: Callable[[str], None]) -> None:
    """What a person can do with what was restored beside."""
    say(f"Look at it: kubectl -n {target.namespaces['data']} exec -it job/{NAME} -- psql vision_week")
    say("Take a table of it over, and remove it: docs/backups.md")


def _written(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
