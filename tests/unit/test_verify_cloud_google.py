"""Claims that Google's APIs answer. Google is simulated: each answer here is one that its reference allows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from operations.delivery.problem import DeliveryError, Exit
from operations.verify_cloud.at_google import _OF_CLUSTER, _OF_POOLS
from operations.verify_cloud.claim import SOMETHING, Needs
from operations.verify_cloud.claims import CLAIMS
from operations.verify_cloud.report import Verdict
from tests.unit.answering import answering
from tests.unit.google_api import Answers
from tests.unit.google_reference import faults
from tests.unit.verifying import SITE, Answering, judged, settings

KEY = "projects/an-empty-project/locations/europe-west1/keyRings/keys/cryptoKeys/disks"
REGISTRY = f"europe-west1-docker.pkg.dev/an-empty-project/{SITE.name}"

CLUSTER = "container clusters describe"
DISKS, SNAPSHOTS = "compute disks describe", "container backup-restore backups"
BUCKETS, POLICY = "storage buckets describe", "container binauthz policy export"
IMAGES, LINES = "artifacts docker images list", "logging read"


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON that has them."""
    made: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, last = path.split(".")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = KEY if value is SOMETHING else value
    return made


# --- the cluster and its pools: field by field


@pytest.mark.parametrize("what", _OF_CLUSTER)
def test_fields_of_the_cluster_are_those_of_google_s_reference(what: str) -> None:
    """One that Google doesn't know is never there, so that what should be false there could not be refuted."""
    assert list(faults("container", "Cluster", nested(_OF_CLUSTER[what][1]))) == []


@pytest.mark.parametrize("what", _OF_POOLS)
def test_fields_of_the_pools_are_those_of_google_s_reference(what: str) -> None:
    assert list(faults("container", "NodePool", nested(_OF_POOLS[what][1]))) == []


def test_a_field_or_a_word_that_google_does_not_know_is_found() -> None:
    unknown = nested({"deletionProtection": False, "releaseChannel.channel": "FAST", "legacyAbac.enabled": "no"})
    found = "\n".join(faults("container", "Cluster", unknown))
    assert "'deletionProtection' was unexpected" in found
    assert "'FAST' is not one of" in found
    assert "'no' is not of type 'boolean'" in found


@pytest.mark.parametrize("what", _OF_CLUSTER)
def test_a_claim_of_the_cluster_is_verified_by_its_fields_and_refuted_by_each_alone(what: str, tmp_path: Path) -> None:
    wanted, ours = _OF_CLUSTER[what][1], settings(tmp_path)
    assert judged(what, Answering(ours, {CLUSTER: nested(wanted)}))[0] == Verdict.VERIFIED
    # Google leaves out what is false.
    short = nested({path: value for path, value in wanted.items() if value})
    assert judged(what, Answering(ours, {CLUSTER: short}))[0] == Verdict.VERIFIED
    for path, value in wanted.items():
        verdict, seen = judged(what, Answering(ours, {CLUSTER: nested({**wanted, path: not value})}))
        assert (verdict, f"{path} of the cluster is" in seen) == (Verdict.REFUTED, True)


@pytest.mark.parametrize("what", _OF_POOLS)
def test_a_claim_of_the_pools_is_of_both(what: str, tmp_path: Path) -> None:
    wanted, ours = _OF_POOLS[what][1], settings(tmp_path)
    good = {"name": "apps", **nested(wanted)}
    assert judged(what, Answering(ours, {CLUSTER: {"nodePools": [good, good]}}))[0] == Verdict.VERIFIED
    assert judged(what, Answering(ours, {CLUSTER: {"nodePools": [good]}}))[0] == Verdict.REFUTED
    for path, value in wanted.items():
        bad = {"name": "data", **nested({**wanted, path: not value})}
        verdict, seen = judged(what, Answering(ours, {CLUSTER: {"nodePools": [good, bad]}}))
        assert (verdict, f"{path} of the pool data" in seen) == (Verdict.REFUTED, True)


# --- the others: what Google says where the claim holds, and what it says where it doesn't

