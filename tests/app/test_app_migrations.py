"""Migrations: once each, in order, as the owner, one run at a time, all or nothing."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.app import MISTAKEN
from tests.app.processes import Process
from tests.app.servers import APP, DATABASE, OWNER, Postgres, Redis
from tests.app.site import Site

TABLES = [["exhibits"], ["schema_migrations"], ["uploads"], ["users"]]


@pytest.fixture
def empty(folder: Path, postgres: Postgres, redis: Redis, tmp_path: Path) -> Iterator[Site]:
    """A site whose database has no schema yet."""
    postgres.sql(f"ALTER DATABASE {DATABASE} RENAME TO kept")
    postgres.sql(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    postgres.sql(
        f"""ALTER SCHEMA public OWNER TO {OWNER};
        ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP};""",
        DATABASE,
    )
    yield Site(folder / f"migrations-{tmp_path.name}", postgres, redis)
    postgres.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    postgres.sql(f"ALTER DATABASE kept RENAME TO {DATABASE}")


def tables(postgres: Postgres) -> list[list[str]]:
    return postgres.sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
        DATABASE,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    line: dict[str, object] = json.loads(done.stderr.splitlines()[-1])
    return line


def test_the_first_run_makes_the_schema_and_the_second_changes_nothing(empty: Site, postgres: Postgres) -> None:
    first = empty.run("migrate.php", owner=True)
    assert first.returncode == 0, first.stderr
    assert tables(postgres) == TABLES
    applied = postgres.sql("SELECT name, applied_at FROM schema_migrations ORDER BY name", DATABASE)
    assert [name for name, _ in applied] == sorted(file.name for file in Path("app/migrations").glob("*.sql"))
    second = empty.run("migrate.php", owner=True)
    assert second.returncode == 0, second.stderr
    assert last_line(second)["applied"] == 0
    assert postgres.sql("SELECT name, applied_at FROM schema_migrations ORDER BY name", DATABASE) == applied


def test_two_runs_at_once_do_not_meet(empty: Site, postgres: Postgres) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(empty.run, "migrate.php", owner=True) for _ in range(4)]
        done = [run.result() for run in runs]
    assert [run.returncode for run in done] == [0] * 4, [run.stderr for run in done]
    assert sorted(str(last_line(run)["applied"]) for run in done) == ["0", "0", "0", "3"]
    assert tables(postgres) == TABLES


def test_the_applications_role_reads_and_writes_rows_and_owns_nothing(empty: Site, postgres: Postgres) -> None:
    empty.run("migrate.php", owner=True)
    owners = postgres.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", DATABASE)
    assert owners == [[OWNER]]
    (empty.folder / "html/migrations/0004_more.sql").write_text("CREATE TABLE more ();")
    refused = empty.run("migrate.php")
    assert refused.returncode == MISTAKEN
    assert "permission denied" in str(last_line(refused)["cause"])


def test_a_migration_that_fails_leaves_nothing_of_itself_and_is_named(empty: Site, postgres: Postgres) -> None:
    (empty.folder / "html/migrations/0004_broken.sql").write_text("CREATE TABLE half (); SELECT 1 / 0;")
    done = empty.run("migrate.php", owner=True)
    assert done.returncode == MISTAKEN
    assert "0004_broken.sql" in str(last_line(done)["cause"])
    assert "division by zero" in str(last_line(done)["cause"])
    assert tables(postgres) == TABLES
    (empty.folder / "html/migrations/0004_broken.sql").write_text("CREATE TABLE whole ();")
    assert empty.run("migrate.php", owner=True).returncode == 0


def test_a_migration_that_had_to_wait_too_long_may_be_tried_again(empty: Site) -> None:
    """Nothing is wrong with it: the Job tries again."""
    waits = "DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = 'lock_not_available'; END $$;"
    (empty.folder / "html/migrations/0004_waits.sql").write_text(waits)
    assert empty.run("migrate.php", owner=True).returncode == 1


def test_a_migration_that_was_edited_after_it_ran_is_refused(empty: Site) -> None:
    empty.run("migrate.php", owner=True)
    with (empty.folder / "html/migrations/0001_users.sql").open("a") as file:
        file.write("-- later thought\n")
    done = empty.run("migrate.php", owner=True)
    assert done.returncode == MISTAKEN
    assert "0001_users.sql was changed after it ran" in str(last_line(done)["cause"])


def test_a_database_that_is_still_starting_is_waited_for(empty: Site, postgres: Postgres) -> None:
    postgres.stop()
    command = ["php8.2", str(empty.folder / "html/bin/migrate.php")]
    run = Process(command, log=empty.folder / "migrate.log", environment=empty.owner_environment)
    try:
        run.wait_until(lambda: "waiting for the database" in run.log.read_text(), "the script waits")
    finally:
        postgres.start()
    assert run.wait() == 0, run.log.read_text()
    assert tables(postgres) == TABLES


def test_a_database_that_takes_no_writes_yet_is_waited_for(empty: Site, postgres: Postgres) -> None:
    """As one does whose members have not chosen a primary since they all started anew."""
    postgres.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    postgres.sql("SELECT pg_reload_conf()")
    command = ["php8.2", str(empty.folder / "html/bin/migrate.php")]
    run = Process(command, log=empty.folder / "migrate.log", environment=empty.owner_environment)
    try:
        run.wait_until(lambda: "read-only transaction" in run.log.read_text(), "the script waits")
    finally:
        postgres.sql("ALTER SYSTEM RESET default_transaction_read_only")
        postgres.sql("SELECT pg_reload_conf()")
    assert run.wait() == 0, run.log.read_text()
    assert tables(postgres) == TABLES
