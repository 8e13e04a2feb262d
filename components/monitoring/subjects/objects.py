"""Our Kubernetes objects and the nodes that they are on, by what the cluster says of them (`kube_state.py`)."""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel
from components.monitoring.rules import NEAR, Alert
from components.monitoring.subjects import claims, deliveries

# Of each quota what is used; those that allow nothing of a kind are left out.
_USED_OF_QUOTA = (
    'max by (namespace, resource) (kube_resourcequota{type="used"})'
    ' / (max by (namespace, resource) (kube_resourcequota{type="hard"}) > 0)'
)


def alerts() -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="NodeNotReady",
        expr='max by (node) (kube_node_status_condition{condition="Ready",status="true"}) == 0',
        minutes=5,
        severity="critical",
        team="platform",
        summary="The node {{ $labels.node }} is not ready",
        description="It says that it is not well, or says nothing. Its pods are made anew elsewhere, if there is room.",
    )
    yield Alert(
        name="ContainerDoesNotStart",
        # Between two tries it runs for a moment.
        expr="max by (namespace, pod, container, reason) (max_over_time("
        'kube_pod_container_status_waiting_reason{reason!~"ContainerCreating|PodInitializing"}[5m])) == 1',
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} does not start: {{ $labels.reason }}",
        description="Kubernetes tries it again and again.",
    )
    yield Alert(
        name="ContainerRestarts",
        expr="sum by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total[30m])) > 2",
        minutes=0,
        severity="warning",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} began {{ $value | humanize }} times in half an hour",
        description="It ends by itself, or is ended because it does not answer or takes too much memory.",
    )
    yield Alert(
        name="ReplicasMissing",
        expr=" or ".join(
            f'label_replace({_missing(kind)} > 0, "workload", "$1", "{kind}", "(.+)")'
            for kind in ("deployment", "statefulset")
        ),
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $labels.workload }} lacks {{ $value }} of its pods",
        description="The others carry on; one more that fails may be one too many.",
    )
    # Those of CronJobs have an alert of their own (BackupFailed), which goes when the next one is well.
    yield Alert(
        name="JobFailed",
        expr='max by (namespace, job_name) (kube_job_failed{condition="true",job_name!~".+-[0-9]{8,}"}) == 1',
        minutes=0,
        severity="critical",
        team="platform",
        summary="{{ $labels.job_name }} has failed",
        description="It was tried as often as it may be.",
    )
    yield Alert(
        name="AutoscalerAtMaximum",
        expr="kube_horizontalpodautoscaler_status_desired_replicas >= kube_horizontalpodautoscaler_spec_max_replicas"
        " > kube_horizontalpodautoscaler_spec_min_replicas",
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $labels.horizontalpodautoscaler }} has all the pods that it may",
        description="What is asked for beyond that makes everyone wait.",
    )
    yield Alert(
        name="QuotaNearlyUsed",
        expr=f"{_USED_OF_QUOTA} > {NEAR}",
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of {{ $labels.resource }} is used in {{ $labels.namespace }}",
        description="Beyond it no pod is admitted, not even in the place of one that failed.",
    )


def page() -> Dashboard:
    """The page."""
    return Dashboard(
        name="cluster",
        title="Cluster",
        rows={
            "Now": (
                Panel(
                    title="Nodes that are ready",
                    questions={
                        "": 'count(max by (node) (kube_node_status_condition{condition="Ready",status="true"}) == 1)'
                    },
                    kind="number",
                    limit=1,
                    least=True,
                ),
                _number("Pods that wait or failed", 'sum(kube_pod_status_phase{phase=~"Pending|Failed|Unknown"})'),
                _number("Pods missing", f"sum({_missing('deployment')} or {_missing('statefulset')})"),
                _number("Containers that don't start", "sum(kube_pod_container_status_waiting_reason) or vector(0)"),
                _number("Jobs that failed", 'sum(kube_job_failed{condition="true"}) or vector(0)'),
                _number("Claims without a volume", 'sum(kube_persistentvolumeclaim_status_phase{phase!="Bound"})'),
            ),
            "Pods": (
                Panel(
                    title="Ready",
                    questions={
                        "{{namespace}} {{deployment}}": "kube_deployment_status_replicas_available",
                        "{{namespace}} {{statefulset}}": "kube_statefulset_status_replicas_ready",
                        "{{namespace}} {{daemonset}}": "kube_daemonset_status_number_ready",
                    },
                ),
                Panel(
                    title="Wanted, and not ready",
                    questions={
                        f"{{{{namespace}}}} {{{{{kind}}}}}": _missing(kind)
                        for kind in ("deployment", "statefulset", "daemonset")
                    },
                    limit=1,
                ),
                Panel(title="By phase", questions={"{{phase}}": "sum by (phase) (kube_pod_status_phase)"}),
            ),
            "Room to move": (
                Panel(
                    title="Autoscalers, of the pods that they may have",
                    questions={
                        "{{namespace}} {{horizontalpodautoscaler}}": "kube_horizontalpodautoscaler_status"
                        "_desired_replicas / kube_horizontalpodautoscaler_spec_max_replicas"
                    },
                    unit="percentunit",
                    limit=1,
                ),
                Panel(
                    title="Pods that may be taken away",
                    questions={
                        "{{namespace}} {{poddisruptionbudget}}": "kube_poddisruptionbudget_status"
                        "_pod_disruptions_allowed"
                    },
                ),
                Panel(
                    title="Quotas, what is used",
                    questions={"{{namespace}} {{resource}}": _USED_OF_QUOTA},
                    unit="percentunit",
                    limit=NEAR,
                ),
            ),
            "What goes wrong": (
                Panel(
                    title="Containers that began anew",
                    questions={
                        "{{namespace}} {{pod}} {{container}}": "sum by (namespace, pod, container)"
                        " (increase(kube_pod_container_status_restarts_total[30m])) > 0"
                    },
                ),
                Panel(
                    title="Containers that don't start",
                    questions={
                        "{{reason}}": "sum by (reason) (kube_pod_container_status_waiting_reason)",
                    },
                ),
                Panel(
                    title="Claims, what they asked for",
                    questions={
                        "{{namespace}}": "sum by (namespace)"
                        " (kube_persistentvolumeclaim_resource_requests_storage_bytes)"
                    },
                    unit="bytes",
                ),
            ),
            claims.ROW: claims.panels(),
            "Deliveries and drift": deliveries.panels(),
        },
    )


def _number(title: str, expr: str) -> Panel:
    """One that should be none."""
    return Panel(title=title, questions={"": expr}, kind="number", limit=1)


def _missing(kind: str) -> str:
    """Pods of each workload that it should have, and that are not ready."""
    wanted, ready = {
        "deployment": ("spec_replicas", "status_replicas_available"),
        "statefulset": ("replicas", "status_replicas_ready"),
        "daemonset": ("status_desired_number_scheduled", "status_number_ready"),
    }[kind]
    return f"kube_{kind}_{wanted} - kube_{kind}_{ready}"
