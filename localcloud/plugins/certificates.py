"""Keys, requests and certificates, encoded as Go's crypto/x509 does for the official provider.

Basic constraints are always there and critical, a CA always has a subject key identifier, and a certificate names the
key of the one that signed it whenever that one has an identifier.
"""

import base64
import hashlib
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from localcloud.plugins.kinds import Made
from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values

Kind = TypeVar("Kind", bound=x509.ExtensionType)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
_KEY_USES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "cert_signing",
    "crl_signing",
    "encipher_only",
    "decipher_only",
)
_EXTENDED_USES: Final = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec_end_system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec_tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec_user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft_server_gated_crypto": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape_server_gated_crypto": ObjectIdentifier("2.16.840.1.113730.4.1"),
    "microsoft_commercial_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.2.1.22"),
    "microsoft_kernel_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.61.1.1"),
}
# In the order in which Go writes a name.
_NAMES: Final = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


def private_key(algorithm: str, curve: str, bits: int) -> Made:
    """A new key in all the forms that it is wanted in."""
    key: PrivateKey
    if algorithm == "RSA":
        key = rsa.generate_private_key(65537, bits)
    elif algorithm == "ECDSA":
        key = ec.generate_private_key(_CURVES[curve]())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    traditional = pkcs8
    if algorithm != "ED25519":
        traditional = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    described = {
        "privateKeyPem": traditional.decode(),
        "privateKeyPemPkcs8": pkcs8.decode(),
        "privateKeyOpenssh": _private_openssh(key),
        **_public(key),
    }
    return described["id"], described


def public_key(pem: str, openssh: str) -> Values:
    """What is public of a private key, given in PEM or in OpenSSH's own form."""
    if openssh:
        try:
            key = load_ssh_private_key(openssh.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Failed("privateKeyOpenssh is no unencrypted key in OpenSSH's form") from None
        known = _of_known_kind(key)
    else:
        known = _key(pem)
    return {"algorithm": _algorithm(known), **_public(known)}


def request(key_pem: str, inputs: Values) -> Made:
    """A certificate request for the key."""
    key = _key(key_pem)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(inputs))
    if names := _alternative_names(inputs):
        builder = builder.add_extension(names, critical=not inputs.get("subject"))
    made = builder.sign(key, _digest(key))
    identity = hashlib.sha1(made.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest()
    return identity, {
        "id": identity,
        "certRequestPem": made.public_bytes(Encoding.PEM).decode(),
        "keyAlgorithm": _algorithm(key),
    }


def self_signed(key_pem: str, inputs: Values) -> Made:
    """A certificate signed with its own key."""
    key = _key(key_pem)
    name = _name(inputs)
    identifier = _identifier(key.public_key()) if inputs["isCaCertificate"] or inputs["setSubjectKeyId"] else None
    if inputs["setAuthorityKeyId"] and identifier is None:
        raise Failed("setAuthorityKeyId needs setSubjectKeyId: the certificate signs itself")
    issuer = _Issuer(name, key, identifier if inputs["setAuthorityKeyId"] else None)
    made = _certificate(name, _alternative_names(inputs), key.public_key(), inputs, issuer)
    made["keyAlgorithm"] = _algorithm(key)
    return made["id"], made


def signed(ca_key_pem: str, inputs: Values) -> Made:
    """A certificate for a request, signed by an authority."""
    key = _key(ca_key_pem)
    try:
        authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
    except ValueError as error:
        raise Failed(f"caCertPem is no certificate in PEM format: {error}") from None
    try:
        wanted = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
    except ValueError as error:
        raise Failed(f"certRequestPem is no certificate request in PEM format: {error}") from None
    public = cast("PublicKey", wanted.public_key())
    names = _extension(wanted, x509.SubjectAlternativeName)
    issuer = _Issuer(authority.subject, key, _extension(authority, x509.SubjectKeyIdentifier))
    made = _certificate(wanted.subject, names, public, inputs, issuer)
    made["caKeyAlgorithm"] = _algorithm(key)
    return made["id"], made


@dataclass(frozen=True)
class _Issuer:
    name: x509.Name
    key: PrivateKey
    identifier: x509.SubjectKeyIdentifier | None


def _certificate(
    subject: x509.Name, names: x509.SubjectAlternativeName | None, public: PublicKey, inputs: Values, issuer: _Issuer
) -> Values:
    authority = inputs["isCaCertificate"]
    if authority and not list(subject):
        raise Failed("a certificate authority needs a subject with at least one distinguished name")
    start = datetime.now(UTC).replace(microsecond=0)
    end = start + timedelta(hours=inputs["validityPeriodHours"])
    serial = secrets.randbits(128) | 1
    limited = authority and inputs["maxPathLength"] >= 0
    constraints = x509.BasicConstraints(authority, inputs["maxPathLength"] if limited else None)
    builder = x509.CertificateBuilder(issuer.name, subject, public, serial, start, end)
    builder = builder.add_extension(constraints, critical=True)
    if usage := _key_usage(inputs["allowedUses"]):
        builder = builder.add_extension(usage, critical=True)
    extended = [_EXTENDED_USES[use] for use in inputs["allowedUses"] if use in _EXTENDED_USES]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if authority or inputs["setSubjectKeyId"]:
        builder = builder.add_extension(_identifier(public), critical=False)
    if issuer.identifier:
        by_identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.identifier)
        builder = builder.add_extension(by_identifier, critical=False)
    if names:
        builder = builder.add_extension(names, critical=not list(subject))
    made = builder.sign(issuer.key, _digest(issuer.key))
    return {
        "id": str(serial),
        "certPem": made.public_bytes(Encoding.PEM).decode(),
        "readyForRenewal": False,
        "validityStartTime": start.isoformat(),
        "validityEndTime": end.isoformat(),
    }


