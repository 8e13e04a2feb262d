"""An edge in each of its flavours, on mocks."""

from collections.abc import Mapping
from typing import Any

from components.certificates import Authority, AuthorityArgs
from components.edge import Backend, Edge, EdgeArgs
from components.kubernetes import pods_of
from tests.unit.faults import GATEWAY, INGRESS
from tests.unit.parts import endpoint, namespace, settings
from tests.unit.recording import Recording, record

HOST = "vision-week.example"
API_HOST, WEBSOCKET_HOST = f"api.{HOST}", f"ws.{HOST}"
HOSTS = {"api_host": API_HOST, "websocket_host": WEBSOCKET_HOST}
NGINX = {"flavour": "nginx", "url": f"https://{HOST}"}
FLAVOURS: Mapping[str, Mapping[str, Any]] = {"nginx": NGINX, "gateway": GATEWAY, "ingress": INGRESS}


def built(
    flavour: str,
    *,
    own: str = "edge",
    applications: str = "apps",
    timeouts: Any = None,
    whole_addresses: Any = False,
    **changes: Any,
) -> Recording:
    """The objects of an edge whose namespaces are called so."""

    def program() -> None:
        app, websocket = (endpoint(name, applications, port) for name, port in (("app", 8080), ("websocket", 8090)))
        Edge(
            "edge",
            EdgeArgs(
                namespace=namespace(own),
                applications=namespace(applications),
                settings=settings(edge={**FLAVOURS[flavour], **changes}).edge,
                image="registry.example/nginx:1",
                exporter_image="registry.example/exporter:1",
                authority=Authority("authority", AuthorityArgs(common_name="here CA")),
                app=Backend(service="app", endpoint=app, peer=pods_of(applications, "app")),
                websocket=Backend(service="websocket", endpoint=websocket, peer=pods_of(applications, "websocket")),
                body=10,
                whole_addresses=whole_addresses,
                timeouts=settings(timeouts=timeouts or {}).timeouts,
                rollout_timeout=300,
            ),
        )

    return record(program)
