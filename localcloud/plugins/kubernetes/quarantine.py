"""This plugin is a stand-in: it keeps away from clusters that aren't on this machine, and from official state.

What it makes is real, but it was never meant for production: a mistyped context must not let it near one. And state
that the official plugin wrote stays the official plugin's: it may hold things that this one doesn't know.
"""

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.plugins.provider import Failed
from localcloud.plugins.quarantine import is_marked, local
from localcloud.problem import Problem


def require_local(server: str, proxy: str) -> None:
    """Refuse an API server that isn't on this machine, and one behind a proxy: whose `localhost` is it?"""
    host = urlsplit(server).hostname or ""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)}
    except OSError as error:
        raise Unreachable(f"no answer from {server}: {error.strerror}") from None
    if proxy or not all(local(str(address)) for address in found):
        behind = f" behind the proxy {proxy}" if proxy else ""
        raise Problem(
            f"the local kubernetes plugin refuses {server}{behind}: it is no cluster on this machine",
            "Use a kubeconfig context of a local cluster, or install the official plugin: "
            "pulumi plugin install resource kubernetes",
        )


def require_own(outputs: Mapping[str, Any], urn: str) -> None:
    """Refuse a state that another plugin wrote."""
    if "__fieldManager" in outputs and not is_marked(outputs):
        raise Failed(
            f"the state of {urn} was written by the official kubernetes plugin, "
            "and the local stand-in doesn't touch it: use the official plugin for this stack"
        )
