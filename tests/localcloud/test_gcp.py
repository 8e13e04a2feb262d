"""The simulated Google Cloud without an engine: what it takes, what it refuses, what it makes of a change.

That the real one answers the same is not shown here: each refusal names Google's documentation of it.
"""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage

from localcloud.plugins.changes import Diff
from localcloud.plugins.gcp import cloud, kinds, refusals, shape
from localcloud.plugins.gcp.provider import SimulatedGoogleCloud
from localcloud.plugins.provider import (
    Check,
    Comparison,
    Create,
    Delete,
    Failed,
    Found,
    Read,
    Refused,
    Resource,
    Update,
)
from localcloud.plugins.values import UNKNOWN, Secret, Values
from tests.localcloud.google_storage import serving

PROJECT, NUMBER, REGION = "a-project", 12345, "europe-west1"
APIS = ("cloudkms", "cloudresourcemanager", "compute", "container", "dns", "iam")
NAT = "gcp:compute/routerNat:RouterNat"
BUCKET_MEMBER = kinds.BUCKET_MEMBER
IDENTITIES = kinds.IDENTITIES


@dataclass
class Google:
    """The plugin as the engine speaks to it, for one program."""

    plugin: SimulatedGoogleCloud = field(default_factory=SimulatedGoogleCloud)
    state: dict[str, tuple[str, Values, Values]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plugin.configure({"project": PROJECT, "region": REGION})

    def check(self, token: str, called: str = "it", /, **inputs: Any) -> Values:
        old = self.state[called][1] if called in self.state else {}
        request = Check(_resource(token, called), old, inputs, bytes.fromhex("a1b2c3d4"), None)
        return dict(self.plugin.check(request))

    def make(self, token: str, called: str = "it", /, **inputs: Any) -> str:
        """Make a resource; the program calls it by this called from now on."""
        checked = self.check(token, called, **inputs)
        made, outputs = self.plugin.create(Create(_resource(token, called), checked, 0, preview=False))
        self.state[called] = (made, checked, dict(outputs))
        return made

    def preview(self, token: str, **inputs: Any) -> Values:
        checked = self.check(token, "previewed", **inputs)
        return dict(self.plugin.create(Create(_resource(token, "previewed"), checked, 0, preview=True))[1])

    def diff(self, token: str, called: str = "it", /, **inputs: Any) -> Diff:
        made, before, outputs = self.state[called]
        new = self.check(token, called, **inputs)
        return self.plugin.diff(Comparison(_resource(token, called), made, before, outputs, new, ()))

    def change(self, token: str, called: str = "it", /, **inputs: Any) -> Values:
        made, before, outputs = self.state[called]
        new = self.check(token, called, **inputs)
        after = dict(self.plugin.update(Update(_resource(token, called), made, before, outputs, new, 0, preview=False)))
        self.state[called] = (made, new, after)
        return after

    def preview_change(self, token: str, called: str = "it", /, **inputs: Any) -> Values:
        made, before, outputs = self.state[called]
        new = self.check(token, called, **inputs)
        return dict(self.plugin.update(Update(_resource(token, called), made, before, outputs, new, 0, preview=True)))

    def read(self, token: str, called: str = "it") -> Found | None:
        made, before, outputs = self.state[called]
        return self.plugin.read(Read(_resource(token, called), made, before, outputs, 0))

    def remove(self, token: str, called: str = "it") -> None:
        made, before, outputs = self.state[called]
        self.plugin.delete(Delete(_resource(token, called), made, before, outputs, 0))

    def outputs(self, called: str = "it") -> Values:
        return self.state[called][2]


def _resource(token: str, name: str) -> Resource:
    return Resource(f"urn:pulumi:test::test::{token}::{name}", token, name)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A simulated cloud of the test's own, with one project, and no server of buckets."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv(cloud.FOLDER, str(tmp_path / "google"))
    with cloud.world() as world:
        world.add_project(PROJECT, NUMBER, APIS, agents=["compute-system", "gs-project-accounts"])
    return tmp_path / "google"


@pytest.fixture
def google() -> Google:
    return Google()


def refused(action: Callable[[], Any], *words: str) -> None:
    """The simulated cloud refuses, in these words, and says where Google documents it."""
    with pytest.raises((Failed, Refused)) as caught:
        action()
    for word in (*words, "https://"):
        assert word in str(caught.value)


def faults(google: Google, token: str, **inputs: Any) -> Mapping[str, str]:
    """What is wrong with inputs, by path."""
    with pytest.raises(Refused) as caught:
        google.check(token, **inputs)
    return dict(caught.value.failures)


def subnet(google: Google, name: str, addresses: str, **also: Any) -> str:
    if "network" not in google.state:
        google.make(kinds.NETWORK, "network", name="network")
    network = google.state["network"][0]
    return google.make(kinds.SUBNETWORK, name, name=name, network=network, ipCidrRange=addresses, **also)


def key(google: Google) -> str:
    google.make(kinds.KEY_RING, "ring", name="ring", location=REGION)
    return google.make(kinds.KEY, "key", name="key", keyRing=google.state["ring"][0])


def cluster(google: Google, **also: Any) -> str:
    nodes = subnet(google, "nodes", "10.0.0.0/20")
    network = google.state["network"][0]
    given = {"name": "cluster", "location": REGION, "network": network, "subnetwork": nodes, "initialNodeCount": 1}
    return google.make(kinds.CLUSTER, "cluster", **given, **also)


# --- what the types say


def test_every_fault_of_the_types_is_told_with_its_path(google: Google) -> None:
    found = faults(
        google,
        kinds.SUBNETWORK,
        ipCidrange="10.0.0.0/24",
        logConfig={"flowSampling": 2, "metadata": "SOME"},
        privateIpGoogleAccess="yes",
        secondaryIpRanges=[{"rangeName": "pods"}, {"rangeNam": "services"}],
    )
    assert "required" in found["network"]
    assert "ipCidrRange?" in found["ipCidrange"]
    assert "not between 0 and 1" in found["logConfig.flowSampling"]
    assert "none of EXCLUDE_ALL_METADATA, INCLUDE_ALL_METADATA" in found["logConfig.metadata"]
    assert "true or false" in found["privateIpGoogleAccess"]
    assert "rangeName?" in found["secondaryIpRanges[1].rangeNam"]
    assert "required" in found["secondaryIpRanges[1].rangeName"]


def test_possible_values_of_a_list_are_those_of_its_items(google: Google) -> None:
    pubsub = {"enabled": True, "filter": {"eventTypes": ["UPGRADE_EVENT", "UPGRADED"]}}
    found = faults(google, kinds.CLUSTER, notificationConfig={"pubsub": pubsub})
    assert found.keys() == {"notificationConfig.pubsub.filter.eventTypes[1]"}


def test_what_is_not_known_yet_is_let_through(google: Google) -> None:
    assert google.check(kinds.SUBNETWORK, network=UNKNOWN, ipCidrRange=UNKNOWN, logConfig={"metadata": UNKNOWN})


def test_a_secret_is_checked_and_stays_one(google: Google) -> None:
    assert faults(google, kinds.ZONE, dnsName="a.example.", visibility=Secret("hidden")).keys() == {"visibility"}
    assert google.check(kinds.ZONE, dnsName=Secret("a.example."))["dnsName"] == Secret("a.example.")


def test_types_are_derived_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shape.shapes.cache_clear()
    first = shape.shapes("10.2.0", (kinds.KEY_RING,))
    (kept,) = tmp_path.glob("vision-week/schemas/gcp-inputs-10.2.0-*.json")
    kept.write_text("{}")
    shape.shapes.cache_clear()
    assert first[kinds.KEY_RING]["inputs"]["location"]["required"]
    assert shape.shapes("10.2.0", (kinds.KEY_RING,)) == {}
    shape.shapes.cache_clear()


def test_a_kind_that_is_not_simulated_is_refused_by_name(google: Google) -> None:
    with pytest.raises(Failed, match="gcp:sql/databaseInstance:DatabaseInstance is not among the simulated"):
        google.check("gcp:sql/databaseInstance:DatabaseInstance", databaseVersion="POSTGRES_15")


# --- the form of values


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (kinds.CLUSTER, {"name": "c" * 41}, "name"),
        (kinds.NETWORK, {"name": "n" * 64}, "name"),
        (kinds.NETWORK, {"name": "-network"}, "name"),
        (kinds.BUCKET, {"name": "Backups", "location": REGION}, "name"),
        (kinds.BUCKET, {"name": "my-google-bucket", "location": REGION}, "name"),
        (kinds.ACCOUNT, {"accountId": "short"}, "accountId"),
        (IDENTITIES, {"workloadIdentityPoolId": "gcp-pool"}, "workloadIdentityPoolId"),
        (kinds.TOPIC, {"name": "goog-notices"}, "name"),
        (kinds.TOPIC, {"name": "notices", "labels": {"Part": "of"}}, "labels.Part"),
        (kinds.SUBNETWORK, {"network": "network", "ipCidrRange": "10.0.0.1/24"}, "ipCidrRange"),
        (BUCKET_MEMBER, {"bucket": "b", "role": "roles/viewer", "member": "somebody@a.example"}, "member"),
        (BUCKET_MEMBER, {"bucket": "b", "role": "viewer", "member": "user:somebody@a.example"}, "role"),
    ],
)
def test_a_preview_refuses_what_google_takes_in_no_cloud(
    google: Google, token: str, inputs: Mapping[str, Any], path: str
) -> None:
    found = faults(google, token, **inputs)
    assert found.keys() == {path}
    assert "https://cloud.google.com/" in found[path]


