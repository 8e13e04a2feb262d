"""Readiness of any kind by the conventions that most of them follow; asked for by `PULUMI_K8S_AWAIT_ALL=true`.

`observedGeneration`, and the conditions Ready, Reconciling and Stalled. An object that follows none is ready.
"""

import os
from typing import Final

from localcloud.plugins.kubernetes.awaiting.readiness import (
    READY,
    Readiness,
    Verdict,
    View,
    condition,
    hopeless,
    number,
    waiting,
)
from localcloud.plugins.kubernetes.objects import field_of

_VARIABLE: Final = "PULUMI_K8S_AWAIT_ALL"


def asked_for() -> bool:
    """Whether objects without rules of their own are waited for."""
    return os.environ.get(_VARIABLE, "").lower() == "true"


def _conventional(view: View) -> Verdict:
    live = view.live
    seen = field_of(live, "status", "observedGeneration")
    if seen is not None and seen < number(live, "metadata", "generation"):
        return waiting("its controller has not seen it yet")
    stalled, reconciling, ready = (condition(live, kind) for kind in ("Stalled", "Reconciling", "Ready"))
    if stalled.get("status") == "True":
        return hopeless(f"{stalled.get('reason')}: {stalled.get('message')}")
    if reconciling.get("status") == "True":
        return waiting(f"{reconciling.get('reason')}: {reconciling.get('message')}")
    if ready and ready.get("status") != "True":
        return waiting(f"its condition Ready is {ready.get('status')}: {ready.get('reason')}: {ready.get('message')}")
    return READY


CONVENTIONAL: Final = Readiness(_conventional)
