"""What is watched, how long it is kept, and who is told."""

from typing import Annotated, Literal

from pydantic import Field

from components.values import Name, Percent, Resources, Size, Strict, Text

Severity = Literal["critical", "warning", "heartbeat"]
Team = Literal["application", "platform"]


class Receiver(Strict):
    """Somebody who is told of alerts, by a web hook."""

    name: Name
    """What the alerts' routing calls it, 40 characters at most (S8.2)."""
    secret: Name
    """Key in `webhooks` of the web hook's address, never the address itself; 40 characters at most (S7.3)."""
    severities: Annotated[tuple[Severity, ...], Field(min_length=1)] = ("critical", "warning")
    """What it is told of, at least 1 of them (service levels: alerts). `heartbeat` is a message every minute that all
    is well with the alerts themselves, for a service outside that sounds the alarm when it hears no more."""
    teams: Annotated[tuple[Team, ...], Field(min_length=1)] = ("application", "platform")
    """Whose alerts it is told of, at least 1 of them (S8.2)."""
    authority: Text | None = None
    """Certificate, as PEM, of the authority that signed the receiver's own; none for a public one (S7.3)."""


class Alerts(Strict):
    """When somebody is told. The defaults are the application's service levels."""

    server_errors_per_second: float = Field(default=0.1, gt=0, le=100)
    """5xx answers a second over 5 min that are critical, more than 0 to 100 (service levels: alerts)."""
    latency_ms: int = Field(default=1000, ge=50, le=60000)
    """Milliseconds that p95 of the API may take over 5 min, 50 to 60000 (service levels: API latency)."""
    cpu_percent: Percent = 80
    """Percent of the processor limit over 5 min that is a warning, 1 to 100 (service levels: alerts)."""
    memory_percent: Percent = 90
    """Percent of the memory limit over 5 min that is critical, 1 to 100 (service levels: alerts)."""
    target_down_minutes: int = Field(default=1, ge=1, le=60)
    """Minutes that a target may be down before it is critical, 1 to 60 (service levels: alerts)."""
    availability_percent: float = Field(default=99.9, ge=90, le=99.99)
    """Percent of requests that succeed, 90 to 99.99: what the error budget is made of (service levels:
    availability)."""
    latency_goal_ms: Literal[50, 100, 250, 500, 1000, 2500, 5000, 10000] = 500
    """Milliseconds within which 95 of 100 API answers come: the goal, not the alarm, and one of the bounds that the
    application counts by (service levels: API latency)."""


class Traces(Strict):
    """What requests did on their way from the edge to SQL, and how long each part took."""

    enabled: bool = True
    """Follow requests; the collectors of logs take in what is told of them (S8.3)."""
    percent: float = Field(default=10, gt=0, le=100)
    """Of all requests that are followed, more than 0 to 100; by a trace's number, so that all who take part in it agree
    (S8.1)."""
    days: int = Field(default=7, ge=1, le=30)
    """Days that traces are kept, 1 to 30; Cloud Trace, where they are on Google, has 30 of its own (S8.3)."""
    size: Size = "20Gi"
    """Of the traces' volume, at least 1Mi; none on Google, where Cloud Trace keeps them (S8.3)."""
    resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="1Gi")
    """Of what keeps traces; nothing on Google (S8.3)."""


class Monitoring(Strict):
    """Prometheus, Alertmanager, Grafana, logs and traces."""

    enabled: bool = True
    """Watch at all (S8)."""
    replicas: int = Field(default=2, ge=1, le=3)
    """Of Prometheus and Alertmanager each, 1 to 3: the one that fails can't tell (S10.3)."""
    metrics_days: int = Field(default=30, ge=1, le=400)
    """Days that metrics are kept, 1 to 400: long enough for the month of the availability goal (service levels:
    availability)."""
    metrics_size: Size = "50Gi"
    """Of each Prometheus' volume, at least 1Mi (S8.1)."""
    prometheus_resources: Resources = Resources(cpu="500m", cpu_limit="2", memory="4Gi")
    """Of each Prometheus (S8.1)."""
    alertmanager_resources: Resources = Resources(cpu="50m", cpu_limit="500m", memory="128Mi")
    """Of each Alertmanager (S8.2)."""
    logs: bool = True
    """Keep what all pods write, and find it again; without it what a pod said goes with it (S8.3)."""
    logs_days: int = Field(default=180, ge=1, le=3650)
    """Days that logs are kept, 1 to 3650 (service levels: log retention)."""
    logs_size: Size = "100Gi"
    """Of the logs' volume, at least 1Mi: one that is full takes nothing in any more. On Google, where lines are in a
    bucket, it holds what is not there yet, and 20Gi do (docs/logs.md) (S8.3)."""
    loki_resources: Resources = Resources(cpu="250m", cpu_limit="2", memory="2Gi")
    """Of what keeps the logs (S8.3)."""
    collector_resources: Resources = Resources(cpu="50m", cpu_limit="500m", memory="256Mi")
    """Of what brings them there, on each node (S8.3)."""
    grafana: bool = True
    """Dashboards; off where its image can't be had (S8.2)."""
    grafana_resources: Resources = Resources(cpu="100m", cpu_limit="1", memory="512Mi")
    """Of Grafana (S8.2)."""
    kube_state_metrics: bool = True
    """Metrics of Kubernetes' own objects; off where its image can't be had (S8.1)."""
    kube_state_resources: Resources = Resources(cpu="10m", cpu_limit="200m", memory="128Mi")
    """Of what gives them (S8.1)."""
    node_exporter: bool = True
    """Metrics of the nodes: processors, memory, disks (S8.1)."""
    node_exporter_resources: Resources = Resources(cpu="10m", cpu_limit="200m", memory="32Mi")
    """Of what gives them, on each node (S8.1)."""
    probes: bool = True
    """Ask for the public address as visitors do; off where pods can't reach it, or don't know who signed its
    certificate (S8.1)."""
    probes_resources: Resources = Resources(cpu="10m", cpu_limit="200m", memory="64Mi")
    """Of what asks (S8.1)."""
    traces: Traces = Traces()
    """Requests followed from the edge to SQL (S8.3)."""
    client_addresses: Literal["truncated", "full"] = "truncated"
    """Whether logs show whole client addresses, which are personal data (DECISIONS: personal data)."""
    alerts: Alerts = Alerts()
    """Thresholds (service levels: alerts)."""
    receivers: tuple[Receiver, ...] = ()
    """Who is told; nobody without any: alerts are on Alertmanager's page alone (S8.2)."""
