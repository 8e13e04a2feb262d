"""The kinds of resources that the simulated Google Cloud has, and what pulumi-gcp's types don't tell of each.

That is: which API and which role making one takes, what its name may look like, what its id is where the documentation
of the import says otherwise, what can't be changed in place, what must be there before it, and what it can't go before.
Another kind that the programs come to use is one more entry here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_CLOUD: Final = "https://cloud.google.com"
Token = str


@dataclass(frozen=True)
class Name:
    """What a name may be. property: that has it. url: where Google says so."""

    property: str
    pattern: str
    words: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind.

    api: that must be enabled, without the domain. roles: that the caller needs, without `roles/`.
    id: where the SDK's documentation has none that holds; the properties' names in braces.
    location: where it is, if nothing is said.
    fixed: paths that make a new one when they change, besides the parts of its id and those documented as such.
    parents: kind -> which of them must be there, as an id; it goes with them.
    holders: kind -> its property that refers to this one, which can't go before.
    key: path of the property that names the key it is encrypted with. agent: whom Google uses that key as, by domain.
    shared: Google makes no difference between making and changing. kept: it can't be deleted, and stays.
    retired: its name can't be used again. cite: where Google documents it.
    """

    api: str
    roles: tuple[str, ...]
    name: Name | None = None
    id: str = ""
    location: str = ""
    fixed: tuple[str, ...] = ()
    parents: tuple[tuple[Token, str], ...] = ()
    holders: tuple[tuple[Token, str], ...] = ()
    key: str = ""
    agent: str = ""
    shared: bool = False
    kept: bool = False
    retired: bool = False
    cite: str = ""


def _compute() -> Name:
    return Name(
        "name",
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        "1 to 63 lower-case letters, digits and hyphens, a letter first and no hyphen last",
        f"{_CLOUD}/compute/docs/naming-resources",
    )


def _short(of: str, url: str) -> Name:
    return Name(
        "name",
        r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
        f"{of} has 1 to 40 lower-case letters, digits and hyphens, a letter first and no hyphen last",
        f"{_CLOUD}/kubernetes-engine/docs/reference/rest/v1/{url}",
    )


def _kms(url: str) -> Name:
    return Name(
        "name",
        r"[a-zA-Z0-9_-]{1,63}",
        "1 to 63 letters, digits, hyphens and underscores",
        f"{_CLOUD}/kms/docs/reference/rest/v1/projects.locations.{url}/create",
    )


def _certificates(url: str) -> Name:
    return Name(
        "name",
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        "1 to 63 lower-case letters, digits and hyphens, a letter first and no hyphen last",
        f"{_CLOUD}/certificate-manager/docs/reference/certificate-manager/rest/v1/projects.locations.{url}/create",
    )


def _pool(where: str, url: str) -> Name:
    return Name(
        where,
        r"(?!gcp-)[-a-z0-9]{4,32}",
        "4 to 32 lower-case letters, digits and hyphens, without the prefix gcp-",
        f"{_CLOUD}/iam/docs/reference/rest/v1/projects.locations.{url}/create",
    )


