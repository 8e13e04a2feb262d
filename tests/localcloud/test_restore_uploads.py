"""Uploads brought back from a bucket's versions: of a stand-in for Cloud Storage, another program that answers the same
requests (fake-gcs-server), and not of Google's.

The stand-in knows versions and copies of them; that a copy is refused over what somebody has written meanwhile it
doesn't, and how long versions are kept neither: both are unverified.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage
from typer.testing import CliRunner, Result

from operations.delivery import command
from tests.localcloud.google_storage import serving

BUCKET = "vision-week-production-uploads"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Production's, on this machine."""
    with serving(tmp_path, monkeypatch):
        made = storage.Client(project="vision-week-production").bucket(BUCKET)
        made.versioning_enabled = True
        made.create()
        yield made


def put(bucket: Any, name: str, content: str) -> datetime:
    """When it was there."""
    blob = bucket.blob(name)
    blob.upload_from_string(content)
    blob.reload()
    made: datetime = blob.time_created
    return made


def files(bucket: Any) -> dict[str, str]:
    return {blob.name: blob.download_as_bytes().decode() for blob in bucket.client.list_blobs(bucket)}


def restored(moment: datetime, *words: str) -> Result:
    done = CliRunner().invoke(
        command.app, ["production", "restore-uploads", "--to", moment.isoformat(), *words], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done


def test_uploads_are_as_they_were_and_what_came_later_stays(bucket: Any) -> None:
    put(bucket, "same.png", "same")
    put(bucket, "gone.png", "gone")
    moment = put(bucket, "over.png", "right")
    put(bucket, "over.png", "wrong")
    put(bucket, "newer.png", "newer")
    bucket.blob("gone.png").delete()
    said = restored(moment, "--yes").output
    assert "2 come back (9 bytes), 1 are as they were, 1 came after that and stay" in said
    assert files(bucket) == {"same.png": "same", "gone.png": "gone", "over.png": "right", "newer.png": "newer"}


def test_a_dry_run_changes_nothing(bucket: Any) -> None:
    moment = put(bucket, "gone.png", "gone")
    bucket.blob("gone.png").delete()
    assert "1 come back" in restored(moment, "--dry-run").output
    assert files(bucket) == {}


def test_a_second_run_finds_all_as_it_was_and_the_first_can_be_taken_back(bucket: Any) -> None:
    moment = put(bucket, "over.png", "right")
    wrong = put(bucket, "over.png", "wrong")
    restored(moment, "--yes")
    assert "0 come back" in restored(moment, "--yes").output
    restored(wrong, "--yes")
    assert files(bucket) == {"over.png": "wrong"}
