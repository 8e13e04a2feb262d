"""Claims that the cluster answers: its API server alone, and its nodes and pods."""

import json
import re
from ipaddress import ip_address, ip_network
from typing import Any, Final

from components import app
from components.monitoring import containers
from operations.delivery import inside
from operations.delivery import restore as restoring
from operations.delivery.problem import DeliveryError
from operations.delivery.restore import Point, backups_of, info
from operations.verify_cloud.claim import Claim, Needs, require
from operations.verify_cloud.place import Place

_GUARDED: Final = ("app", "data", "edge", "monitoring")
# Of the application's own.
_TABLES: Final = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
# How the collectors found each kubelet, and one number of each kind that it tells.
_KUBELETS: Final = f'up{{job=~"{containers.NAME}|{containers.CLAIMS}",instance=~".+:{containers.KUBELET_PORT}"}}'
_OF_KUBELETS: Final = ("container_memory_rss", "kubelet_volume_stats_capacity_bytes")
_UPLOADS: Final = "/var/www/html/storage/uploads"
# curl's number for a connection that nobody has answered or refused.
_TIMED_OUT: Final = "28"
# The pod's own token, by standard input: it is in no list of processes.
_AS_ITSELF: Final = """
token=$(curl --fail --silent --header 'Metadata-Flavor: Google' \
  http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token |
  sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
printf 'header = "Authorization: Bearer %s"\\n' "$token" |
  curl --silent --output /dev/null --write-out '%{http_code}' --config - \
    "https://storage.googleapis.com/storage/v1/b/$0/o?maxResults=1"
"""


def _pod(image: str, **more: Any) -> str:
    """A pod that meets the standard `restricted`, but for what more is in its spec."""
    hardened = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "verified"},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{"name": "verified", "image": image, "securityContext": hardened}],
                **more,
            },
        }
    )


def _refusal(place: Place, area: str, pod: str, *words: str) -> str:
    """Why the API server doesn't take a pod; nothing where it does, and then it is removed."""
    namespace = ("-n", place.target.namespaces[area])
    try:
        place.kubectl(*namespace, "create", *words, "-f", "-", stdin=pod)
    except DeliveryError as error:
        return error.what
    if not words:
        place.kubectl(*namespace, "delete", "pod", "verified", "--wait=false")
    return ""


def _restricted(place: Place) -> str:
    for area in _GUARDED:
        image = f"{place.cluster.registry}/verified"
        said = _refusal(place, area, _pod(image, hostPID=True), "--dry-run=server")
        require(said, f"{place.target.namespaces[area]} takes a pod that sees the node's processes")
        if "PodSecurity" not in said:
            raise DeliveryError(f"It was refused for another reason: {said}", "look at the namespace's quota")
    return f"refused in {', '.join(place.target.namespaces[area] for area in _GUARDED)}"


def _no_secrets(place: Place) -> str:
    accounts = [
        (namespace, each["metadata"]["name"])
        for namespace in place.target.namespaces.values()
        for each in place.objects("serviceaccounts", "-n", namespace)
    ]
    asked = [(*account, verb) for account in accounts for verb in ("get", "list", "watch")]
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{namespace}:{account}",
                "resourceAttributes": {"namespace": namespace, "verb": verb, "resource": "secrets"},
            },
        }
        for namespace, account, verb in asked
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    told = place.kubectl("create", "-f", "-", "-o", 'jsonpath={.status.allowed}{"\\n"}', stdin=listed).split()
    for (namespace, account, verb), allowed in zip(asked, told, strict=True):
        require(allowed == "false", f"{account} of {namespace} may {verb} Secrets")
    return f"{len(accounts)} accounts"


def _own_address(place: Place) -> str:
    """Policies let pods through to the control plane by its range, and Patroni to its records by that."""
    network = ip_network(str(place.cluster.network.control_plane))
    slices = place.objects("endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes")
    found = [address for each in slices for one in each["endpoints"] for address in one["addresses"]]
    require(found, "the Service kubernetes leads nowhere")
    outside = [address for address in found if ip_address(address) not in network]
    require(not outside, f"pods find it at {', '.join(outside)}, outside of {network}")
    return f"pods find it at {', '.join(found)}"