# --- names, ids and outputs


def test_a_name_that_is_not_given_is_made_up_and_kept(google: Google) -> None:
    google.make(kinds.NETWORK, "network")
    assert google.outputs("network")["name"] == "network-a1b2c3d"
    assert not google.diff(kinds.NETWORK, "network").changes


def test_where_a_resource_is_follows_from_the_provider(google: Google) -> None:
    assert subnet(google, "nodes", "10.0.0.0/24") == f"projects/{PROJECT}/regions/{REGION}/subnetworks/nodes"
    found = google.outputs("nodes")
    assert (found["project"], found["region"]) == (PROJECT, REGION)
    assert found["selfLink"] == f"https://www.googleapis.com/compute/v1/{google.state['nodes'][0]}"


def test_an_account_has_an_address_and_is_somebody_to_iam(google: Google) -> None:
    google.make(kinds.ACCOUNT, accountId="pipeline")
    assert google.outputs()["email"] == f"pipeline@{PROJECT}.iam.gserviceaccount.com"
    assert google.outputs()["member"] == f"serviceAccount:pipeline@{PROJECT}.iam.gserviceaccount.com"


def test_a_change_is_previewed_with_all_that_stays(google: Google) -> None:
    """Whoever is told another endpoint in a preview would be shown as changing, too."""
    dns = {"controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"allowExternalTraffic": True}}}
    cluster(google, **dns)
    _, given, before = google.state["cluster"]
    previewed = google.preview_change(kinds.CLUSTER, "cluster", **{**given, "resourceLabels": {"team": "platform"}})
    assert previewed["controlPlaneEndpointsConfig"] == before["controlPlaneEndpointsConfig"]
    assert previewed["effectiveLabels"]["team"] == "platform"
    assert {name: value for name, value in previewed.items() if value != before.get(name)}.keys() == {
        "effectiveLabels",
        "pulumiLabels",
        "resourceLabels",
    }
    with cloud.world() as world:
        assert "resourceLabels" not in next(iter(world.of(kinds.CLUSTER).values())).inputs


def test_a_clusters_api_server_is_the_local_clusters(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kubeconfig = tmp_path / "vision-week" / "kubeconfig"
    kubeconfig.parent.mkdir()
    local = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}
    kubeconfig.write_text(json.dumps({"clusters": [{"name": "local", "cluster": local}]}))
    dns = {"dnsEndpointConfig": {"allowExternalTraffic": True}}
    cluster(google, controlPlaneEndpointsConfig=dns)
    found = google.outputs("cluster")
    expected = {"allowExternalTraffic": True, "endpoint": "127.0.0.1:6443"}
    assert found["controlPlaneEndpointsConfig"]["dnsEndpointConfig"] == expected
    assert found["masterAuth"]["clusterCaCertificate"] == "Q0E="
    assert found["endpoint"] == "127.0.0.1"


def test_labels_are_told_with_pulumis_own(google: Google) -> None:
    with cloud.world() as world:
        world.projects[PROJECT].apis.append("pubsub")
    google.make(kinds.TOPIC, name="notices", labels={"part-of": "it"})
    assert google.outputs()["effectiveLabels"] == {"part-of": "it", "goog-pulumi-provisioned": "true"}


def test_what_is_made_anew_is_another(google: Google) -> None:
    google.make(kinds.ACCOUNT, accountId="pipeline")
    first = google.outputs()["uniqueId"]
    google.remove(kinds.ACCOUNT)
    google.make(kinds.ACCOUNT, accountId="pipeline")
    assert google.outputs()["uniqueId"] != first


def test_a_preview_makes_nothing_and_knows_nothing_of_what_is_computed(google: Google) -> None:
    found = google.preview(kinds.ACCOUNT, accountId="pipeline")
    assert found["email"] is UNKNOWN
    assert found["project"] == PROJECT
    with cloud.world() as world:
        assert not world.of(kinds.ACCOUNT)


def test_a_secret_given_stays_one_in_the_state(google: Google) -> None:
    google.make(kinds.ZONE, name="zone", dnsName=Secret("a.example."))
    assert google.outputs()["dnsName"] == Secret("a.example.")
    found = google.read(kinds.ZONE)
    assert found is not None
    assert found.inputs["dnsName"] == Secret("a.example.")


# --- what is refused before anything is looked at


def test_a_project_that_is_not_there_is_refused(google: Google) -> None:
    refused(lambda: google.make(kinds.NETWORK, project="another-project"), "another-project", "there is a-project")


def test_an_api_must_be_enabled_first(google: Google) -> None:
    refused(lambda: google.make(kinds.TOPIC, name="notices"), "pubsub.googleapis.com", "disabled")
    google.make(kinds.SERVICE, "pubsub", project=PROJECT, service="pubsub.googleapis.com")
    google.make(kinds.TOPIC, name="notices")


def test_the_caller_needs_the_role(google: Google) -> None:
    with cloud.world() as world:
        world.projects[PROJECT].roles = ["compute.securityAdmin"]
    refused(lambda: google.make(kinds.NETWORK), "roles/compute.networkAdmin")
    with cloud.world() as world:
        world.projects[PROJECT].roles = ["compute.networkAdmin"]
    google.make(kinds.NETWORK)


def test_who_may_only_look_sees_what_is_there_and_changes_nothing(google: Google) -> None:
    google.make(kinds.NETWORK, name="network")
    with cloud.world() as world:
        world.projects[PROJECT].roles = ["viewer"]
    assert google.read(kinds.NETWORK)
    refused(lambda: google.change(kinds.NETWORK, name="network", routingMode="GLOBAL"), "no permission")
    refused(lambda: google.remove(kinds.NETWORK), "no permission")


def test_a_region_must_be_one_of_googles(google: Google) -> None:
    google.make(kinds.NETWORK, "network", name="network")
    nowhere = {"network": google.state["network"][0], "region": "europe-west7"}
    refused(lambda: google.make(kinds.ROUTER, **nowhere), "europe-west7 is no region")
    refused(lambda: cluster(google, nodeLocations=["europe-west1-a"]), "europe-west1-a is no zone")


# --- what depends on what is there


def test_a_name_is_taken_once(google: Google) -> None:
    google.make(kinds.NETWORK, name="network")
    refused(lambda: Google().make(kinds.NETWORK, name="network"), "409", "already exists")


def test_a_bucket_is_one_in_all_of_google_cloud(google: Google) -> None:
    with cloud.world() as world:
        world.add_project("another-project", 2)
    google.make(kinds.BUCKET, name="uploads", location=REGION, project="another-project")
    refused(lambda: google.make(kinds.BUCKET, name="uploads", location=REGION), "in all of Google Cloud")


def test_of_two_who_make_the_same_one_succeeds() -> None:
    def make(number: int) -> bool:
        try:
            Google().make(kinds.NETWORK, f"network-{number}", name="network")
        except Failed:
            return False
        return True

    with ThreadPoolExecutor() as threads:
        assert sum(threads.map(make, range(8))) == 1


@pytest.mark.parametrize(("token", "location"), [(kinds.BUCKET, "EU"), (kinds.KEY_RING, "global")])
def test_some_places_are_larger_than_a_region(google: Google, token: str, location: str) -> None:
    google.make(token, name="it-is-larger", location=location)


def test_a_providers_region_must_be_one(google: Google) -> None:
    google.plugin.configure({"project": PROJECT, "region": "europe-west7"})
    refused(lambda: google.make(kinds.NETWORK), "europe-west7 is no region")


def test_nobody_else_changes_the_cloud_meanwhile(place: Path) -> None:
    """Not by another program's plugin either: the lock is a file's."""
    with cloud.world(), (place / "lock").open() as another, pytest.raises(BlockingIOError):
        fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_is_referred_to_must_be_there(google: Google) -> None:
    network = f"projects/{PROJECT}/global/networks/nowhere"
    refused(lambda: google.make(kinds.ROUTER, name="router", network=network), "404", "network")
    refused(lambda: google.make(NAT, router="nowhere", sourceSubnetworkIpRangesToNat="LIST_OF_SUBNETWORKS"), "404")


def test_ranges_of_one_network_do_not_overlap(google: Google) -> None:
    pods = [{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}]
    subnet(google, "nodes", "10.0.0.0/20", secondaryIpRanges=pods)
    refused(lambda: subnet(google, "more", "10.0.8.0/24"), "10.0.8.0/24", "overlaps 10.0.0.0/20")
    refused(lambda: subnet(google, "more", "10.5.0.0/24"), "overlaps 10.4.0.0/14")
    refused(lambda: subnet(google, "more", "10.9.0.0/30"), "smaller than /29")
    within = [{"rangeName": "pods", "ipCidrRange": "10.8.0.0/28"}]
    refused(lambda: subnet(google, "more", "10.8.0.0/24", secondaryIpRanges=within), "overlaps")
    subnet(google, "more", "10.8.0.0/24")


def test_the_same_range_in_another_network_is_no_overlap(google: Google) -> None:
    subnet(google, "nodes", "10.0.0.0/20")
    other = google.make(kinds.NETWORK, "other", name="other")
    google.make(kinds.SUBNETWORK, "same", name="same", network=other, ipCidrRange="10.0.0.0/20")


def test_pods_get_addresses_of_a_range_that_the_subnet_has(google: Google) -> None:
    refused(
        lambda: cluster(google, ipAllocationPolicy={"clusterSecondaryRangeName": "pods"}), "no secondary range pods"
    )


def test_who_encrypts_must_be_let_to_the_key_before(google: Google) -> None:
    encryption = {"defaultKmsKeyName": key(google)}
    bucket = {"name": "backups", "location": REGION, "encryption": encryption}
    refused(lambda: google.make(kinds.BUCKET, **bucket), "permission denied", "gs-project-accounts")
    google.make(
        kinds.KEY_MEMBER,
        "grant",
        cryptoKeyId=encryption["defaultKmsKeyName"],
        role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
        member=f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
    )
    google.make(kinds.BUCKET, **bucket)


def test_googles_own_account_is_there_when_it_was_asked_for(google: Google) -> None:
    grant = {
        "cryptoKeyId": key(google),
        "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "member": f"serviceAccount:service-{NUMBER}@gcp-sa-secretmanager.iam.gserviceaccount.com",
    }
    refused(lambda: google.make(kinds.KEY_MEMBER, **grant), "does not exist")
    asked = {"project": PROJECT, "service": "secretmanager.googleapis.com"}
    refused(lambda: google.make(kinds.SERVICE_IDENTITY, **asked), "not enabled")
    google.make(kinds.SERVICE, "secretmanager", **asked)
    google.make(kinds.SERVICE_IDENTITY, "agent", **asked)
    google.make(kinds.KEY_MEMBER, **grant)


def test_a_pod_is_somebody_once_there_is_a_cluster_with_identities(google: Google) -> None:
    google.make(kinds.BUCKET, "bucket", name="uploads", location=REGION)
    pool = f"{PROJECT}.svc.id.goog"
    where = f"projects/{NUMBER}/locations/global/workloadIdentityPools/{pool}"
    pod = f"principal://iam.googleapis.com/{where}/subject/ns/app/sa/app"
    right = {"bucket": "uploads", "role": "roles/storage.objectUser", "member": pod}
    refused(lambda: google.make(BUCKET_MEMBER, **right), f"{pool} does not exist")
    cluster(google, workloadIdentityConfig={"workloadPool": pool})
    google.make(BUCKET_MEMBER, **right)


# --- what can't go


def test_a_network_stays_while_a_subnet_uses_it(google: Google) -> None:
    subnet(google, "nodes", "10.0.0.0/20")
    refused(lambda: google.remove(kinds.NETWORK, "network"), "already being used by", "subnetworks/nodes")
    google.remove(kinds.SUBNETWORK, "nodes")
    google.remove(kinds.NETWORK, "network")


def test_a_zone_stays_while_it_has_records(google: Google) -> None:
    google.make(kinds.ZONE, "zone", name="zone", dnsName="a.example.")
    google.make(kinds.RECORDS, "records", managedZone="zone", name="b.a.example.", type="A", rrdatas=["192.0.2.1"])
    refused(lambda: google.remove(kinds.ZONE, "zone"), "already being used by")
    google.change(kinds.ZONE, "zone", name="zone", dnsName="a.example.", forceDestroy=True)
    google.remove(kinds.ZONE, "zone")


@pytest.mark.parametrize("said", [{}, {"deletionProtection": True}])
def test_a_cluster_is_protected_until_it_is_said_otherwise(google: Google, said: Mapping[str, bool]) -> None:
    cluster(google, **said)
    refused(lambda: google.remove(kinds.CLUSTER, "cluster"), "deletion_protection")
    _, given, _ = google.state["cluster"]
    google.change(kinds.CLUSTER, "cluster", **{**given, "deletionProtection": False})
    google.remove(kinds.CLUSTER, "cluster")


@pytest.fixture
def storage_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Client]:
    """Google's own library, and another program that answers it (fake-gcs-server)."""
    with serving(tmp_path / "buckets", monkeypatch):
        yield storage.Client(project=PROJECT)


