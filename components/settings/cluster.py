"""Which cluster a stack runs in: one that is there already, or one that the program makes on Google Cloud."""

import re
from collections.abc import Collection
from datetime import date, timedelta
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from components.values import Date, Name, Network, Networks, Project, Region, Short, Strict, Text, TimeOfDay, form


class ExistingCluster(Strict):
    """A cluster that is there already: kind, minikube, GKE, the local one."""

    flavour: Literal["existing"] = "existing"
    """`existing` (DESIGN); may be left out."""
    context: Text
    """Its name in the kubeconfig (DESIGN)."""
    kubeconfig: Text | None = None
    """Path of the file; without it `KUBECONFIG`, or `~/.kube/config` (DESIGN)."""
    identifier: Text | None = None
    """What the state knows the cluster by: only another identifier replaces its resources. Without it the context
    (DESIGN)."""
    control_plane: Networks = (IPv4Network("0.0.0.0/0"),)
    """Addresses of its API server, for the few pods that may talk to it (S7.1)."""
    nodes: Networks = (IPv4Network("0.0.0.0/0"),)
    """Addresses of its nodes, whose numbers the collectors ask for (S7.1)."""


class ClusterNetwork(Strict):
    """The address ranges of the cluster that the program makes. None may overlap another, or compose's
    172.20.0.0/16."""

    nodes: Network = IPv4Network("10.10.0.0/20")
    """One address a node and one for each internal load balancer, /8 to /24 (S7.1)."""
    pods: Network = IPv4Network("10.64.0.0/16")
    """GKE takes a /24 of it for each node, which is 110 pods: the largest scale must fit; /8 to /21 (S6, beyond)."""
    services: Network = IPv4Network("10.20.0.0/20")
    """One address a Service, /8 to /24 (S4.1)."""
    control_plane: Network = IPv4Network("10.30.0.0/28")
    """Of the API server's private addresses; Google wants a /28 (S7.1)."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        for name, largest, smallest in (
            ("nodes", 8, 24),
            ("pods", 8, 21),
            ("services", 8, 24),
            ("control_plane", 28, 28),
        ):
            network: IPv4Network = getattr(self, name)
            if not largest <= network.prefixlen <= smallest:
                wanted = f"a /{largest}" if largest == smallest else f"between /{largest} and /{smallest}"
                raise ValueError(f"{name} ({network}) must be {wanted}")
            if not network.is_private:
                raise ValueError(
                    f"{name} ({network}) must be private addresses: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"
                )
        return self


class NodePool(Strict):
    """Machines of one kind, as many in each of the region's three zones."""

    machine: Annotated[
        str, form(r"^[a-z]\d[a-z]?-(medium|[a-z]+-\d+(-[a-z]+)?)$", "a Google Cloud machine type, like n2-standard-4")
    ]
    """Google's machine type; its family decides which disks it takes (DECISIONS: fast-ssd)."""
    disk_type: Literal["pd-ssd", "pd-balanced", "hyperdisk-balanced"] = "pd-balanced"
    """Of the node's own disk, which holds images and logs; must go with the machine's family (DECISIONS: fast-ssd)."""
    disk_gib: int = Field(default=100, ge=30, le=2000)
    """GiB of the node's own disk, 30 to 2000: below, images are collected while pods start (S5, beyond)."""
    min_nodes: int = Field(default=1, ge=1, le=50)
    """Nodes in each zone at least, 1 to 50: a zone with none would be filled too late when another fails (S5,
    beyond)."""
    max_nodes: int = Field(default=3, ge=1, le=50)
    """Nodes in each zone at most, 1 to 50: what the autoscaler may spend (S6, beyond)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes ({self.max_nodes}) is less than min_nodes ({self.min_nodes})")
        return self

    @property
    def family(self) -> str:
        """`n2` of n2-standard-4."""
        return self.machine.partition("-")[0]

    @property
    def cores(self) -> int:
        """4 of n2-standard-4; those without a number share one."""
        number = re.search(r"-(\d+)", self.machine)
        return int(number[1]) if number else 1


Day = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
_DAYS: tuple[Day, ...] = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


# "Maintenance windows and exclusions" of GKE's documentation: hours that it wants in so many days, and how many days it
# can be kept from any upgrade.
_MAINTENANCE, _ROLLING, _LONGEST = 48, 32, 30


class Exclusion(Strict):
    """Days on which Google upgrades nothing, neither the cluster nor its nodes."""

    name: Name
    """What they are for, as Google shows it: opening-week (service levels: availability)."""
    first: Date
    """The first of the days, in UTC (service levels: availability)."""
    last: Date
    """The last of the days, in UTC; 30 days at most (service levels: availability)."""

    @field_validator("first", "last")
    @classmethod
    def _of_the_calendar(cls, day: str) -> str:
        date.fromisoformat(day)
        return day

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last ({self.last}) is before first ({self.first})")
        if (length := len(self.excluded)) > _LONGEST:
            raise ValueError(f"is {length} days long; Google is kept from upgrades for {_LONGEST} at most")
        return self

    @property
    def excluded(self) -> Collection[date]:
        """The days."""
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


class Maintenance(Strict):
    """When Google may upgrade the cluster and its nodes: 48 hours in 32 days at least, or it refuses the cluster."""

    days: Annotated[tuple[Day, ...], Field(strict=False, min_length=1)] = ("TU", "WE", "TH")
    """Days of the week, at least 1; by default those on which people are there to see it (service levels:
    availability)."""
    start: TimeOfDay = "04:00"
    """Time of day in UTC: after the night's backup (S11.2)."""
    hours: int = Field(default=4, ge=4, le=24)
    """Hours, 4 to 24: Google wants four at least (service levels: availability)."""
    exclusions: Annotated[tuple[Exclusion, ...], Field(strict=False, max_length=3)] = ()
    """When it may not although the window is open, 3 at most: days on which nothing may change (service levels:
    availability)."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        # Every day of the week comes four times in 28 days.
        if (hours := 4 * len(set(self.days)) * self.hours) < _MAINTENANCE:
            raise ValueError(
                f"leaves Google {hours} hours in four weeks; it wants {_MAINTENANCE}: more days, or more hours"
            )
        return self

    @model_validator(mode="after")
    def _long_enough_beside_exclusions(self) -> Self:
        excluded = {day for each in self.exclusions for day in each.excluded}
        starts = {day - timedelta(days=number) for day in excluded for number in range(_ROLLING)}
        for start in sorted(starts):
            if (hours := self._hours(start, excluded)) < _MAINTENANCE:
                raise ValueError(
                    f"leaves Google {hours} hours in the {_ROLLING} days from {start} on; it wants {_MAINTENANCE}: "
                    "fewer excluded days, more days of the week, or more hours"
                )
        return self

    def _hours(self, start: date, excluded: Collection[date]) -> int:
        """That are left in the days from start on; a window that touches an excluded day is not counted."""
        length = timedelta(hours=int(self.start[:2]) + self.hours, minutes=int(self.start[3:]))
        nights = 1 if length > timedelta(days=1) else 0
        days = [start + timedelta(days=number) for number in range(_ROLLING)]
        return self.hours * sum(
            _DAYS[day.weekday()] in self.days
            and not any(day + timedelta(days=number) in excluded for number in range(nights + 1))
            for day in days
        )


_LABEL_KEY, _LABEL_VALUE = re.compile(r"[a-z][-_a-z0-9]{0,62}"), re.compile(r"[-_a-z0-9]{0,63}")
_OURS = ("component", "part-of", "pool", "purpose", "stack")


def _labels(labels: dict[str, str]) -> dict[str, str]:
    """What Google takes ("Requirements for labels"), and what the program doesn't set itself."""
    for key, value in labels.items():
        if not (_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)):
            raise ValueError(
                f"has {key}: {value}, which Google doesn't take; write lower-case letters, digits, - and _, "
                "63 at most, a letter first"
            )
        if key in _OURS:
            raise ValueError(f"has {key}, which the program sets itself; choose another name")
    return labels


