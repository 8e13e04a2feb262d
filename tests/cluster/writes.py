"""Somebody who writes into PostgreSQL without a pause, and remembers every write that was acknowledged.

It is a pod beside the application's: it connects as they do, by the application's own code, to the Service that leads
to the primary, so that what it sees of a fail-over is what the application's users see.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.cluster.database import node_of, primary, psql
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

_NAME = "writer"
_PROGRAM = Path(__file__).with_name("writer.php").read_text().removeprefix("<?php")
_TABLE = "acknowledged_writes"


@dataclass(frozen=True)
class Writes:
    """What the writer has seen until now."""

    stack: Stack

    def _attempts(self, last: int = -1) -> list[dict[str, Any]]:
        logged = self.stack.kubectl("-n", f"{PREFIX}-app", "logs", _NAME, f"--tail={last}")
        return [json.loads(line) for line in logged.splitlines() if line.startswith("{")]

    def go_on(self) -> None:
        """Wait until the last twenty were acknowledged."""

        def acknowledged() -> bool:
            latest = self._attempts(last=20)
            return len(latest) == 20 and not any("failed" in one for one in latest)

        wait_for(acknowledged, "writes that are acknowledged", every=0.2)

    def break_off_and_resume(self) -> None:
        """Wait until one has failed, and then until they go on."""
        wait_for(lambda: self.failures, "a write that fails", every=0.2)
        self.go_on()

    @property
    def failures(self) -> list[str]:
        """What was said of those that were not acknowledged."""
        return [one["failed"] for one in self._attempts() if "failed" in one]

    @property
    def longest_pause(self) -> float:
        """Seconds between one acknowledgement and the next."""
        times: list[float] = [one["at"] for one in self._attempts() if "failed" not in one]
        return max(later - earlier for earlier, later in pairwise(times))

    def lost(self) -> set[int]:
        """The numbers that were acknowledged and aren't there."""
        acknowledged = {one["number"] for one in self._attempts() if "failed" not in one}
        assert acknowledged
        there = psql(self.stack, f"SELECT number FROM {_TABLE}")  # noqa: S608
        return acknowledged - {int(line) for line in there.split()}


@contextmanager
def writer(stack: Stack) -> Iterator[Writes]:
    """Writes all the time, until the block ends."""
    stack.kubectl("-n", f"{PREFIX}-app", "create", "-f", "-", stdin=json.dumps(_pod(stack)))
    try:
        stack.kubectl("-n", f"{PREFIX}-app", "wait", "--for=condition=Ready", f"pod/{_NAME}", "--timeout=120s")
        writes = Writes(stack)
        writes.go_on()
        yield writes
    finally:
        stack.kubectl("-n", f"{PREFIX}-app", "delete", "pod", _NAME, "--grace-period=1")
        psql(stack, f"DROP TABLE IF EXISTS {_TABLE}")


def _pod(stack: Stack) -> dict[str, Any]:
    """A pod of the migrations, which may reach the database and make a table, with another program.

    Not on the primary's node: what freezes with it sees nothing.
    """
    job = stack.objects("app", "jobs", "app.kubernetes.io/name=migrations")[0]
    template = job["spec"]["template"]
    labels = {name: value for name, value in template["metadata"]["labels"].items() if name.startswith("app.")}
    (container,) = template["spec"]["containers"]
    program = {**container, "command": ["php", "-r", _PROGRAM]}
    elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node_of(stack, primary(stack))]}
    nodes = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _NAME, "labels": labels},
        "spec": {**template["spec"], "containers": [program], "affinity": {"nodeAffinity": nodes}},
    }
