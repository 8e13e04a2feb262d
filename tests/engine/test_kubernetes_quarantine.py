"""The Kubernetes plugin is a stand-in: it keeps to this machine, whatever a kubeconfig says, and to its own state."""

import json
import socket
import threading

import pytest

from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.plugins.kubernetes.kubeconfig import connect, load
from localcloud.plugins.kubernetes.provider import KubernetesProvider
from localcloud.plugins.provider import Comparison, Create, Delete, Failed, Read, Resource, Update
from localcloud.plugins.values import Values
from localcloud.problem import Problem

CONFIG_MAP = Resource(
    "urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::settings", "kubernetes:core/v1:ConfigMap", "settings"
)
OFFICIAL: Values = {"metadata": {"name": "x"}, "__inputs": {}, "__fieldManager": "pulumi-kubernetes-12345678"}


def kubeconfig(**cluster: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "it", "cluster": cluster}],
            "contexts": [{"name": "it", "context": {"cluster": "it"}}],
            "current-context": "it",
        }
    )


@pytest.mark.parametrize(
    "server", ["https://203.0.113.1:6443", "https://172.31.239.2", "https://[2001:db8::1]", "https://0.0.0.0:6443"]
)
def test_a_cluster_elsewhere_is_refused(server: str) -> None:
    with pytest.raises(Problem, match="no cluster on this machine"):
        KubernetesProvider().configure({"kubeconfig": kubeconfig(server=server)})


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:8888", "socks5://localhost:1080", "http://203.0.113.1:8888"])
def test_a_cluster_behind_a_proxy_is_refused_even_when_it_is_called_localhost(proxy: str) -> None:
    """`localhost` is resolved at the other end of the proxy."""
    given = kubeconfig(**{"server": "https://127.0.0.1:6443", "proxy-url": proxy})
    with pytest.raises(Problem, match="behind the proxy"):
        KubernetesProvider().configure({"kubeconfig": given})


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://203.0.113.1:8888")
    client = Client(connect(load(kubeconfig(server="https://127.0.0.1:1"))), cancelled=threading.Event())
    with pytest.raises(Unreachable, match="Connection refused"):
        client.request("GET", "/version", patience=0)


def test_a_connection_that_leads_elsewhere_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may come to mean another address after it was looked at: each connection is looked at itself."""
    monkeypatch.setattr("localcloud.plugins.kubernetes.client.local", lambda address: address != "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        address = f"https://127.0.0.1:{elsewhere.getsockname()[1]}"
        client = Client(connect(load(kubeconfig(server=address))), cancelled=threading.Event())
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1 is not on this machine"):
            client.request("GET", "/version", patience=0)
        connection, _ = elsewhere.accept()
        with connection:
            assert connection.recv(1) == b"", "something was said to the other side"


def test_a_name_that_means_nothing_is_no_way_round() -> None:
    provider = KubernetesProvider()
    provider.configure({"kubeconfig": kubeconfig(server="https://nowhere.invalid:6443")})
    with pytest.raises(Failed, match=r"can't be reached: no answer from https://nowhere\.invalid"):
        provider.create(Create(CONFIG_MAP, {"metadata": {"name": "x"}}, 0, preview=False))


def test_state_that_the_official_plugin_wrote_is_left_alone() -> None:
    provider = KubernetesProvider()
    for request in (
        lambda: provider.diff(Comparison(CONFIG_MAP, "default/x", {}, OFFICIAL, {}, [])),
        lambda: provider.read(Read(CONFIG_MAP, "default/x", {}, OFFICIAL, 0)),
        lambda: provider.update(Update(CONFIG_MAP, "default/x", {}, OFFICIAL, {}, 0, preview=False)),
        lambda: provider.delete(Delete(CONFIG_MAP, "default/x", {}, OFFICIAL, 0)),
    ):
        with pytest.raises(Failed, match="written by the official kubernetes plugin"):
            request()
