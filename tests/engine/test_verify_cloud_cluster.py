"""Claims that an API server answers, of its objects: on a real one, whose nodes and pods are played.

What pods answer when a command runs in them: tests/cluster/test_verify_cloud.py.
"""

import base64
import json
import os
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud import toolchain
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery.target import Target
from operations.preflight import Google
from operations.stacks import settings_of
from operations.verify_cloud.in_cluster import _pod
from operations.verify_cloud.place import Place
from operations.verify_cloud.report import Verdict
from operations.verify_cloud.settings import NO_ADDRESS, Site, overrides, write
from tests.app.servers import Authority
from tests.engine.kubelet import client_of
from tests.unit.verifying import judged
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

REGISTRY = "europe-west1-docker.pkg.dev/an-empty-project"
PRIVILEGED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
# What else an API server wants to know of a node.
_OTHERS = (
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "machineID",
    "operatingSystem",
    "systemUUID",
)
COS = "Container-Optimized OS from Google"


@pytest.fixture
def client(plane: ControlPlane) -> Client:
    return client_of(str(plane.kubeconfig))


@pytest.fixture
def place(plane: ControlPlane, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A stack's namespaces on that API server, as the program makes them, and nothing in them."""
    site = Site(name=f"verify-{secrets.token_hex(4)}", project="an-empty-project", number=42, region="europe-west1")
    file = tmp_path / f"Pulumi.{site.name}.yaml"
    write(file, overrides(site, NO_ADDRESS))
    target = Target(site.name, file, settings_of(file))
    config = plane.config
    config["contexts"][0]["name"] = config["current-context"] = target.context
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("PATH", f"{toolchain.binary('kubectl').parent}{os.pathsep}{os.environ['PATH']}")
    for name in target.namespaces.values():
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    for name in target.namespaces.values():  # without it no pod is taken
        wait_for(lambda name=name: there(client, f"/api/v1/namespaces/{name}/serviceaccounts/default"), name)  # type: ignore[misc]
    yield Place(site, tmp_path, target, Google("a-token"))
    for name in target.namespaces.values():
        client.request("DELETE", f"/api/v1/namespaces/{name}")


def there(client: Client, path: str) -> bool:
    try:
        client.request("GET", path)
    except ApiError:
        return False
    return True


def inside(place: Place, area: str, kind: str = "", root: str = "/api/v1") -> str:
    return f"{root}/namespaces/{place.target.namespaces[area]}{'/' if kind else ''}{kind}"


def change(client: Client, path: str, body: Mapping[str, Any]) -> None:
    client.request("PATCH", path, body, content_type="application/merge-patch+json")


def forbid_pods(client: Client, place: Place, area: str) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    client.request("POST", inside(place, area, "resourcequotas"), quota)


# --- what a pod may be


def test_a_namespace_that_takes_a_pod_which_sees_the_node_s_processes_is_found(place: Place, client: Client) -> None:
    claim = "No namespace but the nodes'"
    verdict, seen = judged(claim, place)
    assert (verdict, place.target.namespaces["monitoring"] in seen) == (Verdict.VERIFIED, True)
    change(client, inside(place, "monitoring"), PRIVILEGED)
    verdict, seen = judged(claim, place)
    assert verdict == Verdict.REFUTED
    assert seen == f"{place.target.namespaces['monitoring']} takes a pod that sees the node's processes"
    # Nothing is left of the question.
    assert place.objects("pods", "-n", place.target.namespaces["monitoring"]) == []


def test_a_pod_that_a_quota_refuses_says_nothing_of_pod_security(place: Place, client: Client) -> None:
    change(client, inside(place, "app"), PRIVILEGED)
    forbid_pods(client, place, "app")
    verdict, seen = judged("No namespace but the nodes'", place)
    assert verdict == Verdict.NO_ANSWER
    assert "refused for another reason" in seen
    assert "exceeded quota" in seen


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_an_account_that_may_read_secrets_in_whatever_way_is_found(place: Place, client: Client, verb: str) -> None:
    claim = "No account of a pod may read Secrets"
    assert judged(claim, place) == (Verdict.VERIFIED, "4 accounts")
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": [verb]}]
    client.request("POST", inside(place, "edge", "roles", rbac), {"metadata": {"name": "reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }
    client.request("POST", inside(place, "edge", "rolebindings", rbac), binding)
    refuted = (Verdict.REFUTED, f"default of {place.target.namespaces['edge']} may {verb} Secrets")
    wait_for(lambda: judged(claim, place) == refuted, "the API server to know of the binding")


class Policy(BaseHTTPRequestHandler):
    """Simulates Google's webhook of Binary Authorization, in its words."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        image = review["object"]["spec"]["containers"][0]["image"]
        said = f"Image {image} denied by Binary Authorization default admission rule. Denied by always_deny rule"
        answer = {"uid": review["uid"], "allowed": image.startswith(REGISTRY), "status": {"message": said}}
        told = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def simulated_policy(client: Client, place: Place, folder: Path) -> Iterator[None]:
    """Of images, for the application's namespace."""
    authority = Authority(folder / "authority", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "tls.crt", authority.folder / "tls.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Policy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        name = f"imagepolicywebhook.{place.site.name}"
        webhook = {
            "name": "imagepolicywebhook.image-policy.k8s.io",
            "clientConfig": {
                "url": f"https://localhost:{server.server_port}/",
                "caBundle": base64.b64encode(authority.certificate.read_bytes()).decode(),
            },
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.target.namespaces["app"]}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        client.request("POST", path, {"metadata": {"name": name}, "webhooks": [webhook]})
        yield
        client.request("DELETE", f"{path}/{name}")
        server.shutdown()


def test_an_image_from_elsewhere_that_is_taken_is_found_and_its_pod_removed(
    place: Place, client: Client, tmp_path: Path
) -> None:
    claim = "An image from elsewhere"
    assert judged(claim, place) == (Verdict.REFUTED, "the API server has taken it")
    assert [each for each in place.objects("pods", "-n", place.target.namespaces["app"]) if kept(each)] == []
    with simulated_policy(client, place, tmp_path):

        def refused() -> str:
            verdict, seen = judged(claim, place)
            return seen if verdict == Verdict.VERIFIED else ""

        seen = wait_for(refused, "the API server to know of the webhook")
    assert "Image docker.io/library/busybox:1.37 denied by Binary Authorization" in seen


def kept(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def test_an_image_that_a_quota_refuses_says_nothing_of_the_policy(place: Place, client: Client) -> None:
    forbid_pods(client, place, "app")
    verdict, seen = judged("An image from elsewhere", place)
    assert verdict == Verdict.NO_ANSWER
    assert "exceeded quota" in seen


# --- pods that are there: played


def run(client: Client, place: Place, area: str, name: str, plays: str, *images: str) -> None:
    pod = json.loads(_pod(""))
    (container,) = pod["spec"]["containers"]
    pod["spec"]["containers"] = [
        {**container, "name": f"c{number}", "image": image} for number, image in enumerate(images)
    ]
    pod["metadata"] = {"name": name, "labels": {"plays": plays}}
    client.request("POST", inside(place, area, "pods"), pod)

    def played() -> bool:
        found = client.request("GET", inside(place, area, f"pods/{name}"))
        return bool(found["status"].get("conditions"))

    wait_for(played, name)


def test_pods_that_run_are_counted_and_what_gke_adds_to_them_is_its_own(place: Place, client: Client) -> None:
    claim = "All pods run"
    assert judged(claim, place) == (Verdict.REFUTED, "there are none")
    run(client, place, "app", "app-0", "ready", f"{REGISTRY}/x/app@sha256:1", "gke.gcr.io/gcs-fuse-csi-driver:1")
    run(client, place, "data", "postgres-0", "ready", f"{REGISTRY}/x/postgres@sha256:1")
    assert judged(claim, place) == (Verdict.VERIFIED, "2 pods")


def test_a_pod_that_is_not_ready_is_found(place: Place, client: Client) -> None:
    run(client, place, "app", "app-0", "ready", f"{REGISTRY}/x/app@sha256:1")
    run(client, place, "monitoring", "loki-0", "crashing", f"{REGISTRY}/x/loki@sha256:1")
    assert judged("All pods run", place) == (Verdict.REFUTED, "loki-0 is not ready")


def test_a_pod_of_an_image_from_elsewhere_is_found(place: Place, client: Client) -> None:
    run(client, place, "app", "app-0", "ready", f"{REGISTRY}/x/app@sha256:1", "docker.io/library/nginx:1")
    assert judged("All pods run", place) == (Verdict.REFUTED, "app-0 runs docker.io/library/nginx:1")


def test_a_job_that_has_failed_is_not_asked_whether_its_pod_is_ready(place: Place, client: Client) -> None:
    run(client, place, "app", "app-0", "ready", f"{REGISTRY}/x/app@sha256:1")
    pod = json.loads(_pod("docker.io/library/none:1"))
    template = {"metadata": {"labels": {"plays": "failed"}}, "spec": {**pod["spec"], "restartPolicy": "Never"}}
    job = {"metadata": {"name": "begin"}, "spec": {"backoffLimit": 0, "template": template}}
    client.request("POST", inside(place, "data", "jobs", "/apis/batch/v1"), job)
    wait_for(lambda: place.objects("pods", "-n", place.target.namespaces["data"]), "the job's pod")
    assert judged("All pods run", place) == (Verdict.VERIFIED, "1 pods")


# --- nodes: simulated


def node(number: int, **changes: Any) -> dict[str, Any]:
    """As GKE registers it: what has no address outside has an empty one."""
    status = {
        "addresses": [
            {"type": "InternalIP", "address": f"10.0.0.{number + 2}"},
            {"type": "ExternalIP", "address": changes.get("outside", "")},
        ],
        "nodeInfo": {"osImage": changes.get("system", COS), "kubeletVersion": "v1.34.3-gke.1000"}
        | dict.fromkeys(_OTHERS, ""),
    }
    labels = {"topology.kubernetes.io/zone": f"europe-west1-{changes.get('zone', 'bcd'[number])}"}
    return {"metadata": {"name": f"gke-{number}", "labels": labels}, "status": status}


@pytest.mark.parametrize(
    ("changes", "verdict", "seen"),
    [
        ({}, Verdict.VERIFIED, "3 nodes in 3 zones, v1.34.3-gke.1000"),
        ({"outside": "203.0.113.9"}, Verdict.REFUTED, "gke-2 has an address in the internet"),
        ({"system": "Ubuntu 24.04 LTS"}, Verdict.REFUTED, "gke-2 runs Ubuntu 24.04 LTS"),
        ({"zone": "c"}, Verdict.REFUTED, "they are in 2 zones"),
    ],
)
def test_simulated_nodes_are_where_and_what_they_should_be_or_not(
    place: Place, client: Client, changes: Mapping[str, str], verdict: Verdict, seen: str
) -> None:
    nodes = [node(0), node(1), node(2, **changes)]
    try:
        for each in nodes:
            client.request("POST", "/api/v1/nodes", each)
        assert judged("Nodes are in three zones", place) == (verdict, seen)
    finally:
        for each in nodes:
            client.request("DELETE", f"/api/v1/nodes/{each['metadata']['name']}")
