"""Where the state of a stack on Google Cloud is kept, on mocks: what Google itself says to it is not known here."""

import re
import runpy
from typing import Any
from unittest.mock import ANY

import pulumi
import pytest

from tests.unit.recording import CHECKOUT, Recording, record

CONFIG = {
    "vision-week-state:project": "a-project",
    "vision-week-state:project_number": 1,
    "vision-week-state:region": "europe-west1",
    "vision-week-state:repository": "an-owner/a-repository",
    "vision-week-state:repository_id": 2,
    "vision-week-state:environment": "production",
    "vision-week-state:break_glass": "group:operators@vision-week.example",
    "vision-week-state:readers": ["group:developers@vision-week.example"],
    "vision-week-state:auditors": ["group:auditors@vision-week.example"],
}


def run(**changes: Any) -> Recording:
    config = {**CONFIG, **{f"vision-week-state:{key}": value for key, value in changes.items()}}
    return record(lambda: runpy.run_path(str(CHECKOUT / "bootstrap" / "state" / "__main__.py")), config=config)


@pytest.fixture(scope="module")
def made() -> Recording:
    return run()


def rights_on(made: Recording, what: str) -> set[tuple[str, str]]:
    """Who has which role on a bucket or a key, by name."""
    return {
        (one.inputs["member"].partition("@")[0], one.inputs["role"])
        for one in made.made
        if "member" in one.inputs and what in (one.inputs.get("bucket"), one.inputs.get("cryptoKeyId"))
    }


def test_only_the_pipeline_and_the_group_for_emergencies_may_write(made: Recording) -> None:
    assert rights_on(made, "a-project-state") == {
        ("serviceAccount:pipeline", "roles/storage.objectUser"),
        ("group:operators", "roles/storage.objectUser"),
        ("serviceAccount:preview", "roles/storage.objectViewer"),
        ("serviceAccount:nightly", "roles/storage.objectViewer"),
        ("group:developers", "roles/storage.objectViewer"),
    }


