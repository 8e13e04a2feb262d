"""The local Kubernetes: a control plane, three nodes in three zones and a registry, each a container of this machine.

registry_up(progress)   the registry alone, so that images can be built while nothing else runs
up(progress)            everything, from whatever is there: an empty machine, a healthy cluster, a heap of ruins
down(progress)          nothing again; says what it removed
status()                what runs and what is wrong with it
notices()               what a person should know of though everything runs
vertical_autoscaling    the vertical autoscaler, for those who want one
google                  what stands in for Google before pods, for those who want it
kubeconfig()            the administrator's kubeconfig
"""

from localcloud.cluster import google, vertical_autoscaling
from localcloud.cluster.health import Part, Status, notices, status
from localcloud.cluster.layout import kubeconfig
from localcloud.cluster.lifecycle import down, registry_up, up

__all__ = [
    "Part",
    "Status",
    "down",
    "google",
    "kubeconfig",
    "notices",
    "registry_up",
    "status",
    "up",
    "vertical_autoscaling",
]