VOLUME = {
    "spec": {
        "csi": {
            "driver": "pd.csi.storage.gke.io",
            "volumeHandle": "projects/an-empty-project/regions/europe-west1/disks/pvc-1",
        }
    }
}
OF_A_ZONE = {
    "spec": {
        "csi": {
            "driver": "pd.csi.storage.gke.io",
            "volumeHandle": "projects/an-empty-project/zones/europe-west1-b/disks/pvc-1",
        }
    }
}
DISK = {
    "name": "pvc-1",
    "type": "https://www.googleapis.com/compute/v1/projects/p/regions/europe-west1/diskTypes/pd-ssd",
    "replicaZones": ["b", "c"],
    "users": ["a node"],
    "diskEncryptionKey": {"kmsKeyName": KEY},
}
CLOSED = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
BUCKET = {
    "name": "a-bucket",
    "iamConfiguration": CLOSED,
    "encryption": {"defaultKmsKeyName": KEY},
    "versioning": {"enabled": True},
}
DENIES = {
    "globalPolicyEvaluationMode": "ENABLE",
    "defaultAdmissionRule": {"evaluationMode": "ALWAYS_DENY", "enforcementMode": "ENFORCED_BLOCK_AND_AUDIT_LOG"},
    "admissionWhitelistPatterns": [{"namePattern": "europe-west1-docker.pkg.dev/an-empty-project/**"}],
}
SNAPSHOT = {"name": f"projects/p/locations/l/backupPlans/{SITE.name}-snapshots/backups/verified", "state": "SUCCEEDED"}
LINE = {"insertId": "1", "textPayload": "a line"}
OWN_LINES, FIRST_LINES = (
    f'{LINES} resource.type="k8s_container" AND resource.labels.namespace_name:"{SITE.name}-" --limit=1 --freshness=2h '
    f"--view=_AllLogs --bucket={bucket}"
    for bucket in (f"{SITE.name}-logs", "_Default")
)


def built(*names: str) -> list[dict[str, Any]]:
    """As `gcloud artifacts docker images list` tells them."""
    return [{"package": f"{REGISTRY}/{name}", "version": "sha256:1"} for name in names]


