"""Network policies, enforced: on each node a program of ours makes packets obey them (`toolchain/policy-enforcer`).

It fails closed. The container run-time asks it about each new pod, and the pod starts when its policies are in force;
an address that no known pod has gets nowhere. It reads three kinds of object and nothing else.
"""

import httpx

from localcloud.cluster import layout, pki
from localcloud.cluster.layout import Node

PROGRAM = "policy-enforcer"
USER = "vision-week:policy-enforcer"
PLUGIN = "network-policies"
SOCKET = "/run/network-policies.sock"
PORT = 10260


def files() -> dict[str, bytes]:
    """By what the program is known to the API server, beside the authority that the node has anyway."""
    pair = pki.issued("cluster", USER)
    return {f"pki/{PROGRAM}.crt": pair.certificate, f"pki/{PROGRAM}.key": pair.key}


def command(node: Node, settings: str) -> list[str]:
    """How the program is started on a node."""
    return [
        PROGRAM,
        f"--server={layout.API_INSIDE}",
        f"--credentials={settings}/pki",
        f"--node={node.name}",
        f"--pods={node.pods}",
        f"--socket={SOCKET}",
        f"--listen={node.address}:{PORT}",
    ]


def plugin() -> dict[str, str]:
    """The last part of the pods' network: what the run-time waits for."""
    return {"type": PLUGIN, "socket": SOCKET}


def problem(node: Node) -> str | None:
    """Why the policies aren't in force on a node."""
    try:
        answer = httpx.get(f"http://{node.address}:{PORT}/ready", timeout=3, trust_env=False)
    except httpx.HTTPError as error:
        return f"aren't enforced: the program doesn't answer ({error})"
    return None if answer.status_code == httpx.codes.OK else f"aren't enforced: {answer.text.strip()}"
