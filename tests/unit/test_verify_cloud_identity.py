"""What a pod may at Google, as it asks itself: by a real shell and a real curl, which find a simulated metadata server
and a simulated Cloud Storage, by TLS, at Google's addresses. And whether a preview after the update is empty."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from operations.delivery.target import Target
from operations.verify_cloud.report import Verdict
from tests.app.servers import Authority
from tests.unit.answering import answering
from tests.unit.verifying import SITE, Answering, judged, settings

OWN, OTHER = f"{SITE.project}-uploads", f"{SITE.project}-{SITE.name}-backups"
CLAIM = "A pod gets into its own bucket"


class Metadata(BaseHTTPRequestHandler):
    """Gives a token to who asks as a program does."""

    def do_GET(self) -> None:
        asked = self.path == "/computeMetadata/v1/instance/service-accounts/default/token"
        known = asked and self.headers["Metadata-Flavor"] == "Google"
        body = json.dumps({"access_token": "a.pod-s_token", "expires_in": 3599, "token_type": "Bearer"}).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Storage(BaseHTTPRequestHandler):
    """Lets that token into some buckets."""

    admitted: ClassVar[set[str]]

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer a.pod-s_token"
        admitted = {f"/storage/v1/b/{name}/o?maxResults=1" for name in self.admitted}
        self.send_response(401 if not known else 200 if self.path in admitted else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Asking(Answering):
    """A place whose application's pod is a shell of this machine."""

    namespaces: ClassVar[dict[str, str]] = {"app": "app"}

    @property
    def target(self) -> Any:
        return self

    def kubectl(self, *words: str) -> str:
        command = words[words.index("--") + 1 :]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    authority = Authority(tmp_path / "authority", "storage.googleapis.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "tls.crt", authority.folder / "tls.key")
    with answering(Metadata) as metadata, ThreadingHTTPServer(("127.0.0.1", 0), Storage) as storage:
        storage.socket = context.wrap_socket(storage.socket, server_side=True)
        threading.Thread(target=storage.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        (tmp_path / ".curlrc").write_text(
            f'connect-to = "169.254.169.254:80:127.0.0.1:{metadata.rpartition(":")[2]}"\n'
            f'connect-to = "storage.googleapis.com:443:127.0.0.1:{storage.server_port}"\n'
            f'cacert = "{authority.certificate}"\nnoproxy = "*"\n'
        )
        monkeypatch.setenv("CURL_HOME", str(tmp_path))
        yield Asking(settings(tmp_path), {"get pods": [{"metadata": {"name": "app-0"}}]})
        storage.shutdown()


@pytest.mark.parametrize(
    ("admitted", "verdict", "seen"),
    [
        ({OWN}, Verdict.VERIFIED, "its own bucket answers 200, that of backups 403"),
        ({OWN, OTHER}, Verdict.REFUTED, "the bucket of backups answers the application with 200"),
        # Then the other's 403 says nothing.
        (set(), Verdict.NO_ANSWER, "Its own bucket answers 403, so the other's answer says nothing."),
    ],
)
def test_a_pod_that_gets_into_another_s_bucket_is_found(
    place: Asking, monkeypatch: pytest.MonkeyPatch, admitted: set[str], verdict: Verdict, seen: str
) -> None:
    monkeypatch.setattr(Storage, "admitted", admitted, raising=False)
    assert judged(CLAIM, place) == (verdict, seen)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (0, (Verdict.VERIFIED, "a preview after the update is empty")),
        (1, (Verdict.REFUTED, "the preview after the update has changes")),
    ],
)
def test_a_preview_that_has_changes_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, found: tuple[Verdict, str]
) -> None:
    """As a stand-in for `pulumi` says it, which knows that changes are refused; the real one has its say in
    tests/engine/test_verify_cloud.py."""
    (tmp_path / "pulumi").write_text(f'#!/bin/sh\ncase "$*" in *"--expect-no-changes"*) exit {code};; esac\nexit 9\n')
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    ours = settings(tmp_path)

    class Place(Answering):
        target = Target(SITE.name, tmp_path / f"Pulumi.{SITE.name}.yaml", ours)

    assert judged("The second update changes nothing", Place(ours)) == found