def test_what_is_put_into_a_bucket_is_in_it(google: Google, storage_client: storage.Client) -> None:
    google.make(kinds.BUCKET, name="uploads", location=REGION, versioning={"enabled": True})
    storage_client.bucket("uploads").blob("a-file").upload_from_string("its content")
    assert storage_client.bucket("uploads").blob("a-file").download_as_bytes() == b"its content"


def test_a_bucket_goes_when_it_is_empty_or_may_be_emptied(google: Google, storage_client: storage.Client) -> None:
    given = {"name": "uploads", "location": REGION, "versioning": {"enabled": True}}
    google.make(kinds.BUCKET, **given)
    blob = storage_client.bucket("uploads").blob("a file/of a folder")
    for content in ("before", "after"):
        blob.upload_from_string(content)
    refused(lambda: google.remove(kinds.BUCKET), "not empty")
    google.change(kinds.BUCKET, **given, forceDestroy=True)
    google.remove(kinds.BUCKET)
    assert google.read(kinds.BUCKET) is None
    assert not storage_client.bucket("uploads").exists()
    google.make(kinds.BUCKET, "again", **given)
    assert not list(storage_client.list_blobs("uploads", versions=True))


def test_nobody_empties_a_bucket_whose_retention_is_locked(google: Google, storage_client: storage.Client) -> None:
    locked = {"isLocked": True, "retentionPeriod": "86400"}
    google.make(kinds.BUCKET, name="evidence", location=REGION, forceDestroy=True, retentionPolicy=locked)
    storage_client.bucket("evidence").blob("a-record").upload_from_string("what was done")
    refused(lambda: google.remove(kinds.BUCKET), "locked")


