"""What the benchmarks ask of a cluster on Google Cloud, and what answers it: the table of `docs/hardening.md`.

An answer is a field of a resource, with the value that is looked for in production's resources; a test, by its name;
or why there is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.unit.recording import CHECKOUT, Made, Recording

_GOOGLE = "gcp:"
_ABSENT = "not set"


@dataclass(frozen=True)
class Field:
    """A value that every resource of a type has at a path; None where nothing is to stand there.

    name: of the one resource that is meant; without it, all of the type.
    """

    type: str
    path: tuple[str | int, ...]
    value: Any
    name: str | None = None

    def found(self, recording: Recording) -> list[Made]:
        return [one for one in recording.made if one.type == self.type and self.name in {None, one.name}]

    def holds(self, recording: Recording) -> bool:
        found = self.found(recording)
        return bool(found) and all(one.at(*self.path) == self.value for one in found)

    @property
    def otherwise(self) -> "Field":
        """What would be wrong."""
        return replace(self, value="something else")

    @property
    def said(self) -> str:
        kind = self.type.rpartition(":")[2]
        where = f"{kind} {self.name}" if self.name else kind
        value = (
            _ABSENT if self.value is None else str(self.value).lower() if self.value in (True, False) else self.value
        )
        return f"`{where}`: `{'.'.join(map(str, self.path))}` = `{value}`"

    @property
    def evidence(self) -> str:
        googles = self.type.startswith(_GOOGLE) or any(
            part.startswith("networking.gke.io/") for part in map(str, self.path)
        )
        return "mocks; *unverified* at Google" if googles else "mocks"


@dataclass(frozen=True)
class Tested:
    """A test that proves it. how: in words."""

    file: str
    name: str
    how: str

    @property
    def exists(self) -> bool:
        return f"def {self.name}(" in (CHECKOUT / self.file).read_text()

    @property
    def said(self) -> str:
        return self.how

    @property
    def evidence(self) -> str:
        return f"`{Path(self.file).name}`: `{self.name}`"


@dataclass(frozen=True)
class Open:
    """Nothing answers it. why: and what follows."""

    why: str

    @property
    def said(self) -> str:
        return f"**not met**: {self.why}"

    @property
    def evidence(self) -> str:
        return "-"


@dataclass(frozen=True)
class Item:
    """One recommendation. number: the benchmark's. asks: in its words, shortened."""

    number: str
    asks: str
    answers: Sequence[Field | Tested | Open]


def fields() -> Iterator[Field]:
    for item in [*CIS, *NSA, *BEYOND]:
        yield from (answer for answer in item.answers if isinstance(answer, Field))


def tests() -> Iterator[Tested]:
    for item in [*CIS, *NSA, *BEYOND]:
        yield from (answer for answer in item.answers if isinstance(answer, Tested))


def table(items: Sequence[Item]) -> Iterator[str]:
    yield "| where | what is asked | what answers it | evidence |"
    yield "|---|---|---|---|"
    for item in items:
        said = "<br>".join(answer.said for answer in item.answers)
        evidence = "<br>".join(dict.fromkeys(answer.evidence for answer in item.answers))
        yield f"| {item.number} | {item.asks} | {said} | {evidence} |"


def _cluster(*path: str | int, value: Any) -> Field:
    return Field("gcp:container/cluster:Cluster", path, value)


def _node(*path: str | int, value: Any) -> Field:
    return Field("gcp:container/nodePool:NodePool", ("nodeConfig", *path), value)


def _pool(*path: str | int, value: Any) -> Field:
    return Field("gcp:container/nodePool:NodePool", path, value)


