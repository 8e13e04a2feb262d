"""When something was done last, told where monitoring sees it: the Leases of `components/monitoring/moments.py`."""

import json
from collections.abc import Callable

from operations.delivery.lock import now
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target


def renew(target: Target, say: Callable[[str], None], *moments: str) -> None:
    """Renew these, all to the same time, where the stack is watched.

    What was done stays done where that can't be: by somebody without the right, or before the program has made them.
    It is said then, and the alerts on what is not renewed say it again.
    """
    if not target.settings.monitoring.enabled:
        return
    spec = json.dumps({"spec": {"renewTime": now()}})
    for moment in moments:
        try:
            target.kubectl("-n", target.namespaces["monitoring"], "patch", "lease", moment, "--type=merge", "-p", spec)
        except DeliveryError as error:
            say(f"Monitoring is not told of {moment}: {error.what}")
