"""The bucket that backups of PostgreSQL go to, and who may write there: the pods of the backups, by their own identity.

There is no key file and no service account of Google's between: a pod is known by its namespace and its account there
(Workload Identity Federation for GKE). What was overwritten or deleted can be had back for a while, by people; there is
no retention lock, because pgBackRest writes its own files anew with each backup (DECISIONS: buckets). Another project
may read it, and keeps a copy by itself (`backup_copy.py`): whoever has this project has no right there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import storage

from components.google import backup_copy, buckets, identity
from components.google.keys import Key

# Days in which what was overwritten can be had back, and what was deleted.
_FORMER, _DELETED = 7, 30


@dataclass(frozen=True, kw_only=True)
class BackupStoreArgs:
    """What the bucket needs.

    number: the project's. prefix: of its name. key: what it is encrypted with, beside pgBackRest's own encryption.
    writers: pods' identities, `ns/NAMESPACE/sa/ACCOUNT`. copied_by: number of the project that keeps a copy.
    protect: whether it can be removed, with what is in it.
    after: what must be there before. labels: for the bill.
    """

    project: str
    number: int
    prefix: str
    region: str
    key: Key
    writers: Sequence[str]
    copied_by: int | None
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class BackupStore(ComponentResource):
    """The bucket, by name: known when those that write to it may."""

    bucket: Output[str]

    def __init__(self, name: str, args: BackupStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:BackupStore", name, None, opts)
        bucket = buckets.closed(
            "backups",
            name=f"{args.project}-{args.prefix}-backups",
            region=args.region,
            key=args.key,
            former=_FORMER,
            deleted=_DELETED,
            labels=args.labels,
            protect=args.protect,
            opts=ResourceOptions(parent=self, depends_on=args.after),
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
        if args.copied_by is not None:
            for role in backup_copy.READING:
                storage.BucketIAMMember(
                    f"copy-{role.rpartition('.')[2]}",
                    bucket=bucket.name,
                    role=role,
                    member=backup_copy.agent(args.copied_by),
                    opts=ResourceOptions(parent=self, depends_on=args.after),
                )
        self.bucket = Output.all(bucket.name, *(right.id for right in rights)).apply(lambda found: str(found[0]))
        self.register_outputs({"bucket": self.bucket})