def test_no_other_machine_is_asked_for_buckets(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "https://storage.googleapis.com")
    with pytest.raises(Failed, match="which is not this machine"):
        google.make(kinds.BUCKET, name="uploads", location=REGION)
    with cloud.world() as world:
        assert not world.of(kinds.BUCKET)


def test_what_the_program_says_must_not_be_destroyed_is_not(google: Google) -> None:
    google.make(kinds.NETWORK, name="network", deletionPolicy="PREVENT")
    refused(lambda: google.remove(kinds.NETWORK), "PREVENT")
    google.change(kinds.NETWORK, name="network", deletionPolicy="ABANDON")
    google.remove(kinds.NETWORK)
    assert google.read(kinds.NETWORK) is not None


def test_a_key_ring_and_its_keys_stay_with_their_names(google: Google) -> None:
    key(google)
    google.remove(kinds.KEY, "key")
    google.remove(kinds.KEY_RING, "ring")
    refused(lambda: Google().make(kinds.KEY_RING, name="ring", location=REGION), "already exists")


def test_a_pool_of_identities_has_its_name_once(google: Google) -> None:
    google.make(IDENTITIES, workloadIdentityPoolId="pipeline")
    google.remove(IDENTITIES)
    refused(lambda: google.make(IDENTITIES, workloadIdentityPoolId="pipeline"), "can't be used again")


