"""Claims that Google's own APIs answer: what it has made of what the program asked for.

The fields are those of its reference, as `gcloud … --format=json` prints them.
"""

from collections.abc import Mapping
from typing import Any, Final

from operations.verify_cloud.claim import SOMETHING, Claim, Needs, RefutedError, agree, require
from operations.verify_cloud.place import Place

# Of each claim: where docs/hardening.md or another page has it, and the cluster's fields that show it.
_OF_CLUSTER: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "The control plane has no public address, and is reached by a DNS name": (
        "docs/hardening.md 5.6.4",
        {
            "controlPlaneEndpointsConfig.ipEndpointsConfig.enablePublicEndpoint": False,
            "controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig.enabled": True,
            "controlPlaneEndpointsConfig.ipEndpointsConfig.privateEndpointSubnetwork": SOMETHING,
            "controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint": SOMETHING,
            "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic": True,
            "controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sCertsViaDns": False,
            "controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sTokensViaDns": False,
        },
    ),
    "Dataplane V2 enforces network policies; a node's own traffic is seen, too": (
        "docs/hardening.md 4.3.1, 5.6.1",
        {"networkConfig.datapathProvider": "ADVANCED_DATAPATH", "networkConfig.enableIntraNodeVisibility": True},
    ),
    "Secrets in etcd are encrypted with our key": (
        "docs/hardening.md 5.3.1",
        {"databaseEncryption.state": "ENCRYPTED", "databaseEncryption.keyName": SOMETHING},
    ),
    "Images are admitted by the project's policy": (
        "docs/hardening.md 5.10.4",
        {"binaryAuthorization.evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"},
    ),
    "Nobody without a name, and no certificate, gets rights": (
        "docs/hardening.md 4.1.8, 4.1.9, 4.1.10, 5.8.1, 5.8.3",
        {
            "anonymousAuthenticationConfig.mode": "LIMITED",
            "rbacBindingConfig.enableInsecureBindingSystemUnauthenticated": False,
            "rbacBindingConfig.enableInsecureBindingSystemAuthenticated": False,
            "masterAuth.clientCertificate": "",
            "legacyAbac.enabled": False,
        },
    ),
    "Shielded nodes, the regular channel, the security posture, and its costs told apart": (
        "docs/hardening.md 5.5.4, 5.5.5, 5.10.5",
        {
            "shieldedNodes.enabled": True,
            "releaseChannel.channel": "REGULAR",
            "securityPostureConfig.mode": "BASIC",
            "costManagementConfig.enabled": True,
        },
    ),
    "What GKE brings is on: disks, GCS FUSE, snapshots, DNS on each node, the vertical autoscaler, Gateways": (
        "docs/google-cloud.md",
        {
            "addonsConfig.gcePersistentDiskCsiDriverConfig.enabled": True,
            "addonsConfig.gcsFuseCsiDriverConfig.enabled": True,
            "addonsConfig.gkeBackupAgentConfig.enabled": True,
            "addonsConfig.dnsCacheConfig.enabled": True,
            "verticalPodAutoscaling.enabled": True,
            "networkConfig.gatewayApiConfig.channel": "CHANNEL_STANDARD",
        },
    ),
}
_OF_POOLS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "Nodes are private": ("docs/hardening.md 5.6.5", {"networkConfig.enablePrivateNodes": True}),
    "Nodes run Container-Optimized OS, are shielded and started by secure boot": (
        "docs/hardening.md 5.5.1, 5.5.6, 5.5.7",
        {
            "config.imageType": "COS_CONTAINERD",
            "config.shieldedInstanceConfig.enableSecureBoot": True,
            "config.shieldedInstanceConfig.enableIntegrityMonitoring": True,
        },
    ),
    "Pods see their own identity, never the node's": (
        "docs/hardening.md 5.4.1",
        {"config.workloadMetadataConfig.mode": "GKE_METADATA"},
    ),
    "Disks of nodes are encrypted with our key": ("docs/hardening.md 5.9.2", {"config.bootDiskKmsKey": SOMETHING}),
    "Nodes are repaired and upgraded, a new one before the old one goes": (
        "docs/running-on-google-cloud.md#upgrades-of-gke",
        {"management.autoRepair": True, "management.autoUpgrade": True, "upgradeSettings.maxSurge": 1},
    ),
    "The kubelet has no port that answers everybody": (
        "docs/hardening.md",
        {"config.kubeletConfig.insecureKubeletReadonlyPortEnabled": False},
    ),
}