_PODS, _SECRETS = "tests/unit/test_program_pods.py", "tests/unit/test_program_secrets.py"
_CONNECTIONS, _HERE, _GOOGLES = (
    "tests/unit/test_program_connections.py",
    "tests/unit/test_hardening.py",
    "tests/unit/test_google.py",
)
_RESTRICTED = Tested(
    "tests/unit/test_hardening.py",
    "test_every_namespace_but_the_nodes_takes_restricted_pods_only",
    "each but `…-node`, whose pods read the node's log files and are restricted in all else",
)
_HARDENED = Tested(
    _PODS, "test_every_pod_is_hardened", "every pod: `RuntimeDefault`, uid 1000, read-only root, no capability"
)
_TOKENS = Tested(_PODS, "test_only_who_talks_to_the_api_has_a_token", "PostgreSQL's members alone, for Patroni")
_ACCOUNTS = Tested(_HERE, "test_every_pod_has_an_account_that_is_not_the_default_one", "each workload has its own")
_NO_WILDCARD = Tested(_HERE, "test_no_right_is_given_by_a_wildcard", "verbs, kinds and groups are named one by one")
_NOBODY_ELSE = Tested(_HERE, "test_nobody_may_become_somebody_else", "no role has `bind`, `escalate`, `impersonate`")
_SERVICE_ACCOUNTS = Tested(
    _HERE,
    "test_rights_in_the_cluster_are_given_to_our_service_accounts_alone",
    "no right for a group or a person, but those of the pipeline's account that looks for drift and tests",
)
_ALLOWED = Tested(
    _CONNECTIONS, "test_the_connections_that_are_allowed_are_these", "default deny, and a list of what is allowed"
)
_NO_SECRETS = Tested(
    _SECRETS,
    "test_no_pod_may_read_secrets_through_the_api",
    "no service account has it; the pipeline's account that looks for drift may get them by name",
)
_FILES = Tested(_SECRETS, "test_secrets_reach_pods_as_files_only", "mounted, never a variable")
_NAMESPACES = Tested(
    _HERE, "test_nothing_is_in_the_default_namespace", "an own one each for app, data, edge, monitoring, node"
)
_PULLS = Tested(
    _GOOGLES,
    "test_a_node_may_write_logs_and_pull_our_images_and_no_more",
    "nodes read each repository, and nothing else",
)
_KNOWN_IMAGES = Tested(
    _GOOGLES,
    "test_everybody_s_images_come_through_this_project_and_no_other_may_run",
    "everything but this project's registry is refused",
)
_BINARY_AUTHORIZATION = _cluster("binaryAuthorization", "evaluationMode", value="PROJECT_SINGLETON_POLICY_ENFORCE")
_PRIVATE_ENDPOINT = _cluster("privateClusterConfig", "enablePrivateEndpoint", value=True)
_AUTHORISED = _cluster("masterAuthorizedNetworksConfig", "gcpPublicCidrsAccessEnabled", value=False)
_PRIVATE_NODES = _cluster("privateClusterConfig", "enablePrivateNodes", value=True)
_POLICIES = _cluster("datapathProvider", value="ADVANCED_DATAPATH")
_SECRETS_KEY = _cluster("databaseEncryption", "state", value="ENCRYPTED")
_METADATA = _node("workloadMetadataConfig", "mode", value="GKE_METADATA")
_LIMITED = _cluster("anonymousAuthenticationConfig", "mode", value="LIMITED")
_AUTHENTICATED = _cluster("rbacBindingConfig", "enableInsecureBindingSystemAuthenticated", value=False)
_UNAUTHENTICATED = _cluster("rbacBindingConfig", "enableInsecureBindingSystemUnauthenticated", value=False)
_CHANNEL = _cluster("releaseChannel", "channel", value="REGULAR")
_FLOW_LOGS = Field("gcp:compute/subnetwork:Subnetwork", ("logConfig", "metadata"), "INCLUDE_ALL_METADATA")
_LOGS = _cluster("loggingConfig", "enableComponents", 1, value="APISERVER")
_SCANNED = Field(
    "gcp:artifactregistry/repository:Repository", ("vulnerabilityScanningConfig", "enablementConfig"), "INHERITED"
)
_NO_CERTIFICATES = _cluster("masterAuth", "clientCertificateConfig", "issueClientCertificate", value=False)

