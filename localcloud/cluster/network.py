"""The cluster's network on this machine: one bridge, and routes through it to the pods.

The bridge has a range of its own and fixed addresses, so that nothing has to be looked up and a node that is made anew
is where its predecessor was. Firewall rules for the bridge are Docker's, made and removed with the network.

A route is the cluster's if it leads over its bridge, a network if it is labelled with this state. Others' are never
changed: where one is in the way, that is said.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from localcloud import paths
from localcloud.cluster import layout
from localcloud.docker import LABEL_STATE, DockerFailed, docker
from localcloud.problem import Problem

# systemd-resolved's own list first: /etc/resolv.conf then only names systemd-resolved, on the loopback.
RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network as the engine has it."""

    subnet: str
    bridge: str
    owner: str

    @property
    def is_ours(self) -> bool:
        return self.owner == str(paths.state())


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of this machine's: to a range, by way of a gateway (if it has one), over a device (if it leads on)."""

    to: IPv4Network
    gateway: str
    device: str

    def __str__(self) -> str:
        way = f" via {self.gateway}" if self.gateway else ""
        return f"{self.to}{way}" + (f" dev {self.device}" if self.device else "")


def ensure(progress: Callable[[str], None]) -> None:
    """Make the bridge network, unless it is there as it should be."""
    refuse_foreign_routes()
    existing = _network()
    if existing and existing.is_ours and (existing.subnet, existing.bridge) == (layout.SUBNET, layout.BRIDGE):
        return
    if existing:
        raise Problem(
            f"Docker has a network {layout.NETWORK} that isn't this local cloud's, with the range {existing.subnet}.",
            f"Remove its containers ({', '.join(_containers()) or 'it has none'}) and then the network, with "
            f"`docker network rm {layout.NETWORK}`; then run `make up` again.",
        )
    progress("making the network")
    try:
        docker(
            "network",
            "create",
            f"--label={LABEL_STATE}={paths.state()}",
            f"--subnet={layout.SUBNET}",
            f"--gateway={layout.HOST}",
            f"--opt=com.docker.network.bridge.name={layout.BRIDGE}",
            layout.NETWORK,
        )
    except DockerFailed as failure:
        raise Problem(
            f"The network {layout.SUBNET} can't be made: {failure.message}",
            "Free that range (`ip route`, `docker network ls`), then run `make up` again.",
        ) from failure


def ensure_routes() -> None:
    """Lead this machine's traffic for pods to their nodes."""
    refuse_foreign_routes()
    there = _own_routes()
    for node in layout.NODES:
        wanted = Route(to=IPv4Network(node.pods), gateway=node.address, device=layout.BRIDGE)
        if wanted not in there:
            _ip("route", "replace", *str(wanted).split())


def refuse_foreign_routes() -> None:
    """Refuse to begin where this machine leads traffic for the cluster's addresses elsewhere."""
    if foreign := _foreign_routes():
        raise Problem(
            f"This machine has a route that isn't the local cloud's, to addresses that it needs: {foreign[0]}.",
            f"Stop what made it (a VPN, another Kubernetes), or remove it with `ip route del {foreign[0]}`; "
            "then run the same command again.",
        )


def routes_problem() -> str | None:
    """Why this machine doesn't reach the pods of every node."""
    if foreign := _foreign_routes():
        return f"are taken: {foreign[0]} isn't the local cloud's"
    there = {(str(route.to), route.gateway) for route in _own_routes()}
    missing = [node.name for node in layout.NODES if (node.pods, node.address) not in there]
    return f"are missing on this machine: to {', '.join(missing)}" if missing else None


def remove() -> list[str]:
    """Remove the network with its bridge, its routes and its firewall rules; say what went, and what had to stay."""
    existing = _network()
    if existing is None:
        return []
    if not existing.is_ours:
        return [f"network {layout.NETWORK} stays: it isn't this local cloud's"]
    if others := _containers():
        return [f"network {layout.NETWORK} stays: it has containers of others, {', '.join(others)}"]
    routes = [route for route in _own_routes() if route.gateway]
    for route in routes:
        _ip("route", "del", *str(route).split())
    for link in _links():
        _ip("link", "delete", link)
    docker("network", "rm", layout.NETWORK)
    gone = [f"network {layout.NETWORK} (bridge {layout.BRIDGE}, {layout.SUBNET}) and its firewall rules"]
    return [*(f"route to {route.to}" for route in routes), *gone]


def upstream_resolvers() -> list[str]:
    """Name servers that pods may ask for names outside the cluster: this machine's, unless they are on its loopback."""
    for file in RESOLVERS:
        if file.exists():
            lines = [line.split() for line in file.read_text().splitlines()]
            servers = [line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1]
            return [server for server in servers if not server.startswith("127.") and server != "::1"]
    return []


def _network() -> Network | None:
    """The network of our name."""
    try:
        described = json.loads(docker("network", "inspect", layout.NETWORK))[0]
    except DockerFailed as failure:
        if f"network {layout.NETWORK} not found" in failure.message or "No such network" in failure.message:
            return None
        raise
    ranges = described.get("IPAM", {}).get("Config") or [{}]
    return Network(
        subnet=ranges[0].get("Subnet", ""),
        bridge=(described.get("Options") or {}).get("com.docker.network.bridge.name", ""),
        owner=(described.get("Labels") or {}).get(LABEL_STATE, ""),
    )


def _containers() -> list[str]:
    """The containers in the network, running or not."""
    inside = ("--filter", f"network={layout.NETWORK}")
    return sorted(docker("ps", "--all", *inside, "--format", "{{.Names}}").split())


def _links() -> list[str]:
    """The bridge's ports. A container that was killed with all its connections keeps its own for two minutes."""
    listing = subprocess.run(
        ["ip", "-json", "link", "show", "master", layout.BRIDGE], capture_output=True, text=True, check=False
    )
    return [link["ifname"] for link in json.loads(listing.stdout or "[]")]


def _own_routes() -> list[Route]:
    return [route for route in _routes() if route.device == layout.BRIDGE]


def _foreign_routes() -> list[Route]:
    """Routes of others to addresses of the cluster. Wider ones do no harm: the cluster's are more exact."""
    ours = [IPv4Network(layout.SUBNET), *(IPv4Network(node.pods) for node in layout.NODES)]
    others = [route for route in _routes() if route.device != layout.BRIDGE]
    return [route for route in others if any(route.to.subnet_of(each) for each in ours)]


def _routes() -> list[Route]:
    listing = subprocess.run(["ip", "-json", "-4", "route", "show"], capture_output=True, text=True, check=False)
    return [
        Route(to=IPv4Network(route["dst"]), gateway=route.get("gateway", ""), device=route.get("dev", ""))
        for route in json.loads(listing.stdout or "[]")
        if route["dst"] != "default"
    ]


def _ip(*args: str) -> None:
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(
            f"`ip {' '.join(args)}` failed: {done.stderr.strip()}",
            "Run `make down`, then `make up`: they remove and make the cluster's network.",
        )
