"""The local cluster keeps the rules that a real one keeps."""

import json
import secrets
import socket
import ssl
import subprocess

import httpx
import pytest
from kubernetes import client

from localcloud.cluster import layout
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


def in_etcd(value: str) -> bool:
    """Whether the value is anywhere in the files of etcd, its log included."""
    files = [file for file in (layout.home() / "etcd").rglob("*") if file.is_file()]
    return any(value.encode() in file.read_bytes() for file in files)


def test_a_privileged_pod_is_refused(pods: Pods) -> None:
    """S7.2 and Pod Security Standard `restricted`."""
    body = {
        "metadata": {"name": "privileged"},
        "spec": {"containers": [{"name": "x", "image": "x", "securityContext": {"privileged": True}}]},
    }
    with pytest.raises(client.ApiException) as refused:
        pods.core.create_namespaced_pod(pods.namespace, body)
    assert refused.value.status == 403
    assert "violates PodSecurity" in json.loads(refused.value.body or "{}")["message"]


def test_the_clusters_own_pods_are_held_to_it_too(pods: Pods) -> None:
    labels = pods.core.read_namespace("kube-system").metadata.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    wait_for(lambda: len(pods.core.list_namespaced_pod("kube-system").items) >= 4, "system pods")


def test_secrets_are_encrypted_in_etcd(pods: Pods) -> None:
    """S7.3. The ConfigMap shows that a value in clear would have been found."""
    hidden, clear = secrets.token_hex(16), secrets.token_hex(16)
    metadata = {"metadata": {"name": "at-rest"}}
    pods.core.create_namespaced_secret(pods.namespace, {**metadata, "stringData": {"value": hidden}})
    pods.core.create_namespaced_config_map(pods.namespace, {**metadata, "data": {"value": clear}})
    assert in_etcd(clear)
    assert not in_etcd(hidden)


def test_strangers_may_read_nothing(api: client.ApiClient) -> None:
    trusted = ssl.create_default_context(cafile=api.configuration.ssl_ca_cert)
    with httpx.Client(base_url=api.configuration.host, verify=trusted) as stranger:
        assert stranger.get("/version").status_code == 200
        assert stranger.get("/api/v1/namespaces/kube-system/secrets").status_code == 403


@pytest.mark.parametrize("node", layout.NODES, ids=lambda node: node.name)
def test_a_kubelet_shows_a_certificate_of_the_clusters_and_asks_for_one(
    api: client.ApiClient, node: layout.Node
) -> None:
    trusted = ssl.create_default_context(cafile=api.configuration.ssl_ca_cert)
    with httpx.Client(base_url=f"https://{node.address}:10250", verify=trusted) as stranger:
        assert stranger.get("/pods").status_code == 401


@pytest.mark.parametrize("port", [layout.API_PORT, layout.REGISTRY_PORT, 8443])
def test_nothing_is_published_beyond_loopback(port: int) -> None:
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    addresses = {line.split()[3].rpartition(":")[0] for line in listening.splitlines()}
    assert addresses == {"127.0.0.1"}


def test_etcd_is_not_reachable_from_outside_the_control_plane() -> None:
    with socket.create_connection((layout.CONTROL_PLANE_ADDRESS, 6443), timeout=5):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((layout.CONTROL_PLANE_ADDRESS, 2379), timeout=5)


def test_pushing_to_the_registry_needs_the_password(api: client.ApiClient) -> None:
    assert api
    upload = "/v2/vision-week/x/blobs/uploads/"
    assert httpx.post(f"http://127.0.0.1:{layout.REGISTRY_PORT}{upload}").status_code == 401
    login = json.loads((layout.credentials() / "config.json").read_text())["auths"]
    header = {"Authorization": f"Basic {login[f'localhost:{layout.REGISTRY_PORT}']['auth']}"}
    started = httpx.post(f"http://127.0.0.1:{layout.REGISTRY_PORT}{upload}", headers=header)
    assert started.status_code == 202
    assert httpx.delete(started.headers["Location"], headers=header).status_code == 204


def test_what_the_nodes_read_can_not_be_written() -> None:
    assert httpx.get(f"{layout.REGISTRY_INSIDE}/v2/").status_code == 200
    assert httpx.post(f"{layout.REGISTRY_INSIDE}/v2/vision-week/x/blobs/uploads/").status_code == 405


def test_credentials_are_for_root_alone() -> None:
    files = [layout.kubeconfig(), layout.credentials() / "config.json", *(layout.home() / "pki").iterdir()]
    assert [file for file in files if file.stat().st_mode & 0o077] == []