def test_a_cluster_takes_its_pools_along(google: Google) -> None:
    made = cluster(google, deletionProtection=False)
    google.make(kinds.NODE_POOL, "pool", name="apps", cluster=made)
    google.remove(kinds.CLUSTER, "cluster")
    assert google.read(kinds.NODE_POOL, "pool") is None


# --- in place, or anew


def test_a_part_of_the_id_makes_a_new_one_after_the_old_one_is_gone(google: Google) -> None:
    google.make(kinds.BUCKET, name="uploads", location=REGION)
    found = google.diff(kinds.BUCKET, name="uploads", location="europe-west4")
    assert found.replaces
    assert found.delete_before_replace
    assert google.diff(kinds.BUCKET, name="others", location=REGION).delete_before_replace is False


def test_what_is_documented_as_fixed_makes_a_new_one(google: Google) -> None:
    made = key(google)
    ring = google.state["ring"][0]
    assert made == f"{ring}/cryptoKeys/key"
    assert google.diff(kinds.KEY, "key", name="key", keyRing=ring, purpose="ASYMMETRIC_SIGN").replaces
    changed = google.diff(kinds.KEY, "key", name="key", keyRing=ring, rotationPeriod="86400s")
    assert changed.changes
    assert not changed.replaces


def test_a_part_that_is_fixed_makes_a_new_one_also_when_all_around_it_comes_or_goes(google: Google) -> None:
    made = cluster(google)
    google.make(kinds.NODE_POOL, "pool", cluster=made, nodeConfig={"machineType": "e2-standard-4"})
    machine = {"machineType": "n2-standard-4"}
    assert not google.diff(kinds.NODE_POOL, "pool", cluster=made, nodeConfig=machine).replaces
    assert google.diff(kinds.NODE_POOL, "pool", cluster=made, nodeConfig={**machine, "spot": True}).replaces
    assert not google.diff(kinds.NODE_POOL, "pool", cluster=made).replaces
    google.make(kinds.NODE_POOL, "spot", name="spot", cluster=made, nodeConfig={"spot": True})
    assert google.diff(kinds.NODE_POOL, "spot", name="spot", cluster=made).replaces


