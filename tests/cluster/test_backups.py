"""Backups of real PostgreSQL in a real repository (S5.2, S11.2; service levels: recovery point)."""

import pytest

from tests.cluster.backups import info, made, new_job
from tests.cluster.database import psql, whole
from tests.cluster.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


def test_wal_is_archived_though_no_segment_is_full(stack: Stack) -> None:
    """`archive_timeout`: what is written is in the repository soon, however little it is."""
    whole(stack)
    psql(stack, "CREATE TABLE IF NOT EXISTS archived (at timestamptz); INSERT INTO archived VALUES (now())")
    segment = psql(stack, "SELECT pg_walfile_name(pg_current_wal_lsn())")

    def there() -> bool:
        latest = info(stack)["archive"][-1]["max"]
        return latest is not None and latest[8:] >= segment[8:]

    wait_for(there, f"{segment} to be archived", every=1)
    psql(stack, "DROP TABLE archived")


def test_a_backup_is_taken_and_encrypted(stack: Stack) -> None:
    """The first one by itself, and one by the job that runs every few hours, which takes only what has changed."""
    wait_for(lambda: made(stack), "the first backup", every=1)
    before = made(stack)
    assert before[0]["type"] == "full"
    new_job(stack, "incr")
    (latest,) = made(stack)[len(before) :]
    assert latest["type"] == "incr"
    assert latest["error"] is False
    assert info(stack)["cipher"] == "aes-256-cbc"
