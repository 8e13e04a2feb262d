"""The pipeline's key: a file, or one of Cloud KMS that nobody can take with him."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import google.auth
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from operations.problem import Problem

# Signs some bytes.
Signer = Callable[[bytes], bytes]

CLOUD: Final = "gcpkms://"
KMS = "https://cloudkms.googleapis.com/v1"
_OTHERS: Final = 0o077  # the mode's bits that let somebody else read
_SCOPE: Final = "https://www.googleapis.com/auth/cloudkms"
_SECONDS: Final = 30


def signer(key: str) -> Signer:
    """What signs by a key: a file's path, or `gcpkms://projects/…/cryptoKeyVersions/1`.

    Raises `Problem` where that is no key, or others can read it.
    """
    return _cloud(key.removeprefix(CLOUD)) if key.startswith(CLOUD) else _private(Path(key)).sign


def public(file: Path) -> Ed25519PublicKey:
    """The key that tells whether the other one has signed. Raises `Problem` where that is none."""
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (OSError, ValueError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Problem(f"{file} is no Ed25519 public key.", "docs/audit.md has how to get it")
    return key


def _private(file: Path) -> Ed25519PrivateKey:
    try:
        if file.stat().st_mode & _OTHERS:
            raise Problem(f"{file} can be read by others.", f"chmod 600 {file}, and make a new key if that was long so")
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Problem(
            f"{file} is no Ed25519 private key.", "umask 077; openssl genpkey -algorithm ed25519 -out evidence.key"
        )
    return key


def _cloud(version: str) -> Signer:
    """A version of a key of Cloud KMS, for EC_SIGN_ED25519: what is to be signed goes there, the key stays there."""
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except GoogleAuthError as error:
        raise _refused(version, str(error)) from None
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # the library's own

    def sign(data: bytes) -> bytes:
        asked = {"data": b64encode(data).decode()}
        try:
            answer = session.post(f"{KMS}/{version}:asymmetricSign", json=asked, timeout=_SECONDS)
        except (GoogleAuthError, OSError) as error:
            raise _refused(version, str(error)) from None
        if not answer.ok:
            raise _refused(version, f"{answer.status_code} {answer.text[:300]}")
        told: Any = answer.json()
        return b64decode(told["signature"])

    return sign


def _refused(version: str, why: str) -> Problem:
    return Problem(
        f"{version} signs nothing for whoever is logged in: {why}",
        "run it as the pipeline, which has roles/cloudkms.signer on the key",
    )
