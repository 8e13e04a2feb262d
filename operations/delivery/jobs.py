"""Jobs made from the CronJobs that the program keeps, at once instead of at their time, and waited for."""

import json
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import Any, Final

from components import pgbackrest
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

_EVERY: Final = 1  # seconds between two looks
# Seconds that its pod may take to run: a node that has to be added first, and a disk of its own, take five minutes.
_START: Final = 600


def begin(target: Target, name: str, like: str, command: Callable[[list[str]], list[str]] = lambda kept: kept) -> None:
    """Make a Job from one of the CronJobs of the backups. command: what its container runs, from what it runs else."""
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


def found(target: Target, name: str) -> dict[str, Any] | None:
    """A Job, where it is there."""
    return next((each for each in target.listed("data", "jobs") if each["metadata"]["name"] == name), None)


def wait(target: Target, name: str, done: Callable[[dict[str, Any]], bool], failed: str, code: Exit) -> float:
    """Until a Job's status says so, however long that takes once its pod runs: a large database takes hours.

    Gives the seconds. failed: what is said where it fails, with the code; then it is removed.
    """
    began = monotonic()
    runs = False
    while True:
        job = found(target, name)
        if job is None:
            raise DeliveryError("Somebody has removed its Job.", "begin again", code)
        if done(job["status"]):
            return monotonic() - began
        if has(job["status"], "Failed"):
            said = target.kubectl("-n", target.namespaces["data"], "logs", f"job/{name}", "--tail=40")
            remove(target, name)
            raise DeliveryError(f"{failed}:\n{said}", "see docs/backups.md", code)
        pods = [] if runs else target.listed("data", "pods", f"batch.kubernetes.io/job-name={name}")
        runs = runs or any(pod["status"]["phase"] != "Pending" for pod in pods)
        if not runs and monotonic() - began > _START:
            said = _in_the_way(target, job, pods)
            remove(target, name)
            raise DeliveryError(
                f"Its pod does not run after {_START / 60:g} minutes, and was removed. Kubernetes says:\n{said}",
                "make room, or mend what it names, and begin again",
                code,
            )
        sleep(_EVERY)


def has(status: dict[str, Any], condition: str) -> bool:
    """Whether a Job is `Complete` or `Failed`."""
    return any(each["type"] == condition and each["status"] == "True" for each in status.get("conditions", []))


def remove(target: Target, name: str) -> None:
    """A Job with its pod."""
    target.kubectl("-n", target.namespaces["data"], "delete", "job", name)


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
