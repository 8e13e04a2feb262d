"""The API server, as the administrator of this machine reaches it: read a path, apply an object."""

import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from localcloud.cluster import access, layout, pki
from localcloud.problem import Problem

MANAGER = "localcloud"

# Where objects of a kind are: the plural name, and whether they are in a namespace.
_KINDS = {
    "Namespace": ("namespaces", False),
    "ServiceAccount": ("serviceaccounts", True),
    "ConfigMap": ("configmaps", True),
    "Secret": ("secrets", True),
    "Service": ("services", True),
    "CSIDriver": ("csidrivers", False),
    "DaemonSet": ("daemonsets", True),
    "Deployment": ("deployments", True),
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
    "Lease": ("leases", True),
    "Role": ("roles", True),
    "RoleBinding": ("rolebindings", True),
    "StorageClass": ("storageclasses", False),
    "APIService": ("apiservices", False),
    "CustomResourceDefinition": ("customresourcedefinitions", False),
    "MutatingWebhookConfiguration": ("mutatingwebhookconfigurations", False),
    "ValidatingAdmissionPolicy": ("validatingadmissionpolicies", False),
    "ValidatingAdmissionPolicyBinding": ("validatingadmissionpolicybindings", False),
}


class Api:
    """A connection to the API server; every failure to get an answer is an `httpx.HTTPError`."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def about(self, path: str) -> list[dict[str, Any]]:
        """Only the metadata of the objects at the path: for those that are large."""
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        answer = self._client.get(path, headers={"Accept": accept})
        answer.raise_for_status()
        return [each["metadata"] for each in answer.json()["items"] or ()]

    def find(self, path: str) -> dict[str, Any] | None:
        """What is at the path, or None if nothing is."""
        try:
            return self.get(path)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def merge(self, path: str, change: Mapping[str, Any]) -> None:
        """Change what is at the path, as a JSON merge patch has it."""
        answer = self._client.patch(path, json=change, headers={"Content-Type": "application/merge-patch+json"})
        answer.raise_for_status()

    def delete(self, path: str) -> None:
        """Delete what is at the path; it may be gone already."""
        answer = self._client.delete(path)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def remove(self, manifest: Mapping[str, Any]) -> None:
        """Delete the object that a manifest is about; it may be gone already."""
        self.delete(_path(manifest))

    def ready(self) -> bool:
        """Whether the API server takes work."""
        try:
            return self._client.get("/readyz", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def apply(self, manifest: Mapping[str, Any], manager: str = MANAGER) -> None:
        """Make the object be as the manifest says, by server-side apply.

        manager: whose fields these are; what another one has said of the object stays.
        """
        answer = self._client.patch(
            _path(manifest),
            params={"fieldManager": manager, "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=manifest,
        )
        if answer.is_error:
            raise Problem(
                f"The API server refuses {manifest['kind']} {manifest['metadata']['name']}: {_message(answer)}",
                "Run `make up` again; if it is refused again, `make down` and `make up` make the cluster anew.",
            )


@contextmanager
def connect() -> Iterator[Api]:
    """Connect with the administrator's certificate, trusting no authority but the cluster's."""
    context = ssl.create_default_context(cadata=pki.authority("cluster").certificate.decode())
    administrator = access.administrator()
    with tempfile.TemporaryDirectory() as folder:
        # The ssl module takes a client's certificate from a file only.
        file = Path(folder) / "administrator.pem"
        file.touch(mode=0o600)
        file.write_bytes(administrator.certificate + administrator.key)
        context.load_cert_chain(file)
    with httpx.Client(
        base_url=f"https://127.0.0.1:{layout.API_PORT}", verify=context, timeout=10, trust_env=False
    ) as client:
        yield Api(client)


def _path(manifest: Mapping[str, Any]) -> str:
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    plural, namespaced = _KINDS[manifest["kind"]]
    place = f"/namespaces/{metadata['namespace']}" if namespaced else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{place}/{plural}/{metadata['name']}"


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return answer.text
