"""What every bucket of ours has: no way in but by IAM, a key of its own, and a way back for what was lost in it."""

from collections.abc import Mapping, Sequence

from pulumi import Output, ResourceOptions
from pulumi_gcp import storage

from components.google.keys import Key

_DAY = 24 * 3600
# What Google gives in a new bucket to whoever may view or edit its project: to read all that is in it, to write over it
# and remove it, and to let others in (https://cloud.google.com/storage/docs/access-control/iam-roles).
_GIVEN = ("legacyObjectReader", "legacyObjectOwner", "legacyBucketOwner")


def closed(
    resource: str,
    *,
    name: str,
    region: str,
    key: Key,
    former: int,
    deleted: int,
    labels: Mapping[str, str],
    protect: bool,
    opts: ResourceOptions,
    rules: Sequence[storage.BucketLifecycleRuleArgs] = (),
) -> storage.Bucket:
    """A bucket that nobody reads but whom it names (S7 beyond), without a retention lock (DECISIONS: buckets).

    name: unique in the world, so with the project's id in it. former, deleted: days in which what was overwritten can
        be had back, and what was deleted, 7 or more. protect: it can't be removed; otherwise it goes with all that is
        in it. rules: what goes by itself beyond former versions.
    """
    bucket = storage.Bucket(
        resource,
        name=name,
        location=region,
        # Also what Google wants of a bucket that Kubernetes' own identities write to.
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        versioning=storage.BucketVersioningArgs(enabled=True),
        soft_delete_policy=storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=deleted * _DAY),
        lifecycle_rules=[goes(storage.BucketLifecycleRuleConditionArgs(days_since_noncurrent_time=former)), *rules],
        encryption=storage.BucketEncryptionArgs(default_kms_key_name=key.id),
        force_destroy=not protect,
        labels=labels,
        opts=ResourceOptions.merge(opts, ResourceOptions(protect=protect, depends_on=key.usable)),
    )
    left_to_owners(resource, bucket, ResourceOptions.merge(opts, ResourceOptions(protect=False)))
    return bucket


def left_to_owners(resource: str, bucket: storage.Bucket, opts: ResourceOptions) -> None:
    """Take from everybody but the project's owners what Google gives by itself: then the bucket's own grants are all.

    Who may view the project still sees the names of what is in it (`legacyBucketReader`), which a refresh needs.
    """
    for role in _GIVEN:
        storage.BucketIAMBinding(
            f"{resource}-{role}",
            bucket=bucket.name,
            role=f"roles/storage.{role}",
            members=[Output.format("projectOwner:{0}", bucket.project)],
            opts=opts,
        )


def goes(condition: storage.BucketLifecycleRuleConditionArgs) -> storage.BucketLifecycleRuleArgs:
    """The rule that deletes what a condition is true of."""
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="Delete"), condition=condition
    )