# How many recommendations each group of the benchmark has.
CIS_GROUPS = {
    "4.1": 10,
    "4.2": 1,
    "4.3": 2,
    "4.4": 2,
    "4.5": 1,
    "4.6": 4,
    "5.1": 4,
    "5.2": 2,
    "5.3": 1,
    "5.4": 1,
    "5.5": 7,
    "5.6": 7,
    "5.7": 2,
    "5.8": 3,
    "5.9": 2,
    "5.10": 5,
}
CIS = (
    Item("4.1.1", "cluster-admin only where required", [_SERVICE_ACCOUNTS, _NO_WILDCARD]),
    Item("4.1.2", "Little access to Secrets", [_NO_SECRETS]),
    Item("4.1.3", "Few wildcards in roles", [_NO_WILDCARD]),
    Item("4.1.4", "Default service accounts not used", [_ACCOUNTS]),
    Item("4.1.5", "Tokens of service accounts only where necessary", [_TOKENS]),
    Item("4.1.6", "No group system:masters", [_SERVICE_ACCOUNTS]),
    Item("4.1.7", "Few rights to bind, impersonate, escalate", [_NOBODY_ELSE]),
    Item("4.1.8", "No bindings to system:anonymous", [_SERVICE_ACCOUNTS, _LIMITED]),
    Item("4.1.9", "No bindings to system:unauthenticated", [_SERVICE_ACCOUNTS, _UNAUTHENTICATED]),
    Item("4.1.10", "No bindings to system:authenticated", [_SERVICE_ACCOUNTS, _AUTHENTICATED]),
    Item("4.2.1", "Pod Security baseline or stricter in all namespaces", [_RESTRICTED]),
    Item("4.3.1", "Network policies are enforced", [_POLICIES]),
    Item("4.3.2", "Every namespace has network policies", [_ALLOWED]),
    Item("4.4.1", "Secrets as files rather than variables", [_FILES]),
    Item("4.4.2", "External storage of secrets", [Open("they are in the stack's state, encrypted, and in Secrets")]),
    Item("4.5.1", "Provenance of images is checked at admission", [_BINARY_AUTHORIZATION, _KNOWN_IMAGES]),
    Item("4.6.1", "Namespaces as boundaries", [_NAMESPACES]),
    Item("4.6.2", "seccomp RuntimeDefault", [_HARDENED]),
    Item("4.6.3", "Security context of pods and containers", [_HARDENED]),
    Item("4.6.4", "Default namespace not used", [_NAMESPACES]),
    Item("5.1.1", "Images are scanned for vulnerabilities", [_SCANNED]),
    Item(
        "5.1.2",
        "Little access of people to the repositories",
        [Open("the program gives nobody any; the project's owner may")],
    ),
    Item("5.1.3", "The cluster only reads repositories", [_PULLS]),
    Item("5.1.4", "Only trusted images", [_KNOWN_IMAGES]),
    Item(
        "5.2.1",
        "Not the default account of Compute Engine",
        [Tested(_GOOGLES, "test_nodes_have_an_account_of_their_own", "an account made for the nodes")],
    ),
    Item(
        "5.2.2",
        "Workload Identity",
        [_cluster("workloadIdentityConfig", "workloadPool", value="vision-week-production.svc.id.goog")],
    ),
    Item("5.3.1", "Secrets encrypted by Cloud KMS", [_SECRETS_KEY]),
    Item("5.4.1", "GKE metadata server", [_METADATA]),
    Item("5.5.1", "Container-Optimized OS", [_node("imageType", value="COS_CONTAINERD")]),
    Item("5.5.2", "Nodes are repaired", [_pool("management", "autoRepair", value=True)]),
    Item("5.5.3", "Nodes are upgraded", [_pool("management", "autoUpgrade", value=True)]),
    Item("5.5.4", "A release channel", [_CHANNEL]),
    Item("5.5.5", "Shielded nodes", [_cluster("enableShieldedNodes", value=True)]),
    Item(
        "5.5.6",
        "Integrity monitoring of nodes",
        [_node("shieldedInstanceConfig", "enableIntegrityMonitoring", value=True)],
    ),
    Item("5.5.7", "Secure boot of nodes", [_node("shieldedInstanceConfig", "enableSecureBoot", value=True)]),
    Item(
        "5.6.1", "Flow logs and intranode visibility", [_FLOW_LOGS, _cluster("enableIntranodeVisibility", value=True)]
    ),
    Item("5.6.2", "VPC-native", [_cluster("networkingMode", value="VPC_NATIVE")]),
    Item("5.6.3", "Authorised networks of the control plane", [_AUTHORISED]),
    Item("5.6.4", "Private endpoint, no public one", [_PRIVATE_ENDPOINT]),
    Item("5.6.5", "Private nodes", [_PRIVATE_NODES, _pool("networkConfig", "enablePrivateNodes", value=True)]),
    Item(
        "5.6.6",
        "A firewall before the nodes",
        [Tested(_GOOGLES, "test_what_comes_in_uninvited_is_refused_at_every_node", "all that GKE doesn't ask for")],
    ),
    Item(
        "5.6.7",
        "Google-managed certificates",
        [
            Field(
                "kubernetes:gateway.networking.k8s.io/v1:Gateway",
                ("metadata", "annotations", "networking.gke.io/certmap"),
                "vision-week",
            )
        ],
    ),
    Item(
        "5.7.1",
        "Logging and Cloud Monitoring",
        [_LOGS, _cluster("monitoringConfig", "enableComponents", 1, value="APISERVER")],
    ),
    Item("5.7.2", "Linux auditd", [Open("its DaemonSet is privileged, which no namespace here takes")]),
    Item("5.8.1", "No client certificates", [_NO_CERTIFICATES]),
    Item("5.8.2", "Google Groups for RBAC", [Open("people have no rights of RBAC, but those that IAM gives them")]),
    Item("5.8.3", "No rights by attribute", [_cluster("enableLegacyAbac", value=False)]),
    Item(
        "5.9.1",
        "Disks of claims encrypted with our key",
        [
            Field(
                "kubernetes:storage.k8s.io/v1:StorageClass",
                ("parameters", "disk-encryption-kms-key"),
                "disks-id",
                "fast-ssd",
            ),
            Field("gcp:storage/bucket:Bucket", ("encryption", "defaultKmsKeyName"), "uploads-id", "uploads"),
        ],
    ),
    Item("5.9.2", "Disks of nodes encrypted with our key", [_node("bootDiskKmsKey", value="disks-id")]),
    Item("5.10.1", "No Kubernetes web interface", [_cluster("addonsConfig", "kubernetesDashboard", value=None)]),
    Item("5.10.2", "No alpha cluster", [_cluster("enableKubernetesAlpha", value=None)]),
    Item(
        "5.10.3", "GKE Sandbox for untrusted workloads", [Open("there is none: all images are ours or the catalogue's")]
    ),
    Item("5.10.4", "Binary Authorization", [_BINARY_AUTHORIZATION]),
    Item("5.10.5", "Security posture", [_cluster("securityPostureConfig", "mode", value="BASIC")]),
)