# Claim -> command -> what it says.
HOLDS: Mapping[str, Mapping[str, Any]] = {
    "Pods' accounts are known": {CLUSTER: {"workloadIdentityConfig": {"workloadPool": "an-empty-project.svc.id.goog"}}},
    "Buckets are closed": {BUCKETS: BUCKET},
    "Our images are built": {IMAGES: built("app", "postgres", "websocket", "another")},
    "Volumes of fast-ssd": {"get pv": [VOLUME], DISKS: DISK},
    "Backup for GKE": {f"{SNAPSHOTS} describe": {**SNAPSHOT, "volumeCount": 7}},
    "Lines of pods": {OWN_LINES: [LINE], FIRST_LINES: []},
    "The policy of images": {POLICY: DENIES},
}
REFERENCE = {
    CLUSTER: ("container", "Cluster"),
    BUCKETS: ("storage", "Bucket"),
    DISKS: ("compute", "Disk"),
    f"{SNAPSHOTS} describe": ("gkebackup", "Backup"),
    OWN_LINES: ("logging", "LogEntry"),
    POLICY: ("binaryauthorization", "Policy"),
}
BROKEN: list[tuple[str, Mapping[str, Any], str]] = [
    ("Pods' accounts are known", {CLUSTER: {}}, "workloadIdentityConfig.workloadPool of the cluster is None"),
    ("Pods' accounts are known", {CLUSTER: {"workloadIdentityConfig": {"workloadPool": "other.svc.id.goog"}}}, "other"),
    ("Buckets are closed", {BUCKETS: {**BUCKET, "versioning": {}}}, "versioning.enabled"),
    ("Buckets are closed", {BUCKETS: {**BUCKET, "encryption": {}}}, "defaultKmsKeyName"),
    (
        "Buckets are closed",
        {BUCKETS: {**BUCKET, "iamConfiguration": {**CLOSED, "publicAccessPrevention": "inherited"}}},
        "publicAccessPrevention of an-empty-project-verify-0000002a-backups is 'inherited'",
    ),
    (
        "Buckets are closed",
        {BUCKETS: {**BUCKET, "iamConfiguration": {"publicAccessPrevention": "enforced"}}},
        "uniformBucketLevelAccess.enabled",
    ),
    # The second of them alone.
    (
        "Buckets are closed",
        {f"{BUCKETS} gs://an-empty-project-uploads": {**BUCKET, "versioning": {}}, BUCKETS: BUCKET},
        "versioning.enabled of an-empty-project-uploads is None",
    ),
    ("Our images are built", {IMAGES: built("app", "websocket")}, f"missing: {REGISTRY}/postgres"),
    ("Our images are built", {IMAGES: []}, f"missing: {REGISTRY}/app, "),
    ("Volumes of fast-ssd", {"get pv": []}, "there are no volumes of disks"),
    ("Volumes of fast-ssd", {"get pv": [OF_A_ZONE]}, "pvc-1 is of a zone"),
    ("Volumes of fast-ssd", {DISKS: {**DISK, "users": []}}, "users"),
    ("Volumes of fast-ssd", {DISKS: {**DISK, "diskEncryptionKey": {}}}, "diskEncryptionKey"),
    ("Volumes of fast-ssd", {DISKS: {**DISK, "type": "…/pd-balanced"}}, "pd-balanced"),
    ("Volumes of fast-ssd", {DISKS: {**DISK, "replicaZones": ["b"]}}, "1 zones"),
    ("Backup for GKE", {f"{SNAPSHOTS} describe": {**SNAPSHOT, "state": "FAILED", "volumeCount": 7}}, "'FAILED'"),
    ("Backup for GKE", {f"{SNAPSHOTS} describe": SNAPSHOT}, "volumeCount of the snapshot is None"),
    ("Lines of pods", {OWN_LINES: []}, f"no line of the stack's pods in the bucket --bucket={SITE.name}-logs"),
    ("Lines of pods", {FIRST_LINES: [LINE]}, "lines are in the project's first bucket, too"),
    ("The policy of images", {POLICY: {**DENIES, "globalPolicyEvaluationMode": "DISABLE"}}, "'DISABLE'"),
    (
        "The policy of images",
        {POLICY: {**DENIES, "admissionWhitelistPatterns": [{"namePattern": "docker.io/*"}]}},
        "admitted are docker.io/*",
    ),
    (
        "The policy of images",
        {POLICY: {**DENIES, "defaultAdmissionRule": {"evaluationMode": "ALWAYS_DENY"}}},
        "enforcementMode",
    ),
    (
        "The policy of images",
        {POLICY: {**DENIES, "clusterAdmissionRules": {"europe-west1.another": {"evaluationMode": "ALWAYS_ALLOW"}}}},
        "clusterAdmissionRules",
    ),
]


@pytest.mark.parametrize("what", HOLDS)
def test_simulated_answers_of_a_good_stack_are_google_s_and_verify_the_claim(what: str, tmp_path: Path) -> None:
    for command, told in HOLDS[what].items():
        if command in REFERENCE:
            for each in told if isinstance(told, list) else [told]:
                assert list(faults(*REFERENCE[command], each)) == []
    verdict, seen = judged(what, Answering(settings(tmp_path), HOLDS[what]))
    assert verdict == Verdict.VERIFIED, seen


@pytest.mark.parametrize(("what", "instead", "seen"), BROKEN)
def test_a_simulated_answer_that_is_another_refutes_the_claim(
    what: str, instead: Mapping[str, Any], seen: str, tmp_path: Path
) -> None:
    for command, told in instead.items():
        if isinstance(told, dict):
            kind = next((kind for start, kind in REFERENCE.items() if command.startswith(start)), None)
            assert kind is None or list(faults(*kind, told)) == []
    found = judged(what, Answering(settings(tmp_path), {**instead, **HOLDS[what], **instead}))
    assert found[0] == Verdict.REFUTED, found
    assert seen in found[1]


