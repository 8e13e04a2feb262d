"""Plays the kubelet for a control plane without nodes: pods become what their label `plays` says.

What the API server and the controllers make of it is real; only that something runs is pretended.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcloud.plugins.kubernetes.awaiting.follow import Follower
from localcloud.plugins.kubernetes.awaiting.readiness import Source
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.discovery import Discovery
from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.plugins.kubernetes.kubeconfig import connect, load

MERGE_PATCH = "application/merge-patch+json"
_TIME = "2026-01-01T00:00:00Z"


def client_of(kubeconfig: str) -> Client:
    """A client of the test's own."""
    return Client(connect(load(kubeconfig)), cancelled=threading.Event())


@contextmanager
def kubelet(client: Client) -> Iterator[None]:
    """Play while the block lasts."""
    over = threading.Event()
    discovery = Discovery(client)
    with Follower(client, discovery, [Source("v1", "Pod", labels="plays")]) as follower:

        def play() -> None:
            while not over.is_set():
                for pod in follower.news.get().objects.values():
                    _play(client, pod)

        threading.Thread(target=play, daemon=True).start()
        yield
        over.set()


def _play(client: Client, pod: dict[str, Any]) -> None:
    metadata = pod["metadata"]
    status = _STATUSES[metadata["labels"]["plays"]](pod["spec"]["containers"][0]["name"])
    current = pod.get("status") or {}
    if (current.get("phase") == status["phase"] and current.get("conditions")) or metadata.get("deletionTimestamp"):
        return
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
    try:
        client.request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    except ApiError as error:
        if not error.not_found:
            raise


def _ready(container: str) -> dict[str, Any]:
    return {
        "phase": "Running",
        "conditions": _conditions(ready=True),
        "containerStatuses": [{**_container(container), "ready": True, "state": {"running": {"startedAt": _TIME}}}],
    }


def _waiting(reason: str, message: str) -> Any:
    def status(container: str) -> dict[str, Any]:
        held = {"waiting": {"reason": reason, "message": message}}
        return {
            "phase": "Pending",
            "conditions": _conditions(ready=False),
            "containerStatuses": [{**_container(container), "ready": False, "state": held}],
        }

    return status


def _crashing(container: str) -> dict[str, Any]:
    held = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    ended = {"terminated": {"reason": "Error", "exitCode": 3, "message": "no such table", "finishedAt": _TIME}}
    return {
        "phase": "Running",
        "conditions": _conditions(ready=False),
        "containerStatuses": [
            {**_container(container), "ready": False, "restartCount": 2, "state": held, "lastState": ended}
        ],
    }


def _ended(phase: str, code: int) -> Any:
    def status(container: str) -> dict[str, Any]:
        ended = {"terminated": {"reason": "Error" if code else "Completed", "exitCode": code, "finishedAt": _TIME}}
        return {
            "phase": phase,
            "conditions": _conditions(ready=False),
            "containerStatuses": [{**_container(container), "ready": False, "state": ended}],
        }

    return status


def _unschedulable(_: str) -> dict[str, Any]:
    message = "0/3 nodes are available: 3 Insufficient memory."
    return {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}],
    }


def _container(name: str) -> dict[str, Any]:
    return {"name": name, "image": "played", "imageID": "", "restartCount": 0}


def _conditions(*, ready: bool) -> list[dict[str, str]]:
    status = "True" if ready else "False"
    return [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Initialized", "status": "True"},
        {"type": "ContainersReady", "status": status},
        {"type": "Ready", "status": status, "lastTransitionTime": _TIME},
    ]


_STATUSES = {
    "ready": _ready,
    "unpullable": _waiting("ImagePullBackOff", 'Back-off pulling image "nowhere/none:1"'),
    "crashing": _crashing,
    "done": _ended("Succeeded", 0),
    "failed": _ended("Failed", 1),
    "unschedulable": _unschedulable,
}
