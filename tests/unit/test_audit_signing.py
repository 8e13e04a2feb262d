"""A key of Cloud KMS that signs evidence, by a stand-in that answers the one request as Google's reference says."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import google.auth
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError

from operations.audit import signing
from operations.problem import Problem
from tests.unit.answering import answering

VERSION = "projects/a/locations/europe-west1/keyRings/evidence/cryptoKeys/sign/cryptoKeyVersions/1"
KEY = Ed25519PrivateKey.generate()


class StandIn(BaseHTTPRequestHandler):
    """Signs with a key of its own; knows one version."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path == f"/{VERSION}:asymmetricSign"
        told = {"signature": b64encode(KEY.sign(b64decode(asked["data"]))).decode()} if known else {"error": "denied"}
        body = json.dumps(told).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""


@pytest.fixture(autouse=True)
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with answering(StandIn) as address:
        monkeypatch.setattr(signing, "KMS", address)
        monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), "a"))  # type: ignore[no-untyped-call]
        yield


def test_a_key_that_never_leaves_the_cloud_signs() -> None:
    signed = signing.signer(f"gcpkms://{VERSION}")(b"a hash")
    KEY.public_key().verify(signed, b"a hash")


def test_who_may_not_sign_is_told_so() -> None:
    with pytest.raises(Problem) as refused:
        signing.signer("gcpkms://projects/a/another")(b"a hash")
    assert "403" in refused.value.what
    assert "roles/cloudkms.signer" in refused.value.hint


def test_who_is_not_logged_in_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(**_: object) -> None:
        raise DefaultCredentialsError("no credentials")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(google.auth, "default", nobody)
    with pytest.raises(Problem, match="no credentials"):
        signing.signer(f"gcpkms://{VERSION}")
