"""`python -m localcloud.plugins.kubernetes`: started by the engine."""

from localcloud.plugins.kubernetes.provider import KubernetesProvider
from localcloud.plugins.server import serve

serve(KubernetesProvider())
