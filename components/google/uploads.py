"""The bucket of the files that people upload: one identity mounts it, and what it forgets can be had back.

The application never writes a file over and takes away none but those that its database refused, so every other version
that is no longer current is a mistake or an attack: each is kept for some days. A version that somebody deletes by its
number is kept for a week more, which nobody can shorten for what is deleted already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import storage

from components.google import buckets, identity
from components.google.keys import Key

# Days, the fewest that Google takes.
_DELETED = 7
# What the application calls a file that isn't whole yet; one that a pod left behind is nobody's.
_UNFINISHED = ".part"


@dataclass(frozen=True, kw_only=True)
class UploadsArgs:
    """What the bucket needs.

    number: the project's. bucket: its name. user: the Kubernetes service account that mounts it, as Google names it
        (`ns/NAMESPACE/sa/NAME`). identities: without which Google knows no such accounts.
    days: in which a former version can be had back. protect: whether it can be removed, with what is in it.
    after: what must be there before. labels: for the bill.
    """

    project: str
    number: int
    bucket: str
    region: str
    user: str
    identities: Sequence[Resource]
    key: Key
    days: int
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class Uploads(ComponentResource):
    """The bucket.

    bucket: its name. ready: without which nobody can mount it.
    """

    bucket: Output[str]
    ready: Sequence[Resource]

    def __init__(self, name: str, args: UploadsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Uploads", name, None, opts)
        bucket = buckets.closed(
            "uploads",
            name=args.bucket,
            region=args.region,
            key=args.key,
            former=args.days,
            deleted=_DELETED,
            rules=[
                buckets.goes(
                    storage.BucketLifecycleRuleConditionArgs(age=1, matches_suffixes=[_UNFINISHED], with_state="ANY")
                )
            ],
            labels=args.labels,
            protect=args.protect,
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        granted = storage.BucketIAMMember(
            "user",
            bucket=bucket.name,
            role="roles/storage.objectUser",
            member=identity.of_pods(args.project, args.number, args.user),
            opts=ResourceOptions(parent=self, depends_on=args.identities),
        )
        self.bucket, self.ready = bucket.name, [granted]
        self.register_outputs({"bucket": self.bucket})
