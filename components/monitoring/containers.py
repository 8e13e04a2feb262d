"""What containers use of their limits, and how full claims are: what the kubelet of every node tells.

The collector on each node (`collector.py`) asks its own kubelet and shows Prometheus what is of the stack's namespaces,
so that Prometheus needs no right in the Kubernetes API. The collector's token lets it read nodes' numbers, and nothing
else: no pod, no object of ours. Numbers of containers are cAdvisor's; those of claims come from each volume's driver,
and of a volume whose driver has none nothing is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pulumi import Resource, ResourceOptions
from pulumi_kubernetes import core, networking, rbac

from components import kubernetes
from components.kubernetes import metadata

NAME = "containers"
CLAIMS = "claims"
# Where the collector shows them.
PORT = 8889
KUBELET_PORT = 10250
# The variable that has the address of the node that the collector is on.
NODE_ADDRESS = "NODE_ADDRESS"
# Seconds between two looks: as Prometheus looks at its targets.
_INTERVAL = 15
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# Of cAdvisor's some sixty for each container, those that a rule or a page asks for.
METRICS = (
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_cpu_usage_seconds_total",
    "container_memory_rss",
    "container_memory_working_set_bytes",
    "container_spec_cpu_period",
    "container_spec_cpu_quota",
    "container_spec_memory_limit_bytes",
)
# Of the kubelet's own some two thousand series: four for each claim that a pod of its node has mounted.
OF_CLAIMS = (
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "kubelet_volume_stats_inodes",
    "kubelet_volume_stats_inodes_free",
)


def rights(name: str, account: core.v1.ServiceAccount, opts: ResourceOptions) -> Sequence[Resource]:
    """What the collector may: read nodes' numbers. name: unique in the cluster."""
    about = metadata(name, None, app=NAME)
    role = rbac.v1.ClusterRole(
        NAME,
        metadata=about,
        rules=[rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["nodes/metrics"], verbs=["get"])],
        opts=opts,
    )
    binding = kubernetes.bound_everywhere(NAME, about, role, account, opts)
    return role, binding


def configuration(namespaces: Sequence[str]) -> str:
    """What is added to the collector's own configuration. namespaces: whose containers and claims are told of."""
    of_containers = _job(
        NAME,
        "/metrics/cadvisor",
        METRICS,
        namespaces,
        # Sums of whole pods, and the container that holds a pod's network.
        {"source_labels": ["container"], "regex": "POD|", "action": "drop"},
        {"regex": "cpu|image|name", "action": "labeldrop"},
    )
    of_claims = _job(CLAIMS, "/metrics", OF_CLAIMS, namespaces)
    shown = {
        "endpoint": f"0.0.0.0:{PORT}",
        # Under the names that cAdvisor gives, and without labels of the collector's own.
        "add_metric_suffixes": False,
        "without_scope_info": True,
        # A container that is gone isn't told of any more.
        "metric_expiration": f"{4 * _INTERVAL}s",
    }
    pipeline = {"receivers": ["prometheus"], "processors": ["memory_limiter"], "exporters": ["prometheus"]}
    return yaml.safe_dump(
        {
            "receivers": {"prometheus": {"config": {"scrape_configs": [of_containers, of_claims]}}},
            "exporters": {"prometheus": shown},
            "service": {"pipelines": {"metrics": pipeline}},
        },
        sort_keys=False,
        width=1000,
    )


def _job(
    name: str, path: str, kept: Sequence[str], namespaces: Sequence[str], *more: Mapping[str, Any]
) -> dict[str, Any]:
    """What the kubelet of the collector's own node is asked for. kept: names. more: what is done with the rest."""
    return {
        "job_name": name,
        "scrape_interval": f"{_INTERVAL}s",
        "scrape_timeout": "10s",
        "scheme": "https",
        "metrics_path": path,
        # The authority that signed the API server's certificate signed the kubelets', too.
        "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt"},
        "authorization": {"credentials_file": f"{_ACCOUNT}/token"},
        "static_configs": [{"targets": [f"${{env:{NODE_ADDRESS}}}:{KUBELET_PORT}"]}],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "|".join(kept), "action": "keep"},
            {"source_labels": ["namespace"], "regex": "|".join(namespaces), "action": "keep"},
            *more,
        ],
    }


def to_kubelets(nodes: Sequence[str] | None) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """Our connections to the kubelets of nodes at these addresses; None: to the kubelets' port of whoever has one."""
    if nodes is None:
        # To Cilium a node is `host` or `remote-node` and no address: no `ipBlock` means it, a rule without peers does.
        return networking.v1.NetworkPolicyEgressRuleArgs(ports=kubernetes.tcp(KUBELET_PORT))
    return kubernetes.to([kubernetes.addresses(network) for network in nodes], KUBELET_PORT)
