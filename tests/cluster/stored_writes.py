"""Somebody who writes into Redis without a pause, and remembers every write that was acknowledged.

It is a pod beside the WebSocket service's: it connects as they do, to the Service that leads to the primary. It is
never ready, so that no visitor is led to it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.cluster.database import node_of
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.store import command, primary
from tests.waiting import wait_for

_NAME = "stored-writer"
_PROGRAM = Path(__file__).with_name("stored_writer.py").read_text()


@dataclass(frozen=True)
class StoredWrites:
    """What the writer has seen until now. began: the first write after it had settled, which takes it a moment."""

    stack: Stack
    began: int = 0

    def _attempts(self, last: int = -1) -> list[dict[str, Any]]:
        logged = self.stack.tried("-n", f"{PREFIX}-app", "logs", _NAME, f"--tail={last}")
        return [json.loads(line) for line in logged.splitlines() if line.startswith("{")]

    def go_on(self) -> None:
        """Wait until the last forty were acknowledged."""

        def acknowledged() -> bool:
            latest = self._attempts(last=40)
            return len(latest) == 40 and not any("failed" in one for one in latest)

        wait_for(acknowledged, "writes into Redis that are acknowledged", every=0.2)

    def written(self) -> int:
        """The number of the latest write."""
        (latest,) = self._attempts(last=1)
        return int(latest["number"])

    def break_off_and_resume(self) -> None:
        """Wait until one has failed, and then until they go on."""
        wait_for(lambda: [one for one in self._settled() if "failed" in one], "a write that fails", every=0.2)
        self.go_on()

    def _settled(self) -> list[dict[str, Any]]:
        return [one for one in self._attempts() if one["number"] >= self.began]

    def _acknowledged(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self._attempts() if one["kind"] == kind and "failed" not in one]

    @property
    def longest_pause(self) -> float:
        """Seconds between one confirmation and the next."""
        confirmed = (one for one in self._acknowledged("confirmed") if one["number"] >= self.began)
        times: list[float] = [one["at"] for one in confirmed]
        return max(later - earlier for earlier, later in pairwise(times))

    def lost(self, kind: str) -> set[int]:
        """The numbers that were acknowledged (`confirmed` by a replica, or `plain`) and aren't there."""
        acknowledged = {one["number"] for one in self._acknowledged(kind)}
        assert acknowledged
        there = command(self.stack, primary(self.stack), "smembers", f"vision-week:live:drill:{kind}")
        return acknowledged - {int(line) for line in there.split()}


@contextmanager
def writer(stack: Stack) -> Iterator[StoredWrites]:
    """Writes all the time, until the block ends."""
    stack.kubectl("-n", f"{PREFIX}-app", "create", "-f", "-", stdin=json.dumps(_pod(stack)))
    try:
        StoredWrites(stack).go_on()
        yield StoredWrites(stack, began=StoredWrites(stack).written())
    finally:
        stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", _NAME, "--grace-period=1")
        command(stack, primary(stack), "del", "vision-week:live:drill:confirmed", "vision-week:live:drill:plain")


def _pod(stack: Stack) -> dict[str, Any]:
    """A pod of the WebSocket service with another program.

    Not on the primary's node: what freezes with it sees nothing.
    """
    (deployment,) = stack.objects("app", "deployments", "app.kubernetes.io/name=websocket")
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    kept = ("name", "image", "env", "envFrom", "resources", "securityContext", "volumeMounts")
    program = {
        **{key: container[key] for key in kept},
        "command": ["python", "-c", _PROGRAM],
        "readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 600},
    }
    elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node_of(stack, primary(stack))]}
    nodes = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _NAME, "labels": template["metadata"]["labels"]},
        "spec": {
            **template["spec"],
            "containers": [program],
            "affinity": {"nodeAffinity": nodes},
            "restartPolicy": "Never",
        },
    }
