"""Claims, volumes, quotas, tokens and definitions: ready when their controller has done its part."""

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.plugins.kubernetes.awaiting.readiness import (
    READY,
    Readiness,
    Source,
    Verdict,
    View,
    condition,
    hopeless,
    waiting,
)
from localcloud.plugins.kubernetes.objects import field_of

_FIVE_MINUTES = 300.0


def _claim(view: View) -> Verdict:
    phase = field_of(view.live, "status", "phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return hopeless("its volume is gone")
    classes = view.all("StorageClass")
    if phase == "Pending" and any(one.get("volumeBindingMode") == "WaitForFirstConsumer" for one in classes):
        return READY  # it binds when a pod uses it, which may well be made after this
    return waiting(f"it is {phase or 'not seen yet'}, not bound to a volume")


def _class(live: Mapping[str, Any]) -> Sequence[Source]:
    name = field_of(live, "spec", "storageClassName")
    return (Source("storage.k8s.io/v1", "StorageClass", name=name),) if name else ()


def _volume(view: View) -> Verdict:
    phase = field_of(view.live, "status", "phase")
    return READY if phase in {"Available", "Bound"} else waiting(f"it is {phase or 'not seen yet'}")


def _quota(view: View) -> Verdict:
    same = field_of(view.live, "spec", "hard") == field_of(view.live, "status", "hard")
    return READY if same else waiting("the quota is not in force yet")


def _secret(view: View) -> Verdict:
    token = view.live.get("type") == "kubernetes.io/service-account-token"
    return waiting("no token was put into it yet") if token and not view.live.get("data") else READY


def _definition(view: View) -> Verdict:
    refused = condition(view.live, "NamesAccepted")
    if refused.get("status") == "False":
        return hopeless(f"{refused.get('reason')}: {refused.get('message')}")
    established = condition(view.live, "Established").get("status") == "True"
    return READY if established else waiting("the API server does not serve it yet")


CLAIM = Readiness(_claim, _class, timeout=_FIVE_MINUTES)
VOLUME = Readiness(_volume, timeout=_FIVE_MINUTES)
QUOTA = Readiness(_quota, timeout=60.0)
SECRET = Readiness(_secret, timeout=30.0)
DEFINITION = Readiness(_definition, timeout=60.0)
