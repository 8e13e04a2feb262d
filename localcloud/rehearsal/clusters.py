"""The cluster that a rehearsed stack makes at Google: the local one with its nodes, or an API server with none.

The local one is everybody's, so all that is added to it for the rehearsal is taken away again: kinds that GKE brings,
the label of a pool of nodes, and Google as pods see it. A control plane of the rehearsal's own is quick and small; its
pods are played.
"""

import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from localcloud import toolchain
from localcloud.cluster import access, definitions, gateway_api, google, layout, pki, vertical_autoscaling
from localcloud.cluster.api import Api, connect
from localcloud.docker import docker
from localcloud.images import catalogue, registry
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.kubeconfig import connect as client_of
from localcloud.plugins.kubernetes.kubeconfig import load
from localcloud.problem import Problem
from localcloud.rehearsal.control_plane import control_plane
from localcloud.rehearsal.overrides import PREFIX
from localcloud.rehearsal.pods import played
from localcloud.waiting import wait

# Plural -> kind of GKE's own that the edge makes. Nobody but Google has their definitions.
_OF_GKE: Final[Mapping[str, str]] = {
    "gcpbackendpolicies": "GCPBackendPolicy",
    "gcpgatewaypolicies": "GCPGatewayPolicy",
    "healthcheckpolicies": "HealthCheckPolicy",
}
_START_TIME: Final = 30  # seconds; it takes one
# A node's container is started again and its kubelet answers; its pods come after.
_NODE_TIME: Final = 180
_GONE_TIME: Final = 180
_CLUSTER_WIDE: Final = (
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/api/v1/persistentvolumes",
    "/api/v1/namespaces",
)
_POOL: Final = {"vision-week/pool": "data"}
PLAYED_PROGRAMS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "fake-gcs-server")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Cluster:
    """How it is reached. authority: of its API server; certificate, key: its administrator's. buckets: their server."""

    kubeconfig: str
    authority: str
    certificate: str
    key: str
    buckets: str


@contextmanager
def of_its_own(folder: Path, progress: Progress) -> Iterator[Cluster]:
    """An API server with controllers and played pods, while the block lasts."""
    with ExitStack() as here:
        progress("starting a control plane")
        folder.mkdir()
        plane = here.enter_context(control_plane(folder))
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
        address = f"https://127.0.0.1:{plane.port}"
        with httpx.Client(base_url=address, verify=context, timeout=30, trust_env=False) as client:
            api = Api(client)
            definitions.apply(api, gateway_api.ensure())
            for manifest in _kinds():
                api.apply(manifest)
        here.enter_context(played(Client(client_of(load(str(plane.kubeconfig))), cancelled=threading.Event())))
        progress("starting the server of buckets")
        buckets = here.enter_context(_buckets(folder / "buckets"))
        authority, certificate, key = ((folder / name).read_text() for name in ("ca.crt", "admin.crt", "admin.key"))
        yield Cluster(plane.kubeconfig.read_text(), authority, certificate, key, buckets)


@contextmanager
def local(project: google.Project, place: str, cloud: Path, progress: Progress) -> Iterator[Cluster]:
    """The local cluster, as this project's, while the block lasts.

    place: the project's registry, as in `europe-west1-docker.pkg.dev/PROJECT`. cloud: the folder of the simulated
    Google Cloud.
    """
    progress("having other people's images under the names that Artifact Registry has for them")
    with registry.connect() as images:
        for each in catalogue.STAND_INS:
            if not each.replaces_stage:
                source = registry.mirror(each.reference)
                host, _, rest = source.repository.removeprefix("mirror/").partition("/")
                images.copy(source, registry.Name(f"mirror/{place}/{host.replace('.', '-')}/{rest}", source.tag))
    with connect() as api:
        there = {each["name"] for each in api.about(definitions.DEFINITIONS)}
        added = [manifest for manifest in _kinds() if manifest["metadata"]["name"] not in there]
        try:
            google.up(project, cloud, progress)
            for manifest in added:
                api.apply(manifest)
            for node in layout.NODES:
                _label(api, node.name, _POOL)
            administrator = access.administrator()
            yield Cluster(
                layout.kubeconfig().read_text(),
                pki.authority("cluster").certificate.decode(),
                administrator.certificate.decode(),
                administrator.key.decode(),
                layout.BUCKETS,
            )
        finally:
            for node in layout.NODES:
                _label(api, node.name, dict.fromkeys(_POOL))
            _clear(api)
            for manifest in added:
                api.remove(manifest)
            google.down(progress)


def _clear(api: Api) -> None:
    """Remove what a rehearsal that failed has left, and volumes, which outlive their claims; namespaces go last."""
    for volume in api.get("/api/v1/persistentvolumes")["items"]:
        if volume["spec"].get("storageClassName") == PREFIX:
            path = f"/api/v1/persistentvolumes/{volume['metadata']['name']}"
            api.merge(path, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    for path in _CLUSTER_WIDE:
        for each in api.about(path):
            if each["name"] == PREFIX or each["name"].startswith(f"{PREFIX}-"):
                api.delete(f"{path}/{each['name']}")
    wait(lambda: not any(each["name"].startswith(f"{PREFIX}-") for each in api.about("/api/v1/namespaces")), _GONE_TIME)


@contextmanager
def without(node: layout.Node) -> Iterator[None]:
    """One of the local cluster's nodes is gone while the block lasts; afterwards it is back, and ready."""
    docker("stop", "--time=0", node.container)
    try:
        with connect() as api:
            if not wait(lambda: not _ready(api, node), _NODE_TIME):
                raise Problem(f"{node.name} is gone, and is still called ready.", "Run the same command again.")
        yield
    finally:
        docker("start", node.container)
        with connect() as api:
            if not wait(lambda: _ready(api, node), _NODE_TIME):
                raise Problem(f"{node.name} doesn't come back.", "`make up` brings it back.")
        google.lead()


def _ready(api: Api, node: layout.Node) -> bool:
    conditions = api.get(f"/api/v1/nodes/{node.name}")["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _kinds() -> list[dict[str, Any]]:
    """What GKE brings besides the Gateway API: the vertical autoscaler's own, and GKE's own in name alone."""
    autoscalers: list[dict[str, Any]] = json.loads(vertical_autoscaling.kinds().read_text())
    return [*autoscalers, *(_definition(plural, kind) for plural, kind in _OF_GKE.items())]


def _definition(plural: str, kind: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.networking.gke.io"},
        "spec": {
            "group": "networking.gke.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }


def _label(api: Api, node: str, labels: Mapping[str, str | None]) -> None:
    api.merge(f"/api/v1/nodes/{node}", {"metadata": {"labels": labels}})


@contextmanager
def _buckets(folder: Path) -> Iterator[str]:
    """A server of Cloud Storage's protocol, for what is in the buckets; gives its address."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory", "-log-level", "error"]
    with subprocess.Popen(
        # It goes with this process, however that ends.
        ["setpriv", "--pdeathsig", "KILL", str(toolchain.binary("fake-gcs-server")), *words, "-data", str(folder)],
        env={name: value for name, value in os.environ.items() if name != "STORAGE_EMULATOR_HOST"},
    ) as process:
        try:
            if not wait(lambda: _listens(port), _START_TIME, lambda: process.poll() is not None):
                raise Problem("The server of buckets doesn't start.", "Run the same command again.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
