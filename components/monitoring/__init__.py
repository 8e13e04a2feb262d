"""What is watched: Prometheus asks and concludes, Alertmanager tells, Grafana shows; Loki keeps what was said."""

from components.monitoring.assembly import MonitoringArgs, build

__all__ = ["MonitoringArgs", "build"]
