"""The kinds of resources that the simulated Google Cloud has, and what pulumi-gcp's types don't tell of each.

That is: which API and which role making one takes, what its name may look like, what its id is where the documentation
of the import says otherwise, what can't be changed in place, what must be there before it, and what it can't go before.
Another kind that the programs come to use is one more entry here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_CLOUD: Final = "https://cloud.google.com"
Token = str


@dataclass(frozen=True)
class Form:
    """What a name may look like."""

    pattern: str
    words: str


_PLAIN: Final = Form(
    r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
    "1 to 63 lower-case letters, digits and hyphens, a letter first and no hyphen last",
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind.

    api: that must be enabled, without the domain. roles: that the caller needs, without `roles/`, if not its API's.
    name: the property that has its name, which looks like form, as documented at url; without that it has none.
    id: where the SDK's documentation has none that holds; the properties' names in braces.
    location: where it is, if nothing is said.
    fixed: paths that make a new one when they change, besides the parts of its id and those documented as such.
    parents: kind -> which of them must be there, as an id; it goes with them.
    holders: kind -> its property that refers to this one, which can't go before.
    key: path of the property that names the key it is encrypted with. agent: whom Google uses that key as, by domain.
    shared: Google makes no difference between making and changing. kept: it can't be deleted, and stays.
    retired: its name can't be used again. cite: where Google documents what else it refuses.
    """

    api: str
    roles: tuple[str, ...] = ()
    name: str = "name"
    form: Form = _PLAIN
    url: str = ""
    id: str = ""
    location: str = ""
    fixed: tuple[str, ...] = ()
    parents: Mapping[Token, str] = field(default_factory=dict)
    holders: tuple[tuple[Token, str], ...] = ()
    key: str = ""
    agent: str = ""
    shared: bool = False
    kept: bool = False
    retired: bool = False
    cite: str = ""


