"""Pods and Jobs: ready when they run, or are done."""

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
    number,
    waiting,
)
from localcloud.plugins.kubernetes.objects import field_of, name_of, namespace_of
from localcloud.plugins.values import Values


def _pod(view: View) -> Verdict:
    live = view.live
    phase = field_of(live, "status", "phase")
    if phase == "Succeeded" or condition(live, "Ready").get("status") == "True":
        return READY
    if phase == "Failed":
        return hopeless("it failed")
    return waiting(f"it is {phase or 'not seen yet'}")


def _itself(view: View) -> Sequence[Values]:
    return [dict(view.live)]


def _job(view: View) -> Verdict:
    live = view.live
    if condition(live, "Complete").get("status") == "True" or field_of(live, "spec", "suspend"):
        return READY
    failed = condition(live, "Failed")
    if failed.get("status") == "True":
        return hopeless(f"{failed.get('reason')}: {failed.get('message')}")
    done, wanted = number(live, "status", "succeeded"), number(live, "spec", "completions") or 1
    return waiting(f"{done} of {wanted} pods have succeeded")


def _job_pods(live: Mapping[str, Any]) -> Sequence[Source]:
    return (Source("v1", "Pod", namespace_of(live), labels=f"batch.kubernetes.io/job-name={name_of(live)}"),)


def _owned(view: View) -> Sequence[Values]:
    return view.owned("Pod")


POD = Readiness(_pod, pods=_itself)
JOB = Readiness(_job, _job_pods, _owned)
