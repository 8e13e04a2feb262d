"""What is watched: Prometheus, what it asks, and what it concludes."""

from components.monitoring.prometheus import NAME, Prometheus, PrometheusArgs
from components.monitoring.scraping import Target

__all__ = ["NAME", "Prometheus", "PrometheusArgs", "Target"]
