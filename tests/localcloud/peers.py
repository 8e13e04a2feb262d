"""Pods that talk to each other, by which tests find out what network policies let through.

Each answers on three ports and tries whatever it is told to; `toolchain/policy-probe` is the program of both ends.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client
from kubernetes.stream import stream

from localcloud import toolchain
from localcloud.cluster import layout
from localcloud.images import publish_binary
from tests.waiting import wait_for

REFERENCE = "docker.io/mfenwick100/cyclonus-worker:latest"
PORTS = {"web": ("tcp", 8080), "other": ("tcp", 8081), "names": ("udp", 8080)}
# Seconds. A policy is in force after a fraction of one, and each look at all connections takes up to three.
PATIENCE = 60

Connection = tuple[str, str, str]  # from, to, port


def publish_image() -> str:
    """The image of both ends, by its content: a node that has another one of that name takes this."""
    probe = toolchain.binary("policy-probe")
    names = ("/agnhost", "/worker", "/policy-probe")
    digest = publish_binary(REFERENCE, dict.fromkeys(names, probe), ["/policy-probe"], user="0:0")
    return f"{REFERENCE.rpartition(':')[0]}@{digest}"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A pod, and where it is."""

    name: str
    namespace: str
    address: str


@dataclass(kw_only=True)
class Peers:
    """Pods in a namespace, or in several; their names are told apart by nothing else."""

    api: client.ApiClient
    namespace: str
    image: str
    known: dict[str, Peer] = field(default_factory=dict)

    @property
    def core(self) -> Any:
        return client.CoreV1Api(self.api)

    @property
    def policies(self) -> Any:
        return client.NetworkingV1Api(self.api)

    def start(
        self, name: str, *, node: layout.Node, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> None:
        """Start a pod that answers, and wait until it does."""
        command = ["/policy-probe", "serve", *(f"{protocol}:{number}" for protocol, number in PORTS.values())]
        where = namespace or self.namespace
        self.create(name, command, node=node, namespace=where, labels=labels)
        address = wait_for(lambda: self.address(name, where), f"pod {name} ready")
        self.known[name] = Peer(name=name, namespace=where, address=address)

    def create(
        self,
        name: str,
        command: list[str],
        *,
        node: layout.Node,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        host: bool = False,
    ) -> None:
        """Have a pod made, and don't wait for it. host: in its node's network."""
        where = namespace or self.namespace
        wait_for(lambda: self.core.list_namespaced_service_account(where).items, "the default service account")
        ports = [
            {"name": port, "containerPort": number, "protocol": protocol.upper()}
            for port, (protocol, number) in PORTS.items()
        ]
        ready = {"tcpSocket": {"port": 8080}, "periodSeconds": 1} if "tcp:8080" in command else None
        security = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        container = {
            "name": "main",
            "image": self.image,
            "command": command,
            "ports": [] if host else ports,
            "readinessProbe": ready,
            "securityContext": security,
        }
        spec = {
            "nodeSelector": {"kubernetes.io/hostname": node.name},
            "hostNetwork": host,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        metadata = {"name": name, "labels": {"app": name, **(labels or {})}}
        self.core.create_namespaced_pod(where, {"metadata": metadata, "spec": spec})

    def address(self, name: str, namespace: str = "") -> str | None:
        """The pod's address, once it is ready."""
        status: Any = self.core.read_namespaced_pod(name, namespace or self.namespace).status
        ready = any(condition.type == "Ready" and condition.status == "True" for condition in status.conditions or ())
        return str(status.pod_ip) if ready else None

    def policy(self, name: str, spec: Mapping[str, Any]) -> None:
        """Make a policy of the namespace."""
        self.policies.create_namespaced_network_policy(self.namespace, {"metadata": {"name": name}, "spec": spec})

    def without_policies(self) -> None:
        """Remove the namespace's policies, and wait until everybody reaches everybody."""
        self.policies.delete_collection_namespaced_network_policy(self.namespace)
        self.settle(self.everything())

    def everything(self) -> set[Connection]:
        """All connections that there can be."""
        return {(source, target, port) for source in self.known for target in self.known for port in PORTS}

    def settle(self, expected: Iterable[Connection]) -> None:
        """Wait until exactly these connections get through."""
        wanted, found = set(expected), set[Connection]()

        def settled() -> bool:
            found.clear()
            found.update(self.connections())
            return found == wanted

        try:
            wait_for(settled, "the policy to be in force", PATIENCE)
        except AssertionError as error:
            open_, shut = sorted(found - wanted), sorted(wanted - found)
            raise AssertionError(f"get through and shouldn't: {open_}; don't and should: {shut}") from error

    def connections(self) -> set[Connection]:
        """Which connections get through, tried by all at once."""
        with ThreadPoolExecutor() as pool:
            return set().union(*pool.map(self._reached, self.known))

    def _reached(self, source: str) -> set[Connection]:
        tried = [(source, target, port) for target in self.known for port in PORTS]
        answers = self.ask(source, [(*PORTS[port], self.known[target].address) for _, target, port in tried])
        return {one for one, answer in zip(tried, answers, strict=True) if answer}

    def ask(self, source: str, targets: Iterable[tuple[str, int, str]]) -> list[bool]:
        """Which of these (protocol, port, address) a pod reaches."""
        text = json.dumps([{"protocol": each[0], "address": f"{each[2]}:{each[1]}"} for each in targets])
        answers: list[bool] = json.loads(self.run(source, "/policy-probe", "ask", text))
        return answers

    def run(self, source: str, *command: str) -> str:
        """Run a command in a pod."""
        # The client turns into a WebSocket for as long as it takes: one for each.
        core: Any = client.CoreV1Api(client.ApiClient(self.api.configuration))
        peer = self.known[source]
        streams = {"stdout": True, "stderr": True, "stdin": False, "tty": False}
        connect = core.connect_get_namespaced_pod_exec
        return str(stream(connect, peer.name, peer.namespace, command=list(command), _preload_content=True, **streams))

    def tries(self, name: str, namespace: str = "") -> list[bool]:
        """What came of a pod's tries since its first moment, in the order of their beginning."""
        return [answered for _, answered in self.timed_tries(name, namespace)]

    def timed_tries(self, name: str, namespace: str = "") -> list[tuple[float, bool]]:
        """The same, with the moment when each began, in seconds of this machine's clock."""
        said = str(self.core.read_namespaced_pod_log(name, namespace or self.namespace))
        lines = [line.split() for line in said.splitlines()]
        return sorted((int(begun) / 1000, answer == "true") for begun, answer in lines)
