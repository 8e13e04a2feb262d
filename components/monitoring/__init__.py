"""What is watched: Prometheus asks and concludes, Alertmanager tells people, Grafana shows."""

from components.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from components.monitoring.grafana import Grafana, GrafanaArgs
from components.monitoring.kube_state import KubeState, KubeStateArgs
from components.monitoring.prometheus import Prometheus, PrometheusArgs
from components.monitoring.scraping import Target

__all__ = [
    "Alertmanager",
    "AlertmanagerArgs",
    "Grafana",
    "GrafanaArgs",
    "KubeState",
    "KubeStateArgs",
    "Prometheus",
    "PrometheusArgs",
    "Target",
]