NETWORK: Final = "gcp:compute/network:Network"
SUBNETWORK: Final = "gcp:compute/subnetwork:Subnetwork"
ROUTER: Final = "gcp:compute/router:Router"
FIREWALL: Final = "gcp:compute/firewall:Firewall"
CLUSTER: Final = "gcp:container/cluster:Cluster"
NODE_POOL: Final = "gcp:container/nodePool:NodePool"
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
KINDS: Final[Mapping[Token, Kind]] = {
    REPOSITORY: Kind(
        api="artifactregistry",
        roles=("artifactregistry.admin",),
        name=Name(
            "repositoryId",
            r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
            "1 to 63 lower-case letters, digits and hyphens, a letter first and no hyphen last",
            f"{_CLOUD}/artifact-registry/docs/repositories/create-repos",
        ),
        fixed=("format", "mode"),
        key="kmsKeyName",
        agent="gcp-sa-artifactregistry",
        cite=f"{_CLOUD}/artifact-registry/docs/cmek",
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": Kind(
        api="artifactregistry",
        roles=("artifactregistry.admin",),
        id="{repository}/{role}/{member}",
        fixed=_MEMBER,
        parents=((REPOSITORY, "{repository}"),),
        shared=True,
    ),
    "gcp:binaryauthorization/policy:Policy": Kind(
        api="binaryauthorization", roles=("binaryauthorization.policyEditor",), shared=True
    ),
    CERTIFICATE: Kind(
        api="certificatemanager",
        roles=("certificatemanager.owner",),
        name=_certificates("certificates"),
        location="global",
        fixed=("managed", "scope"),
        holders=((MAP_ENTRY, "certificates"),),
        cite=f"{_CLOUD}/certificate-manager/docs/certificates",
    ),
    CERTIFICATE_MAP: Kind(
        api="certificatemanager",
        roles=("certificatemanager.owner",),
        name=_certificates("certificateMaps"),
        holders=((MAP_ENTRY, "map"),),
        cite=f"{_CLOUD}/certificate-manager/docs/maps",
    ),
    MAP_ENTRY: Kind(
        api="certificatemanager",
        roles=("certificatemanager.owner",),
        name=_certificates("certificateMaps.certificateMapEntries"),
        fixed=("hostname", "matcher"),
        parents=((CERTIFICATE_MAP, "projects/{project}/locations/global/certificateMaps/{map}"),),
    ),
    PROOF: Kind(
        api="certificatemanager",
        roles=("certificatemanager.owner",),
        name=_certificates("dnsAuthorizations"),
        location="global",
        fixed=("domain", "type"),
        holders=((CERTIFICATE, "managed.dnsAuthorizations"),),
        cite=f"{_CLOUD}/certificate-manager/docs/dns-authorizations",
    ),
    FIREWALL: Kind(api="compute", roles=("compute.securityAdmin",), name=_compute(), fixed=("network", "direction")),
    NETWORK: Kind(
        api="compute",
        roles=("compute.networkAdmin",),
        name=_compute(),
        fixed=("autoCreateSubnetworks", "description"),
        holders=((SUBNETWORK, "network"), (ROUTER, "network"), (FIREWALL, "network"), (CLUSTER, "network")),
        cite=f"{_CLOUD}/vpc/docs/create-modify-vpc-networks#delete-network",
    ),
    ROUTER: Kind(api="compute", roles=("compute.networkAdmin",), name=_compute(), fixed=("network",)),
    "gcp:compute/routerNat:RouterNat": Kind(
        api="compute",
        roles=("compute.networkAdmin",),
        name=_compute(),
        id="{project}/{region}/{router}/{name}",
        fixed=("type",),
        parents=((ROUTER, "projects/{project}/regions/{region}/routers/{router}"),),
    ),
    "gcp:compute/securityPolicy:SecurityPolicy": Kind(api="compute", roles=("compute.securityAdmin",), name=_compute()),
    "gcp:compute/sSLPolicy:SSLPolicy": Kind(
        api="compute", roles=("compute.securityAdmin",), name=_compute(), fixed=("description",)
    ),
    SUBNETWORK: Kind(
        api="compute",
        roles=("compute.networkAdmin",),
        name=_compute(),
        fixed=("network",),
        holders=((CLUSTER, "subnetwork"), (CLUSTER, "privateClusterConfig.privateEndpointSubnetwork")),
        cite=f"{_CLOUD}/vpc/docs/subnets",
    ),
    CLUSTER: Kind(
        api="container",
        roles=("container.admin", "iam.serviceAccountUser"),
        name=_short("a cluster's name", "projects.locations.clusters"),
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
        roles=("container.admin", "iam.serviceAccountUser"),
        name=_short("a pool's name", "projects.locations.clusters.nodePools"),
        id="{cluster}/nodePools/{name}",
        fixed=("initialNodeCount", "nodeConfig.bootDiskKmsKey", "nodeConfig.serviceAccount", "nodeConfig.oauthScopes"),
        parents=((CLUSTER, "{cluster}"),),
        key="nodeConfig.bootDiskKmsKey",
        agent="compute-system",
        cite=f"{_CLOUD}/kubernetes-engine/docs/how-to/using-cmek",
    ),
    ZONE: Kind(
        api="dns",
        roles=("dns.admin",),
        name=Name(
            "name",
            r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
            "1 to 63 lower-case letters, digits and hyphens, a letter first and no hyphen last",
            f"{_CLOUD}/dns/docs/reference/rest/v1/managedZones",
        ),
        fixed=("dnsName", "visibility"),
        holders=((RECORDS, "managedZone"),),
        cite=f"{_CLOUD}/dns/docs/zones#delete-zone",
    ),
    RECORDS: Kind(
        api="dns",
        roles=("dns.admin",),
        name=Name(
            "name",
            r"(?=.{1,254}$)([\w*-]{1,63}\.)+",
            "a DNS name, its last dot included",
            f"{_CLOUD}/dns/docs/reference/rest/v1/resourceRecordSets",
        ),
        id="projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}",
        parents=((ZONE, "projects/{project}/managedZones/{managedZone}"),),
    ),
    "gcp:gkebackup/backupPlan:BackupPlan": Kind(
        api="gkebackup",
        roles=("gkebackup.admin",),
        name=_compute(),
        fixed=("cluster",),
    ),
    IDENTITIES: Kind(
        api="iam",
        roles=("iam.workloadIdentityPoolAdmin",),
        name=_pool("workloadIdentityPoolId", "workloadIdentityPools"),
        fixed=("mode",),
        retired=True,
        cite=f"{_CLOUD}/iam/docs/manage-workload-identity-pools-providers",
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Kind(
        api="iam",
        roles=("iam.workloadIdentityPoolAdmin",),
        name=_pool("workloadIdentityPoolProviderId", "workloadIdentityPools.providers"),
        parents=((IDENTITIES, "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"),),
        retired=True,
        cite=f"{_CLOUD}/iam/docs/manage-workload-identity-pools-providers",
    ),
    KEY: Kind(
        api="cloudkms",
        roles=("cloudkms.admin",),
        name=_kms("keyRings.cryptoKeys"),
        fixed=("destroyScheduledDuration", "importOnly", "skipInitialVersionCreation"),
        parents=((KEY_RING, "{keyRing}"),),
        kept=True,
        cite=f"{_CLOUD}/kms/docs/delete-kms-resources",
    ),
    KEY_MEMBER: Kind(
        api="cloudkms",
        roles=("cloudkms.admin",),
        id="{cryptoKeyId}/{role}/{member}",
        fixed=_MEMBER,
        parents=((KEY, "{cryptoKeyId}"),),
        shared=True,
    ),
    KEY_RING: Kind(
        api="cloudkms",
        roles=("cloudkms.admin",),
        name=_kms("keyRings"),
        kept=True,
        cite=f"{_CLOUD}/kms/docs/delete-kms-resources",
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Kind(
        api="monitoring", roles=("monitoring.editor",), id="projects/{project}/alertPolicies/{number}"
    ),
    "gcp:monitoring/notificationChannel:NotificationChannel": Kind(
        api="monitoring",
        roles=("monitoring.editor",),
        id="projects/{project}/notificationChannels/{number}",
        holders=(("gcp:monitoring/alertPolicy:AlertPolicy", "notificationChannels"),),
        cite=f"{_CLOUD}/monitoring/support/notification-options",
    ),
    "gcp:projects/iAMAuditConfig:IAMAuditConfig": Kind(
        api="cloudresourcemanager",
        roles=("resourcemanager.projectIamAdmin",),
        id="{project}/audit_config/{service}",
        shared=True,
    ),
    "gcp:projects/iAMMember:IAMMember": Kind(
        api="cloudresourcemanager",
        roles=("resourcemanager.projectIamAdmin",),
        id="{project}/{role}/{member}",
        fixed=_MEMBER,
        shared=True,
    ),
    SERVICE: Kind(api="serviceusage", roles=("serviceusage.serviceUsageAdmin",), id="{project}/{service}", shared=True),
    SERVICE_IDENTITY: Kind(
        api="serviceusage",
        roles=("serviceusage.serviceUsageAdmin",),
        id="projects/{project}/services/{service}",
        shared=True,
    ),
    TOPIC: Kind(
        api="pubsub",
        roles=("pubsub.admin",),
        name=Name(
            "name",
            r"(?!goog)[A-Za-z][\w.~+%-]{2,254}",
            "3 to 255 letters, digits and -_.~+%, a letter first and not goog",
            f"{_CLOUD}/pubsub/docs/pubsub-basics#resource_names",
        ),
    ),
    SECRET: Kind(
        api="secretmanager",
        roles=("secretmanager.admin",),
        name=Name(
            "secretId",
            r"[A-Za-z0-9_-]{1,255}",
            "1 to 255 letters, digits, hyphens and underscores",
            f"{_CLOUD}/secret-manager/docs/reference/rest/v1/projects.secrets/create",
        ),
        key="replication.userManaged.replicas[].customerManagedEncryption.kmsKeyName",
        agent="gcp-sa-secretmanager",
        cite=f"{_CLOUD}/secret-manager/docs/cmek",
    ),
    SECRET_VERSION: Kind(
        api="secretmanager",
        roles=("secretmanager.admin",),
        id="{secret}/versions/{number}",
        fixed=("secretData", "secretDataWo", "secretDataWoVersion", "isSecretDataBase64"),
        parents=((SECRET, "{secret}"),),
    ),
    ACCOUNT: Kind(
        api="iam",
        roles=("iam.serviceAccountAdmin",),
        name=Name(
            "accountId",
            r"[a-z][-a-z0-9]{4,28}[a-z0-9]",
            "6 to 30 lower-case letters, digits and hyphens, a letter first and no hyphen last",
            f"{_CLOUD}/iam/docs/service-accounts-create",
        ),
        id="projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": Kind(
        api="iam",
        roles=("iam.serviceAccountAdmin",),
        id="{serviceAccountId}/{role}/{member}",
        fixed=_MEMBER,
        parents=((ACCOUNT, "{serviceAccountId}"),),
        shared=True,
    ),
    BUCKET: Kind(
        api="storage",
        roles=("storage.admin",),
        name=Name(
            "name",
            r"(?!goog)(?!.*(\.\.|google))(?!\d+(\.\d+){3}$)[a-z0-9][-a-z0-9_.]{1,61}[a-z0-9]",
            "3 to 63 lower-case letters, digits, hyphens, underscores and dots, without google in it, and no address",
            f"{_CLOUD}/storage/docs/buckets#naming",
        ),
        id="{name}",
        fixed=("location", "customPlacementConfig", "enableObjectRetention", "project"),
        key="encryption.defaultKmsKeyName",
        agent="gs-project-accounts",
        cite=f"{_CLOUD}/storage/docs/encryption/using-customer-managed-keys",
    ),
    BUCKET_MEMBER: Kind(
        api="storage",
        roles=("storage.admin",),
        id="b/{bucket}/{role}/{member}",
        fixed=_MEMBER,
        parents=((BUCKET, "{bucket}"),),
        shared=True,
    ),
    TRANSFER: Kind(api="storagetransfer", roles=("storagetransfer.admin",), id="{project}/{number}"),
}
