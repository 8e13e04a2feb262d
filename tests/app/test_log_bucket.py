"""Lines in a bucket of Google's: Loki itself, as the platform configures it there, and a stand-in for Cloud Storage.

Drills, because Loki takes long to be built: `make test` does without it. Who may use the bucket is no matter here.
"""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.log_keeping import keeping
from tests.app.test_log_collector import line
from tests.localcloud import google_storage
from tests.waiting import wait_for

pytestmark = pytest.mark.drill

BUCKET = "a-project-vision-week-logs"


class Metadata(BaseHTTPRequestHandler):
    """Stands in for GKE's metadata server: gives whoever asks a token."""

    def do_GET(self) -> None:
        there = self.path.partition("?")[0].endswith("/token")
        body = json.dumps({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200 if there else 404)
        self.send_header("Metadata-Flavor", "Google")
        self.end_headers()
        if there:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Cloud Storage with the bucket, and what tells a pod who it is."""
    metadata = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.server_port}")
    with (
        google_storage.serving(tmp_path / "google", monkeypatch),
        httpx.Client(base_url=os.environ["STORAGE_EMULATOR_HOST"], trust_env=False) as client,
    ):
        client.post("/storage/v1/b?project=a-project", json={"name": BUCKET}).raise_for_status()
        yield client
    metadata.shutdown()
    metadata.server_close()


def objects(google: httpx.Client) -> list[str]:
    return [each["name"] for each in google.get(f"/storage/v1/b/{BUCKET}/o").json().get("items", [])]


def test_a_line_is_found_in_the_bucket_when_all_that_loki_had_itself_is_gone(
    tmp_path: Path, google: httpx.Client
) -> None:
    """S8.3"""
    folder = tmp_path / "node"
    folder.mkdir()
    with keeping(folder, BUCKET) as running:
        written = line(message="in-the-bucket-0001")
        running.write([written])
        running.found("in-the-bucket-0001")
        with running.client() as client:
            client.post("/flush").raise_for_status()
        wait_for(lambda: [name for name in objects(google) if name.startswith("fake/")], "lines in the bucket")
        # What ends as it should brings its index there first.
        running.down("loki", signal.SIGTERM)
        assert [name for name in objects(google) if name.startswith("index/")]
        # Nor can the collector bring it again.
        running.down()
        shutil.rmtree(folder / "loki")
        running.loki_up()
        assert running.found("in-the-bucket-0001").text == written
