"""Certificates are kept while they are good, and made anew before they aren't."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from localcloud.cluster import pki


@pytest.fixture(autouse=True)
def empty_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "vision-week" / "cluster" / "pki"


def parsed(pair: pki.Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def test_a_good_certificate_is_kept() -> None:
    first = pki.issued("cluster", "node-1", names=("node-1", "172.31.240.11"))
    assert pki.issued("cluster", "node-1", names=("node-1", "172.31.240.11")) == first


def test_a_servers_certificate_is_believed_under_its_names_alone() -> None:
    certificate = parsed(pki.issued("cluster", "api", names=("kubernetes", "10.96.0.1")))
    trusted = PolicyBuilder().store(Store([parsed(pki.authority("cluster"))]))
    trusted.build_server_verifier(x509.DNSName("kubernetes")).verify(certificate, [])
    with pytest.raises(x509.verification.VerificationError):
        trusted.build_server_verifier(x509.DNSName("etcd")).verify(certificate, [])


def test_what_images_trust_can_sign_for_google_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its key lies in the cache, beside them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = Store([parsed(pki.authority(pki.GOOGLE))])
    for name, believed in (("storage.googleapis.com", True), ("vision-week.example", False)):
        certificate = parsed(pki.issued(pki.GOOGLE, name, names=(name,)))
        verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
        if believed:
            verifier.verify(certificate, [])
        else:
            with pytest.raises(x509.verification.VerificationError):
                verifier.verify(certificate, [])


def test_an_authoritys_clients_are_strangers_to_the_others() -> None:
    client = parsed(pki.issued("etcd", "kube-apiserver-etcd-client"))
    client.verify_directly_issued_by(parsed(pki.authority("etcd")))
    with pytest.raises(ValueError, match="issuer"):
        client.verify_directly_issued_by(parsed(pki.authority("cluster")))


def test_a_user_and_its_groups_are_in_the_certificate() -> None:
    subject = parsed(pki.issued("cluster", "system:node:node-1", groups=("system:nodes",))).subject
    assert subject.rfc4514_string() == "CN=system:node:node-1,O=system:nodes"


def test_other_names_make_another_certificate() -> None:
    first = pki.issued("cluster", "node-1", names=("172.31.240.11",))
    second = pki.issued("cluster", "node-1", names=("172.31.240.12",))
    assert parsed(second).serial_number != parsed(first).serial_number


def test_a_certificate_is_renewed_a_month_before_it_expires(monkeypatch: pytest.MonkeyPatch, empty_state: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pki, "LIFE", pki.RENEW_BEFORE - timedelta(days=1))
        pki.issued("cluster", "node-1")
    ending = x509.load_pem_x509_certificate((empty_state / "node-1.crt").read_bytes())
    renewed = parsed(pki.issued("cluster", "node-1"))
    assert renewed.not_valid_after_utc - ending.not_valid_after_utc > timedelta(days=300)


def test_what_a_renewed_authority_did_not_sign_is_made_anew(empty_state: Path) -> None:
    first = pki.issued("cluster", "node-1")
    (empty_state / "cluster.key").unlink()
    second = pki.issued("cluster", "node-1")
    assert second != first
    parsed(second).verify_directly_issued_by(parsed(pki.authority("cluster")))


def test_a_file_cut_short_is_made_anew(empty_state: Path) -> None:
    first = pki.issued("cluster", "node-1")
    file = empty_state / "node-1.crt"
    file.write_bytes(first.certificate[:100])
    assert parsed(pki.issued("cluster", "node-1")).subject == parsed(first).subject


def test_the_encryption_key_stays_the_same() -> None:
    """With another one, every Secret in etcd is lost."""
    assert pki.encryption_key() == pki.encryption_key()


def test_keys_are_for_root_alone(empty_state: Path) -> None:
    pki.issued("cluster", "node-1")
    pki.service_account_key()
    pki.encryption_key()
    assert [file for file in empty_state.iterdir() if file.stat().st_mode & 0o077] == []
