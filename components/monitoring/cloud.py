"""What Google keeps of a stack: its lines in Cloud Logging, its traces in Cloud Trace.

The collectors bring both to Google's Telemetry API in OTLP, as Google recommends in the place of exporters of its own,
and as themselves, by Workload Identity. So what arrives there has been redacted, as what is in Loki: GKE's own agent,
which would bring what pods write as it is, is off for workloads (`components/google/cluster.py`). Loki goes on while
Google is away, and what doesn't fit into the queue meanwhile is in Loki alone.

That Google takes it is **unverified**: the extension that logs in can't be had here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from components.monitoring import answers
from components.monitoring.traces import QUEUE

_LOGIN = "googleclientauth"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Where a cluster of Google's is: its project, its region, its name."""

    project: str
    region: str
    cluster: str

    @property
    def resource(self) -> Mapping[str, str]:
        """What Google tells a container's lines by ("OTLP attributes to resource type mapping")."""
        return {
            "cloud.provider": "gcp",
            "cloud.platform": "gcp_kubernetes_engine",
            "cloud.region": self.region,
            "gcp.project_id": self.project,
            "k8s.cluster.name": self.cluster,
        }


def configuration(
    cloud: Cloud, lines: Mapping[str, Any], *, traced: bool, endpoint: str = "https://telemetry.googleapis.com"
) -> str:
    """What is added to the collector's own configuration, after all else: lists in it are whole.

    lines: the queue of those that wait. traced: there are spans, too.
    """
    said = [f'set(resource.attributes["{name}"], "{value}")' for name, value in cloud.resource.items()]
    logs = {
        "processors": ["memory_limiter", "transform", "transform/google"],
        "exporters": ["otlp_http", answers.COUNTER, "otlp_http/google-logs"],
    }
    traces = {
        "processors": ["memory_limiter", "transform/traces", "transform/google"],
        "exporters": ["otlp_http/google-traces"],
    }
    return yaml.safe_dump(
        {
            "extensions": {_LOGIN: {"project": cloud.project}},
            "processors": {
                "transform/google": {
                    "error_mode": "silent",
                    **{
                        f"{kind}_statements": [{"context": "resource", "statements": list(said)}]
                        for kind in ("log", "trace")
                    },
                }
            },
            "exporters": {
                # A Google that is away stops no file: what is full is let go, and Loki has it.
                "otlp_http/google-logs": _exporter(endpoint, {**lines, "block_on_overflow": False}),
                **({"otlp_http/google-traces": _exporter(endpoint, QUEUE)} if traced else {}),
            },
            "service": {
                "extensions": ["health_check", "file_storage", _LOGIN],
                "pipelines": {"logs": logs, **({"traces": traces} if traced else {})},
            },
        },
        sort_keys=False,
        width=1000,
    )


def _exporter(endpoint: str, queue: Mapping[str, Any]) -> dict[str, Any]:
    return {"endpoint": endpoint, "auth": {"authenticator": _LOGIN}, "sending_queue": dict(queue)}
