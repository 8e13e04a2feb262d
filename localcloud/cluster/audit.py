"""The API server's audit log: who did what to which object, and whether it was allowed.

Writes are there with what was sent and what came of it. Secrets and tokens never are: for those, and for whatever
reaches into a pod, only who and when. Left out is what the cluster's own programs read or renew all day.
"""

from pathlib import Path
from typing import Any

from localcloud.cluster import layout

FILE = "audit.log"
MEGABYTES = 20
FILES = 5  # beside the one that is written to


def folder() -> Path:
    """Where the log is on this machine: `audit.log`, and older parts with the time in their names."""
    return layout.home() / "audit"


def options(settings: str, inside: str) -> list[str]:
    """What the API server is told. settings: the folder with the policy. inside: where it finds the log's folder."""
    return [
        f"--audit-policy-file={settings}/audit.json",
        f"--audit-log-path={inside}/{FILE}",
        f"--audit-log-maxsize={MEGABYTES}",
        f"--audit-log-maxbackup={FILES}",
    ]


def policy() -> dict[str, Any]:
    """The first rule that fits says how much is written down."""
    reads = ["get", "list", "watch"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [
            # Heartbeats and their like.
            {"level": "None", "resources": [_group("coordination.k8s.io", "leases")]},
            {"level": "None", "resources": [_group("", "events"), _group("events.k8s.io", "events")]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]},
            # What holds secrets, in a request or in the answer to it; and what reaches into pods.
            {"level": "Metadata", "resources": [_group("", "secrets", "serviceaccounts/token")]},
            {"level": "Metadata", "resources": [_group("authentication.k8s.io")]},
            {"level": "Metadata", "resources": [_group("", *_INTO_PODS)]},
            # What the cluster's own programs read all day and report: a primary every few seconds that it is one.
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"], "verbs": reads},
            {"level": "None", "users": _OWN_PROGRAMS, "verbs": reads},
            {"level": "Metadata", "resources": [_group("", "endpoints")]},
            {"level": "Metadata", "resources": [_group(group, "*/status") for group in ("", "apps", "batch")]},
            # Half a megabyte each, and the same everywhere.
            {"level": "Metadata", "resources": [_group("apiextensions.k8s.io")]},
            {"level": "Metadata", "verbs": reads},
            {"level": "RequestResponse"},
        ],
    }


def _group(name: str, *resources: str) -> dict[str, Any]:
    """Resources of an API group, or all of them."""
    return {"group": name, **({"resources": list(resources)} if resources else {})}


_OWN_PROGRAMS = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
    "vision-week:policy-enforcer",
    "vision-week:volume-provisioner",
]
_INTO_PODS = ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy", "nodes/proxy"]
