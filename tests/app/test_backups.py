"""Backups by real pgBackRest of real PostgreSQL, by the files that the platform's jobs and members have (S5.2, S11.2).

A folder is the repository's volume, and WAL is pushed into it without a server between. That one, and the jobs as jobs,
are tried on pods.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components import patroni, pgbackrest
from components.settings import Postgres as Settings
from tests.app.processes import Process, as_user, give, program
from tests.app.servers import ROLES, Postgres, remove
from tests.waiting import wait_for

SCRIPT = ROLES.with_name("backup.sh")


class Archived(Postgres):
    """A database whose WAL goes to a repository in the same folder."""

    def start(self) -> None:
        self.configure()
        command = json.loads(patroni.shared(Settings()))["postgresql"]["parameters"]["archive_command"]
        words = " ".join(f"{name}={value}" for name, value in self.environment(self.data).items())
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"archive_mode = on\narchive_command = 'env {words} {command}'\n")
        super().start()

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def configure(self, key: str = "right") -> None:
        """The platform's own files, for this folder and without another machine."""
        text = pgbackrest.repository(Settings(members=1), "members", None)
        text = text.replace(pgbackrest.VOLUME, str(self.store)).replace(pgbackrest.LOCKS, str(self.folder / "lock"))
        elsewhere = r"^(pg1-host|pg1-path|pg1-socket-path|tls-server).*\n"
        text = re.sub(elsewhere, "", text, flags=re.MULTILINE) + f"pg1-port={self.port}\n"
        for place in (self.store, self.folder / "conf.d", self.folder / "lock"):
            place.mkdir(exist_ok=True)
            give(place, self.user)
        (self.folder / "pgbackrest.conf").write_text(text)
        (self.folder / "conf.d" / "passphrase.conf").write_text(pgbackrest.passphrase(key))

    def environment(self, data: Path) -> dict[str, str]:
        return {
            "PGBACKREST_CONFIG": str(self.folder / "pgbackrest.conf"),
            "PGBACKREST_CONFIG_INCLUDE_PATH": str(self.folder / "conf.d"),
            "PGBACKREST_STANZA": patroni.STANZA,
            # What can't be read is read once more after 15 s.
            "PGBACKREST_JOB_RETRY": "0",
            "PGBACKREST_PG1_PATH": str(data),
            "PGBACKREST_PG1_SOCKET_PATH": str(data),
        }

    def pgbackrest(self, *command: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self._runs([program("pgbackrest"), *command], data or self.data)

    def job(self, what: str) -> subprocess.CompletedProcess[str]:
        """What a job of the platform does."""
        script = self.folder / SCRIPT.name
        script.write_text(SCRIPT.read_text())
        script.with_name("reached.sh").write_text(SCRIPT.with_name("reached.sh").read_text())
        return self._runs(["sh", str(script), what], self.data)

    def _runs(self, command: list[str], data: Path) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            command,
            env={"PATH": os.environ["PATH"], **self.environment(data)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            **as_user(self.user),
        )
        return done

    def backups(self) -> list[dict[str, Any]]:
        """Oldest first."""
        told = self.pgbackrest("info", "--output=json", "--log-level-console=off")
        found: list[dict[str, Any]] = json.loads(told.stdout)[0]["backup"]
        return found

    def stored(self) -> dict[str, str]:
        """A digest of each file of the repository."""
        return {
            str(file.relative_to(self.store)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in self.store.rglob("*")
            if file.is_file()
        }

    def archive(self) -> None:
        """Have all that was written until now in the repository."""
        ((segment,),) = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        archived = "SELECT coalesce(last_archived_wal >= :'segment', false) FROM pg_stat_archiver"
        wait_for(lambda: self.sql(archived, segment=segment) == [["t"]], f"{segment} to be archived")


class Restored(Postgres):
    """What the platform's restore makes beside, as its pod does it."""

    def __init__(self, origin: Archived, name: str, *options: str, script: str = "restore.sh") -> None:
        self.folder = self.data = origin.folder / name  # where its socket is
        self.port = 5432
        self.folder.mkdir()
        give(self.folder, self.user)
        places = {
            patroni.PGDATA: str(self.folder / "pgdata"),
            pgbackrest.VOLUME: str(origin.store),
            pgbackrest.LOCKS: str(self.folder / "lock"),
            "/run/postgresql": str(self.folder),
            "/tmp/restored": str(self.folder / "restored"),  # noqa: S108
        }
        for file, text in (
            ("restore.conf", pgbackrest.restoring(None)),
            *((file, SCRIPT.with_name(file).read_text()) for file in ("restore.sh", "drill.sh", "reached.sh")),
        ):
            for place, ours in places.items():
                text = text.replace(place, ours)  # noqa: PLW2901
            (self.folder / file).write_text(text)
        self.process = Process(
            ["sh", str(self.folder / script), *options],
            log=origin.folder / f"{name}.log",
            environment={
                "PGBACKREST_CONFIG": str(self.folder / "restore.conf"),
                "PGBACKREST_CONFIG_INCLUDE_PATH": str(origin.folder / "conf.d"),
                "PGBACKREST_STANZA": patroni.STANZA,
                "PGBACKREST_JOB_RETRY": "0",
                "PGHOST": str(self.folder),
            },
            user=self.user,
        )

    def there(self) -> bool:
        return (self.folder / "restored").exists()


@pytest.fixture(scope="module")
def server() -> Iterator[Archived]:
    """A database with its first backup."""
    program("pgbackrest")
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    folder.chmod(0o755)
    server = Archived(folder)
    begun = server.job("begin")
    assert begun.returncode == 0, begun.stdout
    yield server
    server.stop()
    remove(folder)


@pytest.fixture
def database(server: Archived) -> Iterator[Archived]:
    """The repository is afterwards what it was before."""
    aside = server.folder / "aside"
    shutil.copytree(server.store, aside, symlinks=True)
    yield server
    server.configure()
    shutil.rmtree(server.store, ignore_errors=True)
    aside.rename(server.store)
    for path in (server.store, *server.store.rglob("*")):
        give(path, server.user)


def test_the_first_backup_is_made_once(server: Archived) -> None:
    (first,) = server.backups()
    assert first["type"] == "full"
    again = server.job("begin")
    assert again.returncode == 0, again.stdout
    assert server.backups() == [first]


def test_an_incremental_backup_takes_what_has_changed(database: Archived) -> None:
    done = database.job("incr")
    assert done.returncode == 0, done.stdout
    full, latest = database.backups()
    assert (latest["type"], latest["prior"], latest["error"]) == ("incr", full["label"], False)
    assert latest["info"]["repository"]["delta"] < full["info"]["repository"]["delta"]


def test_nothing_that_is_stored_can_be_read(database: Archived) -> None:
    database.sql("CREATE TABLE secrets AS SELECT 'a secret of ours' AS text FROM generate_series(1, 1000)")
    database.archive()
    assert database.job("incr").returncode == 0
    database.sql("DROP TABLE secrets")
    files = [file for file in database.store.rglob("*") if file.is_file()]
    assert {file.read_bytes()[:8] for file in files} == {b"Salted__"}


def test_whoever_begins_backups_reads_nothing(server: Archived) -> None:
    server.sql("CREATE TABLE IF NOT EXISTS rows (id int)", "vision_week")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        server.sql(f"SET ROLE {patroni.BACKUP}; TABLE public.rows", "vision_week")
    assert "permission denied" in caught.value.stderr


def test_a_dropped_table_is_had_back_with_every_row(database: Archived) -> None:
    """Restored to the moment before, beside: the database itself is left as it is."""
    assert database.job("incr").returncode == 0
    # pgBackRest counts in whole seconds: what ended in the second that is asked for isn't before it.
    ended = database.backups()[-1]["timestamp"]["stop"]
    wait_for(lambda: time.time() >= ended + 1, "the next second", every=0.1)
    database.sql("CREATE TABLE exhibits AS SELECT i AS id, md5(i::text) AS title FROM generate_series(1, 20000) AS i")
    digest = "SELECT count(*), md5(string_agg(id || title, ',' ORDER BY id)) FROM exhibits"
    rows = database.sql(digest)
    ((before,),) = database.sql("SELECT now()")
    database.sql("DROP TABLE exhibits")
    database.archive()
    beside = Restored(database, "beside", "--type=time", f"--target={before}", "--target-action=promote")
    try:
        beside.process.wait_until(beside.there, "the restore")
        assert beside.sql(digest) == rows
    finally:
        beside.stop()
    assert database.sql("SELECT to_regclass('exhibits')") == [[""]]


def test_a_time_that_the_archive_does_not_reach_is_not_restored(database: Archived) -> None:
    """What would be there is older than what was asked for, and nobody would know."""
    ((later,),) = database.sql("SELECT now() + '1 hour'")
    beside = Restored(database, "too-late", "--type=time", f"--target={later}", "--target-action=promote")
    assert beside.process.wait(60) != 0
    said = beside.process.log.read_text()
    assert "recovery ended before configured recovery target was reached" in said
    assert "Nothing was restored" in said


def test_with_another_key_nothing_is_read_and_nothing_is_lost(database: Archived) -> None:
    stored = database.stored()
    database.configure("wrong")
    for what in ("begin", "full", "incr", "check", "verify"):
        done = database.job(what)
        assert done.returncode != 0, what
        assert "passphrase" in done.stdout, done.stdout
    assert database.stored() == stored


def test_a_repository_that_is_away_fails_every_job_and_says_so(database: Archived) -> None:
    database.store.rename(database.folder / "away")
    for what in ("full", "incr", "check", "verify"):
        done = database.job(what)
        assert done.returncode != 0, what
        assert "archive.info" in done.stdout or "backup.info" in done.stdout, done.stdout
    database.sql("CREATE TABLE meanwhile AS SELECT 1 AS one")
    (database.folder / "away").rename(database.store)
    database.archive()
    assert database.sql("TABLE meanwhile") == [["1"]]


def test_a_damaged_backup_is_found_and_not_restored(database: Archived) -> None:
    (full,) = database.backups()
    files = (database.store / "backup" / patroni.STANZA / full["label"] / "pg_data").rglob("*")
    damage(max((file for file in files if file.is_file()), key=lambda file: file.stat().st_size))
    verified = database.job("verify")
    assert verified.returncode != 0
    assert "status: error" in verified.stdout, verified.stdout
    beside = Restored(database, "from-damaged")
    assert beside.process.wait(60) != 0
    assert "corruption detected" in beside.process.log.read_text()
    assert not (beside.folder / "pgdata" / "global" / "pg_control").exists(), "what is not whole must not start"


def test_a_drill_restores_counts_and_ends(database: Archived) -> None:
    assert database.job("incr").returncode == 0
    database.sql("CREATE TABLE counted AS SELECT i AS id FROM generate_series(1, 1234) AS i", "vision_week")
    database.archive()
    drill = Restored(database, "drill", script="drill.sh")
    status = drill.process.wait(90)
    said = drill.process.log.read_text()
    database.sql("DROP TABLE counted", "vision_week")
    assert status == 0, said
    assert re.search(r"counted +\| 1234\n", said), said
    assert "All of it is there and whole" in said


def test_a_drill_fails_where_an_index_lacks_a_row(database: Archived) -> None:
    """Each page is as it was written, so nothing but a comparison finds it."""
    assert database.job("incr").returncode == 0
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'lacking_id'::regclass"
    database.sql("CREATE TABLE lacking (id int); CREATE INDEX lacking_id ON lacking (id)", "vision_week")
    database.sql(ready.format("false"), "vision_week")
    database.sql("INSERT INTO lacking VALUES (1)", "vision_week")
    database.sql(ready.format("true"), "vision_week")
    database.archive()
    drill = Restored(database, "bad-drill", script="drill.sh")
    status = drill.process.wait(90)
    database.sql("DROP TABLE lacking", "vision_week")
    said = drill.process.log.read_text()
    assert status != 0, said
    assert 'lacks matching index tuple within index "lacking_id"' in said, said


def test_a_drill_fails_where_wal_is_missing(database: Archived) -> None:
    """PostgreSQL takes what it finds, and begins with less than there was."""
    assert database.job("incr").returncode == 0
    for _ in range(3):
        database.sql("CREATE TABLE written AS SELECT 1 AS one; DROP TABLE written")
        database.archive()
    *_, missing, _ = sorted((database.store / "archive").rglob("*.zst"), key=lambda file: file.name)
    missing.unlink()
    drill = Restored(database, "gap", script="drill.sh")
    status = drill.process.wait(90)
    said = drill.process.log.read_text()
    assert status != 0, said
    assert "can't be had" in said, said


def test_a_drill_fails_where_nothing_can_be_restored(database: Archived) -> None:
    database.store.rename(database.folder / "away")
    drill = Restored(database, "no-drill", script="drill.sh")
    status = drill.process.wait(60)
    (database.folder / "away").rename(database.store)
    assert status != 0
    assert "Nothing is archived" in drill.process.log.read_text()


def test_damaged_wal_is_found(database: Archived) -> None:
    damage(next(file for file in (database.store / "archive").rglob("*.zst")))
    verified = database.job("verify")
    assert verified.returncode != 0
    assert "total valid WAL" in verified.stdout, verified.stdout


def test_a_whole_repository_is_verified(server: Archived) -> None:
    verified = server.job("verify")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.drill
def test_another_database_takes_nobodys_place_in_the_repository(database: Archived) -> None:
    """A cluster that was lost and begun anew must not bury the backups of the one before."""
    stored = database.stored()
    folder = database.folder / "anew"
    folder.mkdir(mode=0o755)
    anew = Anew(folder, database.store)
    try:
        for what in ("begin", "full", "check"):
            done = anew.job(what)
            assert done.returncode != 0, what
            assert "do not match" in done.stdout, done.stdout
    finally:
        anew.stop()
    assert database.stored() == stored


@pytest.fixture(scope="module")
def failing_over(server: Archived) -> Iterator[Archived]:
    """One that may begin timelines more, with a repository of its own and its first backup."""
    folder = server.folder / "failing-over"
    folder.mkdir(mode=0o755)
    one = Archived(folder)
    begun = one.job("begin")
    assert begun.returncode == 0, begun.stdout
    yield one
    one.stop()
    remove(folder)


def take_over(server: Archived) -> None:
    """As a replica does: what comes is of another timeline."""
    server.stop()
    (server.data / "standby.signal").touch()
    server.start()
    assert server.sql("SELECT pg_promote()") == [["t"]]


def timelines(server: Archived) -> list[str]:
    """Where each backup ended."""
    return [backup["archive"]["stop"][:8] for backup in server.backups()]


def test_a_check_after_a_failover_takes_a_backup_and_what_is_written_then_is_had_back(failing_over: Archived) -> None:
    """A member that takes over never archives what the one before had finished and not yet handed over."""
    for _ in range(3):
        failing_over.sql("CREATE TABLE written AS SELECT 1 AS one; DROP TABLE written")
        failing_over.archive()
    *_, missing, _ = sorted((failing_over.store / "archive").rglob("*.zst"), key=lambda file: file.name)
    missing.unlink()
    before = timelines(failing_over)
    unchanged = failing_over.job("check")
    assert (unchanged.returncode, timelines(failing_over)) == (0, before), unchanged.stdout
    take_over(failing_over)
    checked = failing_over.job("check")
    assert checked.returncode == 0, checked.stdout
    assert "Another member has taken over" in checked.stdout
    *same, latest = timelines(failing_over)
    assert same == before
    assert latest > before[-1]
    again = failing_over.job("check")
    assert (again.returncode, timelines(failing_over)) == (0, [*before, latest]), again.stdout
    failing_over.sql("CREATE TABLE afterwards AS SELECT 1 AS one")
    failing_over.archive()
    beside = Restored(failing_over, "beside", "--type=default")
    try:
        beside.process.wait_until(beside.there, "the restore")
        assert beside.sql("TABLE afterwards") == [["1"]]
    finally:
        beside.stop()


def test_a_check_after_a_failover_leaves_a_backup_that_runs_alone(failing_over: Archived) -> None:
    take_over(failing_over)
    before = timelines(failing_over)
    lock = failing_over.folder / "lock" / f"{patroni.STANZA}-backup.lock"
    with lock.open("a") as running:
        give(lock, failing_over.user)
        fcntl.flock(running, fcntl.LOCK_EX)
        meanwhile = failing_over.job("check")
    assert meanwhile.returncode == 0, meanwhile.stdout
    assert "Another backup runs" in meanwhile.stdout
    assert timelines(failing_over) == before
    later = failing_over.job("check")
    assert later.returncode == 0, later.stdout
    assert len(timelines(failing_over)) == len(before) + 1


class Anew(Archived):
    """Another database before somebody's repository."""

    def __init__(self, folder: Path, store: Path) -> None:
        self._store = store
        super().__init__(folder)

    @property
    def store(self) -> Path:
        return self._store


def damage(file: Path) -> None:
    """Change a few bytes in the middle."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = bytes(255 - byte for byte in content[middle : middle + 4])
    file.write_bytes(content)