def test_a_locked_retention_grows_and_never_shrinks(google: Google) -> None:
    def kept(seconds: int) -> Values:
        retention = {"isLocked": True, "retentionPeriod": str(seconds)}
        return {"name": "evidence", "location": REGION, "retentionPolicy": retention}

    google.make(kinds.BUCKET, **kept(86400))
    google.change(kinds.BUCKET, **kept(172800))
    refused(lambda: google.change(kinds.BUCKET, **kept(86400)), "can't be shortened or removed")
    refused(lambda: google.change(kinds.BUCKET, name="evidence", location=REGION), "can't be shortened or removed")


def test_a_new_pool_with_a_name_made_up_comes_before_the_old_one_goes(google: Google) -> None:
    made = cluster(google)
    google.make(kinds.NODE_POOL, "pool", cluster=made, initialNodeCount=1)
    found = google.diff(kinds.NODE_POOL, "pool", cluster=made, initialNodeCount=2)
    assert found.replaces
    assert not found.delete_before_replace


def test_a_range_grows_in_place_and_shrinks_by_a_new_subnet(google: Google) -> None:
    subnet(google, "nodes", "10.0.0.0/20")
    given = {"name": "nodes", "network": google.state["network"][0]}
    assert not google.diff(kinds.SUBNETWORK, "nodes", **given, ipCidrRange="10.0.0.0/19").replaces
    assert google.diff(kinds.SUBNETWORK, "nodes", **given, ipCidrRange="10.0.0.0/21").replaces