def _nodes(place: Place) -> str:
    nodes = place.objects("nodes")
    zones = {each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
    require(len(zones) == 3, f"they are in {len(zones)} zones")
    for node in nodes:
        name, status = node["metadata"]["name"], node["status"]
        require(
            not [each for each in status["addresses"] if each["type"] == "ExternalIP" and each["address"]],
            f"{name} has an address in the internet",
        )
        system = status["nodeInfo"]["osImage"]
        require(system.startswith("Container-Optimized OS"), f"{name} runs {system}")
    return f"{len(nodes)} nodes in {len(zones)} zones, {nodes[0]['status']['nodeInfo']['kubeletVersion']}"


def _pods(place: Place) -> str:
    found = 0
    for namespace in place.target.namespaces.values():
        for pod in place.objects("pods", "-n", namespace):
            name, owners = pod["metadata"]["name"], pod["metadata"].get("ownerReferences", ())
            # A job's pod runs, and is done, when it is.
            if any(each["kind"] == "Job" for each in owners):
                continue
            ready = [one["status"] for one in pod["status"].get("conditions", ()) if one["type"] == "Ready"]
            require(ready == ["True"], f"{name} is not ready")
            images = [each["image"] for each in pod["spec"]["containers"]]
            foreign = [each for each in images if not each.startswith(f"{place.cluster.registry}/")]
            # GKE adds a container of its own to what mounts a bucket.
            foreign = [each for each in foreign if not any(of in each for of in ("gke.gcr.io/", "/gke-release/"))]
            require(not foreign, f"{name} runs {', '.join(foreign)}")
            found += 1
    require(found, "there are none")
    return f"{found} pods"


def _foreign_image(place: Place) -> str:
    said = _refusal(place, "app", _pod("docker.io/library/busybox:1.37"))
    require(said, "the API server has taken it")
    if not any(word in said.lower() for word in ("binary authorization", "image policy webhook")):
        raise DeliveryError(f"It was refused for another reason: {said}", "look at what it names")
    return said.partition("denied")[2].strip() or said


def _application(place: Place) -> list[str]:
    found = place.objects("pods", "-n", place.target.namespaces["app"], "-l", f"app.kubernetes.io/name={app.NAME}")
    names = [each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]]
    require(names, "the application has no pods")
    return names


def _in(place: Place, pod: str, container: str, *command: str) -> str:
    return place.kubectl("-n", place.target.namespaces["app"], "exec", pod, "-c", container, "--", *command)


def _well(place: Place) -> str:
    pods = _application(place)
    asked = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "10")
    for pod in pods:
        code = _in(place, pod, "nginx", *asked, "http://127.0.0.1:8080/api/health")
        require(code == "200", f"{pod} answers {code}")
    return f"{len(pods)} pods say that they, their stores and their uploads are well"


def _uploads(place: Place) -> str:
    pods = _application(place)
    require(len(pods) > 1, "there is one pod alone")
    _in(place, pods[0], "php", "sh", "-c", f"echo kept > {_UPLOADS}/verified.txt && sync {_UPLOADS}/verified.txt")
    read = _in(place, pods[-1], "php", "sh", "-c", f"cat {_UPLOADS}/verified.txt || true").strip()
    require(read == "kept", "another pod doesn't see it")
    listed = place.gcloud("storage", "objects", "list", f"gs://{place.cluster.uploads}/**") or ()
    require(any(each["name"].endswith("verified.txt") for each in listed), "it is not in the bucket")
    return f"it is in gs://{place.cluster.uploads}, and another pod reads it"


def _own_bucket_alone(place: Place) -> str:
    pod = _application(place)[0]
    own, others = (
        _in(place, pod, "nginx", "sh", "-c", _AS_ITSELF, bucket) for bucket in (place.cluster.uploads, place.backups)
    )
    if own != "200":
        raise DeliveryError(f"Its own bucket answers {own}, so the other's answer says nothing.", "see docs/uploads.md")
    require(others == "403", f"the bucket of backups answers the application with {others}")
    return "its own bucket answers 200, that of backups 403"


