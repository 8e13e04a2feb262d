"""The kind VerticalPodAutoscaler, for API servers that are to take the program's."""

from pathlib import Path

from localcloud import toolchain
from localcloud.cluster import definitions


def kinds() -> Path:
    """What defines it, as upstream has it."""
    module = "k8s.io/autoscaler/vertical-pod-autoscaler"
    return definitions.keep(toolchain.VERTICAL_POD_AUTOSCALER, module, "deploy/vpa-v1-crd-gen.yaml")