def _key(pem: str) -> PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Failed("the private key is no unencrypted key in PEM format") from None
    return _of_known_kind(key)


def _of_known_kind(key: object) -> PrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise Failed("the private key is neither RSA nor ECDSA nor Ed25519")
    return key


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def _digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384() if key.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def _private_openssh(key: PrivateKey) -> str:
    """OpenSSH knows no P224: then this is empty, as the official provider leaves it."""
    try:
        return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    except (ValueError, UnsupportedAlgorithm):
        return ""


def _public(key: PrivateKey) -> Values:
    public = key.public_key()
    content = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "id": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "publicKeyPem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        **_openssh(public),
    }


def _openssh(public: PublicKey) -> Values:
    """Empty where OpenSSH doesn't know the curve, like the private key in its form."""
    try:
        line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except (ValueError, UnsupportedAlgorithm):
        return dict.fromkeys(("publicKeyFingerprintMd5", "publicKeyFingerprintSha256", "publicKeyOpenssh"), "")
    content = base64.b64decode(line.split()[1])
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return {
        "publicKeyFingerprintMd5": ":".join(md5[i : i + 2] for i in range(0, len(md5), 2)),
        "publicKeyFingerprintSha256": f"SHA256:{sha256}",
        "publicKeyOpenssh": f"{line.decode()}\n",
    }


def _name(inputs: Values) -> x509.Name:
    given = inputs.get("subject") or {}
    attributes = []
    for name, identifier in _NAMES.items():
        values = given.get(name) or []
        attributes += [
            x509.NameAttribute(identifier, value) for value in (values if isinstance(values, list) else [values])
        ]
    return x509.Name(attributes)


def _alternative_names(inputs: Values) -> x509.SubjectAlternativeName | None:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or ()]
    for address in inputs.get("ipAddresses") or ():
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            raise Failed(f"ipAddresses: {address!r} is no IP address") from None
    names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or ()]
    return x509.SubjectAlternativeName(names) if names else None


def _key_usage(uses: list[str]) -> x509.KeyUsage | None:
    wanted = {use: use in uses for use in _KEY_USES}
    if not any(wanted.values()):
        return None
    if (wanted["encipher_only"] or wanted["decipher_only"]) and not wanted["key_agreement"]:
        raise Failed("allowedUses: encipher_only and decipher_only have no meaning without key_agreement")
    wanted["key_cert_sign"], wanted["crl_sign"] = wanted.pop("cert_signing"), wanted.pop("crl_signing")
    return x509.KeyUsage(**wanted)


def _identifier(public: PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public)


def _extension(of: x509.Certificate | x509.CertificateSigningRequest, kind: type[Kind]) -> Kind | None:
    try:
        return of.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
