"""Who may talk to the API server, as kubeconfigs."""

import base64

import yaml

from localcloud.cluster import layout, pki
from localcloud.files import write_private

CONTEXT = "vision-week"


def kubeconfig(server: str, pair: pki.Pair) -> str:
    """A kubeconfig that needs no other file."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": CONTEXT,
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": encoded(pki.authority("cluster").certificate),
                    },
                }
            ],
            "users": [
                {
                    "name": CONTEXT,
                    "user": {
                        "client-certificate-data": encoded(pair.certificate),
                        "client-key-data": encoded(pair.key),
                    },
                }
            ],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "current-context": CONTEXT,
        },
        sort_keys=False,
    )


def inside(user: str, *groups: str) -> str:
    """The kubeconfig of a program that runs in one of the cluster's containers."""
    return kubeconfig(layout.API_INSIDE, pki.issued("cluster", user, groups=groups))


def administrator() -> pki.Pair:
    """The certificate of the person who runs the cluster."""
    return pki.issued("cluster", "administrator", groups=("system:masters",))


def write_administrators() -> None:
    """Write the kubeconfig that people and Pulumi use on this machine."""
    write_private(layout.kubeconfig(), kubeconfig(f"https://127.0.0.1:{layout.API_PORT}", administrator()))