def test_a_change_in_place_keeps_what_it_is_known_by(google: Google) -> None:
    google.make(kinds.ACCOUNT, accountId="pipeline")
    before = google.outputs()
    after = google.change(kinds.ACCOUNT, accountId="pipeline", displayName="The pipeline")
    assert after["displayName"] == "The pipeline"
    assert after["uniqueId"] == before["uniqueId"]


# --- the cloud and the state


def test_what_somebody_removed_is_gone_on_a_refresh(google: Google) -> None:
    google.make(kinds.NETWORK, name="network")
    with cloud.world() as world:
        world.remove(kinds.NETWORK, f"projects/{PROJECT}/global/networks/network")
    assert google.read(kinds.NETWORK) is None
    refused(lambda: google.change(kinds.NETWORK, name="network", routingMode="GLOBAL"), "404")


def test_what_somebody_changed_is_seen_on_a_refresh(google: Google) -> None:
    google.make(kinds.NETWORK, name="network", routingMode="REGIONAL")
    with cloud.world() as world:
        world.things[kinds.NETWORK][f"projects/{PROJECT}/global/networks/network"].inputs["routingMode"] = "GLOBAL"
    found = google.read(kinds.NETWORK)
    assert found is not None
    assert found.inputs["routingMode"] == "GLOBAL"


