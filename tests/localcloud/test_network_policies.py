"""Packets obey network policies: real ones, between real pods, on one node and on two."""

import json
import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from kubernetes import client

from localcloud import cluster
from localcloud.cluster import layout, policies
from localcloud.docker import docker
from tests.localcloud.peers import PORTS, Connection, Peer, Peers, publish_image
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

NEAR, FAR = layout.NODES[0], layout.NODES[1]
EVERYBODY: dict[str, Any] = {"podSelector": {}}


@pytest.fixture(scope="module")
def group(api: client.ApiClient) -> Iterator[Peers]:
    """Pods a and b on one node, c on another; and d of another namespace beside c."""
    names = [f"test-{secrets.token_hex(4)}" for _ in range(2)]
    core: Any = client.CoreV1Api(api)
    for name, team in zip(names, ("ours", "theirs"), strict=True):
        labels = {"pod-security.kubernetes.io/enforce": "restricted", "team": team}
        core.create_namespace({"metadata": {"name": name, "labels": labels}})
    peers = Peers(api=api, namespace=names[0], image=publish_image())
    peers.start("a", node=NEAR)
    peers.start("b", node=NEAR)
    peers.start("c", node=FAR)
    peers.start("d", node=FAR, namespace=names[1])
    yield peers
    for name in names:
        core.delete_namespace(name)


@pytest.fixture
def peers(group: Peers) -> Peers:
    """The same, without policies; everybody reaches everybody, so what a test finds shut was shut by its policy."""
    group.without_policies()
    return group


def to_others(peers: Peers, *targets: str) -> set[Connection]:
    """The connections to these pods, but for their own to themselves, which no policy shuts."""
    return {each for each in peers.everything() if each[1] in targets and each[0] != each[1]}


def of_others(peers: Peers, *sources: str) -> set[Connection]:
    return {each for each in peers.everything() if each[0] in sources and each[0] != each[1]}


def test_a_policy_without_rules_lets_nobody_in_but_everybody_out(peers: Peers) -> None:
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Ingress"]})
    peers.settle(peers.everything() - to_others(peers, "a", "b", "c"))


def test_a_policy_without_rules_lets_nobody_out_but_everybody_in(peers: Peers) -> None:
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Egress"]})
    peers.settle(peers.everything() - of_others(peers, "a", "b", "c"))


def test_pods_may_by_their_labels_their_namespaces_labels_and_both(peers: Peers) -> None:
    selected = [
        {"podSelector": {"matchLabels": {"app": "b"}}},
        {"namespaceSelector": {"matchLabels": {"team": "theirs"}}, "podSelector": {"matchLabels": {"app": "d"}}},
        {"namespaceSelector": {"matchLabels": {"team": "nobody"}}, "podSelector": {}},
    ]
    peers.policy("some", {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [{"from": selected}]})
    peers.settle(peers.everything() - {("c", "a", port) for port in PORTS})


def test_addresses_may_but_for_those_excepted(peers: Peers) -> None:
    block = {"cidr": layout.PODS, "except": [f"{peers.known['b'].address}/32", f"{peers.known['d'].address}/32"]}
    peers.policy("block", {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [{"from": [{"ipBlock": block}]}]})
    peers.settle(peers.everything() - {(source, "a", port) for source in ("b", "d") for port in PORTS})


def test_ports_are_numbers_ranges_and_names_of_one_protocol(peers: Peers) -> None:
    for app, port in {
        "a": {"port": 8080},
        "b": {"port": 8000, "endPort": 8080},
        "c": {"port": "names", "protocol": "UDP"},
    }.items():
        peers.policy(app, {"podSelector": {"matchLabels": {"app": app}}, "ingress": [{"ports": [port]}]})
    shut = {each for each in to_others(peers, "a", "b") if each[2] != "web"}
    peers.settle(peers.everything() - shut - {each for each in to_others(peers, "c") if each[2] != "names"})


