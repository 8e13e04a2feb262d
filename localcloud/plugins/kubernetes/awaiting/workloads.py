"""Deployments, StatefulSets and their like: ready when the wanted pods of the wanted version are."""

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
    seen,
    selected_pods,
    selector_text,
    waiting,
)
from localcloud.plugins.kubernetes.objects import field_of, namespace_of
from localcloud.plugins.values import Values

_UNSEEN = "its controller has not seen it yet"
_REVISION = "deployment.kubernetes.io/revision"
_POD_REVISION = "controller-revision-hash"


def _replicas(live: Mapping[str, Any]) -> int:
    value = field_of(live, "spec", "replicas")
    return 1 if value is None else int(value)


def _deployment_related(live: Mapping[str, Any]) -> Sequence[Source]:
    labels = selector_text(field_of(live, "spec", "selector") or {})
    return (Source("apps/v1", "ReplicaSet", namespace_of(live), labels=labels), selected_pods(live))


def _newest(view: View) -> Values | None:
    """The ReplicaSet of the version that is being rolled out."""
    revision = field_of(view.live, "metadata", "annotations", _REVISION)
    sets = view.owned("ReplicaSet")
    return next((one for one in sets if field_of(one, "metadata", "annotations", _REVISION) == revision), None)


def _deployment_pods(view: View) -> Sequence[Values]:
    newest = _newest(view)
    return view.owned("Pod", newest) if newest else ()


def _deployment(view: View) -> Verdict:
    live = view.live
    if not seen(live):
        return waiting(_UNSEEN)
    progress, available = condition(live, "Progressing"), condition(live, "Available")
    if progress.get("reason") == "ProgressDeadlineExceeded" and not _of_before(progress, view.changed):
        return hopeless(f"ProgressDeadlineExceeded: {progress.get('message', '')}")
    newest = _newest(view)
    wanted = number(newest, "spec", "replicas") if newest else _replicas(live)
    ready = number(newest, "status", "readyReplicas")
    complete = progress.get("status") == "True" and progress.get("reason") == "NewReplicaSetAvailable"
    if complete and available.get("status") == "True" and newest and ready >= wanted:
        return READY
    refused = condition(live, "ReplicaFailure")
    if refused.get("status") == "True":
        return waiting(f"{refused.get('reason')}: {refused.get('message')}")
    return waiting(_count("pods of the new version", ready, wanted))


def _of_before(progress: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    """Whether a condition is the last roll-out's: its controller keeps it until the next one has made a step."""
    return bool(changed) and not seen(changed) and progress == condition(changed, "Progressing")


def _pods(view: View) -> Sequence[Values]:
    return view.owned("Pod")


def _selected(live: Mapping[str, Any]) -> Sequence[Source]:
    return (selected_pods(live),)


def _stateful_set(view: View) -> Verdict:
    live = view.live
    if not seen(live):
        return waiting(_UNSEEN)
    wanted, ready = _replicas(live), number(live, "status", "readyReplicas")
    strategy = field_of(live, "spec", "updateStrategy") or {}
    kept = number(strategy, "rollingUpdate", "partition")  # pods below it keep the old version
    updated = number(live, "status", "updatedReplicas")
    rolled = (
        strategy.get("type") == "OnDelete"  # a person deletes the old pods, whenever it suits them
        or updated >= max(wanted - kept, 0)
        if kept or strategy.get("type") == "OnDelete"
        else field_of(live, "status", "currentRevision") == field_of(live, "status", "updateRevision")
    )
    if number(live, "status", "replicas") == wanted and ready >= wanted and rolled:
        return READY
    if rolled:
        return waiting(_count("pods", ready, wanted))
    revision = field_of(live, "status", "updateRevision")
    new = [pod for pod in _pods(view) if field_of(pod, "metadata", "labels", _POD_REVISION) == revision]
    running = sum(condition(pod, "Ready").get("status") == "True" for pod in new)
    return waiting(_count("pods of the new version", running, wanted - kept))


def _daemon_set(view: View) -> Verdict:
    live = view.live
    if not seen(live):
        return waiting(_UNSEEN)
    wanted = number(live, "status", "desiredNumberScheduled")
    counts = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    if all(number(live, "status", name) >= wanted for name in counts):
        return READY
    fewest = min(number(live, "status", name) for name in counts)
    return waiting(_count("pods", fewest, wanted))


def _replication_controller(view: View) -> Verdict:
    wanted, ready = _replicas(view.live), number(view.live, "status", "availableReplicas")
    return READY if seen(view.live) and ready == wanted else waiting(_count("pods", ready, wanted))


def _controller_pods(live: Mapping[str, Any]) -> Sequence[Source]:
    labels = selector_text({"matchLabels": field_of(live, "spec", "selector") or {}})
    return (Source("v1", "Pod", namespace_of(live), labels=labels),)


def _count(what: str, ready: int, wanted: int) -> str:
    return f"{ready} of {wanted} {what} ready"


DEPLOYMENT = Readiness(_deployment, _deployment_related, _deployment_pods)
STATEFUL_SET = Readiness(_stateful_set, _selected, _pods)
DAEMON_SET = Readiness(_daemon_set, _selected, _pods)
REPLICATION_CONTROLLER = Readiness(_replication_controller, _controller_pods, _pods)
