"""The flavour `ingress`: a plain Ingress, for clusters that have a controller.

It says which host and path lead where, and which Secret has the certificate. An Ingress has no field for the rest:
sending HTTP to HTTPS, and time-outs that a WebSocket outlives, are asked of the controller by annotations, which the
settings pass on. What lies beside these paths the controller answers itself, with its own headers: an exception to
S3.1.
"""

from collections.abc import Sequence

from pulumi import ResourceOptions
from pulumi_kubernetes.networking import v1 as networking

from components.edge.arguments import API_PATHS, API_PREFIX, NAME, WEBSOCKET_PATH, Backend, EdgeArgs, certificate
from components.kubernetes import metadata
from components.settings import IngressEdge


def build(args: EdgeArgs, settings: IngressEdge, child: ResourceOptions) -> None:
    """Make the Ingress beside the Services that it leads to, which can't be in another namespace."""
    secret = settings.tls_secret or certificate(args, args.applications, child)[0].metadata.name
    networking.Ingress(
        NAME,
        metadata=metadata(NAME, args.applications.name, app=NAME, annotations=settings.annotations or None),
        spec=networking.IngressSpecArgs(
            ingress_class_name=settings.class_name,
            tls=[networking.IngressTLSArgs(hosts=list(settings.hosts.values()), secret_name=secret)],
            rules=_rules(args, settings),
        ),
        opts=child,
    )


def _rules(args: EdgeArgs, settings: IngressEdge) -> Sequence[networking.IngressRuleArgs]:
    socket = _path(args.websocket, WEBSOCKET_PATH, "Exact")
    rules = [_rule(settings.host, [socket, _path(args.app, "/", "Prefix")])]
    if settings.api_host is not None:
        exact = [_path(args.app, path, "Exact") for path in API_PATHS]
        rules.append(_rule(settings.api_host, [_path(args.app, API_PREFIX, "Prefix"), *exact]))
    if settings.websocket_host is not None:
        rules.append(_rule(settings.websocket_host, [socket]))
    return rules


def _rule(host: str, paths: Sequence[networking.HTTPIngressPathArgs]) -> networking.IngressRuleArgs:
    return networking.IngressRuleArgs(host=host, http=networking.HTTPIngressRuleValueArgs(paths=list(paths)))


def _path(backend: Backend, path: str, how: str) -> networking.HTTPIngressPathArgs:
    port = networking.ServiceBackendPortArgs(number=backend.endpoint.port)
    service = networking.IngressServiceBackendArgs(name=backend.service, port=port)
    return networking.HTTPIngressPathArgs(
        path=path, path_type=how, backend=networking.IngressBackendArgs(service=service)
    )
