"""Snapshots of the databases' volumes by Backup for GKE: the second line behind the databases' own backups (S11.2).

They are of a moment, each volume by itself, and as if the machine had lost its power then: PostgreSQL and Redis can
start from one, and may know less than their own backups do. What describes the volumes in the cluster is kept with
them, and no Secret.

How they come back is settled beforehand: volumes and their claims, and nothing else of what is in the cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_gcp import gkebackup

from components.settings import Snapshots as SnapshotsSettings


@dataclass(frozen=True, kw_only=True)
class SnapshotsArgs:
    """What the plan needs.

    prefix: its name. cluster: its id. namespaces: whose volumes. settings: how often, and for how long.
    key: encrypts what describes the volumes; their data stays encrypted with the volumes' own.
    protect: whether the plan, and all that came of it, can be removed. labels: for the bill.
    """

    prefix: str
    region: str
    cluster: Input[str]
    namespaces: Sequence[str]
    settings: SnapshotsSettings
    key: Input[str]
    protect: bool
    labels: Mapping[str, str]


class Snapshots(ComponentResource):
    """The plan by which snapshots are taken, and the one by which they are brought back."""

    def __init__(self, name: str, args: SnapshotsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Snapshots", name, None, opts)
        plan = gkebackup.BackupPlan(
            "snapshots",
            name=f"{args.prefix}-snapshots",
            cluster=args.cluster,
            location=args.region,
            backup_config=gkebackup.BackupPlanBackupConfigArgs(
                include_volume_data=True,
                include_secrets=False,
                selected_namespaces=gkebackup.BackupPlanBackupConfigSelectedNamespacesArgs(
                    namespaces=list(args.namespaces)
                ),
                encryption_key=gkebackup.BackupPlanBackupConfigEncryptionKeyArgs(gcp_kms_encryption_key=args.key),
            ),
            # Not on the hour, when backups begin.
            backup_schedule=gkebackup.BackupPlanBackupScheduleArgs(
                cron_schedule=f"30 */{args.settings.every_hours} * * *"
            ),
            retention_policy=gkebackup.BackupPlanRetentionPolicyArgs(backup_retain_days=args.settings.keep_days),
            labels=args.labels,
            opts=ResourceOptions(parent=self, protect=args.protect),
        )
        gkebackup.RestorePlan(
            "volumes",
            name=f"{args.prefix}-volumes",
            description="Volumes as a snapshot has them; what uses them is left alone",
            backup_plan=plan.id,
            cluster=args.cluster,
            location=args.region,
            restore_config=gkebackup.RestorePlanRestoreConfigArgs(
                selected_namespaces=gkebackup.RestorePlanRestoreConfigSelectedNamespacesArgs(
                    namespaces=list(args.namespaces)
                ),
                # A claim that is there makes way for the snapshot's; everything else that is there stays as it is.
                namespaced_resource_restore_mode="MERGE_REPLACE_VOLUME_ON_CONFLICT",
                volume_data_restore_policy="RESTORE_VOLUME_DATA_FROM_BACKUP",
                cluster_resource_restore_scope=gkebackup.RestorePlanRestoreConfigClusterResourceRestoreScopeArgs(
                    no_group_kinds=True
                ),
            ),
            labels=args.labels,
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})
