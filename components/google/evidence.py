"""Where evidence of what the pipeline did is kept, and the key that it is signed with (docs/audit.md).

What is written here can't be written over or deleted by anybody until its time is over, not even by who has the project
(DECISIONS: buckets). It belongs to no stack, so that it stays when one goes. Beside it Google itself writes down who
read and who wrote: that is who "who" really was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_gcp import kms, projects, storage

from components.google import buckets
from components.google.keys import Key

_DAY = 24 * 3600
# Of which every access is written down, reading included. Of other services Google writes down what changes something
# anyway; their reads would be many, cost, and tell little.
AUDITED = ("cloudkms", "iam", "secretmanager", "storage")


@dataclass(frozen=True, kw_only=True)
class EvidenceArgs:
    """days: that what is written stays. signs: the account that signs and writes, as IAM names it.
    reads: who may read it, and have the public key. key: what it is encrypted with. labels: for the bill.
    """

    project: str
    region: str
    days: int
    signs: Input[str]
    reads: Sequence[str]
    key: Key
    labels: Mapping[str, str]


class Evidence(ComponentResource):
    """The bucket and the key. key: the version that signs, as `operations.audit record --key` takes it."""

    bucket: Output[str]
    key: Output[str]

    def __init__(self, name: str, args: EvidenceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Evidence", name, None, opts)
        child = ResourceOptions(parent=self)
        bucket = storage.Bucket(
            "evidence",
            # Unique in the world, as the project's id is.
            name=f"{args.project}-evidence",
            location=args.region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            # Locked for good: nobody can shorten the time, and the project can't be removed before it is over.
            retention_policy=storage.BucketRetentionPolicyArgs(is_locked=True, retention_period=str(args.days * _DAY)),
            encryption=storage.BucketEncryptionArgs(default_kms_key_name=args.key.id),
            labels=args.labels,
            opts=ResourceOptions(parent=self, protect=True, depends_on=args.key.usable),
        )
        buckets.left_to_owners("evidence", bucket, child)
        ring = kms.KeyRing("evidence", location=args.region, opts=ResourceOptions(parent=self, protect=True))
        key = kms.CryptoKey(
            "evidence-signing",
            name="signing",
            key_ring=ring.id,
            purpose="ASYMMETRIC_SIGN",
            version_template=kms.CryptoKeyVersionTemplateArgs(algorithm="EC_SIGN_ED25519"),
            destroy_scheduled_duration=f"{30 * _DAY}s",
            labels=args.labels,
            opts=ResourceOptions(parent=self, protect=True),
        )
        # It adds, and reads what is there to add behind it; with the lock that is all that anybody could.
        for role in ("objectCreator", "objectViewer"):
            storage.BucketIAMMember(
                f"signs-{role}", bucket=bucket.name, role=f"roles/storage.{role}", member=args.signs, opts=child
            )
        kms.CryptoKeyIAMMember(
            "signs", crypto_key_id=key.id, role="roles/cloudkms.signer", member=args.signs, opts=child
        )
        for number, reader in enumerate(args.reads):
            storage.BucketIAMMember(
                f"reads-{number}", bucket=bucket.name, role="roles/storage.objectViewer", member=reader, opts=child
            )
            kms.CryptoKeyIAMMember(
                f"reads-{number}",
                crypto_key_id=key.id,
                role="roles/cloudkms.publicKeyViewer",
                member=reader,
                opts=child,
            )
        for service in AUDITED:
            projects.IAMAuditConfig(
                service,
                project=args.project,
                service=f"{service}.googleapis.com",
                audit_log_configs=[
                    projects.IAMAuditConfigAuditLogConfigArgs(log_type=kind)
                    for kind in ("ADMIN_READ", "DATA_READ", "DATA_WRITE")
                ],
                opts=child,
            )
        self.bucket = bucket.name
        self.key = Output.format("gcpkms://{0}/cryptoKeyVersions/1", key.id)
        self.register_outputs({"bucket": self.bucket, "key": self.key})
