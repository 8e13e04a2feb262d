"""What is watched: Prometheus asks and concludes, Alertmanager tells, Grafana shows; Loki keeps what was said."""

from components.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from components.monitoring.collector import Collector, CollectorArgs
from components.monitoring.grafana import Grafana, GrafanaArgs
from components.monitoring.kube_state import KubeState, KubeStateArgs
from components.monitoring.loki import Loki, LokiArgs
from components.monitoring.prometheus import Prometheus, PrometheusArgs
from components.monitoring.scraping import Target

__all__ = [
    "Alertmanager",
    "AlertmanagerArgs",
    "Collector",
    "CollectorArgs",
    "Grafana",
    "GrafanaArgs",
    "KubeState",
    "KubeStateArgs",
    "Loki",
    "LokiArgs",
    "Prometheus",
    "PrometheusArgs",
    "Target",
]