def test_a_name_of_a_port_going_out_is_the_other_pods(peers: Peers) -> None:
    rule = {"to": [{"podSelector": {}}], "ports": [{"port": "other"}]}
    peers.policy("out", {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Egress"], "egress": [rule]})
    allowed = {("a", target, "other") for target in ("b", "c")}
    peers.settle((peers.everything() - of_others(peers, "a")) | allowed)


def test_both_ends_must_agree(peers: Peers) -> None:
    out_to_c = {"to": [{"podSelector": {"matchLabels": {"app": "c"}}}]}
    in_from_b = {"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}
    peers.policy("a", {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Egress"], "egress": [out_to_c]})
    peers.policy("c", {"podSelector": {"matchLabels": {"app": "c"}}, "ingress": [in_from_b]})
    only_b = {("b", "c", port) for port in PORTS}
    peers.settle(peers.everything() - of_others(peers, "a") - to_others(peers, "c") | only_b)


def test_a_service_leads_to_those_whom_a_policy_allows_at_their_own_port(peers: Peers) -> None:
    """Rules see the pod and its port, not the Service's address and port."""
    for target in ("b", "c"):
        ports = [{"port": 80, "targetPort": "web"}]
        body = {"metadata": {"name": target}, "spec": {"selector": {"app": target}, "ports": ports}}
        peers.core.create_namespaced_service(peers.namespace, body)
    services = {each: peers.core.read_namespaced_service(each, peers.namespace).spec.cluster_ip for each in ("b", "c")}
    tries = [("tcp", 80, services["b"]), ("tcp", 80, services["c"])]
    wait_for(lambda: peers.ask("a", tries) == [True, True], "both Services to answer")
    rule = {"to": [{"podSelector": {"matchLabels": {"app": "c"}}}], "ports": [{"port": 8080}]}
    peers.policy("out", {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Egress"], "egress": [rule]})
    wait_for(lambda: peers.ask("a", tries) == [False, True], "the policy to be in force")


def test_a_label_that_changes_counts(peers: Peers) -> None:
    rule = {"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}
    peers.policy("clients", {"podSelector": {"matchLabels": {"app": "c"}}, "ingress": [rule]})
    shut = to_others(peers, "c")
    peers.settle(peers.everything() - shut)
    for role in ("client", None):
        peers.core.patch_namespaced_pod("a", peers.namespace, {"metadata": {"labels": {"role": role}}})
        peers.settle(peers.everything() - (shut - {("a", "c", port) for port in PORTS} if role else shut))


def test_a_pod_that_nobody_may_reach_is_probed_by_its_node(peers: Peers) -> None:
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Ingress", "Egress"]})
    peers.settle(peers.everything() - to_others(peers, "a", "b", "c") - of_others(peers, "a", "b", "c"))
    peers.create("probed", ["/policy-probe", "serve", "tcp:8080"], node=FAR)
    wait_for(lambda: peers.address("probed"), "a pod to be ready by a probe that comes over the network")
    peers.core.delete_namespaced_pod("probed", peers.namespace)


def test_a_pod_in_its_nodes_network_is_its_node_and_no_pod(peers: Peers) -> None:
    """A selector of all pods of all namespaces doesn't mean it; a block with its node's address does."""
    namespace = f"test-{secrets.token_hex(4)}"
    peers.core.create_namespace({"metadata": {"name": namespace}})
    peers.create("host", ["/policy-probe", "serve", "tcp:28080"], node=FAR, namespace=namespace, host=True)
    address = wait_for(lambda: peers.address("host", namespace), "the pod in its node's network")
    assert address == FAR.address
    host = Peers(api=peers.api, namespace=namespace, image=peers.image)
    host.known["host"] = Peer(name="host", namespace=namespace, address=address)
    to_a = [("tcp", 8080, peers.known["a"].address)]
    wait_for(lambda: host.ask("host", to_a) == [True], "an answer without policies")
    rule: dict[str, Any] = {"from": [{"namespaceSelector": {}}]}
    peers.policy("all-pods", {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [rule]})
    wait_for(lambda: host.ask("host", to_a) == [False], "the policy to be in force")
    peers.settle(peers.everything())
    rule = {"from": [{"ipBlock": {"cidr": f"{address}/32"}}]}
    peers.policy("node", {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [rule]})
    wait_for(lambda: host.ask("host", to_a) == [True], "the other policy to be in force")
    peers.core.delete_namespace(namespace)


def test_a_pod_has_no_moment_before_its_policies(peers: Peers) -> None:
    """Without waiting for them it had half a second. The same pod in the other namespace shows what it would do."""
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Egress"]})
    free = peers.known["d"].namespace
    for where in (peers.namespace, free):
        peers.create("eager", trying(peers), node=NEAR, namespace=where)
    assert True not in wait_for(lambda: tried(peers, "eager", peers.namespace, 200), "the pod to have tried")
    assert True in wait_for(lambda: tried(peers, "eager", free, 50), "the other pod to have tried")
    for where in (peers.namespace, free):
        peers.core.delete_namespaced_pod("eager", where)


def test_a_connection_that_was_allowed_when_it_was_made_goes_on(peers: Peers) -> None:
    command = ["/policy-probe", "hold", "tcp", f"{peers.known['d'].address}:8080"]
    peers.create("holder", command, node=NEAR)
    wait_for(lambda: tried(peers, "holder", peers.namespace, 1), "the connection to be used")
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Egress"]})
    peers.settle(peers.everything() - of_others(peers, "a", "b", "c"))
    wanted = tries_so_far(peers, "holder") + 100
    wait_for(lambda: tried(peers, "holder", peers.namespace, wanted), "the connection to be used on")
    peers.core.delete_namespaced_pod("holder", peers.namespace)


def test_no_packet_slips_through_while_the_enforcer_is_killed_and_policies_come_and_go(peers: Peers) -> None:
    """A table is replaced in one transaction, and stays where its program is gone."""
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Egress"]})
    talk = {"podSelector": {"matchLabels": {"may": "talk"}}, "policyTypes": ["Egress"], "egress": [{}]}
    peers.policy("talk", talk)
    peers.create("shut", trying(peers), node=NEAR)
    peers.create("open", trying(peers), node=NEAR, labels={"may": "talk"})
    for round_ in range(2):
        wanted = max(tries_so_far(peers, name) for name in ("shut", "open")) + 200
        for number in range(5):
            rule = {"ports": [{"port": 1 + number}]}
            peers.policy(f"more-{round_}-{number}", {"podSelector": {}, "ingress": [rule]})
        wait_for(lambda: enforcer(NEAR), "the enforcer to run")
        signal(NEAR, "KILL")
        for name in ("shut", "open"):
            wait_for(partial(tried, peers, name, peers.namespace, wanted), f"{name} to go on")
    assert True not in peers.tries("shut")
    assert True in peers.tries("open")[-100:]
    for name in ("shut", "open"):
        peers.core.delete_namespaced_pod(name, peers.namespace)


def test_policies_are_followed_again_after_the_enforcer_was_killed(peers: Peers) -> None:
    wait_for(lambda: enforcer(NEAR), "the enforcer to run")
    signal(NEAR, "KILL")
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Ingress"]})
    peers.settle(peers.everything() - to_others(peers, "a", "b", "c"))


def test_no_pod_starts_on_a_node_that_can_not_make_it_safe(peers: Peers) -> None:
    wait_for(lambda: enforcer(NEAR), "the enforcer to run")
    signal(NEAR, "STOP")
    try:
        for name, node in (("waits", NEAR), ("starts", FAR)):
            peers.create(name, ["/policy-probe", "serve", "tcp:8080"], node=node)
        wait_for(lambda: peers.address("starts"), "the pod on the other node")
        wait_for(lambda: pids(NEAR, "network-policies"), "the run-time to ask")
        assert peers.core.read_namespaced_pod("waits", peers.namespace).status.phase == "Pending"
        problems = {part.name: part.problem for part in cluster.status().parts if part.problem}
        assert "the program doesn't answer" in problems[f"network policies on {NEAR.name}"]
    finally:
        signal(NEAR, "CONT")
    wait_for(lambda: peers.address("waits"), "the pod that waited")
    for name in ("waits", "starts"):
        peers.core.delete_namespaced_pod(name, peers.namespace)


def test_a_table_that_somebody_removed_comes_back(peers: Peers) -> None:
    peers.policy("deny", {**EVERYBODY, "policyTypes": ["Ingress"]})
    shut = peers.everything() - to_others(peers, "a", "b", "c")
    peers.settle(shut)
    docker("exec", NEAR.container, "nft", "delete", "table", "ip", "network-policies")
    peers.settle(shut)


def test_pods_of_a_node_have_no_other_protocol_to_go_round_by(peers: Peers) -> None:
    """Policies are about IPv4 here; the bridge would carry IPv6 between pods, by addresses that nobody gave them."""
    way_round = [("tcp6", 8080, f"[{link_local(peers.known['b'].address)}%eth0]")]
    assert peers.ask("a", way_round) == [False]
    wait_for(lambda: enforcer(NEAR), "the enforcer to run")
    signal(NEAR, "STOP")
    try:
        docker("exec", NEAR.container, "nft", "delete", "table", "bridge", "network-policies")
        wait_for(lambda: peers.ask("a", way_round) == [True], "packets without the table")
    finally:
        signal(NEAR, "CONT")
    wait_for(lambda: peers.ask("a", way_round) == [False], "the table to be back")


def test_the_enforcer_may_only_look_at_three_kinds_of_object(peers: Peers) -> None:
    review: Any = client.AuthorizationV1Api(peers.api)

    def allowed(verb: str, group: str, resource: str) -> bool:
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": peers.namespace}
        spec = {"user": policies.USER, "groups": ["system:authenticated"], "resourceAttributes": attributes}
        return bool(review.create_subject_access_review({"spec": spec}).status.allowed)

    kinds = {("", "pods"), ("", "namespaces"), ("networking.k8s.io", "networkpolicies")}
    assert all(allowed(verb, *kind) for verb in ("list", "watch") for kind in kinds)
    others = [("", "secrets"), ("", "configmaps"), ("apps", "deployments")]
    assert not any(allowed("list", *kind) for kind in others)
    assert not any(allowed(verb, *kind) for verb in ("create", "update", "patch", "delete") for kind in kinds)


def trying(peers: Peers) -> list[str]:
    """The command of a pod that tries to reach d from its first moment."""
    return ["/policy-probe", "first", "tcp", f"{peers.known['d'].address}:8080"]


def tried(peers: Peers, name: str, namespace: str, count: int) -> list[bool] | None:
    """What came of the pod's tries, once it has begun so many."""
    pod: Any = peers.core.read_namespaced_pod(name, namespace)
    if not any(status.state.running for status in pod.status.container_statuses or ()):
        return None
    tries = peers.tries(name, namespace)
    return tries if len(tries) >= count else None


def tries_so_far(peers: Peers, name: str) -> int:
    return len(wait_for(lambda: tried(peers, name, peers.namespace, 1), f"pod {name} to try"))


def pids(node: layout.Node, program: str) -> list[str]:
    return docker("exec", node.container, "sh", "-c", f"pgrep -x '{program[:15]}' || true").split()


def enforcer(node: layout.Node) -> list[str]:
    return pids(node, policies.PROGRAM)


def signal(node: layout.Node, name: str) -> None:
    """Send the enforcer of a node a signal."""
    docker("exec", node.container, "pkill", f"-{name}", "-x", policies.PROGRAM)


def link_local(address: str) -> str:
    """The address that a pod of this node has given itself beside the one that it was given."""
    neighbour = json.loads(docker("exec", NEAR.container, "ip", "-json", "neighbour", "show", address))[0]
    parts = [int(part, 16) for part in neighbour["lladdr"].split(":")]
    parts = [parts[0] ^ 2, *parts[1:3], 0xFF, 0xFE, *parts[3:]]
    return "fe80::" + ":".join(f"{high:02x}{low:02x}" for high, low in zip(parts[::2], parts[1::2], strict=True))
