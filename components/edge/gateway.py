"""The flavour `gateway`: the Gateway API on GKE, with Google's load balancer straight before the application's nginx.

The Gateway and its redirect are in the edge's namespace, the routes beside the Services that they lead to, with
Google's own kinds: how a backend is asked for its health, how long an answer may take, how a pod that goes is drained.
Limits, headers and errors are the application's nginx's; answers that Google's balancer makes itself (a 404 for a path
without a route, a 502) don't have the headers of S3.1.

The kinds of `gateway.networking.k8s.io` are tried against a real API server; those of `networking.gke.io` have the
fields of Google's documentation and are unverified until a cluster of Google's has taken them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from components import bounds
from components.edge.arguments import API_PATHS, API_PREFIX, NAME, WEBSOCKET_PATH, Backend, EdgeArgs, certificate
from components.kubernetes import Namespace, metadata
from components.settings import GatewayEdge

_API = "gateway.networking.k8s.io/v1"
_GOOGLE = "networking.gke.io/v1"
# Seconds: to a WebSocket a whole answer is its whole life, and a page connects anew after a day.
_SOCKET = 24 * 3600
# In which WebSockets on a pod that goes are told to connect elsewhere.
_DRAIN_SOCKETS = 30

Spec = Mapping[str, Any]


def build(args: EdgeArgs, settings: GatewayEdge, child: ResourceOptions) -> None:
    """Make the Gateway, its routes and Google's policies."""
    own, applications = args.namespace, args.applications
    referring = ResourceOptions(parent=child.parent, depends_on=args.ready)

    def make(api: str, kind: str, name: str, namespace: Namespace, spec: Spec, **annotations: str) -> CustomResource:
        about = metadata(name, namespace.name, app=NAME, annotations=annotations or None)
        return CustomResource(
            f"{name}-{kind.lower()}", api_version=api, kind=kind, metadata=about, spec=spec, opts=referring
        )

    certificates = {"networking.gke.io/certmap": settings.certificate_map} if settings.certificate_map else {}
    make(_API, "Gateway", NAME, own, _gateway(args, settings, child), **certificates)
    if settings.ssl_policy:
        target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": NAME}
        spec = {"default": {"sslPolicy": settings.ssl_policy}, "targetRef": target}
        make(_GOOGLE, "GCPGatewayPolicy", NAME, own, spec)
    make(_API, "HTTPRoute", f"{NAME}-redirect", own, _redirect(settings))
    for name, route in _routes(args, settings).items():
        make(_API, "HTTPRoute", name, applications, route)
    # A whole answer may take longer than the application's nginx waits for it, which is to say what took so long. What
    # is under way on a pod that goes has as long as PHP gives it.
    for backend, answer, drain in (
        (args.app, args.timeouts.edge, bounds.ending(args.timeouts)),
        (args.websocket, _SOCKET, _DRAIN_SOCKETS),
    ):
        make(_GOOGLE, "HealthCheckPolicy", backend.service, applications, _health(backend))
        make(_GOOGLE, "GCPBackendPolicy", backend.service, applications, _backend(settings, backend, answer, drain))


def _gateway(args: EdgeArgs, settings: GatewayEdge, child: ResourceOptions) -> Spec:
    secure: dict[str, Any] = {
        "name": "https",
        "protocol": "HTTPS",
        "port": 443,
        "allowedRoutes": _routes_of(args.applications.name),
    }
    if settings.certificate_map is None:
        secret, _ = certificate(args, args.namespace, child)
        secure["tls"] = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": secret.metadata.name}]}
    plain = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "Same"}}}
    return {
        "gatewayClassName": settings.class_name,
        "addresses": [{"type": "IPAddress", "value": settings.address}],
        "listeners": [secure, plain],
    }


def _routes_of(namespace: Input[str]) -> Spec:
    labels = {"kubernetes.io/metadata.name": namespace}
    return {"namespaces": {"from": "Selector", "selector": {"matchLabels": labels}}}


def _redirect(settings: GatewayEdge) -> Spec:
    """HTTP is only told where to go: to the same host."""
    there = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    return {
        "parentRefs": [{"name": NAME, "sectionName": "http"}],
        "hostnames": list(settings.hosts.values()),
        "rules": [{"filters": [there]}],
    }


def _routes(args: EdgeArgs, settings: GatewayEdge) -> Mapping[str, Spec]:
    """Name -> route. A path without a rule is answered by Google's balancer, with 404."""
    sockets = _rule(args.websocket, [_path("Exact", WEBSOCKET_PATH)])
    api = [_path("PathPrefix", API_PREFIX.rstrip("/")), *(_path("Exact", path) for path in API_PATHS)]
    routes = {NAME: _route(args, settings.host, [sockets, _rule(args.app, [_path("PathPrefix", "/")])])}
    if settings.api_host is not None:
        routes[f"{NAME}-api"] = _route(args, settings.api_host, [_rule(args.app, api)])
    if settings.websocket_host is not None:
        routes[f"{NAME}-websocket"] = _route(args, settings.websocket_host, [sockets])
    return routes


def _route(args: EdgeArgs, host: str, rules: Sequence[Spec]) -> Spec:
    parent = {"name": NAME, "namespace": args.namespace.name, "sectionName": "https"}
    return {"parentRefs": [parent], "hostnames": [host], "rules": list(rules)}


def _path(how: str, path: str) -> Spec:
    return {"path": {"type": how, "value": path}}


def _rule(backend: Backend, matches: Sequence[Spec]) -> Spec:
    """The request's number is the application's nginx's to give, never the client's to choose."""
    without = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["X-Request-Id"]}}
    to = {"name": backend.service, "port": backend.endpoint.port}
    return {"matches": list(matches), "filters": [without], "backendRefs": [to]}


def _health(backend: Backend) -> Spec:
    asked = {"portSpecification": "USE_FIXED_PORT", "port": backend.endpoint.port, "requestPath": "/health"}
    return {
        "default": {
            "checkIntervalSec": 5,
            "timeoutSec": 5,
            "healthyThreshold": 1,
            "unhealthyThreshold": 2,
            "config": {"type": "HTTP", "httpHealthCheck": asked},
        },
        "targetRef": _service(backend),
    }


def _backend(settings: GatewayEdge, backend: Backend, answer: int, drain: int) -> Spec:
    default: dict[str, Any] = {
        "timeoutSec": answer,
        "connectionDraining": {"drainingTimeoutSec": drain},
        # Google writes each client's whole address, and can't leave it out (DECISIONS: personal data).
        "logging": {"enabled": False},
    }
    if settings.security_policy:
        default["securityPolicy"] = settings.security_policy
    return {"default": default, "targetRef": _service(backend)}


def _service(backend: Backend) -> Spec:
    return {"group": "", "kind": "Service", "name": backend.service}
