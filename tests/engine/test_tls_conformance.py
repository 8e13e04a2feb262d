"""Keys and certificates, as the official plugin documents them.

Each test states one documented behaviour and where it is documented. The plugin under test is the local one, or the one
that CONFORMANCE_TLS_PLUGIN names.
"""

import base64
import datetime
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.engine.project import Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_tls as tls

    def show(name, resource, *outputs):
        pulumi.export(name, {"id": resource.id, **{output: getattr(resource, output) for output in outputs}})

    kinds = {
        "rsa": {"algorithm": "RSA"},
        "ecdsa": {"algorithm": "ECDSA"},
        "p384": {"algorithm": "ECDSA", "ecdsa_curve": "P384"},
        "ed25519": {"algorithm": "ED25519"},
    }
    keys = {name: tls.PrivateKey(name, **kind) for name, kind in kinds.items()}
    for name, key in keys.items():
        show(
            name,
            key,
            "private_key_pem",
            "private_key_pem_pkcs8",
            "private_key_openssh",
            "public_key_pem",
            "public_key_openssh",
            "public_key_fingerprint_md5",
            "public_key_fingerprint_sha256",
        )
    subject = {
        "common_name": "example.com",
        "organization": "Vision Week",
        "organizational_unit": "Operations",
        "street_addresses": ["1 Quay"],
        "locality": "Bergen",
        "province": "Vestland",
        "country": "NO",
        "postal_code": "5003",
        "serial_number": "7",
    }
    authority = tls.SelfSignedCert(
        "authority",
        private_key_pem=keys["p384"].private_key_pem,
        is_ca_certificate=True,
        set_subject_key_id=True,
        set_authority_key_id=True,
        max_path_length=1,
        allowed_uses=["cert_signing", "crl_signing"],
        validity_period_hours=24,
        subject={"common_name": "Authority", "organization": "Vision Week"},
    )
    show("authority", authority, "cert_pem", "key_algorithm", "ready_for_renewal", "validity_start_time")
    request = tls.CertRequest(
        "request",
        private_key_pem=keys["ed25519"].private_key_pem,
        subject=subject,
        dns_names=["vision.local", "localhost"],
        ip_addresses=["127.0.0.1", "::1"],
        uris=["spiffe://vision.local/app"],
    )
    show("request", request, "cert_request_pem", "key_algorithm")
    signed = tls.LocallySignedCert(
        "signed",
        ca_private_key_pem=keys["p384"].private_key_pem,
        ca_cert_pem=authority.cert_pem,
        cert_request_pem=request.cert_request_pem,
        allowed_uses=["digital_signature", "key_encipherment", "server_auth", "client_auth"],
        validity_period_hours=10,
        early_renewal_hours=2,
    )
    dates = ("ready_for_renewal", "validity_start_time", "validity_end_time")
    show("signed", signed, "cert_pem", "ca_key_algorithm", *dates)
    written_only = tls.CertRequest(
        "written_only",
        private_key_pem_wo=keys["rsa"].private_key_pem,
        private_key_pem_wo_version=1,
        subject={"common_name": "written-only"},
    )
    show("written_only", written_only, "cert_request_pem")
    for form in ("pem", "openssh"):
        given = {f"private_key_{form}": getattr(keys["p384"], f"private_key_{form}")}
        found = tls.get_public_key_output(**given)
        pulumi.export(f"public_{form}", [found.algorithm, found.public_key_pem, found.public_key_fingerprint_sha256])
