"""Backups of real PostgreSQL in a real repository (S5.2, S11.2; service levels: recovery point)."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from components.pgbackrest import JOBS
from operations.delivery.backup import NAME, before_release
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target
from operations.stacks import settings_of
from tests.cluster.asking import value
from tests.cluster.backups import DATA, archived, info, made, new_job, repository
from tests.cluster.database import MEMBERS, inside, members, primary, psql, whole
from tests.cluster.releases import deliver
from tests.cluster.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


def target(stack: Stack) -> Target:
    """The stack, as an operator's commands see it."""
    return Target("test", stack.settings_file, settings_of(stack.settings_file))


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


def test_a_release_that_migrates_begins_with_a_backup_or_not_at_all(stack: Stack) -> None:
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    before, said = made(stack), list[str]()
    before_release(target(stack), said.append)
    assert "Backed up after" in said[-1]
    (latest,) = made(stack)[len(before) :]
    assert latest["error"] is False
    with away(stack), pytest.raises(DeliveryError, match="the release was not begun") as caught:
        before_release(target(stack), said.append)
    assert "archive.info" in caught.value.what
    assert NAME not in [job["metadata"]["name"] for job in stack.objects("data", "jobs")]


@pytest.mark.drill
def test_a_dropped_table_is_had_back(stack: Stack, record_property: Callable[[str, object], None]) -> None:
    """By the operator's own command and the page's steps: restored beside to the moment before, and taken over."""
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    rows_of_its_own = "SELECT i AS id, md5(i::text) AS title FROM generate_series(1, 50000) AS i"
    psql(stack, f"SET ROLE vision_week_owner; CREATE TABLE dropped AS {rows_of_its_own}")
    rows = "SELECT count(*), md5(string_agg(id || title, ',' ORDER BY id)) FROM dropped"
    expected = psql(stack, rows)
    before = moment(stack)
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
def test_the_weekly_drill_restores_and_reads_all_of_it(stack: Stack) -> None:
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    said = new_job(stack, "drill")
    assert "All of it is there and whole" in said
    assert re.search(r"\bexhibits +\| \d+", said), said


@pytest.mark.drill
def test_a_database_is_put_back_in_its_place(
    stack: Stack, client: httpx.Client, record_property: Callable[[str, object], None]
) -> None:
    """To a moment: what was there then is there again, what came after is not, and the application goes on with it."""
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    psql(stack, "SET ROLE vision_week_owner; CREATE TABLE kept AS SELECT i AS id FROM generate_series(1, 1000) AS i")
    exhibits = client.get("/api/exhibits").json()
    before = moment(stack)
    psql(stack, "DROP TABLE kept; SET ROLE vision_week_owner; CREATE TABLE later (id int)")
    archived(stack, psql(stack, "SELECT pg_walfile_name(pg_switch_wal())"))
    began = time.monotonic()
    said = deliver(stack, "restore", "--to", before, "--in-place")
    record_property("restored in place", f"{time.monotonic() - began:.1f} s")
    assert psql(stack, "SELECT count(*), to_regclass('later') IS NULL FROM kept") == "1000|t"
    assert psql(stack, "SET ROLE vision_week_app; SELECT count(*) FROM kept") == "SET\n1000"
    wait_for(lambda: client.get("/api/exhibits").status_code == 200, "the application to be back", every=0.5)
    assert client.get("/api/exhibits").json() == exhibits
    (former,) = set(re.findall(r"vision_week_until_\w+", said))
    inside(stack, primary(stack), "psql", "--command", f"ALTER DATABASE {former} ALLOW_CONNECTIONS true")
    later = inside(stack, primary(stack), "psql", f"--dbname={former}", "-Atc", "SELECT to_regclass('later')")
    inside(stack, primary(stack), "psql", "--command", f"DROP DATABASE {former}")
    assert later == "later", "what was there is kept"
    psql(stack, "DROP TABLE kept")
    whole(stack)