def _cluster(place: Place) -> dict[str, Any]:
    words = ("container", "clusters", "describe", place.site.name, f"--region={place.site.region}")
    found: dict[str, Any] = place.gcloud(*words)
    return found


def _of_cluster(what: str, told: str, wanted: Mapping[str, Any]) -> Claim:
    def look(place: Place) -> str:
        agree("the cluster", _cluster(place), wanted)
        return ", ".join(f"{path}: {value}" for path, value in wanted.items())

    return Claim(what, told, Needs.GOOGLE, look)


def _of_pools(what: str, told: str, wanted: Mapping[str, Any]) -> Claim:
    def look(place: Place) -> str:
        pools = _cluster(place)["nodePools"]
        require(len(pools) == 2, f"there are {len(pools)} pools, not two")
        for pool in pools:
            agree(f"the pool {pool['name']}", pool, wanted)
        return ", ".join(f"{path}: {value}" for path, value in wanted.items())

    return Claim(what, told, Needs.GOOGLE, look)


def _workload_identity(place: Place) -> str:
    pool = f"{place.site.project}.svc.id.goog"
    agree("the cluster", _cluster(place), {"workloadIdentityConfig.workloadPool": pool})
    return pool


def _buckets(place: Place) -> str:
    names = (place.backups, place.cluster.uploads)
    for name in names:
        found = place.gcloud("storage", "buckets", "describe", f"gs://{name}", "--raw")
        wanted = {
            "iamConfiguration.uniformBucketLevelAccess.enabled": True,
            "iamConfiguration.publicAccessPrevention": "enforced",
            "encryption.defaultKmsKeyName": SOMETHING,
            "versioning.enabled": True,
        }
        agree(name, found, wanted)
    return ", ".join(names)


def _images(place: Place) -> str:
    registry = place.settings.images.registry
    found = {each["package"] for each in place.gcloud("artifacts", "docker", "images", "list", registry)}
    missing = {f"{registry}/{name}" for name in ("app", "postgres", "websocket")} - found
    require(not missing, f"missing: {', '.join(sorted(missing))}")
    return f"three in {registry}, built on the official bases"


def _disks(place: Place) -> str:
    claimed = [each for each in place.objects("pv") if each["spec"]["csi"]["driver"] == "pd.csi.storage.gke.io"]
    require(claimed, "there are no volumes of disks")
    for volume in claimed:
        # projects/P/regions/R/disks/NAME
        *_, where, area, _, name = volume["spec"]["csi"]["volumeHandle"].split("/")
        require(where == "regions", f"{name} is of a zone")
        disk = place.gcloud("compute", "disks", "describe", name, f"--region={area}")
        agree(name, disk, {"users": SOMETHING, "diskEncryptionKey.kmsKeyName": SOMETHING})
        require(disk["type"].endswith("/pd-ssd"), f"{name} is {disk['type']}")
        require(len(disk["replicaZones"]) == 2, f"{name} is in {len(disk['replicaZones'])} zones")
    return f"{len(claimed)} disks"