def test_a_resource_is_imported_by_its_id(google: Google) -> None:
    made = google.make(kinds.NETWORK, name="network", routingMode="REGIONAL")
    found = google.plugin.read(Read(_resource(kinds.NETWORK, "it"), made, {}, {}, 0))
    assert found is not None
    assert found.inputs == {"name": "network", "routingMode": "REGIONAL", "project": PROJECT}
    google.state["it"] = (made, dict(found.inputs), dict(found.outputs))
    assert not google.diff(kinds.NETWORK, name="network", routingMode="REGIONAL").changes
    assert google.diff(kinds.NETWORK, name="network", project="another-project").replaces


def test_where_a_resource_is_may_be_said_later(google: Google) -> None:
    google.make(kinds.NETWORK, name="network")
    assert not google.diff(kinds.NETWORK, name="network", project=PROJECT).changes


def test_the_state_of_another_plugin_is_left_alone(google: Google) -> None:
    """DECISIONS: stand-ins. It may be the official one's, and describe what is really in Google Cloud."""
    made = google.make(kinds.NETWORK, name="network")
    for action in (google.remove, google.read):
        google.state["it"] = (made, {"name": "network"}, {"name": "network"})
        with pytest.raises(Failed, match="was not written by the local gcp plugin"):
            action(kinds.NETWORK)


def test_a_cloud_that_cannot_be_read_is_told(google: Google, place: Path) -> None:
    (place / "cloud.json").write_text("{")
    with pytest.raises(Failed, match="is the simulated Google Cloud, can't be read"):
        google.make(kinds.NETWORK)


def test_only_its_owner_reads_the_cloud(google: Google, place: Path) -> None:
    google.make(kinds.NETWORK)
    assert (place / "cloud.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "setting", ["credentials", "accessToken", "impersonateServiceAccount", "computeCustomEndpoint"]
)
def test_nothing_that_leads_to_the_real_google_cloud_is_taken(google: Google, setting: str) -> None:
    resource = _resource("pulumi:providers:gcp", "google")
    with pytest.raises(Refused, match="never asks the real one"):
        google.plugin.check_config(Check(resource, {}, {"project": PROJECT, setting: "something"}, b"", None))


def test_what_another_project_has_under_the_same_name_holds_nothing() -> None:
    """Staging's records kept production's zone from going."""
    zone, records = "gcp:dns/managedZone:ManagedZone", "gcp:dns/recordSet:RecordSet"
    there = cloud.World({})
    for project in ("one", "two"):
        there.add(zone, f"projects/{project}/managedZones/private", {}, there.number(), [])
    there.add(records, "projects/two/managedZones/private/rrsets/a./A", {"managedZone": "private"}, there.number(), [])
    refusals.removing(there, zone, "projects/one/managedZones/private", {})
    with pytest.raises(refusals.Refusal, match="is already being used by"):
        refusals.removing(there, zone, "projects/two/managedZones/private", {})
