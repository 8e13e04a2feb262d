"""The cluster's certificates and keys, made here at boot.

Four authorities, so that no certificate opens a door it wasn't made for: `cluster` for the API server, its clients and
the kubelets, `etcd` for etcd and its one client, `front-proxy` for requests that the API server passes on to
metrics-server, `google` for what stands in for Google. Images trust the last one, so it is kept where they are, in the
cache, and can sign for no name but Google's. What is there is kept while it is valid; what is missing, expires soon or
has other names is made anew.
"""

import base64
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud import paths
from localcloud.cluster import layout
from localcloud.files import write_private

AUTHORITY_LIFE = timedelta(days=3650)
LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
# Of the authority that isn't the cluster's own.
GOOGLE = "google"
GOOGLES_NAMES = ("googleapis.com",)
# A machine's clock may be put back a little after it was reset; certificates must be valid then, too.
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


def authority(name: str) -> Pair:
    """One of the four authorities."""
    pair = _read(name)
    if pair and _current(x509.load_pem_x509_certificate(pair.certificate)):
        return pair
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"vision-week {name} authority")])
    draft = (
        _draft(subject, subject, key.public_key(), AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if name == GOOGLE:
        permitted = [x509.DNSName(each) for each in GOOGLES_NAMES]
        draft = draft.add_extension(x509.NameConstraints(permitted, excluded_subtrees=None), critical=True)
    return _write(name, draft.sign(key, hashes.SHA256()), key)


def issued(by: str, name: str, *, groups: Sequence[str] = (), names: Sequence[str] = (), file: str = "") -> Pair:
    """A certificate for one program: of a server if it has host names or addresses, of a client in any case.

    by: the authority. name: the common name, for a client its user. groups: the client's groups.
    file: what to keep it under, where the common name doesn't tell it from another.
    """
    issuer = authority(by)
    issuing = x509.load_pem_x509_certificate(issuer.certificate)
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names]) if names else None
    kept = file or name.replace(":", "-")
    pair = _read(kept)
    if pair and _fits(x509.load_pem_x509_certificate(pair.certificate), issuing, subject, alternatives):
        return pair
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
    draft = (
        _draft(subject, issuing.subject, key.public_key(), LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_issuers_identifier(issuing), critical=False)
    )
    if alternatives:
        draft = draft.add_extension(alternatives, critical=False)
    signing = serialization.load_pem_private_key(issuer.key, password=None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)  # noqa: S101  (made above, nothing else is ever in that file)
    return _write(kept, draft.sign(signing, hashes.SHA256()), key)


def service_account_key() -> Pair:
    """The key that signs service accounts' tokens, with its public half in the certificate's place."""
    key_file, public_file = _folder() / "service-accounts.key", _folder() / "service-accounts.pub"
    if not (key_file.exists() and public_file.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(public_file, public)
        write_private(key_file, _pem(key))
    return Pair(certificate=public_file.read_bytes(), key=key_file.read_bytes())


def encryption_key() -> str:
    """The AES-256 key under which Secrets are in etcd. What was written with it can be read with nothing else."""
    file = _folder() / "encryption.key"
    if not file.exists():
        write_private(file, base64.b64encode(secrets.token_bytes(32)))
    return file.read_text()


def _folder(name: str = "") -> Path:
    return paths.cache() / "authorities" if name == GOOGLE else layout.home() / "pki"


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issuers_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Strict clients (Python from 3.13 on) refuse a certificate that doesn't name its issuer's key."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _current(certificate: x509.Certificate) -> bool:
    now = datetime.now(UTC)
    return certificate.not_valid_before_utc <= now and now + RENEW_BEFORE < certificate.not_valid_after_utc


def _fits(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    subject: x509.Name,
    alternatives: x509.SubjectAlternativeName | None,
) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError):
        return False
    try:
        has = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        has = None
    return _current(certificate) and certificate.subject == subject and has == alternatives


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _read(name: str) -> Pair | None:
    certificate, key = _folder(name) / f"{name}.crt", _folder(name) / f"{name}.key"
    if not (certificate.exists() and key.exists()):
        return None
    pair = Pair(certificate=certificate.read_bytes(), key=key.read_bytes())
    try:
        has = x509.load_pem_x509_certificate(pair.certificate).public_key()
        wants = serialization.load_pem_private_key(pair.key, password=None).public_key()
    except ValueError:  # cut short by a machine that stopped
        return None
    return pair if has == wants else None


def _write(name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pair = Pair(certificate=certificate.public_bytes(serialization.Encoding.PEM), key=_pem(key))
    write_private(_folder(name) / f"{name}.key", pair.key)
    write_private(_folder(name) / f"{name}.crt", pair.certificate)
    return pair


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
