"""Our Kubernetes objects and the nodes that they are on, by what the cluster says of them (`kube_state.py`)."""

from collections.abc import Iterator

from components.monitoring.rules import Alert


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
        expr="label_replace(kube_deployment_spec_replicas - kube_deployment_status_replicas_available > 0,"
        ' "workload", "$1", "deployment", "(.+)")'
        " or label_replace(kube_statefulset_replicas - kube_statefulset_status_replicas_ready > 0,"
        ' "workload", "$1", "statefulset", "(.+)")',
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
        expr='max by (namespace, resource) (kube_resourcequota{type="used"})'
        ' / (max by (namespace, resource) (kube_resourcequota{type="hard"}) > 0) > 0.9',
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of {{ $labels.resource }} is used in {{ $labels.namespace }}",
        description="Beyond it no pod is admitted, not even in the place of one that failed.",
    )
