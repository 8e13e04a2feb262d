"""Services and Ingresses: ready when traffic that comes in would arrive somewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.plugins.kubernetes.awaiting.readiness import (
    READY,
    Readiness,
    Source,
    Verdict,
    View,
    waiting,
)
from localcloud.plugins.kubernetes.objects import field_of, name_of, namespace_of

# Seconds without a change of endpoints before they count as complete. The official provider waits 10; on one machine
# endpoints follow their pods within tenths of a second, and every Service of every update pays this.
_SETTLED = 2.0


def _service(view: View) -> Verdict:
    live = view.live
    kind = field_of(live, "spec", "type")
    if kind == "LoadBalancer" and not field_of(live, "status", "loadBalancer", "ingress"):
        return waiting("no address was allocated to it; is there a controller for load balancers in this cluster?")
    headless = field_of(live, "spec", "clusterIP") == "None"
    if kind == "ExternalName" or headless or not field_of(live, "spec", "selector"):
        return READY
    unready = [
        endpoint
        for piece in view.all("EndpointSlice")
        for endpoint in piece.get("endpoints") or ()
        if field_of(endpoint, "conditions", "ready") is False and not field_of(endpoint, "conditions", "terminating")
    ]
    if unready:
        names = ", ".join(str(field_of(endpoint, "targetRef", "name") or "?") for endpoint in unready)
        return waiting(f"{len(unready)} of the pods that it selects are not ready: {names}")
    return READY if view.quiet >= _SETTLED else waiting("looking for pods to direct traffic to")


def _endpoints(live: Mapping[str, Any]) -> Sequence[Source]:
    labels = f"kubernetes.io/service-name={name_of(live)}"
    return (Source("discovery.k8s.io/v1", "EndpointSlice", namespace_of(live), labels=labels),)


def _ingress(view: View) -> Verdict:
    if field_of(view.live, "status", "loadBalancer", "ingress"):
        return READY
    there = {name_of(service) for service in view.all("Service")}
    missing = sorted({name for name in _backends(view.live) if name not in there})
    if missing:
        return waiting(f"no Service {', '.join(missing)} for its paths, and no address was allocated to it")
    return waiting("no address was allocated to it; is there a controller for its class in this cluster?")


def _backends(live: Mapping[str, Any]) -> list[str]:
    paths = [
        path
        for rule in field_of(live, "spec", "rules") or ()
        for path in field_of(rule, "http", "paths") or ()
        if field_of(path, "backend", "service", "name")
    ]
    return [path["backend"]["service"]["name"] for path in paths]


def _services(live: Mapping[str, Any]) -> Sequence[Source]:
    return (Source("v1", "Service", namespace_of(live)),)


SERVICE = Readiness(_service, _endpoints)
INGRESS = Readiness(_ingress, _services)
