"""Changes of keys and certificates, as the official plugin documents them.

Each test states one documented behaviour and where it is documented. The plugin under test is the local one, or the one
that CONFORMANCE_TLS_PLUGIN names.
"""

from typing import Any

import pytest

from tests.engine.project import Project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_tls as tls

    config = pulumi.Config()
    key = tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve=config.get("curve") or "P384")
    authority = tls.SelfSignedCert(
        "authority",
        private_key_pem=key.private_key_pem,
        is_ca_certificate=True,
        allowed_uses=["cert_signing"],
        validity_period_hours=24,
        subject={"common_name": "Authority"},
    )
    other = tls.PrivateKey("other", algorithm="ED25519")
    request = tls.CertRequest(
        "request", private_key_pem=other.private_key_pem, dns_names=[config.get("host") or "vision.local", "localhost"]
    )
    signed = tls.LocallySignedCert(
        "signed",
        ca_private_key_pem=key.private_key_pem,
        ca_cert_pem=authority.cert_pem,
        cert_request_pem=request.cert_request_pem,
        allowed_uses=["server_auth"],
        validity_period_hours=int(config.get("hours") or 10),
        early_renewal_hours=int(config.get("early") or 2),
    )
    pulumi.export("signed", signed.cert_pem)
    pulumi.export("authority", authority.cert_pem)
"""


def previewed(made: Project, **configuration: str) -> dict[str, dict[str, Any]]:
    """The preview's steps with another configuration, which is taken back."""
    made.write(PROGRAM, configuration)
    try:
        return made.steps()
    finally:
        made.write(PROGRAM, {})


def test_another_host_replaces_the_request_and_what_was_signed_for_it(made: Project) -> None:
    """Changes of a request's inputs make another one: the resources are only in the state.

    https://registry.terraform.io/providers/hashicorp/tls/latest/docs/resources/cert_request
    """
    steps = previewed(made, host="other.local")
    assert {name: step["op"] for name, step in steps.items()} == {"request": "replace", "signed": "replace"}
    assert steps["request"]["detailedDiff"] == {"dnsNames[0]": {"kind": "update-replace", "inputDiff": True}}


def test_another_curve_replaces_the_key_and_all_that_rests_on_it(made: Project) -> None:
    """A private key persists until it is explicitly destroyed or its inputs change.

    https://registry.terraform.io/providers/hashicorp/tls/latest/docs/resources/private_key#generating-a-new-key
    """
    steps = previewed(made, curve="P521")
    assert {name: step["op"] for name, step in steps.items()} == dict.fromkeys(
        ("key", "authority", "signed"), "replace"
    )


def test_another_validity_replaces_the_certificate(made: Project) -> None:
    """`validityPeriodHours`: number of hours, after initial issuing, that the certificate will remain valid for.

    https://www.pulumi.com/registry/packages/tls/api-docs/locallysignedcert/
    """
    steps = previewed(made, hours="20")
    assert {name: step["op"] for name, step in steps.items()} == {"signed": "replace"}


def test_another_time_of_renewal_keeps_the_certificate(changing: Project) -> None:
    """`earlyRenewalHours` is about when to renew: it is updated in place.

    https://registry.terraform.io/providers/hashicorp/tls/latest/docs/resources/locally_signed_cert#optional
    """
    before = changing.outputs()["signed"]
    changing.write(PROGRAM, {"early": "3"})
    assert changing.steps()["signed"]["op"] == "update"
    changing.up()
    assert changing.outputs()["signed"] == before


def test_a_certificate_that_is_due_is_renewed_by_the_next_update(changing: Project) -> None:
    """Applying the configuration within the early renewal period causes a new certificate to be generated.

    https://www.pulumi.com/registry/packages/tls/api-docs/locallysignedcert/#automatic-renewal
    """
    before = changing.outputs()
    changing.write(PROGRAM, {"early": "10"})  # as long as it is valid, so it is due at once
    changing.up()
    changing.refresh()
    assert changing.resource("signed")["outputs"]["readyForRenewal"] is True
    step = changing.steps()["signed"]
    assert step["op"] == "replace"
    assert step["detailedDiff"]["readyForRenewal"]["kind"] == "update-replace"
    changing.write(PROGRAM, {"early": "1"})
    changing.up()
    after = changing.outputs()
    assert after["signed"] != before["signed"]
    assert after["authority"] == before["authority"]


REFUSED = {
    "curve": ('tls.PrivateKey("it", algorithm="ECDSA", ecdsa_curve="P999")', "P521"),
    "algorithm": ('tls.PrivateKey("it", algorithm="DSA")', "ED25519"),
    "use": (
        'tls.SelfSignedCert("it", private_key_pem="x", allowed_uses=["dancing"], validity_period_hours=1)',
        "server_auth",
    ),
}


@pytest.mark.parametrize(("wrong", "allowed"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_is_not_accepted_is_refused_with_those_that_are(
    project: Project, wrong: str, allowed: str
) -> None:
    """`algorithm`, `ecdsaCurve`, `allowedUses`: accepted values.

    https://www.pulumi.com/registry/packages/tls/api-docs/selfsignedcert/
    """
    project.write(f"import pulumi_tls as tls\n{wrong}\n", {})
    assert allowed in project.preview(succeeds=False).said
