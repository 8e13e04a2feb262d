"""What Prometheus asks: the pods of a Service, found by its name.

Each of our workloads that has numbers is one or more targets. Prometheus finds pods by DNS, as the addresses of a
headless Service that is made for it, and so needs no right in the Kubernetes API and no way to it. Pods that are not
ready are among them: those are the interesting ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.kubernetes import DOMAIN, Namespace

RULES = "/etc/prometheus/rules.yml"
AUTHORITY = "/etc/prometheus/authority.pem"
# Seconds. A target that is down is told of after a minute (service levels), so several looks must fit into one.
INTERVAL = 15
# Of one answer: who has more series than this is not taken in at all, instead of filling the memory.
SAMPLES = 5000


@dataclass(frozen=True, kw_only=True)
class Target:
    """Pods that give numbers.

    job: what the numbers are of. service: name of the pods. port, path, parameters: where they answer.
    shown: the name in its certificate, which the stack's authority signed; None where it speaks in clear.
    labels: that its numbers get besides, of what they are about.
    of_others: its numbers are of other pods, whose namespace is in them.
    kept: pattern of the names that are taken in; None for all.
    """

    job: str
    namespace: Namespace
    service: str
    port: int
    path: str = "/metrics"
    parameters: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    shown: str | None = None
    of_others: bool = False
    kept: str | None = None

    @property
    def name(self) -> str:
        """Of the headless Service and of the policy that are made for Prometheus."""
        return f"{self.service}-metrics"


def configuration(targets: Sequence[Target], namespaces: Sequence[str], alerted: str) -> str:
    """Prometheus' own configuration; `namespaces` are the targets', in their order. alerted: job that alerts go to."""
    listed = list(zip(targets, namespaces, strict=True))
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": f"{INTERVAL}s",
                "scrape_timeout": "10s",
                "evaluation_interval": f"{INTERVAL}s",
            },
            "rule_files": [RULES],
            "alerting": {"alertmanagers": [_place(*each) for each in listed if each[0].job == alerted]},
            "scrape_configs": [_job(*each) for each in listed],
        },
        sort_keys=False,
    )


def _job(target: Target, namespace: str) -> dict[str, Any]:
    return {
        "job_name": target.job,
        "metrics_path": target.path,
        **({"params": {name: [value] for name, value in target.parameters.items()}} if target.parameters else {}),
        **({"honor_labels": True} if target.of_others else {}),
        "sample_limit": SAMPLES,
        **_place(target, namespace),
        "relabel_configs": [
            {"target_label": "namespace", "replacement": namespace},
            {"target_label": "service", "replacement": target.service},
            *({"target_label": name, "replacement": value} for name, value in target.labels.items()),
        ],
        **(
            {"metric_relabel_configs": [{"source_labels": ["__name__"], "regex": target.kept, "action": "keep"}]}
            if target.kept
            else {}
        ),
    }


def _place(target: Target, namespace: str) -> dict[str, Any]:
    """Where its pods are, and how they are spoken to."""
    tls = {"ca_file": AUTHORITY, "server_name": target.shown}
    return {
        **({"scheme": "https", "tls_config": tls} if target.shown else {}),
        "dns_sd_configs": [
            {
                "names": [f"{target.name}.{namespace}.svc.{DOMAIN}"],
                "type": "A",
                "port": target.port,
                "refresh_interval": f"{INTERVAL}s",
            }
        ],
    }
