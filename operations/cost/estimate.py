"""What resources cost in a month, line by line: pure functions of the resources and the prices."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from components.values import amount
from operations.cost.prices import EVERYWHERE, HOURS, Price, machine, price
from policies.pods import pod_of
from policies.rules import Resource, at, listed, mapped

_GIB: Final = 2**30
_ZONES: Final = 3  # of a regional cluster, where it doesn't name its own (components/settings/cluster.py)
_NAT_NODES: Final = 32  # beyond these a NAT costs no more
_RULES: Final = 5  # forwarding rules for the price of one
_YEAR: Final = 365
_DISKS: Final = {"regional-pd": "regional ", "none": ""}
_GATEWAY: Final = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
_CLASS: Final = "kubernetes:storage.k8s.io/v1:StorageClass"
_CLUSTER: Final = "gcp:container/cluster:Cluster"
_POOL: Final = "gcp:container/nodePool:NodePool"
_NAT: Final = "gcp:compute/routerNat:RouterNat"
_KEY: Final = "gcp:kms/cryptoKey:CryptoKey"
# What costs the same each: its price, and what it is called.
_EACH: Final[Mapping[str, tuple[str, str]]] = {
    _CLUSTER: ("cluster", "the cluster itself"),
    "gcp:secretmanager/secretVersion:SecretVersion": ("version of a secret", "version of a secret"),
    "gcp:dns/managedZone:ManagedZone": ("zone", "DNS zone"),
}
# Kind -> the product whose price was not found, where the kind doesn't say it.
_PRODUCTS: Final[Mapping[str, str]] = {
    "BackupPlan": "Backup for GKE",
    "Certificate": "Certificate Manager",
    "CertificateMap": "Certificate Manager",
    "CertificateMapEntry": "Certificate Manager",
    "DnsAuthorization": "Certificate Manager",
    "Policy": "Binary Authorization",
    "ProjectBucketConfig": "logs that are kept for more than 30 days",
    "SecurityPolicy": "Cloud Armor, its rules and the requests that they look at",
    "Topic": "Pub/Sub",
}

# Google bills nothing for these themselves: rights, names, switches, and what only describes the network.
_FREE: Final = frozenset(
    {
        "Account",
        "KeyRing",
        "Network",
        "ProjectExclusion",  # what is kept of logs costs, not what leads them there
        "ProjectSink",
        "RecordSet",
        "RestorePlan",
        "Router",
        "SSLPolicy",
        "Secret",  # its versions cost
        "Service",
        "ServiceIdentity",
    }
)
_RIGHTS: Final = ("iammember", "iambinding", "iampolicy", "iamauditconfig")

# Kind -> what of it is paid by use.
_BY_USE: Final[Mapping[str, Sequence[str]]] = {
    "Bucket": ("what is in buckets",),
    "Cluster": ("logs, beyond 50 GiB a month",),
    "CryptoKey": ("use of keys",),
    "Firewall": ("logs of the network",),
    "Gateway": ("balancer, in and out",),
    "ManagedZone": ("questions to a zone",),
    "Repository": ("images, beyond 0.5 GiB", "scan of an image, once"),
    "RouterNat": ("NAT, in and out", "logs of the network"),
    "SecretVersion": ("reading of secrets",),
    "Subnetwork": ("logs of the network",),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """Something that is paid by the month, in dollars. count: how much of it, in words."""

    what: str
    count: str
    least: Decimal
    most: Decimal


@dataclass(frozen=True, kw_only=True)
class Used:
    """Something that is paid by use, so that it has no sum. of: the resources."""

    what: str
    price: Price
    of: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a stack costs. unpriced: what Google may bill and no price was read for -> how many."""

    lines: Sequence[Line]
    used: Sequence[Used]
    unpriced: Mapping[str, int]

    @property
    def least(self) -> Decimal:
        return sum((line.least for line in self.lines), Decimal(0))

    @property
    def most(self) -> Decimal:
        return sum((line.most for line in self.lines), Decimal(0))


