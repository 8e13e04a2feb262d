"""A copy of the backups in a project of its own, which fetches them: nobody who runs the stack has any right there.

A program of its own makes it, in that project (`bootstrap/backups/`). Google's Storage Transfer Service fetches what is
new every hour, the shortest that it knows, and deletes nothing: what somebody deletes or spoils in the stack's project
stays here, until it is older than a backup is kept.
"""

from dataclasses import dataclass

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_gcp import monitoring, storage

from components.google import buckets, identity, provider
from components.google.keys import Keys, KeysArgs

# Days in which what was written over can be had back, and what was deleted.
_FORMER, _DELETED = 30, 30
# What Google asks of the service where it reads, and where it writes.
READING = ("roles/storage.objectViewer", "roles/storage.legacyBucketReader")
_WRITING = ("roles/storage.objectUser", "roles/storage.legacyBucketReader")


def agent(number: int) -> str:
    """Whom the Storage Transfer Service reads and writes as, in the project of this number."""
    return f"serviceAccount:project-{number}@storage-transfer-service.iam.gserviceaccount.com"


@dataclass(frozen=True, kw_only=True)
class BackupCopyArgs:
    """Where, and what.

    project, number, region: where the copy is. source: the bucket of the backups, in the stack's project.
    keep_days: after which a copied object goes: longer than the stack keeps its backups.
    told: the mail address that hears of what could not be copied. rotation_days: of the key.
    """

    project: str
    number: int
    region: str
    source: str
    keep_days: int
    told: str
    rotation_days: int


class BackupCopy(ComponentResource):
    """The copy. bucket: its name."""

    bucket: Output[str]

    def __init__(self, name: str, args: BackupCopyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:BackupCopy", name, None, opts)
        google = provider.of_project(args.project, args.region, self)
        inside = ResourceOptions(parent=self, providers=[google])
        labels = {"part-of": "vision-week", "component": "backup-copy"}
        key = Keys(
            "keys",
            KeysArgs(
                region=args.region,
                users={"backup-copy": identity.of_storage(args.number)},
                rotation_days=args.rotation_days,
                protect=True,
                after=[],
                labels=labels,
            ),
            opts=inside,
        ).keys["backup-copy"]
        bucket = buckets.closed(
            "backup-copy",
            name=f"{args.project}-backup-copy",
            region=args.region,
            key=key,
            former=_FORMER,
            deleted=_DELETED,
            rules=[buckets.goes(storage.BucketLifecycleRuleConditionArgs(age=args.keep_days))],
            labels=labels,
            protect=True,
            opts=ResourceOptions(parent=self, providers=[google]),
        )
        rights = [
            storage.BucketIAMMember(
                role.rpartition(".")[2], bucket=bucket.name, role=role, member=agent(args.number), opts=inside
            )
            for role in _WRITING
        ]
        storage.TransferJob(
            "backups",
            description=f"Copies gs://{args.source}",
            transfer_spec=storage.TransferJobTransferSpecArgs(
                gcs_data_source=storage.TransferJobTransferSpecGcsDataSourceArgs(bucket_name=args.source),
                gcs_data_sink=storage.TransferJobTransferSpecGcsDataSinkArgs(bucket_name=bucket.name),
                transfer_options=storage.TransferJobTransferSpecTransferOptionsArgs(
                    # pgBackRest writes its own lists of backups and of WAL anew.
                    overwrite_when="DIFFERENT",
                    delete_objects_unique_in_sink=False,
                    delete_objects_from_source_after_transfer=False,
                ),
            ),
            schedule=storage.TransferJobScheduleArgs(
                # A day that is over: it begins on the next one.
                schedule_start_date=storage.TransferJobScheduleScheduleStartDateArgs(year=2026, month=1, day=1),
                start_time_of_day=storage.TransferJobScheduleStartTimeOfDayArgs(
                    hours=0, minutes=30, seconds=0, nanos=0
                ),
                repeat_interval="3600s",
            ),
            logging_config=storage.TransferJobLoggingConfigArgs(
                log_actions=["FIND", "COPY"], log_action_states=["FAILED"]
            ),
            opts=ResourceOptions(parent=self, providers=[google], depends_on=rights),
        )
        mail = monitoring.NotificationChannel(
            "operators",
            display_name="Who hears of a copy that fails",
            type="email",
            labels={"email_address": args.told},
            user_labels=labels,
            opts=inside,
        )
        monitoring.AlertPolicy(
            "copy-failed",
            display_name="Backups are not copied",
            severity="CRITICAL",
            combiner="OR",
            conditions=[
                monitoring.AlertPolicyConditionArgs(
                    display_name="Something could not be listed or copied",
                    condition_matched_log=monitoring.AlertPolicyConditionConditionMatchedLogArgs(
                        filter='resource.type="storage_transfer_job" AND severity>=ERROR'
                    ),
                )
            ],
            alert_strategy=monitoring.AlertPolicyAlertStrategyArgs(
                notification_rate_limit=monitoring.AlertPolicyAlertStrategyNotificationRateLimitArgs(period="3600s")
            ),
            documentation=monitoring.AlertPolicyDocumentationArgs(
                mime_type="text/markdown",
                content=f"`gcloud transfer operations list --project={args.project}` says which and why: most likely "
                "the stack's project no longer lets this one read (`postgres.backups.copied_by`).",
            ),
            notification_channels=[mail.id],
            user_labels=labels,
            opts=inside,
        )
        self.bucket = bucket.name
        self.register_outputs({"bucket": self.bucket})
