"""Stand-ins keep to this machine, and to the states that they wrote themselves.

What a stand-in makes was never meant for production, so a mistyped address must not lead it there. And a state that the
official plugin wrote stays the official plugin's: it may hold what the stand-in doesn't know.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values

MARK: Final = "__standIn"
_OURS: Final = "vision-week"
_NETWORK: Final = ipaddress.ip_network("172.31.240.0/24")  # the local cluster's own bridge


def local(address: str) -> bool:
    """Whether an address is this machine's, or one of its cluster's containers'."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.is_loopback or (parsed.version == 4 and parsed in _NETWORK)


def is_local(host: str) -> bool:
    """Whether a host, `localhost:5005` say, is this machine or a container of its cluster. Names aren't looked up."""
    name = host.partition("]")[0].strip("[") if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        return name == "localhost" or local(name)
    except ValueError:
        return False


def marked(outputs: Mapping[str, Any]) -> Values:
    """Outputs that say who wrote them."""
    return {**outputs, MARK: _OURS}


def is_marked(outputs: Mapping[str, Any]) -> bool:
    """Whether a stand-in wrote them."""
    return outputs.get(MARK) == _OURS


def require_own(plugin: str, outputs: Mapping[str, Any], urn: str) -> None:
    """Refuse a state that the stand-in didn't write. An import has none yet."""
    if outputs and not is_marked(outputs):
        raise Failed(
            f"the state of {urn} was not written by the local {plugin} plugin, which therefore doesn't touch it: "
            f"use the official plugin for this stack. If the stack is this machine's own, `make down` and `make up` "
            "make it anew"
        )
