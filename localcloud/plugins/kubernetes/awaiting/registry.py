"""Which kind becomes ready how. A kind that isn't here is ready when it is made."""

from collections.abc import Mapping
from typing import Any, Final

from localcloud.plugins.kubernetes.annotations import expression, waits
from localcloud.plugins.kubernetes.awaiting.batch import JOB, POD
from localcloud.plugins.kubernetes.awaiting.conventions import CONVENTIONAL, asked_for
from localcloud.plugins.kubernetes.awaiting.custom import custom_readiness
from localcloud.plugins.kubernetes.awaiting.network import INGRESS, SERVICE
from localcloud.plugins.kubernetes.awaiting.readiness import Readiness
from localcloud.plugins.kubernetes.awaiting.storage import CLAIM, DEFINITION, QUOTA, SECRET, VOLUME
from localcloud.plugins.kubernetes.awaiting.workloads import (
    DAEMON_SET,
    DEPLOYMENT,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
)
from localcloud.plugins.kubernetes.objects import ObjectKind

_KINDS: Final[Mapping[tuple[str, str], Readiness]] = {
    ("apiextensions.k8s.io", "CustomResourceDefinition"): DEFINITION,
    ("apps", "DaemonSet"): DAEMON_SET,
    ("apps", "Deployment"): DEPLOYMENT,
    ("apps", "StatefulSet"): STATEFUL_SET,
    ("batch", "Job"): JOB,
    ("networking.k8s.io", "Ingress"): INGRESS,
    ("", "PersistentVolume"): VOLUME,
    ("", "PersistentVolumeClaim"): CLAIM,
    ("", "Pod"): POD,
    ("", "ReplicationController"): REPLICATION_CONTROLLER,
    ("", "ResourceQuota"): QUOTA,
    ("", "Secret"): SECRET,
    ("", "Service"): SERVICE,
}


def readiness_of(kind: ObjectKind, inputs: Mapping[str, Any]) -> Readiness | None:
    """How an object with these inputs becomes ready; None where there is nothing to wait for."""
    if not waits(inputs):
        return None
    if own := expression(inputs):
        return custom_readiness(own)
    known = _KINDS.get((kind.api_version.rpartition("/")[0], kind.kind))
    return known or (CONVENTIONAL if asked_for() else None)