NSA = (
    Item("Pods", "Non-root users, immutable root", [_HARDENED]),
    Item("Pods", "Images from trusted places, scanned", [_KNOWN_IMAGES, _SCANNED]),
    Item("Pods", "Enforcement at admission", [_RESTRICTED, _BINARY_AUTHORIZATION]),
    Item("Pods", "Tokens kept from those who don't need them", [_TOKENS]),
    Item("Network", "Namespaces, default deny", [_NAMESPACES, _ALLOWED]),
    Item(
        "Network",
        "Quotas",
        [
            Tested(
                _PODS,
                "test_no_pod_starts_before_its_namespace_is_guarded",
                "a quota before the first pod of a namespace",
            )
        ],
    ),
    Item("Network", "Control plane not public, etcd Google's", [_PRIVATE_ENDPOINT]),
    Item(
        "Network",
        "Kubeconfig without credentials",
        [
            Tested(
                _GOOGLES,
                "test_the_kubeconfig_holds_nothing_that_lets_anybody_in",
                "a token for each connection, by Google's plugin",
            )
        ],
    ),
    Item("Network", "Secrets encrypted", [_SECRETS_KEY]),
    Item("Network", "Cloud metadata kept from pods", [_METADATA]),
    Item("Identity", "Nobody without a name", [_LIMITED]),
    Item("Identity", "RBAC with least privilege", [_NO_WILDCARD, _NOBODY_ELSE, _NO_SECRETS]),
    Item("Logs", "Audit logs of the API server", [_LOGS]),
    Item("Logs", "Data-access audit logs", [Open("not switched on by the program")]),
    Item(
        "Upgrades",
        "Control plane and nodes follow a channel",
        [_CHANNEL, _pool("management", "autoUpgrade", value=True)],
    ),
)

BEYOND = (
    Item(
        "-",
        "No Service takes an external address of its choice",
        [_cluster("serviceExternalIpsConfig", "enabled", value=False)],
    ),
    Item(
        "-",
        "The control plane's DNS name takes neither certificates nor tokens of service accounts",
        [
            _cluster("controlPlaneEndpointsConfig", "dnsEndpointConfig", "enableK8sCertsViaDns", value=False),
            _cluster("controlPlaneEndpointsConfig", "dnsEndpointConfig", "enableK8sTokensViaDns", value=False),
        ],
    ),
    Item(
        "-",
        "No port of the kubelet that answers everybody",
        [_node("kubeletConfig", "insecureKubeletReadonlyPortEnabled", value="FALSE")],
    ),
    Item("-", "No metadata of an older time", [_node("metadata", "disable-legacy-endpoints", value="true")]),
    Item(
        "-",
        "A tag of ours never moves",
        [Tested(_GOOGLES, "test_a_tag_of_ours_never_leads_to_another_image", "immutable tags")],
    ),
    Item("-", "Keys are rotated", [Field("gcp:kms/cryptoKey:CryptoKey", ("rotationPeriod",), "7776000s")]),
)