# The role that making anything of an API takes, where one does.
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "artifactregistry": ("artifactregistry.admin",),
    "binaryauthorization": ("binaryauthorization.policyEditor",),
    "certificatemanager": ("certificatemanager.owner",),
    "cloudkms": ("cloudkms.admin",),
    "cloudresourcemanager": ("resourcemanager.projectIamAdmin",),
    "compute": ("compute.networkAdmin",),
    "container": ("container.admin", "iam.serviceAccountUser"),
    "dns": ("dns.admin",),
    "gkebackup": ("gkebackup.admin",),
    "iam": ("iam.serviceAccountAdmin",),
    "logging": ("logging.configWriter",),
    "monitoring": ("monitoring.editor",),
    "pubsub": ("pubsub.admin",),
    "secretmanager": ("secretmanager.admin",),
    "serviceusage": ("serviceusage.serviceUsageAdmin",),
    "storage": ("storage.admin",),
    "storagetransfer": ("storagetransfer.admin",),
}
_SHORT: Final = Form(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", _PLAIN.words.replace("63", "40"))
_WORD: Final = Form(r"[A-Za-z0-9_-]{1,63}", "1 to 63 letters, digits, hyphens and underscores")
_LONG_WORD: Final = Form(r"[A-Za-z0-9_-]{1,255}", _WORD.words.replace("63", "255"))
_POOL: Final = Form(
    r"(?!gcp-)[-a-z0-9]{4,32}", "4 to 32 lower-case letters, digits and hyphens, without the prefix gcp-"
)
_ACCOUNT: Final = Form(
    r"[a-z][-a-z0-9]{4,28}[a-z0-9]", "6 to 30 lower-case letters, digits and hyphens, a letter first and no hyphen last"
)
_TOPIC: Final = Form(
    r"(?!goog)[A-Za-z][\w.~+%-]{2,254}", "3 to 255 letters, digits and -_.~+%, a letter first and not goog"
)
_BUCKET: Final = Form(
    r"(?!goog)(?!.*(\.\.|google))(?!\d+(\.\d+){3}$)[a-z0-9][-a-z0-9_.]{1,61}[a-z0-9]",
    "3 to 63 lower-case letters, digits, hyphens, underscores and dots, without google in it, and no address",
)
_DOMAIN: Final = Form(r"(?=.{1,254}$)([\w*-]{1,63}\.)+", "a DNS name, its last dot included")
_LOG: Final = Form(r"[A-Za-z0-9][\w.-]{0,99}", "1 to 100 letters, digits and _-., a letter or digit first")
_LOGGING: Final = f"{_CLOUD}/logging/docs/reference/v2/rest/v2"
_COMPUTE: Final = f"{_CLOUD}/compute/docs/naming-resources"
_CERTIFICATES: Final = f"{_CLOUD}/certificate-manager/docs/reference/certificate-manager/rest/v1/projects.locations"
_KMS: Final = f"{_CLOUD}/kms/docs/reference/rest/v1/projects.locations.keyRings"
_GKE: Final = f"{_CLOUD}/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters"
_POOLS: Final = f"{_CLOUD}/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools"

NETWORK: Final = "gcp:compute/network:Network"
SUBNETWORK: Final = "gcp:compute/subnetwork:Subnetwork"
ROUTER: Final = "gcp:compute/router:Router"
FIREWALL: Final = "gcp:compute/firewall:Firewall"
CLUSTER: Final = "gcp:container/cluster:Cluster"
NODE_POOL: Final = "gcp:container/nodePool:NodePool"
BACKUP_PLAN: Final = "gcp:gkebackup/backupPlan:BackupPlan"
ZONE: Final = "gcp:dns/managedZone:ManagedZone"
RECORDS: Final = "gcp:dns/recordSet:RecordSet"
CERTIFICATE: Final = "gcp:certificatemanager/certificate:Certificate"
CERTIFICATE_MAP: Final = "gcp:certificatemanager/certificateMap:CertificateMap"
MAP_ENTRY: Final = "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry"
PROOF: Final = "gcp:certificatemanager/dnsAuthorization:DnsAuthorization"
KEY_RING: Final = "gcp:kms/keyRing:KeyRing"
KEY: Final = "gcp:kms/cryptoKey:CryptoKey"
KEY_MEMBER: Final = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
REPOSITORY: Final = "gcp:artifactregistry/repository:Repository"
SECRET: Final = "gcp:secretmanager/secret:Secret"  # noqa: S105  a token of a kind
SECRET_VERSION: Final = "gcp:secretmanager/secretVersion:SecretVersion"  # noqa: S105  the same
ACCOUNT: Final = "gcp:serviceaccount/account:Account"
BUCKET: Final = "gcp:storage/bucket:Bucket"
BUCKET_MEMBER: Final = "gcp:storage/bucketIAMMember:BucketIAMMember"
TRANSFER: Final = "gcp:storage/transferJob:TransferJob"
IDENTITIES: Final = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
SERVICE: Final = "gcp:projects/service:Service"
SERVICE_IDENTITY: Final = "gcp:projects/serviceIdentity:ServiceIdentity"
TOPIC: Final = "gcp:pubsub/topic:Topic"

_MEMBER: Final = ("role", "member", "condition")
# What a pool's nodes are made with, and can't be given later.
_OF_NODES: Final = (
    "advancedMachineFeatures",
    "bootDiskKmsKey",
    "confidentialNodes",
    "gvnic",
    "metadata",
    "minCpuPlatform",
    "oauthScopes",
    "preemptible",
    "serviceAccount",
    "shieldedInstanceConfig",
    "spot",
)
KINDS: Final[Mapping[Token, Kind]] = {
    REPOSITORY: Kind(
        api="artifactregistry",
        name="repositoryId",
        url=f"{_CLOUD}/artifact-registry/docs/repositories/create-repos",
        fixed=("format", "mode"),
        key="kmsKeyName",
        agent="gcp-sa-artifactregistry",
        cite=f"{_CLOUD}/artifact-registry/docs/cmek",
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": Kind(
        api="artifactregistry",
        id="{repository}/{role}/{member}",
        fixed=_MEMBER,
        parents={REPOSITORY: "{repository}"},
        shared=True,
    ),
    "gcp:binaryauthorization/policy:Policy": Kind(api="binaryauthorization", shared=True),
    CERTIFICATE: Kind(
        api="certificatemanager",
        url=f"{_CERTIFICATES}.certificates/create",
        location="global",
        fixed=("managed", "scope"),
        holders=((MAP_ENTRY, "certificates"),),
        cite=f"{_CLOUD}/certificate-manager/docs/certificates",
    ),
    CERTIFICATE_MAP: Kind(
        api="certificatemanager",
        url=f"{_CERTIFICATES}.certificateMaps/create",
        holders=((MAP_ENTRY, "map"),),
        cite=f"{_CLOUD}/certificate-manager/docs/maps",
    ),
    MAP_ENTRY: Kind(
        api="certificatemanager",
        url=f"{_CERTIFICATES}.certificateMaps.certificateMapEntries/create",
        fixed=("hostname", "matcher"),
        parents={CERTIFICATE_MAP: "projects/{project}/locations/global/certificateMaps/{map}"},
    ),
    PROOF: Kind(
        api="certificatemanager",
        url=f"{_CERTIFICATES}.dnsAuthorizations/create",
        location="global",
        fixed=("domain", "type"),
        holders=((CERTIFICATE, "managed.dnsAuthorizations"),),
        cite=f"{_CLOUD}/certificate-manager/docs/dns-authorizations",
    ),
    FIREWALL: Kind(api="compute", roles=("compute.securityAdmin",), url=_COMPUTE, fixed=("network", "direction")),
    NETWORK: Kind(
        api="compute",
        url=_COMPUTE,
        fixed=("autoCreateSubnetworks", "description"),
        holders=((SUBNETWORK, "network"), (ROUTER, "network"), (FIREWALL, "network"), (CLUSTER, "network")),
        cite=f"{_CLOUD}/vpc/docs/create-modify-vpc-networks#delete-network",
    ),
    ROUTER: Kind(api="compute", url=_COMPUTE, fixed=("network",)),
    "gcp:compute/routerNat:RouterNat": Kind(
        api="compute",
        url=_COMPUTE,
        id="{project}/{region}/{router}/{name}",
        fixed=("type",),
        parents={ROUTER: "projects/{project}/regions/{region}/routers/{router}"},
    ),
    "gcp:compute/securityPolicy:SecurityPolicy": Kind(api="compute", roles=("compute.securityAdmin",), url=_COMPUTE),
    "gcp:compute/sSLPolicy:SSLPolicy": Kind(
        api="compute", roles=("compute.securityAdmin",), url=_COMPUTE, fixed=("description",)
    ),
    SUBNETWORK: Kind(
        api="compute",
        url=_COMPUTE,
        fixed=("network",),
        holders=((CLUSTER, "subnetwork"), (CLUSTER, "privateClusterConfig.privateEndpointSubnetwork")),
        cite=f"{_CLOUD}/vpc/docs/subnets",
    ),
    CLUSTER: Kind(
        api="container",
        form=_SHORT,
        url=_GKE,
        id="projects/{project}/locations/{location}/clusters/{name}",
        fixed=(
            "confidentialNodes",
            "datapathProvider",
            "defaultMaxPodsPerNode",
            "description",
            "enableAutopilot",
            "initialNodeCount",
            "ipAllocationPolicy",
            "network",
            "networkingMode",
            "nodeConfig",
            "privateClusterConfig.masterIpv4CidrBlock",
            "privateClusterConfig.privateEndpointSubnetwork",
            "subnetwork",
        ),
        key="databaseEncryption.keyName",
        agent="container-engine-robot",
        cite=f"{_CLOUD}/kubernetes-engine/docs/how-to/encrypting-secrets",
    ),
    NODE_POOL: Kind(
        api="container",
        form=_SHORT,
        url=f"{_GKE}.nodePools",
        id="{cluster}/nodePools/{name}",
        fixed=("initialNodeCount", *(f"nodeConfig.{each}" for each in _OF_NODES)),
        parents={CLUSTER: "{cluster}"},
        key="nodeConfig.bootDiskKmsKey",
        agent="compute-system",
        cite=f"{_CLOUD}/kubernetes-engine/docs/how-to/using-cmek",
    ),
    ZONE: Kind(
        api="dns",
        url=f"{_CLOUD}/dns/docs/reference/rest/v1/managedZones",
        fixed=("dnsName", "visibility"),
        holders=((RECORDS, "managedZone"),),
        cite=f"{_CLOUD}/dns/docs/zones#delete-zone",
    ),
    RECORDS: Kind(
        api="dns",
        form=_DOMAIN,
        url=f"{_CLOUD}/dns/docs/reference/rest/v1/resourceRecordSets",
        id="projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}",
        parents={ZONE: "projects/{project}/managedZones/{managedZone}"},
    ),
    BACKUP_PLAN: Kind(api="gkebackup", url=_COMPUTE, fixed=("cluster",)),
    "gcp:gkebackup/restorePlan:RestorePlan": Kind(
        api="gkebackup",
        url=_COMPUTE,
        fixed=("backupPlan", "cluster"),
        parents={BACKUP_PLAN: "{backupPlan}"},
        cite=f"{_CLOUD}/kubernetes-engine/docs/add-on/backup-for-gke/how-to/restore-plan",
    ),
    IDENTITIES: Kind(
        api="iam",
        roles=("iam.workloadIdentityPoolAdmin",),
        name="workloadIdentityPoolId",
        form=_POOL,
        url=f"{_POOLS}/create",
        fixed=("mode",),
        retired=True,
        cite=f"{_CLOUD}/iam/docs/manage-workload-identity-pools-providers",
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Kind(
        api="iam",
        roles=("iam.workloadIdentityPoolAdmin",),
        name="workloadIdentityPoolProviderId",
        form=_POOL,
        url=f"{_POOLS}.providers/create",
        parents={IDENTITIES: "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"},
        retired=True,
        cite=f"{_CLOUD}/iam/docs/manage-workload-identity-pools-providers",
    ),
    KEY: Kind(
        api="cloudkms",
        form=_WORD,
        url=f"{_KMS}.cryptoKeys/create",
        fixed=("destroyScheduledDuration", "importOnly", "skipInitialVersionCreation"),
        parents={KEY_RING: "{keyRing}"},
        kept=True,
        cite=f"{_CLOUD}/kms/docs/delete-kms-resources",
    ),
    KEY_MEMBER: Kind(
        api="cloudkms", id="{cryptoKeyId}/{role}/{member}", fixed=_MEMBER, parents={KEY: "{cryptoKeyId}"}, shared=True
    ),
    KEY_RING: Kind(
        api="cloudkms", form=_WORD, url=f"{_KMS}/create", kept=True, cite=f"{_CLOUD}/kms/docs/delete-kms-resources"
    ),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": Kind(
        api="logging",
        name="bucketId",
        form=_LOG,
        url=f"{_LOGGING}/projects.locations.buckets/create",
        id="projects/{project}/locations/{location}/buckets/{bucketId}",
        fixed=("location",),
    ),
    "gcp:logging/projectExclusion:ProjectExclusion": Kind(
        api="logging", form=_LOG, url=f"{_LOGGING}/projects.exclusions", id="projects/{project}/exclusions/{name}"
    ),
    "gcp:logging/projectSink:ProjectSink": Kind(
        api="logging", form=_LOG, url=f"{_LOGGING}/projects.sinks", id="projects/{project}/sinks/{name}"
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Kind(api="monitoring", id="projects/{project}/alertPolicies/{number}"),
    "gcp:monitoring/notificationChannel:NotificationChannel": Kind(
        api="monitoring",
        id="projects/{project}/notificationChannels/{number}",
        holders=(("gcp:monitoring/alertPolicy:AlertPolicy", "notificationChannels"),),
        cite=f"{_CLOUD}/monitoring/support/notification-options",
    ),
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": Kind(
        api="cloudresourcemanager", id="{project}/audit_config/{service}", shared=True
    ),
    "gcp:projects/iAMMember:IAMMember": Kind(
        api="cloudresourcemanager", id="{project}/{role}/{member}", fixed=_MEMBER, shared=True
    ),
    SERVICE: Kind(api="serviceusage", id="{project}/{service}", shared=True),
    SERVICE_IDENTITY: Kind(api="serviceusage", id="projects/{project}/services/{service}", shared=True),
    TOPIC: Kind(api="pubsub", form=_TOPIC, url=f"{_CLOUD}/pubsub/docs/pubsub-basics#resource_names"),
    SECRET: Kind(
        api="secretmanager",
        name="secretId",
        form=_LONG_WORD,
        url=f"{_CLOUD}/secret-manager/docs/reference/rest/v1/projects.secrets/create",
        key="replication.userManaged.replicas[].customerManagedEncryption.kmsKeyName",
        agent="gcp-sa-secretmanager",
        cite=f"{_CLOUD}/secret-manager/docs/cmek",
    ),
    SECRET_VERSION: Kind(
        api="secretmanager",
        id="{secret}/versions/{number}",
        fixed=("secretData", "secretDataWo", "secretDataWoVersion", "isSecretDataBase64"),
        parents={SECRET: "{secret}"},
    ),
    ACCOUNT: Kind(
        api="iam",
        name="accountId",
        form=_ACCOUNT,
        url=f"{_CLOUD}/iam/docs/service-accounts-create",
        id="projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": Kind(
        api="iam",
        id="{serviceAccountId}/{role}/{member}",
        fixed=_MEMBER,
        parents={ACCOUNT: "{serviceAccountId}"},
        shared=True,
    ),
    BUCKET: Kind(
        api="storage",
        form=_BUCKET,
        url=f"{_CLOUD}/storage/docs/buckets#naming",
        id="{name}",
        fixed=("location", "customPlacementConfig", "enableObjectRetention", "project"),
        key="encryption.defaultKmsKeyName",
        agent="gs-project-accounts",
        cite=f"{_CLOUD}/storage/docs/encryption/using-customer-managed-keys",
    ),
    BUCKET_MEMBER: Kind(
        api="storage", id="b/{bucket}/{role}/{member}", fixed=_MEMBER, parents={BUCKET: "{bucket}"}, shared=True
    ),
    "gcp:storage/bucketIAMBinding:BucketIAMBinding": Kind(
        api="storage", id="b/{bucket}/{role}", fixed=("bucket", "role"), parents={BUCKET: "{bucket}"}, shared=True
    ),
    TRANSFER: Kind(api="storagetransfer", id="{project}/{number}"),
}


def roles(kind: Kind) -> tuple[str, ...]:
    """What the caller needs to make one, without `roles/`."""
    return kind.roles or _ROLES[kind.api]
