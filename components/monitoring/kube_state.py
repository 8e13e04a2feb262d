"""kube-state-metrics: what the cluster says of our objects, as numbers.

It lists what is in the stack's own namespaces, of the kinds that a rule or a page asks for, and nothing else: of the
cluster as a whole it may see the nodes, and it may read no Secret and no ConfigMap (DECISIONS: namespaces). Its image
can't be had on the local cluster, which therefore goes without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking, rbac

from components import kubernetes
from components.kubernetes import Container, Namespace, metadata, selector
from components.settings import Monitoring

NAME = "kube-state-metrics"
PORT = 8080
_SELF = 8081
# API group -> kinds of it that are told of.
_KINDS: Mapping[str, Sequence[str]] = {
    "": ("persistentvolumeclaims", "pods", "resourcequotas"),
    "apps": ("daemonsets", "deployments", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("jobs",),
    "coordination.k8s.io": ("leases",),
    "policy": ("poddisruptionbudgets",),
}
# Of the cluster as a whole. Asked for several namespaces, this version tells of a node once for each of them: each time
# the same, of which Prometheus takes in one.
_NODES = "nodes"
# What is taken in of them: each pod has some forty series otherwise.
METRICS = (
    "kube_daemonset_status_desired_number_scheduled",
    "kube_daemonset_status_number_ready",
    "kube_deployment_spec_replicas",
    "kube_deployment_status_replicas_available",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    "kube_horizontalpodautoscaler_spec_min_replicas",
    "kube_horizontalpodautoscaler_status_desired_replicas",
    "kube_job_failed",
    "kube_lease_renew_time",
    "kube_node_status_condition",
    "kube_persistentvolumeclaim_resource_requests_storage_bytes",
    "kube_persistentvolumeclaim_status_phase",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_waiting_reason",
    "kube_pod_status_phase",
    "kube_poddisruptionbudget_status_pod_disruptions_allowed",
    "kube_resourcequota",
    "kube_statefulset_replicas",
    "kube_statefulset_status_replicas_ready",
)


@dataclass(frozen=True, kw_only=True)
class KubeStateArgs:
    """What it needs.

    namespace: its own. watched: area -> namespace whose objects it tells of. prefix: of names in the cluster.
    settings: what it may use. image: of kube-state-metrics. control_plane: addresses of the API server.
    """

    namespace: Namespace
    watched: Mapping[str, Namespace]
    prefix: str
    settings: Monitoring
    image: Input[str]
    control_plane: Sequence[str]


class KubeState(ComponentResource):
    """One pod: while there is none, an alert says so (ServiceMissing)."""

    def __init__(self, name: str, args: KubeStateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:KubeState", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        rights = [
            *(right for area, namespace in args.watched.items() for right in _rights(area, namespace, account, child)),
            *_sight_of_nodes(f"{args.prefix}-{NAME}", account, child),
        ]
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(NAME, egress=[kubernetes.to_api_server(args.control_plane)]),
            opts=child,
        )
        watched = Output.all(*(namespace.name for namespace in args.watched.values())).apply(",".join)
        container = Container(
            name=NAME,
            image=args.image,
            command=[
                f"/{NAME}",
                Output.format("--namespaces={0}", watched),
                f"--resources={','.join(sorted([_NODES, *(kind for kinds in _KINDS.values() for kind in kinds)]))}",
                f"--metric-allowlist={','.join(METRICS)}",
                f"--port={PORT}",
                f"--telemetry-port={_SELF}",
            ],
            resources=args.settings.kube_state_resources,
            ports={"metrics": PORT, "self": _SELF},
            readiness=kubernetes.http_probe("/readyz", "self", period=5, failures=3),
            liveness=kubernetes.http_probe("/livez", "metrics", period=30, failures=3),
        )
        apps.v1.Deployment(
            NAME,
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [container],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(watched),
                    grace=5,
                    token=True,
                ),
            ),
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy, *rights]),
        )
        self.register_outputs({})


def _rights(
    area: str, namespace: Namespace, account: core.v1.ServiceAccount, child: ResourceOptions
) -> Sequence[Resource]:
    """To list and watch these kinds in one namespace."""
    about = metadata(NAME, namespace.name, app=NAME)
    role = rbac.v1.Role(
        f"{NAME}-{area}",
        metadata=about,
        rules=[
            rbac.v1.PolicyRuleArgs(api_groups=[group], resources=list(kinds), verbs=["list", "watch"])
            for group, kinds in _KINDS.items()
        ],
        opts=child,
    )
    binding = kubernetes.bound(f"{NAME}-{area}", about, role, account, child)
    return role, binding


def _sight_of_nodes(name: str, account: core.v1.ServiceAccount, child: ResourceOptions) -> Sequence[Resource]:
    """To list and watch the nodes, which are in no namespace. name: unique in the cluster."""
    about = metadata(name, None, app=NAME)
    role = rbac.v1.ClusterRole(
        NAME,
        metadata=about,
        rules=[rbac.v1.PolicyRuleArgs(api_groups=[""], resources=[_NODES], verbs=["list", "watch"])],
        opts=child,
    )
    binding = kubernetes.bound_everywhere(NAME, about, role, account, child)
    return role, binding
