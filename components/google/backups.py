"""The bucket that backups of PostgreSQL go to, and who may write there: the pods of the backups, by their own identity.

There is no key file and no service account of Google's between: a pod is known by its namespace and its account there
(Workload Identity Federation for GKE). What was overwritten or deleted can be had back for a while, by people; there is
no retention lock, because pgBackRest writes its own files anew with each backup (DECISIONS: buckets).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import storage

from components.google import identity
from components.google.keys import Key

# Days in which what was overwritten can be had back, and what was deleted.
_FORMER, _DELETED = 7, 30
_DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class BackupStoreArgs:
    """What the bucket needs.

    number: the project's. prefix: of its name. key: what it is encrypted with, beside pgBackRest's own encryption.
    writers: pods' identities, `ns/NAMESPACE/sa/ACCOUNT`. protect: whether it can be removed.
    after: what must be there before. labels: for the bill.
    """

    project: str
    number: int
    prefix: str
    region: str
    key: Key
    writers: Sequence[str]
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class BackupStore(ComponentResource):
    """The bucket, by name: known when those that write to it may."""

    bucket: Output[str]

    def __init__(self, name: str, args: BackupStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:BackupStore", name, None, opts)
        bucket = storage.Bucket(
            "backups",
            # Unique in the world, as the project's id is.
            name=f"{args.project}-{args.prefix}-backups",
            location=args.region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning=storage.BucketVersioningArgs(enabled=True),
            soft_delete_policy=storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=_DELETED * _DAY),
            lifecycle_rules=[
                storage.BucketLifecycleRuleArgs(
                    action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
                    condition=storage.BucketLifecycleRuleConditionArgs(days_since_noncurrent_time=_FORMER),
                )
            ],
            encryption=storage.BucketEncryptionArgs(default_kms_key_name=args.key.id),
            labels=args.labels,
            opts=ResourceOptions(parent=self, protect=args.protect, depends_on=[*args.after, *args.key.usable]),
        )
        rights = [
            storage.BucketIAMMember(
                f"backups-{writer.rpartition('/')[2]}",
                bucket=bucket.name,
                role="roles/storage.objectUser",
                member=identity.of_pods(args.project, args.number, writer),
                opts=ResourceOptions(parent=self, depends_on=args.after),
            )
            for writer in args.writers
        ]
        self.bucket = Output.all(bucket.name, *(right.id for right in rights)).apply(lambda found: str(found[0]))
        self.register_outputs({"bucket": self.bucket})
