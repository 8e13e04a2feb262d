"""Plays the nodes of a rehearsal's control plane, which has none: every pod is ready as soon as it is made.

What the API server and the controllers make of it is real: roll-outs, endpoints, quotas, Jobs that are done. That
anything runs is pretended: no image is pulled, no volume mounted, no probe asked.
"""

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from itertools import count
from typing import Any, Final

from localcloud.plugins.kubernetes.awaiting.follow import Follower
from localcloud.plugins.kubernetes.awaiting.readiness import Source
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.discovery import Discovery
from localcloud.plugins.kubernetes.errors import ApiError, Unreachable

_MERGE_PATCH: Final = "application/merge-patch+json"
_TIME: Final = "2026-01-01T00:00:00Z"
_LOOK_AGAIN: Final = 1.0  # seconds until what didn't work is tried again
# Of the pods' range in the settings (`cluster.network.pods`); nobody is there.
_FIRST: Final = IPv4Address("10.64.0.10")


@contextmanager
def played(client: Client) -> Iterator[None]:
    """Play while the block lasts."""
    over = threading.Event()
    with Follower(client, Discovery(client), [Source("v1", "Pod")]) as follower:

        def play() -> None:
            addresses, ready = count(), set()
            pods: Mapping[str, Mapping[str, Any]] = {}
            while not over.is_set():
                with suppress(queue.Empty):
                    pods = follower.news.get(timeout=_LOOK_AGAIN).objects
                for uid, pod in pods.items():
                    if uid not in ready and _play(client, pod, str(_FIRST + next(addresses))):
                        ready.add(uid)

        threading.Thread(target=play, daemon=True).start()
        yield
        over.set()


def _play(client: Client, pod: Mapping[str, Any], address: str) -> bool:
    """Let it be ready. Not so if the API server doesn't answer, or not in time: it is asked again."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
    try:
        client.request("PATCH", path, {"status": _status(pod, address)}, content_type=_MERGE_PATCH)
    except ApiError as error:
        return error.not_found
    except Unreachable:
        return False
    return True


def _status(pod: Mapping[str, Any], address: str) -> dict[str, Any]:
    """Running and ready; what belongs to a Job has done it."""
    ended = any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences") or ())
    state = (
        {"terminated": {"reason": "Completed", "exitCode": 0, "finishedAt": _TIME}}
        if ended
        else {"running": {"startedAt": _TIME}}
    )
    ready = "False" if ended else "True"
    return {
        "phase": "Succeeded" if ended else "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": kind, "status": status, "lastTransitionTime": _TIME}
            for kind, status in (
                ("PodScheduled", "True"),
                ("Initialized", "True"),
                ("ContainersReady", ready),
                ("Ready", ready),
            )
        ],
        "containerStatuses": [
            {
                "name": each["name"],
                "image": each["image"],
                "imageID": "",
                "restartCount": 0,
                "ready": not ended,
                "started": not ended,
                "state": state,
            }
            for each in pod["spec"]["containers"]
        ],
    }
