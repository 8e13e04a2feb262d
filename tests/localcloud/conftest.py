"""The running cluster, and a namespace of its own for each file that puts pods on it."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config

from localcloud import cluster
from tests.localcloud.pods import Pods


@pytest.fixture(scope="session")
def api() -> client.ApiClient:
    """The administrator's connection to the cluster, which is brought up if it isn't."""
    cluster.up(lambda _: None)
    settings = client.Configuration()
    load: Any = config.load_kube_config
    load(str(cluster.kubeconfig()), client_configuration=settings)
    return client.ApiClient(settings)


@pytest.fixture(scope="module")
def pods(api: client.ApiClient) -> Iterator[Pods]:
    """A namespace that enforces the restricted Pod Security Standard, gone again afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    core: Any = client.CoreV1Api(api)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    yield Pods(api, name)
    core.delete_namespace(name)
