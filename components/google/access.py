"""How the program reaches the cluster: by its DNS name, as whoever runs the program.

The kubeconfig has no token in it: Google's auth plugin gets a new one for each connection, from the credentials that
the program itself has. So nothing in the state lets anybody in.
"""

import json
import shutil

from pulumi import Input, Output, RunError

PLUGIN = "gke-gcloud-auth-plugin"
CONTEXT = "google"


def require_plugin() -> None:
    """End the program, in words, before anything is created where the cluster could not be reached afterwards."""
    if shutil.which(PLUGIN) is None:
        raise RunError(
            f"{PLUGIN} is not installed, and without it nobody can log in to a cluster of Google's; nothing was "
            f"changed. Install it: `gcloud components install {PLUGIN}`, or on Debian, with Google's package source, "
            f"`apt-get install google-cloud-cli-{PLUGIN}`; then log in: `gcloud auth application-default login`"
        )


def kubeconfig(endpoint: Input[str]) -> Output[str]:
    """The kubeconfig of a cluster. Its DNS name has a certificate that every machine knows, so none is named here."""
    return Output.from_input(endpoint).apply(_written)


def _written(endpoint: str) -> str:
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": PLUGIN,
        "args": ["--use_application_default_credentials"],
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": {"server": f"https://{endpoint}"}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "users": [{"name": CONTEXT, "user": {"exec": login}}],
        }
    )
