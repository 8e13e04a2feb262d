"""The whole program on mocks: who may talk to whom."""

from collections.abc import Callable
from typing import Any

from tests.unit.pods import Pod, workloads
from tests.unit.recording import Made, Recording, run_stack, stack_config

# Addresses of the API server, for the pods that talk to it. A stack that is looked at without its own cluster has none.
CONTROL_PLANES = {"development": "172.31.240.2/32", "staging": "10.30.0.0/28", "production": "10.30.0.0/28"}
# From our own load balancer, which everybody may ask, or straight from Google's.
_OWN = {
    ("anybody", "edge", 8080),
    ("anybody", "edge", 8443),
    ("edge", "app", 8080),
    ("edge", "websocket", 8090),
}
_GOOGLES = {
    (network, name, port)
    for network in ("130.211.0.0/22", "35.191.0.0/16")
    for name, port in (("app", 8080), ("websocket", 8090))
}
# The engineer's machine, as the pods of its local cluster reach it (S10.1).
DEBUGGERS = {"development": {("app", "172.31.240.1/32", 9003)}, "staging": set(), "production": set()}
# The pods' identity, and Cloud Storage, where the uploads are in a bucket (S2.3).
BUCKETS = {
    stack: {("app", "169.254.169.254/32", 80), ("app", "199.36.153.4/30", 443)} for stack in ("staging", "production")
} | {"development": set()}
# From Alertmanager to its like, where there are several, and to the web hooks of those who are told; Grafana asks,
# what tells of the cluster's objects asks the API server, and the nodes' logs and traces go to who keeps them. Our own
# load balancer's numbers are asked for where there is one.
WATCHING = {
    stack: {
        ("alertmanager", "alertmanager", 9094),
        ("alertmanager", "0.0.0.0/0", 443),
        ("grafana", "prometheus", 9090),
        ("grafana", "loki", 3100),
        ("prometheus", "kube-state-metrics", 8080),
        ("prometheus", "loki", 3100),
        ("prometheus", "collector", 8888),
        ("prometheus", "collector", 8889),
        ("prometheus", "collector", 8890),
        ("prometheus", "node-exporter", 9100),
        ("collector", "loki", 3100),
        # The kubelets', and whose else it may be: on Google policies can't mean nodes by their addresses.
        ("collector", "anybody", 10250),
        ("app", "collector", 4318),
        ("loki", "169.254.169.254/32", 80),
        ("loki", "199.36.153.4/30", 443),
        ("collector", "169.254.169.254/32", 80),
        ("collector", "199.36.153.4/30", 443),
        *(("kube-state-metrics", CONTROL_PLANES[stack], port) for port in (443, 6443)),
    }
    for stack in ("staging", "production")
} | {"development": {("prometheus", "edge", 9113)}}
# From a member to the repository, from a job to a member, and from both to a bucket; from Prometheus to what knows how
# the jobs went, and from there to the API server. An engineer's stack has none.
_BUCKET = (("0.0.0.0/0", 443), ("169.254.169.252/32", 988), ("169.254.169.254/32", 80))
_BACKUPS = {
    ("postgres", "postgres-repository", 8432),
    ("postgres-backups", "postgres", 8432),
    *((name, net, port) for name in ("postgres-backups", "postgres-repository") for net, port in _BUCKET),
    ("prometheus", "postgres-backups-watch", 9480),
    *(("postgres-backups-watch", CONTROL_PLANES["staging"], port) for port in (443, 6443)),
}
BACKUPS = {"development": set(), "staging": _BACKUPS, "production": _BACKUPS}
# What asks for the public address as visitors do: through our own load balancer's pods, or at Google's address.
ASKED = {
    "development": ("edge", 8443),
    "staging": ("203.0.113.20/32", 443),
    "production": ("203.0.113.10/32", 443),
}
# The cluster's DNS, and what answers in its place on each node: GKE's pods of that name, or others' at that address.
RESOLVERS = ("kube-dns", "node-local-dns", "169.254.20.10/32")
WAYS_IN = {"development": _OWN, "staging": _GOOGLES, "production": _GOOGLES}


