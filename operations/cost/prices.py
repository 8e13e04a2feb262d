"""Google's list prices in US dollars, each with the page that says it.

Google's pages were not reached themselves: each price was read from a public copy, whose day stands beside it where it
has one. A price is here for a region only where it was read for that region. What is not here has no price: whoever
adds one names where it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

READ: Final = date(2026, 11, 29)
CURRENCY: Final = "USD"
HOURS: Final = 730  # of a month, as Google's own examples and its calculator have it


@dataclass(frozen=True, kw_only=True)
class Source:
    """page: Google's own, which is what counts. copy: what was read instead. day: of the copy, where it says one."""

    page: str
    copy: str = "a stored copy"
    day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Price:
    """dollars: for one `unit`."""

    dollars: Decimal
    unit: str
    source: Source


_CATALOGUE: Final = "a table made from Google's Cloud Billing API (Cyclenerd/google-cloud-pricing-cost-calculator)"
_HARVESTED: Final = "quotations of it (api-evangelist)"
_DAY: Final = date(2025, 3, 6)

_MACHINES: Final = Source(page="https://cloud.google.com/compute/vm-instance-pricing", copy=_CATALOGUE, day=_DAY)
_DISKS: Final = Source(page="https://cloud.google.com/compute/disks-image-pricing", copy=_CATALOGUE, day=_DAY)
_BUCKETS: Final = Source(page="https://cloud.google.com/storage/pricing", copy=_CATALOGUE, day=_DAY)
_CLUSTERS: Final = Source(page="https://cloud.google.com/kubernetes-engine/pricing")
_NAT: Final = Source(page="https://cloud.google.com/nat/pricing")
_BALANCERS: Final = Source(page="https://cloud.google.com/load-balancing/pricing")
_KEYS: Final = Source(page="https://cloud.google.com/kms/pricing", day=date(2025, 3, 17))
_SECRETS: Final = Source(page="https://cloud.google.com/secret-manager/pricing")
_REGISTRY: Final = Source(page="https://cloud.google.com/artifact-registry/pricing")
_SCANS: Final = Source(page="https://cloud.google.com/artifact-analysis/pricing")
_DNS: Final = Source(page="https://cloud.google.com/dns/pricing", copy=_HARVESTED, day=date(2026, 9, 20))
_LOGS: Final = Source(page="https://cloud.google.com/stackdriver/pricing", copy=_HARVESTED, day=date(2026, 9, 12))


def _price(dollars: str, unit: str, source: Source) -> Price:
    return Price(dollars=Decimal(dollars), unit=unit, source=source)


# What costs the same in every region.
EVERYWHERE: Final[Mapping[str, Price]] = {
    "cluster": _price("0.10", "hour", _CLUSTERS),
    "NAT for a node": _price("0.0014", "hour", _NAT),
    "NAT for more than 32 nodes": _price("0.044", "hour", _NAT),
    "address of a NAT": _price("0.005", "hour", _NAT),
    "NAT, in and out": _price("0.045", "GiB", _NAT),
    "up to five forwarding rules": _price("0.025", "hour", _BALANCERS),
    "another forwarding rule": _price("0.01", "hour", _BALANCERS),
    "balancer, in and out": _price("0.008", "GiB", _BALANCERS),
    "version of a key": _price("0.06", "month", _KEYS),
    "use of keys": _price("0.03", "10,000 operations", _KEYS),
    "version of a secret": _price("0.06", "month", _SECRETS),
    "reading of secrets": _price("0.03", "10,000 operations", _SECRETS),
    "images, beyond 0.5 GiB": _price("0.10", "GiB month", _REGISTRY),
    "scan of an image, once": _price("0.26", "image", _SCANS),
    "zone": _price("0.000273973", "hour", _DNS),
    "questions to a zone": _price("0.40", "million", _DNS),
    "logs, beyond 50 GiB a month": _price("0.50", "GiB", _LOGS),
    "logs of the network": _price("0.25", "GiB", _LOGS),
}  # fmt: skip

# Region -> what costs another price in another. Machines by what is in them, disks by type; `regional` ones are in two
# zones.
BY_REGION: Final[Mapping[str, Mapping[str, Price]]] = {
    "europe-west1": {
        "n2 core": _price("0.034773", "hour", _MACHINES),
        "n2 GiB": _price("0.004661", "hour", _MACHINES),
        "pd-balanced": _price("0.10", "GiB month", _DISKS),
        "pd-ssd": _price("0.17", "GiB month", _DISKS),
        "regional pd-balanced": _price("0.20", "GiB month", _DISKS),
        "regional pd-ssd": _price("0.34", "GiB month", _DISKS),
        "what is in buckets": _price("0.02", "GiB month", _BUCKETS),
    },
    "europe-west4": {
        "n2 core": _price("0.034802", "hour", _MACHINES),
        "n2 GiB": _price("0.004664", "hour", _MACHINES),
        "pd-balanced": _price("0.11", "GiB month", _DISKS),
        "pd-ssd": _price("0.187", "GiB month", _DISKS),
        "regional pd-balanced": _price("0.22", "GiB month", _DISKS),
        "regional pd-ssd": _price("0.374", "GiB month", _DISKS),
        "what is in buckets": _price("0.02", "GiB month", _BUCKETS),
    },
}

# GiB of memory for each core, by the class of an N2 machine ("General-purpose machine family" of Google's
# documentation). Those with more than 80 cores have less.
_MEMORY: Final = {"standard": 4, "highmem": 8, "highcpu": 1}
_LARGEST: Final = 80


def price(what: str, region: str) -> Price | None:
    """The price of something in a region, where it was read."""
    return EVERYWHERE.get(what) or BY_REGION.get(region, {}).get(what)


def machine(kind: str, region: str) -> Decimal | None:
    """Dollars an hour for one machine like `n2-standard-4`; None where that was not read."""
    family, _, rest = kind.partition("-")
    shape, _, cores = rest.partition("-")
    core, memory = price(f"{family} core", region), price(f"{family} GiB", region)
    if core is None or memory is None or shape not in _MEMORY or not cores.isdigit() or int(cores) > _LARGEST:
        return None
    return int(cores) * (core.dollars + _MEMORY[shape] * memory.dollars)
