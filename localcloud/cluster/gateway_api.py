"""The Gateway API's own kinds, so that the cluster takes Gateways and routes. Nothing here acts on them."""

from pathlib import Path

from localcloud import toolchain
from localcloud.cluster import definitions
from localcloud.cluster.api import Api


def apply(api: Api) -> None:
    """Make the standard channel's definitions be there, and the policy that keeps older ones from replacing them."""
    definitions.apply(api, ensure())


def ensure() -> Path:
    """All that is applied."""
    return definitions.keep(toolchain.GATEWAY_API, "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml")