"""


@pytest.fixture(scope="module")
def values(made: Project) -> dict[str, dict[str, Any]]:
    """What the resources are: id and outputs, decrypted."""
    return made.outputs()


def key_of(values: dict[str, Any], name: str) -> Any:
    return load_pem_private_key(values[name]["private_key_pem"].encode(), password=None)


def certificate_of(values: dict[str, Any], name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(values[name]["cert_pem"].encode())


# Keys.


def test_an_rsa_key_has_2048_bits_by_default(values: dict[str, Any]) -> None:
    """`rsaBits`: when `algorithm` is `RSA`, the size of the generated RSA key, in bits (default: 2048).

    https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    """
    key = key_of(values, "rsa")
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048


def test_an_ecdsa_key_is_on_p224_by_default(values: dict[str, Any]) -> None:
    """`ecdsaCurve`: when `algorithm` is `ECDSA`, the name of the elliptic curve to use (default: P224).

    https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    """
    assert key_of(values, "ecdsa").curve.name == "secp224r1"
    assert key_of(values, "p384").curve.name == "secp384r1"


def test_an_ed25519_key_can_be_made(values: dict[str, Any]) -> None:
    """`algorithm`: currently-supported values are RSA, ECDSA, ED25519.

    https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    """
    assert isinstance(key_of(values, "ed25519"), ed25519.Ed25519PrivateKey)


@pytest.mark.parametrize("name", ["rsa", "ecdsa", "p384", "ed25519"])
def test_a_key_is_the_same_in_each_of_its_forms(values: dict[str, Any], name: str) -> None:
    """`privateKeyPem`, `privateKeyPemPkcs8`, `publicKeyPem`: the key data in PEM format, PKCS#8 and public.

    https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    """
    public = values[name]["public_key_pem"]
    for form in ("private_key_pem", "private_key_pem_pkcs8"):
        key: Any = load_pem_private_key(values[name][form].encode(), password=None)
        assert key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() == public


@pytest.mark.parametrize("name", ["rsa", "p384", "ed25519"])
def test_a_key_is_given_to_openssh_too(values: dict[str, Any], name: str) -> None:
    """`privateKeyOpenssh`, `publicKeyOpenssh`, fingerprints as `aa:bb:cc:...` and `SHA256:...`.

    https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    """
    found = values[name]
    key = load_ssh_private_key(found["private_key_openssh"].encode(), password=None)
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert found["public_key_openssh"].strip() == line
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    assert found["public_key_fingerprint_sha256"] == f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
    assert len(found["public_key_fingerprint_md5"].split(":")) == 16


def test_openssh_knows_no_p224(values: dict[str, Any]) -> None:
    """`publicKeyOpenssh` is not populated for ECDSA with curve P224, as it is not supported.

    https://www.pulumi.com/registry/packages/tls/#limitations
    """
    found = values["ecdsa"]
    assert (found["public_key_openssh"], found["public_key_fingerprint_sha256"]) == ("", "")


def test_a_keys_id_is_a_sha1(values: dict[str, Any]) -> None:
    """`id`: unique identifier, hexadecimal representation of the SHA1 checksum of the resource.

    https://registry.terraform.io/providers/hashicorp/tls/latest/docs/resources/private_key#read-only
    """
    content = key_of(values, "rsa").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert values["rsa"]["id"] == hashlib.sha1(content, usedforsecurity=False).hexdigest()


def test_private_keys_are_secrets(made: Project, values: dict[str, Any]) -> None:
    """`privateKeyPem` and the other forms of it are sensitive.

    https://registry.terraform.io/providers/hashicorp/tls/latest/docs/resources/private_key#read-only
    """
    state, printed = json.dumps(made.deployment()), made.preview("--diff").said
    assert json.dumps(values["rsa"]["public_key_pem"])[1:-1] in state  # so the private key could have been there too
    for form in ("private_key_pem", "private_key_pem_pkcs8", "private_key_openssh"):
        line = values["rsa"][form].splitlines()[-3]  # the first ones are of the public part
        assert line not in state
        assert line not in printed


@pytest.mark.parametrize("form", ["pem", "openssh"])
def test_the_public_part_of_a_key_can_be_asked_for(values: dict[str, Any], form: str) -> None:
    """Get a public key from a PEM-encoded private key, or one in OpenSSH's format.

    https://www.pulumi.com/registry/packages/tls/api-docs/getpublickey/
    """
    expected = values["p384"]
    found = ["ECDSA", expected["public_key_pem"], expected["public_key_fingerprint_sha256"]]
    assert values[f"public_{form}"] == found


# Requests.


def test_a_request_is_for_the_subject(values: dict[str, Any]) -> None:
    """`subject`: the subject for which a certificate is being requested.

    https://www.pulumi.com/registry/packages/tls/api-docs/certrequest/
    """
    request = x509.load_pem_x509_csr(values["request"]["cert_request_pem"].encode())
    assert request.is_signature_valid
    found = {attribute.oid: attribute.value for attribute in request.subject}
    assert found == {
        NameOID.COMMON_NAME: "example.com",
        NameOID.ORGANIZATION_NAME: "Vision Week",
        NameOID.ORGANIZATIONAL_UNIT_NAME: "Operations",
        NameOID.STREET_ADDRESS: "1 Quay",
        NameOID.LOCALITY_NAME: "Bergen",
        NameOID.STATE_OR_PROVINCE_NAME: "Vestland",
        NameOID.COUNTRY_NAME: "NO",
        NameOID.POSTAL_CODE: "5003",
        NameOID.SERIAL_NUMBER: "7",
    }


def test_a_request_names_hosts_addresses_and_uris(values: dict[str, Any]) -> None:
    """`dnsNames`, `ipAddresses`, `uris`: lists for which a certificate is being requested.

    https://www.pulumi.com/registry/packages/tls/api-docs/certrequest/
    """
    request = x509.load_pem_x509_csr(values["request"]["cert_request_pem"].encode())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vision.local", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://vision.local/app"]


def test_a_requests_algorithm_is_its_keys(values: dict[str, Any]) -> None:
    """`keyAlgorithm`: name of the algorithm used when generating the private key.

    https://www.pulumi.com/registry/packages/tls/api-docs/certrequest/
    """
    assert values["request"]["key_algorithm"] == "ED25519"


def test_a_written_only_key_is_not_in_the_state(made: Project, values: dict[str, Any]) -> None:
    """`privateKeyPemWo`: a write-only attribute, not stored in the state.

    https://www.pulumi.com/registry/packages/tls/api-docs/certrequest/
    """
    request = x509.load_pem_x509_csr(values["written_only"]["cert_request_pem"].encode())
    public = request.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert public == values["rsa"]["public_key_pem"]
    assert not made.resource("written_only")["outputs"].get("privateKeyPemWo")


# Certificates.


def test_a_certificate_verifies_against_its_authority(values: dict[str, Any], tmp_path: Path) -> None:
    """Creates a certificate using a request and signs it with a provided (local) certificate authority.

    https://www.pulumi.com/registry/packages/tls/api-docs/locallysignedcert/
    """
    for name in ("authority", "signed"):
        (tmp_path / name).write_text(values[name]["cert_pem"])
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "vision.local"]
    subprocess.run([*verify, "-CAfile", tmp_path / "authority", tmp_path / "signed"], check=True)
    assert values["signed"]["ca_key_algorithm"] == "ECDSA"


def test_a_self_signed_certificate_is_its_own_issuer(values: dict[str, Any]) -> None:
    """Creates a self-signed TLS certificate in PEM format.

    https://www.pulumi.com/registry/packages/tls/api-docs/selfsignedcert/
    """
    authority = certificate_of(values, "authority")
    assert authority.issuer == authority.subject
    authority.verify_directly_issued_by(authority)


def test_an_authority_is_marked_as_one_with_its_longest_path(values: dict[str, Any]) -> None:
    """`isCaCertificate`; `maxPathLength`: maximum number of intermediate certificates that may follow.

    https://www.pulumi.com/registry/packages/tls/api-docs/selfsignedcert/
    """
    found = [
        certificate_of(values, name).extensions.get_extension_for_class(x509.BasicConstraints).value
        for name in ("authority", "signed")
    ]
    assert [(each.ca, each.path_length) for each in found] == [(True, 1), (False, None)]


def test_key_identifiers_are_set_on_demand(values: dict[str, Any]) -> None:
    """`setAuthorityKeyId`: for self-signed certificates this is the same value as the subject key identifier.

    https://www.pulumi.com/registry/packages/tls/api-docs/selfsignedcert/
    """
    extensions = certificate_of(values, "authority").extensions
    subject = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == subject.digest
    with pytest.raises(x509.ExtensionNotFound):
        certificate_of(values, "signed").extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_a_certificate_may_be_used_for_what_is_allowed(values: dict[str, Any]) -> None:
    """`allowedUses`: key usages and extended key usages allowed for the issued certificate.

    https://www.pulumi.com/registry/packages/tls/api-docs/locallysignedcert/
    """
    extensions = certificate_of(values, "signed").extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, False)
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_a_certificate_is_valid_for_so_many_hours(values: dict[str, Any]) -> None:
    """`validityPeriodHours`; `validityStartTime` and `validityEndTime` are RFC3339 timestamps.

    https://www.pulumi.com/registry/packages/tls/api-docs/locallysignedcert/
    """
    certificate = certificate_of(values, "signed")
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == datetime.timedelta(hours=10)
    start, end = (
        datetime.datetime.fromisoformat(values["signed"][f"validity_{name}_time"]).replace(microsecond=0)
        for name in ("start", "end")
    )
    assert (start, end) == (certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def test_a_certificates_id_is_its_serial_number(values: dict[str, Any]) -> None:
    """`id`: unique identifier for this resource, the certificate serial number.

    https://registry.terraform.io/providers/hashicorp/tls/latest/docs/resources/locally_signed_cert#read-only
    """
    assert values["signed"]["id"] == str(certificate_of(values, "signed").serial_number)


def test_nothing_changes_while_nothing_is_due(made: Project, values: dict[str, Any]) -> None:
    """`readyForRenewal`: is the certificate either expired or ready for an early renewal?

    https://www.pulumi.com/registry/packages/tls/api-docs/locallysignedcert/
    """
    made.up("--expect-no-changes")
    made.refresh("--expect-no-changes")
    assert values["signed"]["ready_for_renewal"] is False
