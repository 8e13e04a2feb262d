"""Why a pod isn't ready: what its containers, its events and its last words say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from localcloud.plugins.kubernetes.awaiting.readiness import condition, number
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.errors import ApiError, Unreachable
from localcloud.plugins.kubernetes.objects import field_of, name_of, namespace_of
from localcloud.plugins.values import Values

_UNREMARKABLE: Final = frozenset({"ContainerCreating", "PodInitializing", "Completed"})
_EXPLAINED = 3  # pods whose events and logs are asked for
_EVENTS = 3
_LAST_LINES = 10


def headline(pods: Sequence[Mapping[str, Any]]) -> str:
    """The first trouble of any of these pods, as an appendix to a status; empty where there is none."""
    found = next((trouble for pod in pods for trouble in troubles(pod)), "")
    return f": {found}" if found else ""


def troubles(pod: Mapping[str, Any]) -> Iterator[str]:
    """What keeps a pod from being ready, in the words of the kubelet and the scheduler."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}"
    if field_of(pod, "status", "reason"):  # Evicted, DeadlineExceeded, …
        yield f"{pod['status']['reason']}: {pod['status'].get('message', '')}"
    for status in _containers(pod):
        yield from _container_troubles(status)


def explain(client: Client, item: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """The reasons, a line or block each: of the object's warnings, and of its pods' troubles, warnings and logs.

    Pods of one workload mostly fail alike: what several of them say is said once.
    """
    said: dict[str, list[Mapping[str, Any]]] = {}
    troubled = [pod for pod in pods if condition(pod, "Ready").get("status") != "True"]
    for pod in troubled:
        for trouble in troubles(pod):
            said.setdefault(trouble, []).append(pod)
    for pod in troubled[:_EXPLAINED]:
        for reason in (*_warnings(client, pod), *_last_words(client, pod)):
            said.setdefault(reason, []).append(pod)
    told = "\n".join(said)
    own = [warning for warning in _warnings(client, item) if warning not in told]
    return [*own, *(f"{_names(pods)}: {reason}" for reason, pods in said.items())]


def _names(pods: Sequence[Mapping[str, Any]]) -> str:
    first = f"pod {namespace_of(pods[0])}/{name_of(pods[0])}"
    return first if len(pods) == 1 else f"{first} and {len(pods) - 1} more"


def _containers(pod: Mapping[str, Any]) -> list[Values]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _container_troubles(status: Mapping[str, Any]) -> Iterator[str]:
    name = status.get("name")
    held, ended = field_of(status, "state", "waiting"), field_of(status, "state", "terminated")
    before = field_of(status, "lastState", "terminated")
    if held and held.get("reason") not in _UNREMARKABLE:
        yield f"container {name}: {held.get('reason')}: {held.get('message', '')}".removesuffix(": ")
    if ended and ended.get("exitCode"):
        yield f"container {name}: {_end(ended)}"
    elif before and not status.get("ready"):
        yield f"container {name}: {_end(before)} before, restarted {number(status, 'restartCount')} times"


def _end(terminated: Mapping[str, Any]) -> str:
    message = f": {terminated['message'].strip()}" if terminated.get("message") else ""
    return f"{terminated.get('reason', 'Error')}, exit code {terminated.get('exitCode')}{message}"


def _warnings(client: Client, item: Mapping[str, Any]) -> Iterator[str]:
    """The newest warning events about an object."""
    uid = field_of(item, "metadata", "uid")
    namespace = namespace_of(item)
    if not uid or not namespace:
        return
    query = {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
    try:
        events = client.request("GET", f"/api/v1/namespaces/{namespace}/events", query=query, patience=0)["items"]
    except (ApiError, Unreachable):
        return
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    newest = list(dict.fromkeys(f"{event.get('reason')}: {event.get('message')}" for event in reversed(events)))
    yield from newest[:_EVENTS]


def _last_words(client: Client, pod: Mapping[str, Any]) -> Iterator[str]:
    """The last lines that failed containers wrote."""
    for status in _containers(pod):
        ended = field_of(status, "state", "terminated") or field_of(status, "lastState", "terminated")
        if status.get("ready") or not ended or not ended.get("exitCode"):
            continue
        name = status.get("name")
        previous = field_of(status, "state", "terminated") is None
        query = {"container": name, "tailLines": _LAST_LINES, "previous": str(previous).lower()}
        try:
            log = client.text(f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/log", query).strip()
        except (ApiError, Unreachable):
            continue
        if log:
            yield f"last lines of container {name}:\n" + "\n".join(f"    {line}" for line in log.splitlines())
