"""What is watched: Prometheus asks and concludes, Alertmanager tells, Grafana shows; Loki keeps what was said."""

from components.monitoring.assembly import MonitoringArgs, build, tracing

__all__ = ["MonitoringArgs", "build", "tracing"]
