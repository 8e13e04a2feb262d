"""A control plane for all tests of a run, a namespace for each, and a small stack that plays the engine.

The stack asks the plugin what the engine would ask, in the same order, without a process in between: a test of the
plugin's behaviour then takes tenths of a second. What only the real engine can show is in `test_kubernetes_engine.py`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from localcloud.plugins.changes import Diff
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.provider import KubernetesProvider
from localcloud.plugins.provider import Check, Comparison, Create, Delete, Found, Incomplete, Read, Resource, Update
from localcloud.plugins.values import Values
from localcloud.rehearsal.control_plane import ControlPlane, control_plane
from tests.engine.kubelet import client_of, kubelet

NO_WAIT = {"pulumi.com/skipAwait": "true"}
# How a program begins that makes objects in a namespace. force: what somebody has changed is ours again, as in
# components/cluster.py.
THERE = """
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    cluster = k8s.Provider(
        "cluster",
        kubeconfig=config.require("kubeconfig"),
        namespace=config.require("namespace"),
        cluster_identifier="plane",
        enable_config_map_mutable=True,
        enable_patch_force=config.get_bool("force"),
    )
    there = pulumi.ResourceOptions(provider=cluster)
"""


def deployment(**spec: Any) -> Values:
    """A Deployment that nothing waits for."""
    labels = {"app": "app"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    return {
        "metadata": {"name": "app", "annotations": NO_WAIT},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


@dataclass(frozen=True)
class Kept:
    """A resource as the state keeps it."""

    resource: Resource
    id: str
    inputs: Values
    outputs: Values


class Stack:
    """Some resources of one provider, and their state."""

    def __init__(self, kubeconfig: str, namespace: str, **settings: Any) -> None:
        self.namespace = namespace
        self.settings = {"kubeconfig": kubeconfig, "namespace": namespace, **settings}
        self.state: dict[str, Kept] = {}
        self.said: list[str] = []
        self.provider = self._provider()

    def _provider(self) -> KubernetesProvider:
        provider = KubernetesProvider()
        provider.say = lambda message, *_, **__: self.said.append(message)  # type: ignore[method-assign]
        provider.configure(self.settings)
        return provider

    def restart(self, **settings: Any) -> None:
        """The next command has a plugin of its own, which remembers nothing."""
        self.settings |= settings
        self.provider = self._provider()

    def check(self, token: str, name: str, inputs: Values, *, replacing: bool = False) -> tuple[Resource, Values]:
        """The resource and its inputs as the plugin completes them."""
        resource = Resource(f"urn:pulumi:test::test::{token}::{name}", token, name)
        kept = None if replacing else self.state.get(name)
        request = Check(resource, kept.inputs if kept else {}, inputs, os.urandom(16), None)
        return resource, dict(self.provider.check(request))

    def diff(self, token: str, name: str, inputs: Values, ignore: Sequence[str] = ()) -> Diff:
        """What an update would change."""
        resource, checked = self.check(token, name, inputs)
        kept = self.state[name]
        return self.provider.diff(Comparison(resource, kept.id, kept.inputs, kept.outputs, checked, ignore))

    def preview(self, token: str, name: str, inputs: Values) -> Values:
        """The outputs as a preview has them."""
        resource, checked = self.check(token, name, inputs)
        kept = self.state.get(name)
        if kept is None:
            return dict(self.provider.create(Create(resource, checked, 0, preview=True))[1])
        update = Update(resource, kept.id, kept.inputs, kept.outputs, checked, 0, preview=True)
        return dict(self.provider.update(update))

    def up(self, token: str, name: str, inputs: Values, *, timeout: float = 0, ignore: Sequence[str] = ()) -> Values:
        """Make the resource so: create, update or replace it, or leave it. Its outputs."""
        resource, checked = self.check(token, name, inputs)
        kept = self.state.get(name)
        if kept is None:
            return self._create(resource, checked, timeout)
        diff = self.provider.diff(Comparison(resource, kept.id, kept.inputs, kept.outputs, checked, ignore))
        if diff.replaces:
            _, checked = self.check(token, name, inputs, replacing=True)
            if diff.delete_before_replace:
                self.remove(name)
                return self._create(resource, checked, timeout)
            outputs = self._create(resource, checked, timeout)
            self._delete(kept)
            return outputs
        if not diff.changes:
            return kept.outputs
        update = Update(
            resource, kept.id, kept.inputs, kept.outputs, checked, timeout, preview=False, ignore_changes=ignore
        )
        try:
            outputs = dict(self.provider.update(update))
        except Incomplete as error:
            self.state[name] = replace(kept, inputs=dict(error.inputs), outputs=dict(error.outputs))
            raise
        self.state[name] = replace(kept, inputs=checked, outputs=outputs)
        return outputs

    def retry(self, name: str, inputs: Values | None = None) -> Values:
        """Update what didn't become ready, as the engine does without asking for a diff."""
        kept = self.state[name]
        checked = kept.inputs if inputs is None else self.check(kept.resource.type, name, inputs)[1]
        update = Update(kept.resource, kept.id, kept.inputs, kept.outputs, checked, 0, preview=False)
        outputs = dict(self.provider.update(update))
        self.state[name] = replace(kept, inputs=checked, outputs=outputs)
        return outputs

    def refresh(self, name: str) -> Found | None:
        """Bring the state up to date with the cluster."""
        kept = self.state[name]
        found = self.provider.read(Read(kept.resource, kept.id, kept.inputs, kept.outputs, 0))
        if found is None:
            del self.state[name]
        else:
            self.state[name] = replace(kept, inputs=dict(found.inputs), outputs=dict(found.outputs))
        return found

    def get(self, token: str, identifier: str) -> Found | None:
        """Look up an object by its id alone, as an import does."""
        resource = Resource(f"urn:pulumi:test::test::{token}::imported", token, "imported")
        return self.provider.read(Read(resource, identifier, {}, {}, 0))

    def remove(self, name: str, *, timeout: float = 0) -> None:
        """Delete the resource."""
        self._delete(self.state[name], timeout)
        del self.state[name]

    def _create(self, resource: Resource, inputs: Values, timeout: float) -> Values:
        try:
            identifier, outputs = self.provider.create(Create(resource, inputs, timeout, preview=False))
        except Incomplete as error:
            self.state[resource.name] = Kept(resource, error.id, dict(error.inputs), dict(error.outputs))
            raise
        self.state[resource.name] = Kept(resource, identifier, inputs, dict(outputs))
        return dict(outputs)

    def _delete(self, kept: Kept, timeout: float = 0) -> None:
        self.provider.delete(Delete(kept.resource, kept.id, kept.inputs, kept.outputs, timeout))


