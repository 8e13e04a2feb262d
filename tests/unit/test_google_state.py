"""Where the state of a stack on Google Cloud is kept, on mocks: what Google itself says to it is not known here."""

import runpy
from typing import Any

import pulumi
import pytest

from tests.unit.recording import CHECKOUT, Recording, record

CONFIG = {
    "vision-week-state:project": "a-project",
    "vision-week-state:project_number": 1,
    "vision-week-state:region": "europe-west1",
    "vision-week-state:pipeline": "serviceAccount:pipeline@a-project.iam.gserviceaccount.com",
    "vision-week-state:break_glass": "group:operators@vision-week.example",
    "vision-week-state:readers": ["serviceAccount:preview@a-project.iam.gserviceaccount.com"],
}


def run(**changes: Any) -> Recording:
    config = {**CONFIG, **{f"vision-week-state:{key}": value for key, value in changes.items()}}
    return record(lambda: runpy.run_path(str(CHECKOUT / "bootstrap" / "state" / "__main__.py")), config=config)


@pytest.fixture(scope="module")
def made() -> Recording:
    return run()


def test_only_the_pipeline_and_the_group_for_emergencies_may_write(made: Recording) -> None:
    rights = {(one.inputs["member"].partition("@")[0], one.inputs["role"]) for one in made.of("BucketIAMMember")}
    assert rights == {
        ("serviceAccount:pipeline", "roles/storage.objectUser"),
        ("group:operators", "roles/storage.objectUser"),
        ("serviceAccount:preview", "roles/storage.objectViewer"),
    }


def test_who_only_reads_can_decrypt_secrets_and_encrypt_none(made: Recording) -> None:
    rights = {
        (one.inputs["member"].partition("@")[0], one.inputs["role"])
        for one in made.of("CryptoKeyIAMMember")
        if one.inputs["cryptoKeyId"] == "secrets-id"
    }
    assert rights == {
        ("serviceAccount:pipeline", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
        ("group:operators", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
        ("serviceAccount:preview", "roles/cloudkms.cryptoKeyDecrypter"),
    }


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
    assert protected == {"Bucket state", "KeyRing keys", "CryptoKey state", "CryptoKey secrets"}


def test_what_a_stack_is_made_with_comes_out(made: Recording) -> None:
    assert made.outputs == {"backend": "gs://a-project-state", "secrets_provider": "gcpkms://secrets-id"}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(pulumi.RunError) as told:
        run(project="A", pipeline="somebody", reader=[])
    assert str(told.value).splitlines()[1:] == [
        "  vision-week-state:project: must be a Google Cloud project's id: 6 to 30 lower-case letters, digits and "
        "dashes, a letter first",
        "  vision-week-state:pipeline: must be a member as IAM names it, like group:operators@vision-week.example or "
        "serviceAccount:…",
        "  vision-week-state:reader: unknown key",
    ]
