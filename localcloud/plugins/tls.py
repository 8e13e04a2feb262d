"""The `tls` provider: private keys, certificate requests and certificates that are kept in the state.

It stands in for pulumi-tls 5.6.2: whatever goes into a certificate replaces it when it changes, `earlyRenewalHours`
alone doesn't, and a certificate whose end is nearer than that is replaced by the next update. The cryptography is in
`certificates`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from localcloud.plugins.kinds import Input, KindProvider, Made, ResourceKind
from localcloud.plugins.provider import Refused
from localcloud.plugins.server import serve
from localcloud.plugins.values import Values, reveal

_USES: Final = (
    "any_extended",
    "cert_signing",
    "client_auth",
    "code_signing",
    "content_commitment",
    "crl_signing",
    "data_encipherment",
    "decipher_only",
    "digital_signature",
    "email_protection",
    "encipher_only",
    "ipsec_end_system",
    "ipsec_tunnel",
    "ipsec_user",
    "key_agreement",
    "key_encipherment",
    "microsoft_commercial_code_signing",
    "microsoft_kernel_code_signing",
    "microsoft_server_gated_crypto",
    "netscape_server_gated_crypto",
    "ocsp_signing",
    "server_auth",
    "timestamping",
)


def _one_of(*allowed: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in allowed else f"{value!r} is none of {', '.join(allowed)}"


def _uses(value: Any) -> str | None:
    unknown = [use for use in value if isinstance(use, str) and use not in _USES]
    return f"{', '.join(unknown)}: none of {', '.join(_USES)}" if unknown else None


def _at_least(least: int) -> Callable[[Any], str | None]:
    return lambda value: None if value >= least else f"must be at least {least}"


def _one_key(name: str) -> Callable[[Values], list[tuple[str, str]]]:
    """Exactly one of the key and its write-only form, the latter with its version."""
    written, version = f"{name}Wo", f"{name}WoVersion"

    def check(inputs: Values) -> list[tuple[str, str]]:
        if (name in inputs) == (written in inputs):
            return [(name, f"exactly one of {name} and {written} must be given")]
        if (written in inputs) != (version in inputs):
            return [(version, f"{written} and {version} must be given together")]
        return []

    return check


def _keys(name: str) -> dict[str, Input]:
    return {
        name: Input(secret=True),
        f"{name}Wo": Input(secret=True, written_only=True),
        f"{name}WoVersion": Input(),
    }


_SUBJECTS: Final[Mapping[str, Input]] = {
    "dnsNames": Input(),
    "ipAddresses": Input(),
    "subject": Input(),
    "uris": Input(),
}
_VALIDITY: Final[Mapping[str, Input]] = {
    "allowedUses": Input(required=True, check=_uses),
    "earlyRenewalHours": Input(default=0, replaces=False, check=_at_least(0)),
    "isCaCertificate": Input(default=False),
    "maxPathLength": Input(default=-1, check=_at_least(-1)),
    "setSubjectKeyId": Input(default=False),
    "validityPeriodHours": Input(required=True, check=_at_least(0)),
}
_DATES: Final = {"certPem": False, "readyForRenewal": False, "validityEndTime": False, "validityStartTime": False}


def _private_key(inputs: Values) -> Made:
    from localcloud.plugins import certificates  # noqa: PLC0415  most updates make none

    return certificates.private_key(inputs["algorithm"], inputs["ecdsaCurve"], inputs["rsaBits"])


def _cert_request(inputs: Values) -> Made:
    from localcloud.plugins import certificates  # noqa: PLC0415

    return certificates.request(_given_key(inputs, "privateKeyPem"), inputs)


def _self_signed_cert(inputs: Values) -> Made:
    from localcloud.plugins import certificates  # noqa: PLC0415

    return certificates.self_signed(_given_key(inputs, "privateKeyPem"), inputs)


def _locally_signed_cert(inputs: Values) -> Made:
    from localcloud.plugins import certificates  # noqa: PLC0415

    return certificates.signed(_given_key(inputs, "caPrivateKeyPem"), inputs)


def _given_key(inputs: Values, name: str) -> str:
    return str(inputs.get(name) or inputs[f"{name}Wo"])


def _renewable(outputs: Values) -> bool:
    end = datetime.fromisoformat(outputs["validityEndTime"])
    return datetime.now(UTC) >= end - timedelta(hours=outputs["earlyRenewalHours"])


def _refresh(outputs: Values) -> Values:
    return {"readyForRenewal": True} if _renewable(outputs) else {}


def _stale(outputs: Values) -> str | None:
    return "readyForRenewal" if _renewable(outputs) else None


def _public_key(arguments: Values) -> Values:
    from localcloud.plugins import certificates  # noqa: PLC0415

    pem, openssh = (str(arguments.get(name) or "") for name in ("privateKeyPem", "privateKeyOpenssh"))
    if bool(pem) == bool(openssh):
        raise Refused([("privateKeyPem", "exactly one of privateKeyPem and privateKeyOpenssh must be given")])
    return certificates.public_key(pem, openssh)


class Tls(KindProvider):
    """The provider."""

    name = "tls"
    version = "5.6.2"
    kinds: ClassVar = {
        "tls:index/privateKey:PrivateKey": ResourceKind(
            inputs={
                "algorithm": Input(required=True, check=_one_of("RSA", "ECDSA", "ED25519")),
                "ecdsaCurve": Input(default="P224", check=_one_of("P224", "P256", "P384", "P521")),
                "rsaBits": Input(default=2048),
            },
            computed={
                "id": False,
                "privateKeyOpenssh": True,
                "privateKeyPem": True,
                "privateKeyPemPkcs8": True,
                "publicKeyFingerprintMd5": False,
                "publicKeyFingerprintSha256": False,
                "publicKeyOpenssh": False,
                "publicKeyPem": False,
            },
            make=_private_key,
        ),
        "tls:index/certRequest:CertRequest": ResourceKind(
            inputs={**_SUBJECTS, **_keys("privateKeyPem")},
            computed={"id": False, "certRequestPem": False, "keyAlgorithm": False},
            check=_one_key("privateKeyPem"),
            make=_cert_request,
        ),
        "tls:index/selfSignedCert:SelfSignedCert": ResourceKind(
            inputs={**_SUBJECTS, **_VALIDITY, **_keys("privateKeyPem"), "setAuthorityKeyId": Input(default=False)},
            computed={"id": False, "keyAlgorithm": False, **_DATES},
            check=_one_key("privateKeyPem"),
            make=_self_signed_cert,
            refresh=_refresh,
            stale=_stale,
        ),
        "tls:index/locallySignedCert:LocallySignedCert": ResourceKind(
            inputs={
                **_VALIDITY,
                **_keys("caPrivateKeyPem"),
                "caCertPem": Input(required=True),
                "certRequestPem": Input(required=True),
            },
            computed={"id": False, "caKeyAlgorithm": False, **_DATES},
            check=_one_key("caPrivateKeyPem"),
            make=_locally_signed_cert,
            refresh=_refresh,
            stale=_stale,
        ),
    }

    def invoke(self, token: str, arguments: Values, preview: bool) -> Mapping[str, Any]:
        """The functions that need no connection to somewhere else."""
        if token != "tls:index/getPublicKey:getPublicKey":  # noqa: S105  a function's name
            return super().invoke(token, arguments, preview)
        return {**arguments, **_public_key(reveal(arguments))}


if __name__ == "__main__":
    serve(Tls())
