"""The copy of the backups in a project of its own, on mocks: what Google itself says to it is not known here."""

import runpy
from typing import Any

import pulumi
import pytest

from tests.unit.recording import CHECKOUT, Recording, record

DAY = 24 * 3600
CONFIG = {
    "project": "a-copy",
    "project_number": 3,
    "region": "europe-west4",
    "source": "a-project-here-backups",
    "told": "operators@vision-week.example",
}


def run(**changes: Any) -> Recording:
    config = {f"vision-week-backup-copy:{key}": value for key, value in {**CONFIG, **changes}.items()}
    return record(lambda: runpy.run_path(str(CHECKOUT / "bootstrap" / "backups" / "__main__.py")), config=config)


@pytest.fixture(scope="module")
def made() -> Recording:
    return run()


def test_everything_is_in_the_project_of_the_copy(made: Recording) -> None:
    """Nobody of the stack's project has a right here: the copy is fetched."""
    (google,) = [one for one in made.made if one.type == "pulumi:providers:gcp"]
    assert google.inputs["project"] == "a-copy"
    used = {one.provider.rpartition("::")[0] for one in made.made if one.type.startswith("gcp:")}
    assert used == {google.urn}
    members = {one.inputs["member"] for one in made.made if "member" in one.inputs}
    assert members == {
        "serviceAccount:project-3@storage-transfer-service.iam.gserviceaccount.com",
        "serviceAccount:service-3@gs-project-accounts.iam.gserviceaccount.com",
    }


def test_what_is_new_is_fetched_every_hour_and_nothing_is_deleted_on_either_side(made: Recording) -> None:
    """What somebody deletes or spoils where the backups are is still here (DECISIONS: buckets)."""
    job = made.one("TransferJob", "backups").inputs
    assert job["transferSpec"] == {
        "gcsDataSource": {"bucketName": "a-project-here-backups"},
        "gcsDataSink": {"bucketName": "a-copy-backup-copy"},
        "transferOptions": {
            "overwriteWhen": "DIFFERENT",
            "deleteObjectsUniqueInSink": False,
            "deleteObjectsFromSourceAfterTransfer": False,
        },
    }
    assert job["schedule"]["repeatInterval"] == "3600s"


def test_the_first_transfer_waits_until_the_service_may_write(made: Recording) -> None:
    job = made.one("TransferJob", "backups")
    grants = {one.inputs["role"]: one.urn for one in made.of("BucketIAMMember")}
    assert grants.keys() == {"roles/storage.objectUser", "roles/storage.legacyBucketReader"}
    assert job.depends_on >= set(grants.values())


def test_a_copy_goes_when_the_backup_has_gone_and_not_before(made: Recording) -> None:
    """Copies are kept a week longer than the backups of a stack whose settings say nothing of it."""
    bucket = made.one("Bucket", "backup-copy").inputs
    conditions = [rule["condition"] for rule in bucket["lifecycleRules"]]
    assert conditions == [{"daysSinceNoncurrentTime": 30}, {"age": 39}]
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["softDeletePolicy"]["retentionDurationSeconds"] == 30 * DAY


def test_the_copy_is_closed_to_the_world_and_encrypted_with_a_key_of_its_own(made: Recording) -> None:
    bucket = made.one("Bucket", "backup-copy")
    assert bucket.inputs["publicAccessPrevention"] == "enforced"
    assert bucket.inputs["uniformBucketLevelAccess"] is True
    assert bucket.inputs["encryption"] == {"defaultKmsKeyName": "backup-copy-id"}
    assert made.one("CryptoKeyIAMMember", "backup-copy").urn in bucket.depends_on


def test_neither_the_copy_nor_its_key_can_be_removed_by_mistake(made: Recording) -> None:
    protected = {f"{one.kind} {one.name}" for one in made.made if one.protect}
    assert protected == {"Bucket backup-copy", "KeyRing keys", "CryptoKey backup-copy"}


def test_a_copy_that_fails_is_told_to_people(made: Recording) -> None:
    """A backup that fails is an alert."""
    logged = made.one("TransferJob", "backups").inputs["loggingConfig"]
    assert logged == {"logActions": ["FIND", "COPY"], "logActionStates": ["FAILED"]}
    alert = made.one("AlertPolicy", "copy-failed").inputs
    (condition,) = alert["conditions"]
    assert condition["conditionMatchedLog"]["filter"] == 'resource.type="storage_transfer_job" AND severity>=ERROR'
    assert alert["notificationChannels"] == ["operators-id"]
    assert made.one("NotificationChannel", "operators").inputs["labels"] == {"email_address": CONFIG["told"]}


def test_the_name_of_the_copy_comes_out(made: Recording) -> None:
    assert made.outputs == {"bucket": "a-copy-backup-copy"}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(pulumi.RunError) as told:
        run(told="somebody", keep_days=1)
    assert str(told.value).splitlines()[1:] == [
        "  vision-week-backup-copy:told: must be a mail address",
        "  vision-week-backup-copy:keep_days: must be 9 or more",
    ]
