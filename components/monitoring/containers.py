"""What containers use of their limits: cAdvisor's numbers, which the kubelet of every node gives.

Prometheus finds the nodes by the Kubernetes API and asks each with its own token, which lets it list nodes and read
their numbers, and nothing else: no pod, no object of ours. A node tells of every container on it; of those that are not
in the stack's namespaces nothing is kept.
"""

from collections.abc import Sequence
from typing import Any

from pulumi import Resource, ResourceOptions
from pulumi_kubernetes import core, rbac

from components.kubernetes import metadata

NAME = "containers"
KUBELET_PORT = 10250
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# Of some sixty for each container, those that a rule or a page asks for.
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


def rights(name: str, account: core.v1.ServiceAccount, opts: ResourceOptions) -> Sequence[Resource]:
    """What Prometheus may: see which nodes there are, and read their numbers. name: unique in the cluster."""
    role = rbac.v1.ClusterRole(
        NAME,
        metadata=metadata(name, None, app=NAME),
        rules=[
            rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["nodes"], verbs=["list", "watch"]),
            rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["nodes/metrics"], verbs=["get"]),
        ],
        opts=opts,
    )
    binding = rbac.v1.ClusterRoleBinding(
        NAME,
        metadata=metadata(name, None, app=NAME),
        role_ref=rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=role.metadata.name
        ),
        subjects=[
            rbac.v1.SubjectArgs(kind="ServiceAccount", name=account.metadata.name, namespace=account.metadata.namespace)
        ],
        opts=opts,
    )
    return role, binding


def job(namespaces: Sequence[str]) -> dict[str, Any]:
    """Prometheus' own configuration of it. namespaces: whose containers are told of."""
    return {
        "job_name": NAME,
        "scheme": "https",
        "metrics_path": "/metrics/cadvisor",
        # The authority that signed the API server's certificate signed the kubelets', too.
        "tls_config": {"ca_file": f"{_ACCOUNT}/ca.crt"},
        "authorization": {"credentials_file": f"{_ACCOUNT}/token"},
        "kubernetes_sd_configs": [{"role": "node"}],
        # The numbers are of other pods, whose namespace is in them.
        "honor_labels": True,
        "relabel_configs": [
            {"target_label": "service", "replacement": NAME},
            {"source_labels": ["__meta_kubernetes_node_name"], "target_label": "node"},
        ],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "|".join(METRICS), "action": "keep"},
            {"source_labels": ["namespace"], "regex": "|".join(namespaces), "action": "keep"},
            # Sums of whole pods, and the container that holds a pod's network.
            {"source_labels": ["container"], "regex": "POD|", "action": "drop"},
            {"regex": "cpu|image|name", "action": "labeldrop"},
        ],
    }
