"""What Google refuses, in Google's order: the project, the API, the right, the place, the name, what is referred to.

Each refusal says where Google documents it. What is only a matter of one value's form is found earlier, in a preview
(`forms`); what depends on the cloud is found when a resource is made, changed or removed, as with the real one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

from localcloud.plugins.changes import path_of
from localcloud.plugins.gcp import buckets, kinds
from localcloud.plugins.gcp.cloud import Project, World
from localcloud.plugins.gcp.kinds import KINDS, Kind
from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Unknown

_CLOUD: Final = "https://cloud.google.com"
_PRINCIPAL: Final = re.compile(
    r"all(Authenticated)?Users|(user|group|serviceAccount|domain|project(Owner|Editor|Viewer)|principal(Set)?):\S+"
)
_ROLE: Final = re.compile(r"(projects/[^/]+/|organizations/[^/]+/)?roles/[\w.]+")
_KEY_OF_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE_OF_LABEL: Final = re.compile(r"[a-z0-9_-]{0,63}")
_RANGES: Final = ("ipCidrRange", "sourceRanges", "destinationRanges", "srcIpRanges")
_SMALLEST: Final = 29  # a subnet's prefix: https://cloud.google.com/vpc/docs/subnets#valid-ranges
_ENCRYPTS: Final = ("roles/cloudkms.cryptoKeyEncrypterDecrypter", "roles/cloudkms.cryptoOperator")
# Most regions have zones a, b and c.
_OF_THREE_ZONES: Final = """
africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2
asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1 europe-north2
europe-southwest1 europe-west2 europe-west3 europe-west4 europe-west6 europe-west8 europe-west9 europe-west10
europe-west12 me-central1 me-central2 me-west1 northamerica-northeast1 northamerica-northeast2 northamerica-south1
southamerica-east1 southamerica-west1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4
"""
# Region -> its zones' letters: https://cloud.google.com/compute/docs/regions-zones#available
ZONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_OF_THREE_ZONES.split(), "abc"),
    "europe-west1": "bcd",
    "us-east1": "bcd",
    "us-central1": "abcf",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be made or changed. region: its own, or its provider's. name: its id.
    parents: kind -> id of what must be there before.
    """

    token: str
    project: str
    region: str
    name: str
    inputs: Mapping[str, Any]
    parents: Mapping[str, str]


class Refusal(Failed):
    """Google's answer to a request. status: HTTP's. url: where Google documents it."""

    def __init__(self, status: int, reason: str, url: str) -> None:
        super().__init__(f"the simulated Google Cloud refuses: {status}: {reason}. {url}")


# --- the form of values