def test_the_connections_that_are_allowed_are_these(program: Recording, stack: str) -> None:
    """S7.1: from the edge to the application, from there to the data, and no other way."""
    pods = {pod.name for pod in workloads(program)}
    assert connections(program) == {
        *WAYS_IN[stack],
        *DEBUGGERS[stack],
        *BUCKETS[stack],
        *BACKUPS[stack],
        # The first is of pods of a release before the pooler.
        ("app", "postgres", 5432),
        ("app", "postgres", 6432),
        ("migrations", "postgres", 5432),
        ("app", "redis", 6379),
        ("websocket", "redis", 6379),
        ("postgres", "postgres", 5432),
        ("postgres", "postgres", 8008),
        ("postgres", CONTROL_PLANES[stack], 443),
        ("postgres", CONTROL_PLANES[stack], 6443),
        ("prometheus", "app", 8081),
        ("prometheus", "app", 9113),
        ("prometheus", "websocket", 8091),
        ("prometheus", "postgres", 8008),
        ("prometheus", "postgres", 9127),
        ("prometheus", "postgres", 9187),
        ("prometheus", "redis", 8404),
        ("prometheus", "redis", 9121),
        ("prometheus", "prometheus", 9090),
        ("prometheus", "alertmanager", 9093),
        ("prometheus", "probes", 9115),
        ("probes", *ASKED[stack]),
        *WATCHING[stack],
        ("redis", "redis", 6380),
        ("redis", "redis", 26379),
        *((name, resolver, 53) for name in pods for resolver in RESOLVERS),
    }


def test_only_the_kubelets_port_is_open_to_anybody_and_only_on_google(program: Recording, stack: str) -> None:
    """Dataplane V2 is Cilium, to which nodes have no addresses: numbers of containers and claims would never come."""
    assert to_anybody(program) == ([] if stack == "development" else [("collector", [10250])])


def test_elsewhere_kubelets_are_reached_at_the_addresses_of_nodes() -> None:
    config = stack_config("development")
    config["vision-week:cluster"] = {**config["vision-week:cluster"], "nodes": ["192.0.2.0/24"]}
    config["vision-week:monitoring"]["logs"] = True
    found = run_stack(config)
    assert to_anybody(found) == []
    rules = found.one("NetworkPolicy", "collector").at("spec", "egress")
    (peers,) = [rule["to"] for rule in rules if [port["port"] for port in rule["ports"]] == [10250]]
    assert peers == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def to_anybody(recording: Recording) -> list[tuple[str, list[int]]]:
    """Rules that let out to everybody: of whom, to which ports."""
    return [
        (policy.object_name, [port["port"] for port in rule.get("ports", [])])
        for policy in recording.of("NetworkPolicy")
        for rule in policy.inputs["spec"].get("egress", [])
        if not rule.get("to")
    ]


def connections(recording: Recording) -> set[tuple[str, str, int]]:
    """(who, whom, port) that both sides' policies allow; outside of the cluster there is only one side."""
    pods = workloads(recording)
    policies = recording.of("NetworkPolicy")

    def about(pod: Pod) -> list[Made]:
        return [
            one for one in policies if one.namespace == pod.namespace and pod.fits(one.inputs["spec"]["podSelector"])
        ]

    def fits(peer: dict[str, Any], pod: Pod) -> bool:
        if "podSelector" not in peer:
            return False
        namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        return namespace == pod.namespace and pod.fits(peer["podSelector"])

    def sides(direction: str, peers: str, named: Callable[[dict[str, Any]], list[str]]) -> set[tuple[str, str, int]]:
        return {
            (pod.name, name, port["port"])
            for pod in pods
            for policy in about(pod)
            for rule in policy.inputs["spec"].get(direction, [])
            for peer in rule.get(peers, [{}])
            for name in named(peer)
            for port in rule["ports"]
        }

    def names(peer: dict[str, Any]) -> list[str]:
        if not peer:
            return ["anybody"]
        if "ipBlock" in peer:
            return [peer["ipBlock"]["cidr"]]
        if of_the_cluster := peer["podSelector"].get("matchLabels", {}).get("k8s-app"):
            return [of_the_cluster]
        return [pod.name for pod in pods if fits(peer, pod)]

    own = {pod.name for pod in pods}
    out = sides("egress", "to", names)
    into = {(who, whom, port) for whom, who, port in sides("ingress", "from", names)}
    into |= {pair for pair in out if ("anybody", *pair[1:]) in into}
    within = out & into
    assert within == {pair for pair in out if pair[1] in own} == {pair for pair in into if pair[0] in own}
    return within | {pair for pair in out if pair[1] not in own} | {pair for pair in into if pair[0] not in own}
