"""History and evidence in a bucket of a stand-in for Cloud Storage (fake-gcs-server), and not of Google's.

That nobody can delete or write over what is there is the retention lock's to see to, which the stand-in hasn't:
unverified.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage
from typer.testing import CliRunner, Result

from operations.audit import buckets
from operations.audit.command import app
from operations.problem import Problem
from tests.localcloud.google_storage import serving
from tests.unit.histories import STACK, add
from tests.unit.test_audit_evidence import key

SINCE = "2026-11-01"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two buckets: of the state, with a history of two deliveries, and of evidence."""
    with serving(tmp_path / "stand-in", monkeypatch):
        made = storage.Client(project="a-project")
        for name in ("state", "evidence"):
            made.bucket(name).create()
        for number in (1, 2):
            add(tmp_path / "history", number, [], message="deploy: {}")
        for file in (tmp_path / "history").iterdir():
            made.bucket("state").blob(f".pulumi/history/vision-week/{STACK}/{file.name}").upload_from_filename(file)
        monkeypatch.setenv("PULUMI_BACKEND_URL", "gs://state")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")
        yield made


def audit(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_evidence_goes_to_a_bucket_and_is_verified_from_there(client: Any, tmp_path: Path) -> None:
    private, public = key(tmp_path, "pipeline")
    where = [STACK, "--evidence", f"gs://evidence/{STACK}"]
    first = audit("record", *where, "--key", private, "--since", SINCE)
    names = [blob.name for blob in client.list_blobs("evidence")]
    assert names == [f"{STACK}/000001.json", f"{STACK}/000002.json"]
    again = audit("record", *where, "--key", private, "--since", SINCE)
    assert again.stdout == first.stdout
    verified = audit("verify", *where, "--public-key", public, "--anchor", first.stdout.strip())
    assert verified.stdout == "2 updates, and each has its evidence.\n"


def test_what_a_scan_has_left_goes_to_the_bucket_once_and_an_altered_file_is_found(client: Any, tmp_path: Path) -> None:
    private, public = key(tmp_path, "pipeline")
    scan = tmp_path / "scan"
    scan.mkdir()
    (scan / "scan.json").write_text(json.dumps({"images": [{"sbom": "app.cdx.json"}]}))
    (scan / "app.cdx.json").write_text("{}")
    where = [STACK, "--evidence", f"gs://evidence/{STACK}"]
    record = ["record", *where, "--key", private, "--since", SINCE, "--scanned", scan]
    assert audit(*record).exit_code == 0
    add(tmp_path / "later", 3, [], message="deploy: {}")
    for file in (tmp_path / "later").iterdir():
        client.bucket("state").blob(f".pulumi/history/vision-week/{STACK}/{file.name}").upload_from_filename(file)
    # The same scan again, with one more update: what it has left is there already.
    assert audit(*record).exit_code == 0
    verify = ["verify", *where, "--public-key", public]
    assert audit(*verify).stdout == "3 updates, and each has its evidence.\n"
    kept = [blob.name for blob in client.list_blobs("evidence", prefix=f"{STACK}/scans/")]
    assert len(kept) == len(list(scan.iterdir()))
    (sbom,) = (name for name in kept if client.bucket("evidence").blob(name).download_as_bytes() == b"{}")
    client.bucket("evidence").blob(sbom).upload_from_string("{ }")
    done = audit(*verify)
    assert done.exit_code == 1
    assert "app.cdx.json, of the scan of its images, was altered" in done.stdout


def test_a_record_that_somebody_else_put_there_meanwhile_is_not_written_over(client: Any, tmp_path: Path) -> None:
    private, _ = key(tmp_path, "pipeline")
    place = f"gs://evidence/{STACK}"
    audit("record", STACK, "--evidence", place, "--key", private, "--since", SINCE)
    there = client.bucket("evidence").blob(f"{STACK}/000002.json")
    before = there.download_as_bytes()
    late = tmp_path / "000002.json"
    late.write_text("another")
    with pytest.raises(Problem, match="Somebody else has written"):
        buckets.keep([late], place)
    assert there.download_as_bytes() == before


@pytest.mark.usefixtures("client")
def test_a_bucket_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(Problem, match="gs://nowhere can't be reached"), buckets.folder("gs://nowhere"):
        pass