def test_who_only_reads_can_decrypt_secrets_and_encrypt_none(made: Recording) -> None:
    assert rights_on(made, "secrets-id") == {
        ("serviceAccount:pipeline", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
        ("group:operators", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
        ("serviceAccount:preview", "roles/cloudkms.cryptoKeyDecrypter"),
        ("serviceAccount:nightly", "roles/cloudkms.cryptoKeyDecrypter"),
        ("group:developers", "roles/cloudkms.cryptoKeyDecrypter"),
    }


def test_nobody_but_owners_has_what_google_gives_in_every_new_bucket(made: Recording) -> None:
    roles = ("legacyObjectReader", "legacyObjectOwner", "legacyBucketOwner")
    given = {(one.inputs["bucket"], one.inputs["role"]): one.inputs["members"] for one in made.of("BucketIAMBinding")}
    assert given == {
        (f"a-project-{bucket}", f"roles/storage.{role}"): ["projectOwner:a-project"]
        for bucket in ("state", "evidence")
        for role in roles
    }


# --- the pipeline


def test_an_account_is_for_the_runs_of_one_repository_in_one_environment(made: Recording) -> None:
    """DECISIONS: pull requests. A run of the preview's environment can't be the account that changes the stack."""
    subjects = {
        one.name: one.inputs["member"].partition("/subject/")[2]
        for one in made.of("IAMMember")
        if one.inputs["role"] == "roles/iam.workloadIdentityUser"
    }
    assert subjects == {
        "pipeline": "repo:an-owner/a-repository:environment:production",
        "preview": "repo:an-owner/a-repository:environment:production-preview",
        "nightly": "repo:an-owner/a-repository:environment:production-nightly",
    }
    provider = made.one("WorkloadIdentityPoolProvider", "github").inputs
    assert provider["attributeCondition"] == "assertion.repository_id == '2'"


def test_there_is_no_key_to_any_account(made: Recording) -> None:
    assert made.of("Account") != []
    assert [one.type for one in made.made if one.type.endswith("serviceAccount/key:Key")] == []


def test_a_preview_only_reads(made: Recording) -> None:
    roles = {one.inputs["role"] for one in made.of("IAMMember") if one.name.startswith("preview-")}
    assert roles == {"roles/viewer", "roles/iam.securityReviewer", "roles/serviceusage.serviceUsageConsumer"}


def test_the_night_reads_what_a_preview_does_and_what_a_refresh_compares(made: Recording) -> None:
    roles = {one.inputs["role"] for one in made.of("IAMMember") if one.name.startswith("nightly-")}
    assert roles == {
        "roles/viewer",
        "roles/iam.securityReviewer",
        "roles/serviceusage.serviceUsageConsumer",
        "roles/secretmanager.secretAccessor",
    }


def test_the_rights_of_the_pipeline_are_those_that_the_docs_list(made: Recording) -> None:
    roles = {one.inputs["role"] for one in made.of("IAMMember") if one.name.startswith("pipeline-")}
    told = (CHECKOUT / "docs" / "google-cloud.md").read_text()
    listed = told.partition("## Permissions")[2].partition("Who only previews")[0]
    assert roles == set(re.findall(r"`(roles/[\w.]+)`", listed))
    assert not roles & {"roles/owner", "roles/editor"}


# --- evidence


def test_evidence_stays_whatever_anybody_may(made: Recording) -> None:
    """DECISIONS: buckets. A year and a quarter, in seconds, and locked."""
    bucket = made.one("Bucket", "evidence").inputs
    assert bucket["retentionPolicy"] == {"isLocked": True, "retentionPeriod": str(457 * 24 * 3600)}
    assert bucket["publicAccessPrevention"] == "enforced"
    assert rights_on(made, "a-project-evidence") == {
        ("serviceAccount:pipeline", "roles/storage.objectCreator"),
        ("serviceAccount:pipeline", "roles/storage.objectViewer"),
        ("group:auditors", "roles/storage.objectViewer"),
    }


def test_only_the_pipeline_signs_and_auditors_can_tell_whether_it_did(made: Recording) -> None:
    key = made.one("CryptoKey", "evidence-signing").inputs
    assert key["purpose"] == "ASYMMETRIC_SIGN"
    assert key["versionTemplate"] == {"algorithm": "EC_SIGN_ED25519"}
    assert rights_on(made, "evidence-signing-id") == {
        ("serviceAccount:pipeline", "roles/cloudkms.signer"),
        ("group:auditors", "roles/cloudkms.publicKeyViewer"),
    }


def test_google_writes_down_who_reads_states_keys_and_secrets(made: Recording) -> None:
    audited = {one.inputs["service"]: one.inputs["auditLogConfigs"] for one in made.of("IAMAuditConfig")}
    assert audited.keys() == {f"{one}.googleapis.com" for one in ("cloudkms", "iam", "secretmanager", "storage")}
    kinds = {frozenset(one["logType"] for one in each) for each in audited.values()}
    assert kinds == {frozenset({"ADMIN_READ", "DATA_READ", "DATA_WRITE"})}


# --- the state


def test_a_damaged_state_can_be_taken_back(made: Recording) -> None:
    """Versioned, softly deleted, never locked: Pulumi writes its own files anew (DECISIONS: buckets)."""
    bucket = made.one("Bucket", "state").inputs
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["softDeletePolicy"]["retentionDurationSeconds"] == 30 * 24 * 3600
    (rule,) = bucket["lifecycleRules"]
    assert rule == {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 90}}
    assert "retentionPolicy" not in bucket


def test_the_bucket_is_closed_to_the_world_and_encrypted_with_a_key_of_its_own(made: Recording) -> None:
    bucket = made.one("Bucket", "state")
    assert bucket.inputs["publicAccessPrevention"] == "enforced"
    assert bucket.inputs["uniformBucketLevelAccess"] is True
    assert bucket.inputs["encryption"] == {"defaultKmsKeyName": "state-id"}
    (grant,) = [one for one in made.of("CryptoKeyIAMMember") if one.inputs["cryptoKeyId"] == "state-id"]
    assert grant.inputs["member"] == "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com"
    assert grant.urn in bucket.depends_on


def test_neither_the_bucket_nor_its_keys_can_be_removed_by_mistake(made: Recording) -> None:
    protected = {f"{one.kind} {one.name}" for one in made.made if one.protect}
    keys = {f"CryptoKey {use}" for use in ("state", "secrets", "evidence", "evidence-signing")}
    assert protected == {"Bucket state", "Bucket evidence", "KeyRing keys", "KeyRing evidence", *keys}


def test_what_a_stack_is_made_with_comes_out(made: Recording) -> None:
    assert made.outputs == {
        "backend": "gs://a-project-state",
        "secrets_provider": "gcpkms://secrets-id",
        "workload_identity_provider": ANY,
        "service_accounts": {
            name: f"serviceAccount:{name}@a-project.iam.gserviceaccount.com"
            for name in ("pipeline", "preview", "nightly")
        },
        "evidence": "gs://a-project-evidence",
        "evidence_key": "gcpkms://evidence-signing-id/cryptoKeyVersions/1",
    }


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(pulumi.RunError) as told:
        run(project="A", break_glass="somebody", reader=[])
    assert str(told.value).splitlines()[1:] == [
        "  vision-week-state:project: must be a Google Cloud project's id: 6 to 30 lower-case letters, digits and "
        "dashes, a letter first",
        "  vision-week-state:break_glass: must be a member as IAM names it, like group:operators@vision-week.example "
        "or serviceAccount:…",
        "  vision-week-state:reader: unknown key",
    ]