Labels = Annotated[dict[str, str], AfterValidator(_labels)]


class GoogleCluster(Strict):
    """A GKE cluster that the program makes, with its network, keys and registry."""

    flavour: Literal["gke"]
    """`gke` (DESIGN)."""
    project: Project
    """Id of the Google Cloud project, 6 to 30 characters, that everything is made in (DESIGN)."""
    region: Region
    """Where everything is stored and runs, over three zones (DECISIONS: personal data)."""
    project_number: int = Field(ge=1)
    """Its number, 1 or more, which Google's own accounts in it are named after: `gcloud projects describe PROJECT
    --format="value(projectNumber)"` (S7.3)."""
    labels: Labels = Field(default_factory=dict)
    """For the bill, on everything that takes labels, beside those of the program (S10.3)."""
    network: ClusterNetwork = ClusterNetwork()
    """Address ranges (S7.1)."""
    apps: NodePool = NodePool(machine="n2-standard-4")
    """The pool for all that holds no data (S6)."""
    data: NodePool = NodePool(machine="n2-highmem-4", disk_type="pd-ssd", max_nodes=2)
    """The tainted pool for PostgreSQL and Redis (S5.2, S5.3)."""
    maintenance: Maintenance = Maintenance()
    """When Google may upgrade (service levels: availability)."""
    key_rotation_days: int = Field(default=90, ge=1, le=365)
    """Days after which Cloud KMS makes a new version of every key, 1 to 365: a leaked one ages (S7.3)."""

    @property
    def registry(self) -> str:
        """Where all of its images come from."""
        return f"{self.region}-docker.pkg.dev/{self.project}"

    @property
    def most_nodes(self) -> int:
        """Of both pools at their largest, in three zones; an upgrade makes the new node before the old one goes."""
        return sum(3 * (pool.max_nodes + 1) for pool in (self.apps, self.data))

    @property
    def uploads(self) -> str:
        """Name of the bucket of uploads: unique in the world, as the project's id is."""
        return f"{self.project}-uploads"


def _context(value: Any) -> Any:
    """`vision-week:cluster: kind-kind` is short for the context of an existing cluster."""
    if isinstance(value, str):
        return {"flavour": "existing", "context": value}
    if isinstance(value, dict) and "flavour" not in value:
        return {"flavour": "existing", **value}
    return value


Cluster = Annotated[
    ExistingCluster | GoogleCluster,
    Field(discriminator="flavour"),
    BeforeValidator(_context),
    Short({"type": "string", "minLength": 1, "description": "Short for the context of an existing cluster."}),
]
