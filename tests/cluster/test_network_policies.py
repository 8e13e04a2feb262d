"""Who may talk to whom, proved by packets: the platform's own pods try everything; what is in the table gets through.

The cluster enforces the policies. What they say is read in `tests/unit/test_program_connections.py`.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest

from localcloud.cluster import layout
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

Found = TypeVar("Found")

# What listens: the pods' name -> their area, and the ports.
SERVERS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "edge": ("edge", (8443, 8080, 8081, 9113)),
    "app": ("app", (8080, 8081, 9113)),
    "websocket": ("app", (8090, 8091)),
    "postgres": ("data", (5432, 6432, 8008, 9127, 9187)),
    "redis": ("data", (6379, 6380, 8404, 9121, 26379)),
    "prometheus": ("monitoring", (9090,)),
    "alertmanager": ("monitoring", (9093,)),
    "probes": ("monitoring", (9115,)),
}
OUTSIDE = {
    "DNS": (layout.DNS_SERVICE, 53),
    "API server": (layout.API_SERVICE, 443),
    "API server itself": (layout.CONTROL_PLANE_ADDRESS, 6443),
    "another machine": (layout.REGISTRY_ADDRESS, 5000),
}
# Who tries, and in which container: all have bash here.
CLIENTS = {
    "edge": "nginx",
    "app": "php",
    "websocket": "websocket",
    "postgres": "postgres",
    "redis": "redis",
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "probes": "probes",
}
STRANGER = "stranger"
STRANGERS_NAMESPACE = f"stranger-{secrets.token_hex(4)}"

ALLOWED = {
    ("edge", "app", 8080),
    ("edge", "websocket", 8090),
    ("app", "postgres", 5432),
    ("app", "postgres", 6432),
    ("app", "redis", 6379),
    ("websocket", "redis", 6379),
    ("redis", "redis", 6380),
    ("redis", "redis", 26379),
    ("migrations", "postgres", 5432),
    ("postgres", "API server", 443),
    ("postgres", "API server itself", 6443),
    ("postgres", "postgres", 5432),
    ("postgres", "postgres", 8008),
    ("prometheus", "app", 8081),
    ("prometheus", "app", 9113),
    ("prometheus", "edge", 9113),
    ("prometheus", "websocket", 8091),
    ("prometheus", "postgres", 8008),
    ("prometheus", "postgres", 9127),
    ("prometheus", "postgres", 9187),
    ("prometheus", "redis", 8404),
    ("prometheus", "redis", 9121),
    ("prometheus", "alertmanager", 9093),
    ("prometheus", "probes", 9115),
    ("probes", "edge", 8443),
    *((client, "DNS", 53) for client in [*CLIENTS, "migrations"]),
}
# Whoever is in the cluster may come in by the door, as everybody outside may.
ALLOWED_TO_STRANGERS = {("edge", 8443), ("edge", 8080)}


Addresses = Mapping[tuple[str, int], str]


@pytest.fixture(scope="module")
def pods(stack: Stack) -> Mapping[str, Mapping[str, str]]:
    """The pods that are ready: whose -> their names -> their addresses."""

    def ready(name: str, area: str) -> Mapping[str, str]:
        found = stack.objects(area, "pods", f"app.kubernetes.io/name={name}")
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in found if is_ready(pod)}

    return {name: wait_for(partial(ready, name, area), f"a pod of {name}") for name, (area, _) in SERVERS.items()}


def addresses(stack: Stack, pods: Mapping[str, Mapping[str, str]], namespace: str, client: str) -> Addresses:
    """Everything that a pod can try: what it is and the port -> where; of its own kind another, if there is one.

    Its own node is out of the question: from there and to there all is allowed, whatever a policy says.
    """
    node = stack.kubectl("-n", namespace, "get", "pod", client, "-o", "jsonpath={.spec.nodeName}")
    kubelet = next(each.address for each in layout.NODES if each.name != node)
    others = {name: [address for pod, address in found.items() if pod != client] for name, found in pods.items()}
    inside = {(name, port): others[name][0] for name, (_, ports) in SERVERS.items() for port in ports if others[name]}
    outside = {(name, port): address for name, (address, port) in OUTSIDE.items()}
    return inside | outside | {("another node's kubelet", 10250): kubelet}


@pytest.fixture(scope="module")
def migrations(stack: Stack) -> Iterator[str]:
    """A pod like that of the migrations, which has ended long ago; this one waits."""
    (job,) = stack.objects("app", "jobs", "app.kubernetes.io/name=migrations")
    template = job["spec"]["template"]
    labels = {key: value for key, value in template["metadata"]["labels"].items() if key.startswith("app.")}
    (container,) = template["spec"]["containers"]
    spec = {**template["spec"], "containers": [{**container, "command": ["sleep", "3600"]}]}
    spec["terminationGracePeriodSeconds"] = 0
    name = f"migrations-{secrets.token_hex(4)}"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
    namespace = f"{PREFIX}-app"
    stack.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod))
    stack.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    yield name
    stack.kubectl("-n", namespace, "delete", "pod", name, "--wait=false")


@pytest.fixture(scope="module")
def stranger(stack: Stack) -> Iterator[str]:
    """A pod of none of the platform's namespaces, which nothing restricts."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    image = "docker.io/library/python:3.11-slim-bookworm"
    container = {"name": "main", "image": image, "command": ["sleep", "3600"], "securityContext": security}
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    stack.kubectl("create", "namespace", STRANGERS_NAMESPACE)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": STRANGER}, "spec": spec}
    stack.kubectl("-n", STRANGERS_NAMESPACE, "create", "-f", "-", stdin=json.dumps(pod))
    stack.kubectl("-n", STRANGERS_NAMESPACE, "wait", "--for=condition=Ready", f"pod/{STRANGER}", "--timeout=120s")
    yield STRANGER
    stack.kubectl("delete", "namespace", STRANGERS_NAMESPACE, "--wait=false")


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def reached(stack: Stack, namespace: str, pod: str, container: str, addresses: Addresses) -> set[tuple[str, int]]:
    """What a pod reaches of all this, tried at once."""
    tried = list(addresses)
    program = " ".join(
        f"(timeout 3 bash -c 'exec 3<> /dev/tcp/{addresses[each]}/{each[1]}' 2> /dev/null && echo {number}) &"
        for number, each in enumerate(tried)
    )
    said = stack.kubectl("-n", namespace, "exec", pod, "-c", container, "--", "bash", "-c", f"{program} wait")
    return {tried[int(number)] for number in said.split()}