def forms(token: str, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with values that are known already, by path, with Google's documentation of each."""
    found = list(_name(KINDS[token], inputs))
    for keys, value in _leaves(inputs):
        name = next(key for key in reversed(keys) if isinstance(key, str))
        if reason := _form(name, value):
            found.append((path_of(*keys), reason))
    for path, labels in _labelled(token, inputs):
        found += [(f"{path}.{key}", reason) for key, value in labels.items() if (reason := _label(key, value))]
    return found


def _name(kind: Kind, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    value = inputs.get(kind.name)
    if kind.url and isinstance(value, str) and not re.fullmatch(kind.form.pattern, value):
        yield kind.name, f"{value!r} ({len(value)} characters) is no such name: {kind.form.words}. {kind.url}"


def _form(name: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if name == "member" and not _PRINCIPAL.fullmatch(value):
        return f"{value!r} names nobody as IAM does. {_CLOUD}/iam/docs/principal-identifiers"
    if name == "role" and not _ROLE.fullmatch(value):
        return f"{value!r} is no role, like roles/viewer. {_CLOUD}/iam/docs/roles-overview"
    if name in _RANGES and value != "*":
        try:
            IPv4Network(value)
        except ValueError as error:
            return f"{error}. {_CLOUD}/vpc/docs/subnets#valid-ranges"
    return None


def _labelled(token: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    names = ["userLabels", "resourceLabels"]
    if "notificationChannel" not in token:  # whose `labels` are its address
        names.append("labels")
    for name in names:
        if isinstance(labels := inputs.get(name), Mapping):
            yield name, labels


def _label(key: str, value: Any) -> str | None:
    if isinstance(value, Unknown) or (_KEY_OF_LABEL.fullmatch(key) and _VALUE_OF_LABEL.fullmatch(str(value))):
        return None
    return (
        f"{key}={value} is no label: at most 63 lower-case letters, digits, hyphens and underscores each, and a letter "
        f"first in the key. {_CLOUD}/resource-manager/docs/labels-overview#requirements"
    )


def _leaves(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*keys, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, (*keys, number))
    elif keys:
        yield keys, value


# --- the cloud


def project_of(world: World, project: Any) -> Project:
    """A project that there is."""
    if not project:
        raise Refusal(
            400,
            "no project is named, by the resource or its provider",
            f"{_CLOUD}/resource-manager/docs/creating-managing-projects",
        )
    if project not in world.projects:
        raise Refusal(
            403,
            f"the caller doesn't have permission on the project {project}, or it may not exist (there "
            f"{'is' if len(world.projects) == 1 else 'are'} {', '.join(world.projects) or 'none'})",
            f"{_CLOUD}/resource-manager/docs/creating-managing-projects",
        )
    return world.projects[project]


def access(world: World, token: str, project: str, *, writes: bool = True) -> Project:
    """What every request meets first: the project, the API, the caller's rights. Whoever is let in may read."""
    kind, found = KINDS[token], project_of(world, project)
    if kind.api not in found.apis:
        raise Refusal(
            403,
            f"the API {kind.api}.googleapis.com has not been used in project {found.number} before or it is disabled",
            f"{_CLOUD}/service-usage/docs/enable-disable",
        )
    if (
        writes
        and found.roles is not None
        and (missing := [role for role in kinds.roles(kind) if role not in found.roles])
    ):
        raise Refusal(
            403,
            f"the caller has no permission in the project {project} that roles/{missing[0]} would give",
            f"{_CLOUD}/iam/docs/roles-permissions/{missing[0].partition('.')[0]}",
        )
    return found


def making(world: World, wanted: Wanted) -> None:
    """Refuse what can't be made."""
    token, name = wanted.token, wanted.name
    kind = KINDS[token]
    _place(token, {"region": wanted.region or None, **wanted.inputs})
    if not kind.shared and world.find(token, name):
        where = "in all of Google Cloud" if token == kinds.BUCKET else f"in {wanted.project}"
        raise Refusal(409, f"{name} already exists {where}", kind.url or kind.cite)
    if f"{token} {name}" in world.retired:
        raise Refusal(409, f"{name} was there once, and its name can't be used again", kind.cite)
    changing(world, wanted)


def changing(world: World, wanted: Wanted) -> None:
    """Refuse what nothing can be made or changed to."""
    token, inputs = wanted.token, wanted.inputs
    for parent, name in wanted.parents.items():
        if world.find(parent, name) is None:
            raise Refusal(404, f"{name} was not found", _reference(parent))
    for path, value in _leaves(inputs):
        if isinstance(value, str) and (target := _names(value)) and world.find(target, _bare(value)) is None:
            raise Refusal(404, f"{path_of(*path)}: {value} was not found", _reference(target))
    _key(world, token, wanted.project, inputs)
    if token == kinds.BUCKET and (bucket := world.find(token, wanted.name)):
        _retention(bucket.inputs, inputs)
    if isinstance(member := inputs.get("member"), str):
        _member(world, member)
    if token == kinds.SUBNETWORK:
        _ranges(world, wanted.name, inputs)
    if token == kinds.CLUSTER:
        _secondary_ranges(world, inputs)
    if token == kinds.TRANSFER:
        _transfer(world, world.projects[wanted.project].number, inputs)


def _project(name: str) -> str | None:
    """The project that an id names; None where it names none."""
    kind, _, rest = name.partition("/")
    return rest.partition("/")[0] if kind == "projects" else None


def removing(world: World, token: str, name: str, inputs: Mapping[str, Any]) -> None:
    """Refuse what can't go."""
    kind = KINDS[token]
    _, place, _ = token.split(":")
    documented = f"https://www.pulumi.com/registry/packages/gcp/api-docs/{place.lower()}/"
    # A cluster is protected where nothing is said.
    if inputs.get("deletionProtection", token == kinds.CLUSTER):
        reason = "deletion_protection is true: set it to false, update, and try again"
        raise Refusal(400, f"{name} can't be destroyed because {reason}", documented)
    if inputs.get("deletionPolicy") == "PREVENT":
        raise Refusal(400, f"{name} can't be destroyed because deletion_policy is PREVENT", documented)
    if token == kinds.BUCKET and buckets.has_content(name):
        locked = at(inputs, "retentionPolicy.isLocked") == [True]
        if locked or not inputs.get("forceDestroy"):
            why = "what is in it is under a locked retention policy" if locked else "it is not empty"
            raise Refusal(409, f"{name} can't be deleted: {why}", f"{_CLOUD}/storage/docs/deleting-buckets")
    if inputs.get("forceDestroy"):
        return
    for holder, where in kind.holders:
        for other, held in world.of(holder).items():
            # What is named without its project is of the same one.
            elsewhere = len({_project(name), _project(other)} - {None}) > 1
            names = {name} if elsewhere else {name, name.rpartition("/")[2]}
            if names & {_bare(str(value)) for value in at(held.inputs, where)}:
                raise Refusal(400, f"{name} is already being used by {other}", kind.cite)


# --- one rule each


def _place(token: str, inputs: Mapping[str, Any]) -> None:
    """A region must be one; a cluster's may be a zone, a bucket's or a key ring's be larger than a region."""
    url = f"{_CLOUD}/compute/docs/regions-zones#available"
    for name in ("region", "location"):
        place = inputs.get(name)
        if not isinstance(place, str) or place.lower() in ZONES:
            continue
        region, _, zone = place.rpartition("-")
        if token in (kinds.CLUSTER, kinds.NODE_POOL) and zone in set(ZONES.get(region, "")):
            continue
        if name == "region" or token not in (kinds.BUCKET, kinds.KEY_RING, kinds.CERTIFICATE, kinds.PROOF):
            raise Refusal(400, f"{name}: {place} is no region of Google's, so it has no zones", url)
    for zone in inputs.get("nodeLocations") or ():
        region, _, letter = str(zone).rpartition("-")
        if letter not in set(ZONES.get(region, "")):
            raise Refusal(400, f"nodeLocations: {zone} is no zone of Google's", url)


def _key(world: World, token: str, project: str, inputs: Mapping[str, Any]) -> None:
    """Google encrypts as an account of its own, which must be let to the key before."""
    kind = KINDS[token]
    for key in at(inputs, kind.key) if kind.key else ():
        agent = f"serviceAccount:service-{world.projects[project].number}@{kind.agent}.iam.gserviceaccount.com"
        allowed = [
            member
            for member in world.of(kinds.KEY_MEMBER).values()
            if (member.inputs["cryptoKeyId"], member.inputs["member"]) == (key, agent)
            and member.inputs["role"] in _ENCRYPTS
        ]
        if not allowed:
            raise Refusal(403, f"permission denied on the key {key} for {agent}, who encrypts with it", kind.cite)


def _retention(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What is locked can be made longer, and never shorter or taken away."""
    if at(before, "retentionPolicy.isLocked") != [True]:
        return
    old, new = (at(each, "retentionPolicy.retentionPeriod") for each in (before, after))
    if not new or int(new[0]) < int(old[0]) or at(after, "retentionPolicy.isLocked") != [True]:
        raise Refusal(
            403, "a locked retention policy can't be shortened or removed", f"{_CLOUD}/storage/docs/bucket-lock"
        )


def _member(world: World, member: str) -> None:
    """Whom a right is given to must be there."""
    url = f"{_CLOUD}/iam/docs/principal-identifiers"
    if named := re.fullmatch(r"principal://iam\.googleapis\.com/projects/.*/workloadIdentityPools/([^/]+)/.*", member):
        own = [each for each in world.of(kinds.IDENTITIES) if each.endswith(f"/{named[1]}")]
        clusters = world.of(kinds.CLUSTER).values()
        pools = [pool for each in clusters for pool in at(each.inputs, "workloadIdentityConfig.workloadPool")]
        if not own and named[1] not in pools:
            raise Refusal(400, f"the identity pool {named[1]} does not exist", url)
    if agent := re.fullmatch(r"serviceAccount:(?:service|project)-(\d+)@([\w-]+)\.iam\.gserviceaccount\.com", member):
        of = [each for each in world.projects.values() if str(each.number) == agent[1]]
        if of and agent[2] not in of[0].agents:
            raise Refusal(
                400,
                f"service account {member.partition(':')[2]} does not exist: Google makes it when it is asked for",
                f"{_CLOUD}/iam/docs/create-service-agents",
            )
    if account := re.fullmatch(r"serviceAccount:([\w-]+@([\w-]+)\.iam\.gserviceaccount\.com)", member):
        known = f"projects/{account[2]}/serviceAccounts/{account[1]}"
        if account[2] in world.projects and world.find(kinds.ACCOUNT, known) is None:
            raise Refusal(400, f"service account {account[1]} does not exist", url)


def _ranges(world: World, name: str, inputs: Mapping[str, Any]) -> None:
    """No two ranges of a network overlap, a subnet's own among them."""
    taken = [
        (other, each)
        for other, subnet in world.of(kinds.SUBNETWORK).items()
        if other != name and _bare(subnet.inputs["network"]) == _bare(inputs["network"])
        for each in _networks(subnet.inputs)
    ]
    for wanted in _networks(inputs):
        if wanted.prefixlen > _SMALLEST:
            raise Refusal(400, f"{wanted} is smaller than /{_SMALLEST}", f"{_CLOUD}/vpc/docs/subnets#valid-ranges")
        for other, range_ in taken:
            if wanted.overlaps(range_):
                raise Refusal(
                    400,
                    f"the range {wanted} of {name} overlaps {range_} of {other}",
                    f"{_CLOUD}/vpc/docs/subnets#ipv4-ranges",
                )
        taken.append((name, wanted))


def _networks(subnet: Mapping[str, Any]) -> list[IPv4Network]:
    ranges = [*at(subnet, "ipCidrRange"), *at(subnet, "secondaryIpRanges[].ipCidrRange")]
    return [IPv4Network(each) for each in ranges]


def _secondary_ranges(world: World, inputs: Mapping[str, Any]) -> None:
    """Pods and Services get their addresses from ranges that the subnet has."""
    subnet = world.find(kinds.SUBNETWORK, _bare(str(inputs.get("subnetwork"))))
    known = at(subnet.inputs, "secondaryIpRanges[].rangeName") if subnet else []
    for name in ("clusterSecondaryRangeName", "servicesSecondaryRangeName"):
        for wanted in at(inputs, f"ipAllocationPolicy.{name}"):
            if subnet and wanted not in known:
                raise Refusal(
                    400,
                    f"the subnetwork {inputs['subnetwork']} has no secondary range {wanted}, only {', '.join(known)}",
                    f"{_CLOUD}/kubernetes-engine/docs/concepts/alias-ips",
                )


def _transfer(world: World, number: int, inputs: Mapping[str, Any]) -> None:
    """The service reads one bucket and writes the other as an account of the project's."""
    agent = f"serviceAccount:project-{number}@storage-transfer-service.iam.gserviceaccount.com"
    for end in ("gcsDataSource", "gcsDataSink"):
        for bucket in at(inputs, f"transferSpec.{end}.bucketName"):
            rights = world.of(kinds.BUCKET_MEMBER).values()
            if not [each for each in rights if (each.inputs["bucket"], each.inputs["member"]) == (bucket, agent)]:
                raise Refusal(
                    403,
                    f"{agent} has no right to the bucket {bucket}",
                    f"{_CLOUD}/storage-transfer/docs/source-cloud-storage",
                )


# --- paths and ids


def at(value: Any, path: str) -> list[Any]:
    """Every known value at a path; `[]` after a name stands for each item of its list."""
    found = [value]
    for name in path.split("."):
        found = [each.get(name.removesuffix("[]")) for each in found if isinstance(each, Mapping)]
        found = [item for each in found for item in (each if isinstance(each, list) else [each])]
    return [each for each in found if each is not None]


def _bare(value: str) -> str:
    """An id from a link to it."""
    return re.sub(r"^https://[^/]+/(compute/)?v1/", "", value)


def _names(value: str) -> str | None:
    """The kind of resource that a value names by its full name, None if it names none."""
    return next((token for token, form in _REFERRED if form.fullmatch(_bare(value))), None)


def _reference(token: str) -> str:
    return KINDS[token].url or "https://google.aip.dev/122"


# What other resources name by its id.
_REFERRED: Final = [
    (token, re.compile(f"projects/[^/]+/{form}/[^/]+"))
    for token, form in (
        (kinds.NETWORK, "global/networks"),
        (kinds.SUBNETWORK, "regions/[^/]+/subnetworks"),
        (kinds.ROUTER, "regions/[^/]+/routers"),
        (kinds.CLUSTER, "locations/[^/]+/clusters"),
        (kinds.KEY_RING, "locations/[^/]+/keyRings"),
        (kinds.KEY, "locations/[^/]+/keyRings/[^/]+/cryptoKeys"),
        (kinds.REPOSITORY, "locations/[^/]+/repositories"),
        (kinds.CERTIFICATE, "locations/[^/]+/certificates"),
        (kinds.PROOF, "locations/[^/]+/dnsAuthorizations"),
        (kinds.SECRET, "secrets"),
        (kinds.TOPIC, "topics"),
        (kinds.ACCOUNT, "serviceAccounts"),
    )
]