def test_a_snapshot_is_taken_once(tmp_path: Path) -> None:
    """Whoever looks again, as a kept stack is looked at, sees the one that is there."""
    asked: list[str] = []

    class Place(Answering):
        def gcloud(self, *words: str) -> Any:
            asked.append(words[3])
            return super().gcloud(*words)

    claim, there = "Backup for GKE", {f"{SNAPSHOTS} list": [SNAPSHOT]}
    assert judged(claim, Place(settings(tmp_path), HOLDS[claim]))[0] == Verdict.VERIFIED
    assert judged(claim, Place(settings(tmp_path), {**HOLDS[claim], **there}))[0] == Verdict.VERIFIED
    assert asked == ["list", "create", "describe", "list", "describe"]


def occurrence(name: str, status: str) -> dict[str, Any]:
    return {
        "resourceUri": f"https://{REGISTRY}/{name}@sha256:1",
        "kind": "DISCOVERY",
        "discovery": {"analysisStatus": status},
    }


@pytest.mark.parametrize(
    ("statuses", "verdict", "seen"),
    [
        (("FINISHED_SUCCESS", "FINISHED_SUCCESS", "COMPLETE"), Verdict.VERIFIED, "all three of ours"),
        (("FINISHED_SUCCESS", "SCANNING", "FINISHED_SUCCESS"), Verdict.REFUTED, "not scanned: postgres"),
        (("FINISHED_FAILED",), Verdict.REFUTED, "not scanned: app, postgres, websocket"),
        ((), Verdict.REFUTED, "not scanned: app, postgres, websocket"),
    ],
)
def test_images_that_a_simulated_scanner_has_or_has_not_looked_at(
    statuses: tuple[str, ...], verdict: Verdict, seen: str, tmp_path: Path
) -> None:
    names = ("app", "postgres", "websocket")
    answer = {"occurrences": [occurrence(*each) for each in zip(names, statuses, strict=False)]} if statuses else {}
    assert list(faults("containeranalysis", "ListOccurrencesResponse", answer)) == []

    class Scanner(Answers):
        asked = []  # noqa: RUF012  as the class has it
        instead = {}  # noqa: RUF012

        def _usual(self) -> tuple[int, Any]:
            found = (200, answer) if self.path.startswith("/v1/projects/an-empty-project/occurrences?filter=") else None
            return found or (404, {})

    with answering(Scanner) as address:
        place = Answering(settings(tmp_path), google=address)
        assert judged("Images are scanned", place) == (verdict, seen)


def test_every_claim_of_google_s_is_looked_at_here() -> None:
    here = {*HOLDS, *_OF_CLUSTER, *_OF_POOLS, "Images are scanned"}
    unseen = [each.what for each in CLAIMS if each.needs == Needs.GOOGLE and not each.what.startswith(tuple(here))]
    assert unseen == []


def test_what_gives_no_answer_is_neither_verified_nor_refuted(tmp_path: Path) -> None:
    claim, ours = "Nodes are private", settings(tmp_path)
    refused = DeliveryError("`gcloud` fails: 403", "mend it", Exit.BROKEN)
    assert judged(claim, Answering(ours, {CLUSTER: refused})) == (Verdict.NO_ANSWER, "`gcloud` fails: 403")
    verdict, seen = judged(claim, Answering(ours, {CLUSTER: {}}))
    assert (verdict, seen) == (Verdict.NO_ANSWER, "the answer can't be read: KeyError: 'nodePools'")


def slices(*addresses: str) -> dict[str, Any]:
    return {"get endpointslices": [{"endpoints": [{"addresses": list(addresses)}]}]}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (slices("10.30.0.2"), (Verdict.VERIFIED, "pods find it at 10.30.0.2")),
        (slices("10.30.0.2", "10.10.0.9"), (Verdict.REFUTED, "pods find it at 10.10.0.9, outside of 10.30.0.0/28")),
        ({"get endpointslices": []}, (Verdict.REFUTED, "the Service kubernetes leads nowhere")),
    ],
)
def test_a_simulated_control_plane_is_found_where_policies_let_pods_through_to_or_not(
    tmp_path: Path, said: Mapping[str, Any], found: tuple[Verdict, str]
) -> None:
    assert judged("Pods find the control plane", Answering(settings(tmp_path), said)) == found