def is_google(resources: Sequence[Resource]) -> bool:
    """Whether Google bills anything of it."""
    return any(one.type.startswith("gcp:") for one in resources)


def estimate(resources: Sequence[Resource]) -> Estimate:
    """The cost of all of them together: what nodes, zones and classes there are decides what the others cost."""
    return _Stack(resources).estimate()


class _Stack:
    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self._cluster = next(iter(self._of(_CLUSTER)), None)
        self._region = str(at(self._cluster.props, "location")) if self._cluster else ""
        self._classes = {str(at(one.props, "metadata", "name")): one for one in self._of(_CLASS)}
        self._lines: list[Line] = []
        self._unpriced: Counter[str] = Counter()

    def estimate(self) -> Estimate:
        if is_google(self._resources):
            self._each()
            for pool in self._of(_POOL):
                self._pool(pool)
            self._nat()
            self._keys()
            self._balancers()
            self._volumes()
            self._others()
        used = list(self._used())
        return Estimate(
            lines=sorted(self._lines, key=lambda line: (-line.most, line.what)),
            used=used,
            unpriced=dict(sorted(self._unpriced.items())),
        )

    def _of(self, kind: str) -> list[Resource]:
        return [one for one in self._resources if one.type == kind]

    # --- what is paid by the month

    def _each(self) -> None:
        for kind, (what, words) in _EACH.items():
            if count := len(self._of(kind)):
                month = count * _monthly(EVERYWHERE[what])
                self._add(words, str(count), month, month)

    def _pool(self, pool: Resource) -> None:
        least, most = self._nodes(pool)
        kind = str(at(pool.props, "nodeConfig", "machineType"))
        hour = machine(kind, self._region)
        if hour is None:
            self._unpriced[f"machines {kind} in {self._region}"] += most
        else:
            month = hour * HOURS
            self._add(f"nodes of the pool {pool.name}, {kind}", _range(least, most), least * month, most * month)
        kind, size = at(pool.props, "nodeConfig", "diskType"), at(pool.props, "nodeConfig", "diskSizeGb")
        self._disk(f"disks of the pool {pool.name}", str(kind), int(size or 0), (least, most))

    def _nodes(self, pool: Resource) -> tuple[int, int]:
        """At least and at most, in all zones."""
        scaling, zones = mapped(at(pool.props, "autoscaling")), self._zones(pool)
        fixed = at(pool.props, "nodeCount") or at(pool.props, "initialNodeCount") or 0
        return tuple(zones * int(scaling.get(each, fixed)) for each in ("minNodeCount", "maxNodeCount"))  # type: ignore[return-value]

    def _zones(self, pool: Resource) -> int:
        named = [len(listed(at(one.props, "nodeLocations"))) for one in (pool, self._cluster) if one is not None]
        # europe-west1-b is a zone, europe-west1 a region.
        return next(filter(None, named), 1 if self._region.count("-") > 1 else _ZONES)

    def _nat(self) -> None:
        pools = [self._nodes(one) for one in self._of(_POOL)]
        least, most = (sum(pool[index] for pool in pools) for index in (0, 1))
        node, many = EVERYWHERE["NAT for a node"], EVERYWHERE["NAT for more than 32 nodes"]
        months = [_monthly(many) if nodes > _NAT_NODES else nodes * _monthly(node) for nodes in (least, most)]
        address = _monthly(EVERYWHERE["address of a NAT"])
        for nat in self._of(_NAT):
            self._add(f"NAT {nat.name}", f"for {_range(least, most)} nodes", months[0], months[1])
            self._add(f"address of the NAT {nat.name}", "1", address, address)

    def _keys(self) -> None:
        """A version that was replaced is still there to decrypt, and costs on."""
        ages = Counter(str(at(key.props, "rotationPeriod") or "0s") for key in self._of(_KEY))
        month = EVERYWHERE["version of a key"].dollars
        for period, keys in ages.items():
            days = int(float(period.rstrip("s"))) // 86_400
            versions = 1 + (_YEAR // days if days else 0)
            count = f"{_range(1, versions)} of {keys} keys" + (", the latter after a year" if versions > 1 else "")
            self._add("versions of keys", count, keys * month, keys * versions * month)

    def _balancers(self) -> None:
        for gateway in self._of(_GATEWAY):
            ports = len({at(one, "port") for one in listed(at(gateway.props, "spec", "listeners"))})
            first, another = EVERYWHERE["up to five forwarding rules"], EVERYWHERE["another forwarding rule"]
            month = _monthly(first) + max(ports - _RULES, 0) * _monthly(another)
            self._add(f"forwarding rules of the Gateway {gateway.name}", str(ports), month, month)
            self._unpriced["traffic to the internet, and between zones"] += 1
        for service in self._of("kubernetes:core/v1:Service"):
            if at(service.props, "spec", "type") == "LoadBalancer":
                self._unpriced[f"balancer of the Service {service.name}"] += 1

    def _volumes(self) -> None:
        for pods in self._of("kubernetes:apps/v1:StatefulSet"):
            count = int(at(pods.props, "spec", "replicas") or 0)
            for claim in listed(at(pods.props, "spec", "volumeClaimTemplates")):
                self._volume(f"volumes of {pods.name}", at(claim, "spec"), count)
        for claim in self._of("kubernetes:core/v1:PersistentVolumeClaim"):
            if not at(claim.props, "spec", "volumeName"):  # with one, it is a bucket's
                self._volume(f"volume {claim.name}", at(claim.props, "spec"), 1)

    def _volume(self, what: str, claim: Any, count: int) -> None:
        size = int(amount(str(at(claim, "resources", "requests", "storage"))) / _GIB)
        self._disk(what, self._type_of(at(claim, "storageClassName")), size, (count, count))

    def _type_of(self, name: Any) -> str:
        if str(name) not in self._classes:
            return f"of the class {name}"
        parameters = mapped(at(self._classes[str(name)].props, "parameters"))
        return _DISKS.get(str(parameters.get("replication-type")), "") + str(parameters.get("type"))

    def _disk(self, what: str, kind: str, size: int, counts: tuple[int, int]) -> None:
        found = price(kind, self._region)
        if found is None:
            self._unpriced[f"{what}: {size} GiB {kind} in {self._region}"] += counts[1]
        else:
            month = size * found.dollars
            self._add(what, f"{_range(*counts)} of {size} GiB {kind}", counts[0] * month, counts[1] * month)

    def _add(self, what: str, count: str, least: Decimal, most: Decimal) -> None:
        self._lines.append(Line(what=what, count=count, least=least, most=most))

    def _others(self) -> None:
        """What Google may bill, and no price was read for."""
        counted = {*_EACH, _POOL, _NAT, _KEY}
        for one in self._resources:
            covered = one.type in counted or one.kind in _FREE or one.kind in _BY_USE
            if one.type.startswith("gcp:") and not covered and not one.kind.lower().endswith(_RIGHTS):
                self._unpriced[_PRODUCTS.get(one.kind, one.kind)] += 1

    # --- what is paid by use

    def _used(self) -> Iterator[Used]:
        found: dict[str, set[str]] = {}
        for one in self._resources:
            if one.type.startswith("gcp:") or one.type == _GATEWAY:
                for what in _BY_USE.get(one.kind, ()):
                    found.setdefault(what, set()).add(one.name)
            # A job's pod has a disk for itself, and loses it when it ends.
            for volume in listed(at(pod_of(one), "volumes")):
                name = at(volume, "ephemeral", "volumeClaimTemplate", "spec", "storageClassName")
                if name is not None:
                    found.setdefault(self._type_of(name), set()).add(f"{one.name} while it runs")
        for what, names in sorted(found.items()):
            if cost := price(what, self._region):
                yield Used(what=what, price=cost, of=sorted(names))
            else:
                self._unpriced[what] += len(names)


def _monthly(cost: Price) -> Decimal:
    return cost.dollars * HOURS if cost.unit == "hour" else cost.dollars


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
