"""This plugin is a stand-in: it keeps away from clusters that aren't on this machine, and from official state.

What it makes is real, but it was never meant for production: a mistyped context must not let it near one. And state
that the official plugin wrote stays the official plugin's: it may hold things that this one doesn't know.
"""

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from localcloud.plugins.provider import Failed
from localcloud.problem import Problem

MARK: Final = "__standIn"
_OURS: Final = "vision-week"
_NETWORK: Final = ipaddress.ip_network("172.31.240.0/24")  # the local cluster's own bridge


def require_local(server: str) -> None:
    """Refuse an API server that isn't on this machine."""
    host = urlsplit(server).hostname or ""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)}
    except OSError:
        return  # unknown, so nothing can be done there: the first request will say so
    if not all(_local(str(address)) for address in found):
        raise Problem(
            f"the local kubernetes plugin refuses {server}: it is no cluster on this machine",
            "Use a kubeconfig context of a local cluster, or install the official plugin: "
            "pulumi plugin install resource kubernetes",
        )


def mark() -> dict[str, str]:
    """What outputs carry to show that this plugin wrote them."""
    return {MARK: _OURS}


def require_own(outputs: Mapping[str, Any], urn: str) -> None:
    """Refuse a state that another plugin wrote."""
    if "__fieldManager" in outputs and outputs.get(MARK) != _OURS:
        raise Failed(
            f"the state of {urn} was written by the official kubernetes plugin, "
            "and the local stand-in doesn't touch it: use the official plugin for this stack"
        )


def _local(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.is_loopback or (parsed.version == 4 and parsed in _NETWORK)