def _policies(place: Place) -> str:
    """A pod that nobody has let through gets no answer, where others do."""
    pod = _application(place)[0]
    for name, area in (("prometheus", "monitoring"), ("postgres", "data")):
        found = place.objects("pods", "-n", place.target.namespaces[area], "-l", f"app.kubernetes.io/name={name}")
        port = {"prometheus": 9090, "postgres": 8008}[name]  # Patroni's, which only its members talk to
        address = f"http://{found[0]['status']['podIP']}:{port}/"
        asked = f"curl --silent --output /dev/null --max-time 5 {address}; echo $?"
        code = _in(place, pod, "nginx", "sh", "-c", asked).strip()
        require(code == _TIMED_OUT, f"{address} of {name} answers the application: curl exits with {code}")
    return "neither Prometheus nor Patroni answers the application"


def _prometheus(place: Place, question: str) -> list[tuple[dict[str, str], str]]:
    """What it answers: labels and value of each series."""
    told = place.kubectl(*inside.query(place.target, question))
    lines = (line.rpartition(" => ") for line in told.splitlines() if " => " in line)
    return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), value.split()[0]) for labels, _, value in lines]


def _told_by_kubelets(place: Place) -> str:
    nodes = [
        address["address"]
        for node in place.objects("nodes")
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    ]
    require(nodes, "there are no nodes")
    found = {(labels["job"], labels["instance"]) for labels, value in _prometheus(place, _KUBELETS) if value == "1"}
    for job in (containers.NAME, containers.CLAIMS):
        silent = sorted(node for node in nodes if (job, f"{node}:{containers.KUBELET_PORT}") not in found)
        require(not silent, f"the kubelets at {', '.join(silent)} tell nothing of {job}")
    for name in _OF_KUBELETS:
        require(_prometheus(place, f"count({name})"), f"Prometheus has no {name}")
    return f"{len(nodes)} kubelets are asked, and tell of containers and of claims"


def _backed_up(place: Place) -> str:
    found = backups_of(info(place.target))
    require(found, "the repository has none")
    listed = place.gcloud("storage", "objects", "list", f"gs://{place.backups}/**") or ()
    require(listed, "the bucket is empty")
    return f"{found[-1].label}, {len(listed)} objects in gs://{place.backups}"


def _restored(place: Place) -> str:
    said: list[str] = []
    restoring.beside(place.target, Point(), confirm=lambda: None, say=said.append)
    try:
        asked = ("psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--command={_TABLES}")
        namespace = place.target.namespaces["data"]
        tables = place.kubectl("-n", namespace, "exec", f"job/{restoring.NAME}", "--", *asked, "vision_week").strip()
    finally:
        restoring.remove(place.target)
    require(int(tables), "what was restored has no table of the application's")
    return f"{said[-1]} It has {tables} of the application's tables."


CLAIMS: Final = (
    Claim(
        "No namespace but the nodes' takes a pod that sees the node's processes",
        "docs/hardening.md 4.2.1",
        Needs.API_SERVER,
        _restricted,
    ),
    Claim("No account of a pod may read Secrets", "docs/hardening.md 4.1.2", Needs.API_SERVER, _no_secrets),
    Claim(
        "Pods find the control plane in the range that policies let them through to",
        "docs/google-cloud.md",
        Needs.NODES,
        _own_address,
    ),
    Claim("Nodes are in three zones, and have no address outside", "S5, docs/google-cloud.md", Needs.NODES, _nodes),
    Claim("All pods run, from the project's registry alone", "docs/google-cloud.md", Needs.NODES, _pods, 600),
    Claim("An image from elsewhere is refused", "docs/hardening.md 4.5.1", Needs.NODES, _foreign_image),
    Claim("The application, its stores and its uploads are well", "S2.2", Needs.NODES, _well, 300),
    Claim("What one pod has uploaded another finds, in the bucket", "docs/uploads.md", Needs.NODES, _uploads),
    Claim(
        "A pod gets into its own bucket, and into no other's", "docs/google-cloud.md", Needs.NODES, _own_bucket_alone
    ),
    Claim("Pods get no answer from those that they are not let through to", "S7.1", Needs.NODES, _policies),
    Claim(
        "What kubelets tell of containers and claims is in Prometheus",
        "docs/monitoring.md",
        Needs.NODES,
        _told_by_kubelets,
        300,
    ),
    Claim("A first backup is in the bucket", "S11.2, docs/backups.md", Needs.NODES, _backed_up, 900),
    Claim("It is restored beside the database", "docs/backups.md", Needs.NODES, _restored),
)
