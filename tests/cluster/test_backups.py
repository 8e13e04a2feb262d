"""Backups of real PostgreSQL in a real repository (S5.2, S11.2; service levels: recovery point)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from operations.delivery.problem import Exit
from tests.cluster.backups import DATA, archived, info, made, new_job, repository
from tests.cluster.database import primary, psql, whole
from tests.cluster.releases import deliver
from tests.cluster.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


@contextmanager
def away(stack: Stack) -> Iterator[None]:
    """What was stored is not there, as on a volume that is another's."""
    repository(stack, "mv", "/var/lib/pgbackrest/archive", "/var/lib/pgbackrest/away")
    try:
        yield
    finally:
        repository(stack, "mv", "/var/lib/pgbackrest/away", "/var/lib/pgbackrest/archive")


def test_a_backup_is_taken_and_encrypted(stack: Stack) -> None:
    """The first one by itself, and one by the job that runs every few hours, which takes only what has changed."""
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    before = made(stack)
    assert before[0]["type"] == "full"
    new_job(stack, "incr")
    (latest,) = made(stack)[len(before) :]
    assert (latest["type"], latest["error"]) == ("incr", False)
    assert info(stack)["cipher"] == "aes-256-cbc"


def test_wal_is_archived_though_no_segment_is_full(stack: Stack) -> None:
    """`archive_timeout`: what is written is in the repository soon, however little it is."""
    whole(stack)
    psql(stack, "CREATE TABLE IF NOT EXISTS archived (at timestamptz); INSERT INTO archived VALUES (now())")
    segment = psql(stack, "SELECT pg_walfile_name(pg_current_wal_lsn())")
    psql(stack, "DROP TABLE archived")
    archived(stack, segment)


def test_a_repository_that_is_away_is_a_failed_job(stack: Stack) -> None:
    """And the database goes on; what it wrote meanwhile is archived when the repository is back."""
    whole(stack)
    with away(stack):
        said = new_job(stack, "check", fails=True)
        assert "archive.info" in said
        psql(stack, "CREATE TABLE meanwhile AS SELECT 1 AS one")
    segment = psql(stack, "SELECT pg_walfile_name(pg_switch_wal())")
    archived(stack, segment)
    psql(stack, "DROP TABLE meanwhile")
    new_job(stack, "check")


@pytest.mark.drill
def test_a_dropped_table_is_had_back(stack: Stack, record_property: Callable[[str, object], None]) -> None:
    """By the operator's own command and the page's steps: restored beside to the moment before, and taken over."""
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    rows_of_its_own = "SELECT i AS id, md5(i::text) AS title FROM generate_series(1, 50000) AS i"
    psql(stack, f"SET ROLE vision_week_owner; CREATE TABLE dropped AS {rows_of_its_own}")
    rows = "SELECT count(*), md5(string_agg(id || title, ',' ORDER BY id)) FROM dropped"
    expected = psql(stack, rows)
    before = psql(stack, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    psql(stack, "DROP TABLE dropped")
    archived(stack, psql(stack, "SELECT pg_walfile_name(pg_switch_wal())"))
    began = time.monotonic()
    deliver(stack, "restore", "--to", before)
    record_property("restored beside", f"{time.monotonic() - began:.1f} s")
    try:
        dump = ["pg_dump", "--no-owner", "--no-privileges", "--table=dropped", "vision_week"]
        text = stack.kubectl("-n", DATA, "exec", "job/postgres-restored", "--", *dump)
        stack.kubectl(
            *("-n", DATA, "exec", "-i", primary(stack), "-c", "postgres", "--"),
            *(
                "psql",
                "--dbname=vision_week",
                "--single-transaction",
                "--command=SET ROLE vision_week_owner",
                "--file=-",
            ),
            stdin=text,
        )
        assert psql(stack, rows) == expected
        assert psql(stack, "SET ROLE vision_week_app; SELECT count(*) FROM dropped") == "SET\n50000"
    finally:
        stack.kubectl("-n", DATA, "delete", "job", "postgres-restored")
        psql(stack, "DROP TABLE IF EXISTS dropped")


@pytest.mark.drill
def test_a_time_before_the_first_backup_is_refused_with_what_can_be_restored(stack: Stack) -> None:
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    assert "any second from" in deliver(stack, "restore", "--to", "2026-01-01T00:00:00Z", ends=Exit.REFUSED)