@pytest.mark.drill
def test_a_cluster_that_was_lost_comes_back_from_the_repository_alone(
    stack: Stack, client: httpx.Client, record_property: Callable[[str, object], None]
) -> None:
    """Every volume is gone, and what Patroni knows of its members. The new cluster, an empty one, then has what was
    archived, and is backed up into the same repository."""
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    psql(stack, "SET ROLE vision_week_owner; CREATE TABLE lost AS SELECT i AS id FROM generate_series(1, 1000) AS i")
    archived(stack, psql(stack, "SELECT pg_walfile_name(pg_current_wal_lsn())"))
    before = len(made(stack))
    lose(stack)
    whole(stack)
    assert "do not match" in new_job(stack, "check", fails=True)
    began = time.monotonic()
    deliver(stack, "restore", "--latest", "--in-place")
    record_property("restored from the repository alone", f"{time.monotonic() - began:.1f} s")
    assert psql(stack, "SELECT count(*) FROM lost") == "1000"
    wait_for(lambda: client.get("/api/exhibits").status_code == 200, "the application to be back", every=0.5)
    wait_for(lambda: len(made(stack)) > before, "the first backup of the new cluster", patience=180, every=1)
    new_job(stack, "check")
    psql(stack, "DROP TABLE lost")


def lose(stack: Stack) -> None:
    """The members, their volumes, and what is known of them."""
    stack.kubectl("-n", DATA, "scale", "statefulset/postgres", "--replicas=0")
    wait_for(lambda: not members(stack), "the members to be gone", patience=120)
    stack.kubectl("-n", DATA, "delete", "pvc", *(f"data-postgres-{number}" for number in range(MEMBERS)))
    for record in stack.objects("data", "endpoints", "app.kubernetes.io/name=postgres"):
        # What is asked of the members is the program's, the rest is theirs.
        known = [key for key in record["metadata"].get("annotations", {}) if "/" not in key and key != "config"]
        if known:
            name = record["metadata"]["name"]
            stack.kubectl("-n", DATA, "annotate", "endpoints", name, *(f"{key}-" for key in known))
    stack.kubectl("-n", DATA, "scale", "statefulset/postgres", f"--replicas={MEMBERS}")
    wait_for(lambda: len(members(stack)) == MEMBERS, "new members")


def moment(stack: Stack) -> str:
    """By the database's clock."""
    return psql(stack, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")


@pytest.mark.drill
def test_a_job_that_fails_raises_an_alert(stack: Stack, prometheus: httpx.Client) -> None:
    whole(stack)
    (check,) = [one for one in stack.objects("data", "cronjobs") if one["metadata"]["name"] == f"{JOBS}-check"]
    raised = f'ALERTS{{alertname="BackupFailed",alertstate="firing",cronjob="{JOBS}-check"}}'
    # Once, and not again within the minute that the alert takes.
    soon = datetime.now(UTC) + timedelta(minutes=1)
    with away(stack), scheduled(stack, check, f"{soon.minute} {soon.hour} * * *"):
        wait_for(lambda: value(prometheus, f"count({raised})") > 0, "the alert", patience=300, every=1)
    new_job(stack, "check")
    wait_for(lambda: value(prometheus, f"count({raised})") == 0, "the end of the alert", patience=120, every=1)


@contextmanager
def scheduled(stack: Stack, job: dict[str, Any], when: str) -> Iterator[None]:
    """Have a job done at other times than the program says."""

    def patch(schedule: str) -> None:
        spec = json.dumps({"spec": {"schedule": schedule}})
        stack.kubectl("-n", DATA, "patch", "cronjob", job["metadata"]["name"], "-p", spec)

    patch(when)
    try:
        yield
    finally:
        patch(job["spec"]["schedule"])


@pytest.mark.drill
def test_a_time_before_the_first_backup_is_refused_with_what_can_be_restored(stack: Stack) -> None:
    whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    assert "any second from" in deliver(stack, "restore", "--to", "2026-01-01T00:00:00Z", ends=Exit.REFUSED)
