"""One delivery at a time: a Lease in the cluster, which every machine that delivers can see.

Pulumi's own lock is held for one command; a delivery is several. Whoever is killed doesn't renew it, so that it can be
taken a minute later. Who was only asleep has lost it, too, and is told so before its next step.
"""

import getpass
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

_NAMESPACE: Final = "default"  # the stack's own may not be there yet
_VALID: Final = 60  # seconds after the last renewal
_EVERY: Final = 15  # seconds between two renewals
_ONE: Final = threading.Lock()  # of this process' two threads that renew


@contextmanager
def locked(target: Target) -> Iterator[None]:
    """Have the stack for oneself. Raises `DeliveryError` with who has it."""
    _take(target)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_EVERY):
            with suppress(DeliveryError):  # an API server that is away; it is tried again
                keep(target)

    renewing = threading.Thread(target=renew, daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        with suppress(DeliveryError):
            if _found(target)["spec"]["holderIdentity"] == _holder():
                target.kubectl("delete", *_which(target), "--wait=false")


def keep(target: Target) -> None:
    """Have it for another minute. Raises `DeliveryError` where somebody else has it by now."""
    with _ONE:
        lease = _found(target)
        spec = lease["spec"]
        if spec["holderIdentity"] != _holder():
            raise DeliveryError(
                f"{target.stack} is being delivered to by {spec['holderIdentity']} by now: this delivery was not heard "
                f"of for {_VALID} seconds.",
                f"look what has come of both when that has ended: ./scripts/deploy.sh {target.stack} history",
                Exit.LOCKED,
            )
        spec["renewTime"] = now()
        # The version that was read is in it: who has taken it since then keeps it.
        target.kubectl("replace", "-f", "-", stdin=json.dumps(lease))


def _take(target: Target) -> None:
    lease: dict[str, Any] = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": _name(target), "namespace": _NAMESPACE},
        "spec": {
            "holderIdentity": _holder(),
            "leaseDurationSeconds": _VALID,
            "acquireTime": now(),
            "renewTime": now(),
        },
    }
    try:
        target.kubectl("create", "-f", "-", stdin=json.dumps(lease))
    except DeliveryError as error:
        if "AlreadyExists" not in error.what:
            raise
        found = _found(target)
        spec = found["spec"]
        if (datetime.now(UTC) - datetime.fromisoformat(spec["renewTime"])).total_seconds() < _VALID:
            raise DeliveryError(
                f"{target.stack} is being delivered to by {spec['holderIdentity']}, since {spec['acquireTime'][:19]}.",
                f"wait until that has ended; if it was killed, it is free {_VALID} seconds after that",
                Exit.LOCKED,
            ) from None
        # The version makes sure that of two who find it old one gets it.
        lease["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        try:
            target.kubectl("replace", "-f", "-", stdin=json.dumps(lease))
        except DeliveryError:
            raise DeliveryError(
                f"Somebody else has just begun to deliver to {target.stack}.", "wait until that ends", Exit.LOCKED
            ) from None


def _found(target: Target) -> dict[str, Any]:
    lease: dict[str, Any] = json.loads(target.kubectl("get", *_which(target), "-o", "json"))
    return lease


def _which(target: Target) -> tuple[str, ...]:
    return ("-n", _NAMESPACE, "lease", _name(target))


def _holder() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"


def _name(target: Target) -> str:
    return f"vision-week-delivery-{target.stack}"


def now() -> str:
    """As Leases have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
