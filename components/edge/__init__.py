"""Where users come in: hosts, TLS, and the way to the application and to the WebSocket service.

One component whose flavour is a setting. Which hosts lead where is the same in all of them: the site's has everything,
`api_host` only the API's routes, `websocket_host` only the WebSocket service.
"""

from components.edge.arguments import NAME, WHOLE_ADDRESSES, Backend, EdgeArgs
from components.edge.component import Edge
from components.edge.entrance import Entrance, entrance

__all__ = ["NAME", "WHOLE_ADDRESSES", "Backend", "Edge", "EdgeArgs", "Entrance", "entrance"]
