"""The stack's own certificate authority, and certificates that it signs.

For hosts that no public authority vouches for: a cluster on one machine, and the services inside of any cluster. Keys
are made by the tls provider and live encrypted in the state; none is ever in a file of the repository. ECDSA on P-256:
what every client of TLS 1.2 and 1.3 takes, at a fraction of RSA's cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_tls as tls
from pulumi import ComponentResource, Input, Output, ResourceOptions

_YEAR = 365 * 24
_CURVE = "P256"


@dataclass(frozen=True, kw_only=True)
class AuthorityArgs:
    """common_name: what people see when they are asked whether they trust it."""

    common_name: str


class Authority(ComponentResource):
    """A certificate authority that signs servers' certificates and nothing else."""

    certificate: Output[str]
    key: Output[str]

    def __init__(self, name: str, args: AuthorityArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:certificates:Authority", name, None, opts)
        child = ResourceOptions(parent=self)
        key = tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve=_CURVE, opts=child)
        certificate = tls.SelfSignedCert(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=args.common_name, organization="vision-week"),
            is_ca_certificate=True,
            allowed_uses=["cert_signing", "crl_signing", "digital_signature"],
            set_subject_key_id=True,
            # Users add it to what they trust, so it outlasts everything that it signs.
            validity_period_hours=10 * _YEAR,
            early_renewal_hours=2 * _YEAR,
            opts=child,
        )
        self.certificate = certificate.cert_pem
        self.key = key.private_key_pem
        self.register_outputs({"certificate": self.certificate})


@dataclass(frozen=True, kw_only=True)
class ServerCertificateArgs:
    """A server's certificate.

    authority: who signs. hosts: the names that it is good for, the first one its own, of 64 characters at most.
    mutual: it proves who connects as well.
    """

    authority: Authority
    hosts: Sequence[Input[str]]
    mutual: bool = False


class ServerCertificate(ComponentResource):
    """A certificate and its key, as PEM."""

    certificate: Output[str]
    key: Output[str]
    expires: Output[str]

    def __init__(self, name: str, args: ServerCertificateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:certificates:ServerCertificate", name, None, opts)
        child = ResourceOptions(parent=self)
        key = tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve=_CURVE, opts=child)
        request = tls.CertRequest(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=args.hosts[0], organization="vision-week"),
            dns_names=list(args.hosts),
            opts=child,
        )
        certificate = tls.LocallySignedCert(
            name,
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=args.authority.certificate,
            ca_private_key_pem=args.authority.key,
            allowed_uses=["digital_signature", "server_auth", *(["client_auth"] if args.mutual else [])],
            set_subject_key_id=True,
            # Browsers refuse more than 398 days. A month before the end any `pulumi up` renews it.
            validity_period_hours=_YEAR,
            early_renewal_hours=30 * 24,
            opts=child,
        )
        self.certificate = certificate.cert_pem
        self.key = key.private_key_pem
        self.expires = certificate.validity_end_time
        self.register_outputs({"certificate": self.certificate, "expires": self.expires})
