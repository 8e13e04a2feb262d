"""The tls plugin, by the real engine: keys and certificates that verify, stay secret and are renewed in time."""

import datetime
import json
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.engine.project import Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_tls as tls

    config = pulumi.Config()
    authority_key = tls.PrivateKey("authority", algorithm="ECDSA", ecdsa_curve="P256")
    authority = tls.SelfSignedCert(
        "authority",
        private_key_pem=authority_key.private_key_pem,
        is_ca_certificate=True,
        max_path_length=0,
        allowed_uses=["cert_signing", "crl_signing"],
        validity_period_hours=24,
        subject={"common_name": "Authority", "organization": "Vision Week"},
    )
    key = tls.PrivateKey("server", algorithm=config.get("algorithm") or "ECDSA", ecdsa_curve="P384")
    request = tls.CertRequest(
        "server",
        private_key_pem=key.private_key_pem,
        subject={"common_name": "server"},
        dns_names=[config.get("host") or "vision.local", "localhost"],
        ip_addresses=["127.0.0.1"],
    )
    certificate = tls.LocallySignedCert(
        "server",
        ca_private_key_pem=authority_key.private_key_pem,
        ca_cert_pem=authority.cert_pem,
        cert_request_pem=request.cert_request_pem,
        allowed_uses=["digital_signature", "server_auth"],
        validity_period_hours=int(config.get("hours") or 10),
        early_renewal_hours=int(config.get("early") or 2),
    )
    pulumi.export("authority", authority.cert_pem)
    pulumi.export("certificate", certificate.cert_pem)
    pulumi.export("key", key.private_key_pem)
    pulumi.export("key_pkcs8", key.private_key_pem_pkcs8)
    pulumi.export("public", key.public_key_pem)
    pulumi.export("fingerprint", key.public_key_fingerprint_sha256)
    pulumi.export("openssh", key.public_key_openssh)
"""


def test_the_chain_verifies(made: Project, tmp_path: Path) -> None:
    """S7: what TLS in the cluster rests on, checked by another implementation than the one that made it."""
    outputs = made.outputs()
    for name in ("authority", "certificate"):
        (tmp_path / name).write_text(outputs[name])
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "vision.local"]
    subprocess.run([*verify, "-CAfile", tmp_path / "authority", tmp_path / "certificate"], check=True)


def test_a_certificate_says_what_the_inputs_say(made: Project) -> None:
    outputs = made.outputs()
    authority = x509.load_pem_x509_certificate(outputs["authority"].encode())
    certificate = x509.load_pem_x509_certificate(outputs["certificate"].encode())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert certificate.issuer == authority.subject
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "server"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vision.local", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == datetime.timedelta(hours=10)


def test_a_key_is_given_in_every_form(made: Project, tmp_path: Path) -> None:
    outputs = made.outputs()
    assert outputs["key"].startswith("-----BEGIN EC PRIVATE KEY-----")
    assert outputs["key_pkcs8"].startswith("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "key").write_text(outputs["key"])
    derived = subprocess.check_output(["openssl", "pkey", "-in", tmp_path / "key", "-pubout"], text=True)
    assert derived == outputs["public"]
    assert outputs["openssh"].startswith("ecdsa-sha2-nistp384 ")
    assert outputs["fingerprint"].startswith("SHA256:")


def test_private_keys_stay_secret(made: Project) -> None:
    outputs = made.outputs()
    state, printed = json.dumps(made.deployment()), made.preview("--diff").said
    assert json.dumps(outputs["public"]).strip('"') in state
    for name in ("key", "key_pkcs8"):
        line = outputs[name].splitlines()[1]
        assert line not in state
        assert line not in printed


def test_a_second_update_changes_nothing(made: Project) -> None:
    made.preview("--expect-no-changes")
    made.refresh("--expect-no-changes")
    made.up("--expect-no-changes")


def test_another_host_name_replaces_the_request_and_the_certificate_alone(changing: Project) -> None:
    changing.write(PROGRAM, {"host": "other.local"})
    steps = changing.steps()
    assert {name: step["op"] for name, step in steps.items()} == {"server": "replace"}
    before = changing.outputs()
    changing.up()
    after = changing.outputs()
    assert after["certificate"] != before["certificate"]
    assert after["key"] == before["key"]
    assert after["authority"] == before["authority"]


def test_a_later_renewal_is_taken_over_in_place(changing: Project) -> None:
    before = changing.outputs()["certificate"]
    changing.write(PROGRAM, {"early": "3"})
    assert "1 updated" in changing.up().said
    assert changing.outputs()["certificate"] == before


def test_a_certificate_near_its_end_is_renewed(changing: Project) -> None:
    """With an early renewal as long as the validity, the certificate is due at once."""
    before = changing.outputs()
    changing.write(PROGRAM, {"early": "10"})
    changing.up()
    step = changing.steps()["server"]
    assert step["op"] == "replace"
    assert step["detailedDiff"] == {"readyForRenewal": {"kind": "update-replace", "inputDiff": False}}
    changing.write(PROGRAM, {"early": "1"})
    changing.up()
    assert changing.outputs()["authority"] == before["authority"]


def test_a_refresh_says_that_a_certificate_is_due(changing: Project) -> None:
    changing.write(PROGRAM, {"early": "10"})
    changing.up("--target", "**server")
    changing.refresh()
    certificate = next(
        item
        for item in changing.deployment()["resources"]
        if item["type"] == "tls:index/locallySignedCert:LocallySignedCert"
    )
    assert certificate["outputs"]["readyForRenewal"] is True


def test_unknown_uses_and_curves_are_refused_with_the_allowed_ones(project: Project) -> None:
    project.write(
        """
        import pulumi_tls as tls

        tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P999")
        """,
        {},
    )
    said = project.preview(succeeds=False).said
    assert "'P999' is none of P224, P256, P384, P521" in said


@pytest.mark.parametrize("algorithm", ["RSA", "ED25519"])
def test_other_kinds_of_keys_make_certificates_too(project: Project, algorithm: str, tmp_path: Path) -> None:
    project.write(PROGRAM, {"algorithm": algorithm})
    project.up()
    outputs = project.outputs()
    (tmp_path / "authority").write_text(outputs["authority"])
    (tmp_path / "certificate").write_text(outputs["certificate"])
    subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "authority", tmp_path / "certificate"], check=True)
