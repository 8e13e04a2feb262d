"""The cluster's network on this machine: one bridge, and routes through it to the pods.

The bridge has a range of its own and fixed addresses, so that nothing has to be looked up and a node that is made anew
is where its predecessor was. Firewall rules for the bridge are Docker's, made and removed with the network.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from localcloud.cluster import layout
from localcloud.docker import DockerFailed, docker
from localcloud.problem import Problem

# systemd-resolved's own list first: /etc/resolv.conf then only names systemd-resolved, on the loopback.
RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


def ensure(progress: Callable[[str], None]) -> None:
    """Make the bridge network, unless it is there as it should be."""
    existing = _inspect()
    if existing == (layout.SUBNET, layout.BRIDGE):
        return
    if existing is not None:
        raise Problem(
            f"Docker has a network {layout.NETWORK} that isn't ours, with the range {existing[0]}.",
            f"Remove it with `docker network rm {layout.NETWORK}`, then run `make up` again.",
        )
    progress("making the network")
    try:
        docker(
            "network",
            "create",
            f"--subnet={layout.SUBNET}",
            f"--gateway={layout.HOST}",
            f"--opt=com.docker.network.bridge.name={layout.BRIDGE}",
            layout.NETWORK,
        )
    except DockerFailed as failure:
        if "already exists" in failure.message:  # made by another run in the meantime
            return
        raise Problem(
            f"The network {layout.SUBNET} can't be made: {failure.message}",
            "Free that range (`ip route`, `docker network ls`), then run `make up` again.",
        ) from failure


def ensure_routes() -> bool:
    """Lead this machine's traffic for pods to their nodes; say whether a route was missing."""
    there = _routes()
    wanted = {node.pods: node.address for node in layout.NODES}
    missing = {pods: address for pods, address in wanted.items() if there.get(pods) != address}
    for pods, address in missing.items():
        _ip("route", "replace", pods, "via", address, "dev", layout.BRIDGE)
    return bool(missing)


def routed() -> bool:
    """Whether this machine reaches the pods of every node."""
    there = _routes()
    return all(there.get(node.pods) == node.address for node in layout.NODES)


def remove() -> list[str]:
    """Remove the network with its bridge, its routes and its firewall rules; say what went."""
    if _inspect() is None:
        return []
    routes = [pods for pods in _routes() if any(pods == node.pods for node in layout.NODES)]
    for pods in routes:
        _ip("route", "del", pods)
    docker("network", "rm", layout.NETWORK)
    gone = [f"network {layout.NETWORK} (bridge {layout.BRIDGE}, {layout.SUBNET}) and its firewall rules"]
    return [*(f"route to {pods}" for pods in routes), *gone]


def upstream_resolvers() -> list[str]:
    """Name servers that pods may ask for names outside the cluster: this machine's, unless they are on its loopback."""
    for file in RESOLVERS:
        if file.exists():
            lines = [line.split() for line in file.read_text().splitlines()]
            servers = [line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1]
            return [server for server in servers if not server.startswith("127.") and server != "::1"]
    return []


def _inspect() -> tuple[str, str] | None:
    try:
        described = json.loads(docker("network", "inspect", layout.NETWORK))[0]
    except DockerFailed:
        return None
    ranges = described.get("IPAM", {}).get("Config") or [{}]
    options = described.get("Options") or {}
    return ranges[0].get("Subnet", ""), options.get("com.docker.network.bridge.name", "")


def _routes() -> dict[str, str]:
    listing = subprocess.run(
        ["ip", "-json", "route", "show", "dev", layout.BRIDGE], capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:  # the bridge isn't there
        return {}
    return {route["dst"]: route["gateway"] for route in json.loads(listing.stdout or "[]") if "gateway" in route}


def _ip(*args: str) -> None:
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(
            f"`ip {' '.join(args)}` failed: {done.stderr.strip()}",
            "Run `make down`, then `make up`: they remove and make the cluster's network.",
        )
