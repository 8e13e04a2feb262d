"""Times that are right in relation to each other."""

from collections.abc import Iterator
from itertools import pairwise

from components.checks.fault import Fault
from components.settings import GoogleCluster, Settings


def timeouts_nest(settings: Settings) -> Iterator[Fault]:
    """Who gives up first leaves the one behind at work for nobody, and tells the user less (S3)."""
    for outer, inner in pairwise(("edge", "nginx", "php", "database")):
        waits, takes = getattr(settings.timeouts, outer), getattr(settings.timeouts, inner)
        if waits <= takes:
            yield Fault(
                f"timeouts.{outer}", f"must be longer than timeouts.{inner} ({takes})", f"write {takes + 1} or more"
            )


def backups_reach_back(settings: Settings) -> Iterator[Fault]:
    """Restoring to a second of the last day in the window begins at a full backup that is a day older (S11.2)."""
    backups, cluster = settings.postgres.backups, settings.cluster
    if backups.keep_days <= backups.recover_days:
        yield Fault(
            "postgres.backups.keep_days",
            f"is too short: to restore to any second of {backups.recover_days} days, the full backup before them is "
            "needed",
            f"write {backups.recover_days + 1} or more",
        )
    if backups.archive_alert <= backups.archive_timeout:
        yield Fault(
            "postgres.backups.archive_alert",
            f"would be raised all the time: a quiet database archives every {backups.archive_timeout} s "
            "(postgres.backups.archive_timeout)",
            f"write {backups.archive_timeout + 1} or more",
        )
    if backups.copied_by is None:
        return
    if not isinstance(cluster, GoogleCluster) or backups.repository != "bucket" or backups.bucket:
        yield Fault(
            "postgres.backups.copied_by",
            "only a bucket that the program makes is opened to another project",
            "leave it out",
        )
    elif backups.copied_by == cluster.project_number:
        yield Fault(
            "postgres.backups.copied_by",
            "is the cluster's own project: who can delete the one can delete the other",
            "write another project's number",
        )


def alarm_is_beyond_the_goal(settings: Settings) -> Iterator[Fault]:
    """An alarm within what was promised as good rings for nothing (service levels: API latency)."""
    alerts = settings.monitoring.alerts
    if alerts.latency_ms <= alerts.latency_goal_ms:
        yield Fault(
            "monitoring.alerts.latency_ms",
            f"is within the goal (monitoring.alerts.latency_goal_ms, {alerts.latency_goal_ms})",
            f"write {alerts.latency_goal_ms + 1} or more",
        )
