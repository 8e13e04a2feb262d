"""What is watched: Prometheus, what it asks and what it concludes, and Alertmanager, which tells people."""

from components.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from components.monitoring.prometheus import Prometheus, PrometheusArgs
from components.monitoring.scraping import Target

__all__ = ["Alertmanager", "AlertmanagerArgs", "Prometheus", "PrometheusArgs", "Target"]