def nothing_but(allowed: set[Found], look: Callable[[], set[Found]]) -> None:
    """All of it gets through, at once or when a busy machine comes to it; and at no look anything else."""

    def complete() -> bool:
        found = look()
        assert found <= allowed
        return found == allowed

    wait_for(complete, "all that is allowed to get through")


def test_the_platforms_pods_reach_whom_they_need_and_nobody_else(
    stack: Stack, pods: Mapping[str, Mapping[str, str]], migrations: str
) -> None:
    """S7.1: from the edge to the application, from there to the data, and no other way; names for all."""

    clients = {name: (SERVERS[name][0], next(iter(pods[name])), container) for name, container in CLIENTS.items()}
    clients["migrations"] = ("app", migrations, "migrations")

    def of(client: str) -> set[tuple[str, str, int]]:
        area, pod, container = clients[client]
        namespace = f"{PREFIX}-{area}"
        tried = addresses(stack, pods, namespace, pod)
        return {(client, *each) for each in reached(stack, namespace, pod, container, tried)}

    def found() -> set[tuple[str, str, int]]:
        with ThreadPoolExecutor() as pool:
            return set[tuple[str, str, int]]().union(*pool.map(of, clients))

    nothing_but(ALLOWED, found)


def test_strangers_get_in_by_the_door_alone(stack: Stack, stranger: str, pods: Mapping[str, Mapping[str, str]]) -> None:
    """It reaches what is outside too: nothing restricts it, so what it doesn't reach is shut by the other side."""
    tried = addresses(stack, pods, STRANGERS_NAMESPACE, stranger)
    allowed = ALLOWED_TO_STRANGERS | {each for each in tried if each[0] not in SERVERS}
    nothing_but(allowed, lambda: reached(stack, STRANGERS_NAMESPACE, stranger, "main", tried))
