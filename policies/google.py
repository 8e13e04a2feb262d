"""Rules about Google Cloud: who may do what, who reaches what, what is encrypted.

Fields have the names of the pulumi-gcp provider.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from policies.rules import Addition, Demands, Framework, Resource, Rule, Severity, at, is_other, listed

_EVERYBODY: Final = ("allUsers", "allAuthenticatedUsers")
_ACCESS: Final = (
    "gcp:storage/bucketAccessControl:BucketAccessControl",
    "gcp:storage/objectAccessControl:ObjectAccessControl",
)
_BUCKET: Final = "gcp:storage/bucket:Bucket"
_CLUSTER: Final = "gcp:container/cluster:Cluster"
_POOL: Final = "gcp:container/nodePool:NodePool"


def _members(resource: Resource) -> list[Any]:
    return [*listed(resource.props.get("members")), *filter(None, [resource.props.get("member")])]


def _grants(resource: Resource) -> bool:
    return resource.type.startswith("gcp:") and resource.kind.lower().endswith(("iammember", "iambinding"))


def _basic_roles(resource: Resource, _demands: Demands) -> Iterator[str]:
    role = resource.props.get("role")
    if _grants(resource) and role in ("roles/owner", "roles/editor", "roles/viewer"):
        yield f"gives {role}, which is the whole project"


def _public(resource: Resource, _demands: Demands) -> Iterator[str]:
    if _grants(resource):
        for member in _members(resource):
            if member in _EVERYBODY:
                yield f"gives {resource.props.get('role')} to {member}"
    if resource.type in _ACCESS and resource.props.get("entity") in _EVERYBODY:
        yield f"is open to {resource.props['entity']}"


def _bucket(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.type == _BUCKET:
        if is_other(resource.props.get("publicAccessPrevention"), "enforced"):
            yield "can be made public: publicAccessPrevention is not enforced"
        if is_other(resource.props.get("uniformBucketLevelAccess"), True):
            yield "single objects can be made public: uniformBucketLevelAccess is not true"
        if is_other(at(resource.props, "versioning", "enabled"), True):
            yield "what is overwritten is lost: it keeps no versions"


def _guarded(resource: Resource) -> Iterator[Addition]:
    """Not versions: they cost, and keep what somebody may have to erase."""
    if resource.type == _BUCKET:
        yield ("publicAccessPrevention",), "enforced"
        yield ("uniformBucketLevelAccess",), True


def _keys(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.type in {"gcp:serviceaccount/key:Key", "gcp:storage/hmacKey:HmacKey"}:
        yield "is a key that works from anywhere and for ever"


def _is(kind: str, reason: str, *path: str | int, expected: tuple[Any, ...] = (True,)) -> Callable[..., Iterator[str]]:
    """A field of all resources of a type that must have one of these values."""

    def check(resource: Resource, _demands: Demands) -> Iterator[str]:
        if resource.type == kind and is_other(at(resource.props, *path), *expected):
            yield reason

    return check


def _authorised(resource: Resource, _demands: Demands) -> Iterator[str]:
    """Where the control plane has no address at all, it is reached by a name, and by who IAM lets in."""
    addresses = at(resource.props, "controlPlaneEndpointsConfig", "ipEndpointsConfig", "enabled")
    if resource.type == _CLUSTER and addresses is not False:
        networks = at(resource.props, "masterAuthorizedNetworksConfig")
        blocks = listed(at(networks, "cidrBlocks"))
        if networks is None:
            yield "its control plane answers everybody: masterAuthorizedNetworksConfig is missing"
        if any(at(block, "cidrBlock") in ("0.0.0.0/0", "::/0") for block in blocks):
            yield "its control plane answers everybody: 0.0.0.0/0 is authorised"


def _workload_identity(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.type == _CLUSTER and at(resource.props, "workloadIdentityConfig", "workloadPool") is None:
        yield "pods share the identity of their node: workloadPool is missing"


def _encrypted(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.type == _CLUSTER and is_other(at(resource.props, "databaseEncryption", "state"), "ENCRYPTED"):
        yield "Secrets lie in etcd without a key of ours: databaseEncryption.state is not ENCRYPTED"


def _firewall(resource: Resource, _demands: Demands) -> Iterator[str]:
    if resource.type != "gcp:compute/firewall:Firewall" or resource.props.get("direction") == "EGRESS":
        return
    if listed(resource.props.get("allows")) and "0.0.0.0/0" in listed(resource.props.get("sourceRanges")):
        yield "lets everybody in"


def _gke(item: str) -> Framework:
    return Framework(name="CIS GKE Benchmark 1.6", item=item)


def _gcp(item: str) -> Framework:
    return Framework(name="CIS Google Cloud Platform Foundation Benchmark 2.0", item=item)


def _rule(  # noqa: PLR0917  the table below reads in columns
    name: str,
    severity: Severity,
    framework: Framework,
    says: str,
    mend: str,
    check: Callable[..., Iterator[str]],
    adds: Callable[[Resource], Iterator[Addition]] | None = None,
) -> Rule:
    return Rule(name=name, says=says, severity=severity, framework=framework, mend=mend, resource=check, adds=adds)


RULES = (
    _rule("google-no-basic-roles", "critical", _gcp("1.5"), "Nobody is owner, editor or viewer of a project.",
          "Give the roles that are needed, on the resources that they are needed on.", _basic_roles),
    _rule("google-nothing-public", "critical", _gcp("5.1"), "Nothing is open to everybody.",
          "Name the identities that need it.", _public),
    _rule("google-bucket-guarded", "critical", _gcp("5.1, 5.2"), "No bucket can be made public, and none forgets.",
          "Set publicAccessPrevention, uniformBucketLevelAccess and versioning.", _bucket, _guarded),
    _rule("google-no-keys", "critical", _gcp("1.4"), "Service accounts have no keys.",
          "Use workload identity federation.", _keys),
    _rule("gke-private-nodes", "high", _gke("5.6.5"), "Nodes have no address of the internet.",
          "Set privateClusterConfig.enablePrivateNodes to true.",
          _is(_CLUSTER, "its nodes have public addresses", "privateClusterConfig", "enablePrivateNodes")),
    _rule("gke-authorised-networks", "critical", _gke("5.6.3"), "The control plane answers known networks alone.",
          "List the networks in masterAuthorizedNetworksConfig.", _authorised),
    _rule("gke-workload-identity", "high", _gke("5.2.2, 5.4.1"), "Pods get identities of their own.",
          "Give the cluster a workloadPool.", _workload_identity),
    _rule("gke-secrets-encrypted", "high", _gke("5.3.1"), "Secrets in etcd are encrypted with a key of ours (S7.3).",
          "Give databaseEncryption a key of Cloud KMS.", _encrypted),
    _rule("gke-shielded-nodes", "medium", _gke("5.5.5"), "Nodes prove what they run.",
          "Set enableShieldedNodes to true.",
          _is(_CLUSTER, "its nodes are not shielded", "enableShieldedNodes", expected=(True, None))),
    _rule("gke-secure-boot", "medium", _gke("5.5.7"), "Nodes boot signed software alone.",
          "Set shieldedInstanceConfig.enableSecureBoot to true.",
          _is(_POOL, "its nodes boot what isn't signed",
              "nodeConfig", "shieldedInstanceConfig", "enableSecureBoot")),
    _rule("gke-no-legacy-rights", "high", _gke("5.8.3"), "Rights are RBAC's alone.", "Set enableLegacyAbac to false.",
          _is(_CLUSTER, "has rights from before RBAC", "enableLegacyAbac", expected=(False, None))),
    _rule("gke-release-channel", "medium", _gke("5.5.4"), "Kubernetes is kept current.", "Give it a release channel.",
          _is(_CLUSTER, "is on no release channel", "releaseChannel", "channel",
              expected=("RAPID", "REGULAR", "STABLE", "EXTENDED"))),
    _rule("gke-network-policies", "high", _gke("4.3.1"), "Network policies are enforced (S7.1).",
          "Set datapathProvider to ADVANCED_DATAPATH.",
          _is(_CLUSTER, "nothing enforces its network policies", "datapathProvider", expected=("ADVANCED_DATAPATH",))),
    _rule("google-firewall-closed", "high", _gke("5.6.6"), "No firewall rule lets everybody in.",
          "Name sources; users come by the load balancer.", _firewall),
)  # fmt: skip
