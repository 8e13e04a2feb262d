"""What network policies cost: the time until a new one is in force, and what a node's table takes to put together."""

import re
import secrets
import statistics
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from kubernetes import client, config

from localcloud import cluster, toolchain
from localcloud.cluster import layout
from localcloud.toolchain import go
from tests.localcloud.peers import Peers, publish_image
from tests.waiting import wait_for


def measure(runs: int) -> Iterator[tuple[str, float, str]]:
    """What is measured, its seconds, the target."""
    yield "policy made, first connection refused", statistics.median(_until_refused(runs)), "100 ms"
    yield "table of a node: 300 pods, 100 policies", statistics.median(_table() for _ in range(runs)), "300 ms"


def _until_refused(runs: int) -> Iterator[float]:
    """Seconds from the API server's word that a policy is there to the first try in vain; tries begin each 10 ms."""
    settings = client.Configuration()
    load: Any = config.load_kube_config
    load(str(cluster.kubeconfig()), client_configuration=settings)
    peers = Peers(api=client.ApiClient(settings), namespace=f"bench-{secrets.token_hex(4)}", image=publish_image())
    peers.core.create_namespace({"metadata": {"name": peers.namespace}})
    try:
        peers.start("target", node=layout.NODES[1])
        target = f"{peers.known['target'].address}:8080"
        peers.create("source", ["/policy-probe", "first", "tcp", target], node=layout.NODES[0])
        for _ in range(runs):
            begun = time.time()
            wait_for(partial(_answered, peers, begun, True), "tries that are answered")
            peers.policy("deny", {"podSelector": {"matchLabels": {"app": "source"}}, "policyTypes": ["Egress"]})
            made = time.time()
            yield wait_for(partial(_answered, peers, made, False), "a try in vain") - made
            peers.policies.delete_namespaced_network_policy("deny", peers.namespace)
    finally:
        peers.core.delete_namespace(peers.namespace)


def _answered(peers: Peers, since: float, answered: bool) -> float | None:
    """When the first try began that ended so."""
    pod: Any = peers.core.read_namespaced_pod("source", peers.namespace)
    if pod.status.phase != "Running":
        return None
    return next((begun for begun, was in peers.timed_tries("source") if begun > since and was is answered), None)


def _table() -> float:
    test = "TestThreeHundredPodsAndAHundredPoliciesTakeNoTime"
    done = subprocess.run(
        [go.command(), "test", "-count=1", "-v", "-run", test, "./..."],
        cwd=toolchain.SOURCES / "policy-enforcer",
        env=go.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.search(r"lines in (\d+\.?\d*)ms", done.stdout)
    if told is None:
        raise ValueError(done.stdout)
    return float(told[1]) / 1000