@dataclass(frozen=True)
class Api:
    """The API server as a test looks at it."""

    client: Client
    namespace: str

    def get(self, path: str) -> Values:
        """An object of the test's namespace: `configmaps/name`, `deployments.apps/name`."""
        return dict(self.client.request("GET", self._path(path)))

    def post(self, path: str, body: Mapping[str, Any]) -> Values:
        """Make an object of the test's namespace."""
        return dict(self.client.request("POST", self._path(path), body))

    def patch(self, path: str, body: Any, *, manager: str = "someone", subresource: str = "") -> Values:
        """Change an object as someone else would."""
        where = f"{self._path(path)}/{subresource}" if subresource else self._path(path)
        query = {"fieldManager": manager}
        return dict(self.client.request("PATCH", where, body, query=query, content_type="application/merge-patch+json"))

    def delete(self, path: str) -> None:
        """Remove an object as someone else would."""
        self.client.request("DELETE", self._path(path))

    def _path(self, path: str) -> str:
        resource, _, name = path.partition("/")
        plural, _, group = resource.partition(".")
        root = f"/apis/{group}/v1" if group else "/api/v1"
        group_path = f"{root}/namespaces/{self.namespace}/{plural}"
        return f"{group_path}/{name}" if name else group_path


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane for the whole run, with a played kubelet."""
    with control_plane(tmp_path_factory.mktemp("plane")) as running, kubelet(client_of(str(running.kubeconfig))):
        yield running


@contextmanager
def namespace_for(client: Client) -> Iterator[Api]:
    """A namespace, gone when the block is left."""
    name = client.request("POST", "/api/v1/namespaces", {"metadata": {"generateName": "test-"}})["metadata"]["name"]
    try:
        yield Api(client, name)
    finally:
        client.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server, and a namespace for this test."""
    with namespace_for(client_of(str(plane.kubeconfig))) as found:
        yield found


@pytest.fixture
def stack(plane: ControlPlane, api: Api) -> Stack:
    """A stack in this test's namespace."""
    return Stack(str(plane.kubeconfig), api.namespace)
