"""What the simulated Google Cloud tells of a resource beside what it was given.

Most of it follows from names and is the same for all kinds. What a program reads of one kind alone is written for it.
Numbers come from the cloud's own count, so that what is made anew is another one, as with the real cloud.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from localcloud import paths
from localcloud.plugins.gcp import kinds
from localcloud.plugins.gcp.cloud import Project, Thing
from localcloud.plugins.gcp.kinds import KINDS
from localcloud.plugins.gcp.refusals import ZONES
from localcloud.plugins.values import Values

# Google's own accounts in a project, by the API that they belong to; of others the domain is gcp-sa-API.
_AGENTS: Final = {
    "compute": "compute-system",
    "container": "container-engine-robot",
    "pubsub": "gcp-sa-pubsub",
    "storage": "gs-project-accounts",
}
# Which are there as soon as the API is enabled.
AT_ONCE: Final = ("compute", "container")
_ATTRIBUTION: Final = {"goog-pulumi-provisioned": "true"}
_VERSION: Final = "1.34.3-gke.1000000"  # the local cluster's, as GKE writes one


@dataclass(frozen=True)
class Place:
    """Where a resource is. project: its id; about: what is known of it."""

    project: str
    about: Project
    region: str


def agent(api: str) -> str:
    """The domain of an API's own account."""
    return _AGENTS.get(api, f"gcp-sa-{api}")


def computed(token: str, name: str, inputs: Mapping[str, Any], place: Place, thing: Thing) -> Values:
    """Everything that is computed: of all kinds by its name, of some kinds by themselves."""
    unique, made = _unique(token, name, thing.number), thing.made
    common = {
        "project": place.project,
        "name": inputs.get("name") or name.rpartition("/")[2],
        "selfLink": _link(token, name),
        "creationTimestamp": made,
        "createTime": made,
        "timeCreated": made,
        "updateTime": made,
        "updated": made,
        "etag": unique[:12],
        "fingerprint": unique[:12],
        "labelFingerprint": unique[:12],
        "uid": str(uuid.UUID(unique[:32])),
        "projectNumber": place.about.number,
        "region": place.region,
        "location": KINDS[token].location or place.region,
        "effectiveAnnotations": inputs.get("annotations") or {},
        **labels(inputs),
    }
    return {**common, **_of_kind(token, name, inputs, place, thing.number)}


def labels(inputs: Mapping[str, Any]) -> Values:
    """A resource's labels, Pulumi's own among them."""
    found = {**(inputs.get("labels") or inputs.get("resourceLabels") or {}), **_ATTRIBUTION}
    return {"effectiveLabels": found, "pulumiLabels": found}


def _unique(token: str, name: str, number: int) -> str:
    return hashlib.sha256(f"{token} {name} {number}".encode()).hexdigest()


def _of_kind(token: str, name: str, inputs: Mapping[str, Any], place: Place, number: int) -> Values:
    unique = _unique(token, name, number)
    decimal = str(int(unique[:16], 16) % 10**19 + 10**18)
    of_number = f"projects/{place.about.number}"
    match token:
        case kinds.ACCOUNT:
            email = name.rpartition("/")[2]
            return {"name": name, "email": email, "member": f"serviceAccount:{email}", "uniqueId": f"1{decimal}"}
        case kinds.SERVICE_IDENTITY:
            domain = agent(str(inputs["service"]).partition(".")[0])
            email = f"service-{place.about.number}@{domain}.iam.gserviceaccount.com"
            return {"email": email, "member": f"serviceAccount:{email}"}
        case kinds.CLUSTER:
            return _cluster(inputs, place)
        case kinds.NODE_POOL:
            return {"version": _VERSION, "nodeCount": inputs.get("initialNodeCount", 1)}
        case kinds.NETWORK:
            return {"numericId": decimal, "networkId": decimal}
        case kinds.SUBNETWORK:
            return {"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "subnetworkId": number}
        case kinds.BUCKET:
            return {"url": f"gs://{name}", "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}"}
        case kinds.REPOSITORY:
            host = f"{inputs.get('location') or place.region}-docker.pkg.dev"
            return {"registryUri": f"{host}/{place.project}/{inputs['repositoryId']}"}
        case kinds.SECRET:
            return {"name": f"{of_number}/secrets/{inputs['secretId']}"}
        case kinds.SECRET_VERSION:
            return {"name": name, "version": name.rpartition("/")[2]}
        case kinds.ZONE:
            servers = "abcde"[number % 5]
            names = [f"ns-cloud-{servers}{each}.googledomains.com." for each in (1, 2, 3, 4)]
            return {"nameServers": names, "managedZoneId": decimal}
        case kinds.PROOF:
            data = f"{uuid.UUID(unique[:32])}.{number % 20}.authorize.certificatemanager.goog."
            record = {"name": f"_acme-challenge.{inputs['domain']}.", "type": "CNAME", "data": data}
            return {"dnsResourceRecords": [record]}
        case kinds.TRANSFER:
            return {"name": inputs.get("name") or f"transferJobs/{number}"}
        case kinds.KEY:
            return {"primaries": [{"name": f"{name}/cryptoKeyVersions/1", "state": "ENABLED"}]}
    if token.startswith("gcp:iam/workloadIdentityPool"):
        return {"name": re.sub("^projects/[^/]+", of_number, name), "state": "ACTIVE"}
    if token.startswith("gcp:monitoring/"):
        return {"name": name}
    return {}


def _cluster(inputs: Mapping[str, Any], place: Place) -> Values:
    """The API server is the local cluster's, where there is one, and else an address that leads nowhere."""
    server, authority = _local()
    return {
        "endpoint": server.rpartition(":")[0] or server,
        "masterAuth": {"clusterCaCertificate": authority},
        "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": server}},
        "masterVersion": _VERSION,
        "nodeVersion": _VERSION,
        "nodeLocations": [f"{place.region}-{letter}" for letter in ZONES.get(str(inputs.get("location")), "")],
    }


def _local() -> tuple[str, str]:
    kubeconfig = paths.state() / "kubeconfig"
    if not kubeconfig.exists():
        # A documentation's address: https://www.rfc-editor.org/rfc/rfc5737
        return "192.0.2.1:443", ""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    return urlsplit(cluster["server"]).netloc, str(cluster.get("certificate-authority-data", ""))


def _link(token: str, name: str) -> str:
    if KINDS[token].api == "compute":
        return f"https://www.googleapis.com/compute/v1/{name}"
    return f"https://{KINDS[token].api}.googleapis.com/v1/{name}"
