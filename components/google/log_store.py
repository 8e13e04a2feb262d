"""The bucket that Loki keeps lines in, and who may use it: Loki's own pod, by its own identity, and nobody else.

Loki itself removes what is older than the settings say. What it forgot goes a week later by the bucket's own rule, so
that nothing of it stays for ever. A line that went can be had back for a few days: fewer than of a backup, because what
people were promised to be gone is to be gone (DECISIONS: personal data).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import storage

from components.google import buckets, identity
from components.google.keys import Key

# Days in which what was overwritten can be had back, and what was deleted, the fewest that Google takes.
_FORMER, _DELETED = 1, 7
# Days that an object may be older than a line may: it was begun when its first line came, and written a day later.
_FORGOTTEN = 7


@dataclass(frozen=True, kw_only=True)
class LogStoreArgs:
    """What the bucket needs.

    number: the project's. prefix: of its name. key: what it is encrypted with. keeper: Loki's identity,
    `ns/NAMESPACE/sa/ACCOUNT`. days: that lines are kept. protect: whether it can be removed, with what is in it.
    identities: without which Google knows no such accounts. after: what must be there before. labels: for the bill.
    """

    project: str
    number: int
    prefix: str
    region: str
    key: Key
    keeper: str
    days: int
    protect: bool
    identities: Sequence[Resource]
    after: Sequence[Resource]
    labels: Mapping[str, str]


class LogStore(ComponentResource):
    """The bucket, by name: known when Loki may use it."""

    bucket: Output[str]

    def __init__(self, name: str, args: LogStoreArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:LogStore", name, None, opts)
        bucket = buckets.closed(
            "logs",
            name=f"{args.project}-{args.prefix}-logs",
            region=args.region,
            key=args.key,
            former=_FORMER,
            deleted=_DELETED,
            rules=[buckets.goes(storage.BucketLifecycleRuleConditionArgs(age=args.days + _FORGOTTEN))],
            labels=args.labels,
            protect=args.protect,
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        granted = storage.BucketIAMMember(
            "logs-keeper",
            bucket=bucket.name,
            role="roles/storage.objectUser",
            member=identity.of_pods(args.project, args.number, args.keeper),
            opts=ResourceOptions(parent=self, depends_on=args.identities),
        )
        self.bucket = Output.all(bucket.name, granted.id).apply(lambda found: str(found[0]))
        self.register_outputs({"bucket": self.bucket})