def _snapshot(place: Place) -> str:
    """One is taken now; it goes with the stack."""
    name = place.site.name
    where = (f"--location={place.site.region}", f"--backup-plan={name}-snapshots")
    words = ("container", "backup-restore", "backups")
    there = {each["name"].rpartition("/")[2] for each in place.gcloud(*words, "list", *where) or ()}
    if "verified" not in there:
        place.gcloud(*words, "create", "verified", *where, "--wait-for-completion")
    found = place.gcloud(*words, "describe", "verified", *where)
    agree("the snapshot", found, {"state": "SUCCEEDED", "volumeCount": SOMETHING})
    return f"{found['volumeCount']} volumes"


def _logs(place: Place) -> str:
    ours = f'resource.type="k8s_container" AND resource.labels.namespace_name:"{place.site.name}-"'
    read = ("logging", "read", ours, "--limit=1", "--freshness=2h", "--view=_AllLogs")
    where = (f"--bucket={place.site.name}-logs", f"--location={place.site.region}")
    require(place.gcloud(*read, *where), f"there is no line of the stack's pods in the bucket {where[0]}")
    require(
        not place.gcloud(*read, "--bucket=_Default", "--location=global"),
        "lines are in the project's first bucket, too",
    )
    return f"they are in {place.site.name}-logs, and not in _Default"


def _scanned(place: Place) -> str:
    google = place.as_now()
    found = google.get(
        "containeranalysis",
        f"/v1/projects/{place.site.project}/occurrences",
        filter='kind="DISCOVERY"',
        pageSize="1000",  # by default 20, and other people's images have some, too
    ).get("occurrences", ())
    registry = f"https://{place.settings.images.registry}/"
    done = {
        str(each["resourceUri"]).removeprefix(registry).partition("@")[0]
        for each in found
        if each["discovery"].get("analysisStatus") in {"FINISHED_SUCCESS", "COMPLETE"}
    }
    missing = {"app", "postgres", "websocket"} - done
    require(not missing, f"not scanned: {', '.join(sorted(missing))}")
    return "all three of ours"


def _posture(place: Place) -> str:
    """The policy that the project has as a whole."""
    found = place.gcloud("container", "binauthz", "policy", "export")
    wanted = {
        "globalPolicyEvaluationMode": "ENABLE",
        "defaultAdmissionRule.evaluationMode": "ALWAYS_DENY",
        "defaultAdmissionRule.enforcementMode": "ENFORCED_BLOCK_AND_AUDIT_LOG",
        "clusterAdmissionRules": None,
    }
    agree("the policy", found, wanted)
    patterns = [each["namePattern"] for each in found["admissionWhitelistPatterns"]]
    if patterns != [f"{place.cluster.registry}/**"]:
        raise RefutedError(f"admitted are {', '.join(patterns)}")
    return f"all but {patterns[0]}, and Google's own"


CLAIMS: Final = (
    *(_of_cluster(what, *rest) for what, rest in _OF_CLUSTER.items()),
    *(_of_pools(what, *rest) for what, rest in _OF_POOLS.items()),
    Claim("Pods' accounts are known to Google", "docs/hardening.md 5.2.2", Needs.GOOGLE, _workload_identity),
    Claim("The policy of images denies all others", "docs/hardening.md 4.5.1", Needs.GOOGLE, _posture),
    Claim(
        "Buckets are closed, encrypted with our keys, and keep versions", "docs/google-cloud.md", Needs.GOOGLE, _buckets
    ),
    Claim("Our images are built on their official bases, and pushed", "docs/delivery.md", Needs.GOOGLE, _images),
    Claim("Images are scanned where they are kept", "docs/hardening.md 5.1.1", Needs.GOOGLE, _scanned, 600),
    Claim(
        "Volumes of fast-ssd are disks in two zones, encrypted with our key, and attached",
        "S11.1, docs/hardening.md 5.9.1",
        Needs.GOOGLE,
        _disks,
    ),
    Claim("Backup for GKE takes a snapshot of the volumes", "docs/google-cloud.md#snapshots", Needs.GOOGLE, _snapshot),
    Claim(
        "Lines of pods are in a bucket of the stack's own, and nowhere else", "docs/logs.md", Needs.GOOGLE, _logs, 600
    ),
)
