"""PostgreSQL where the disk is full, and where a replica stays away, by the platform's own parameters (S5, beyond).

The disk is a small one in memory: it fills and grows as a volume does, and is as quick as memory. What a slow or broken
one does isn't tried here.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import patroni
from components.settings import Backups
from components.settings import Postgres as Settings
from components.values import Resources, mebibytes
from tests.app.processes import Process, as_user, give, program
from tests.app.servers import Postgres, remove
from tests.waiting import wait_for

SETTINGS = Settings(
    size="512Mi",
    members=3,
    max_connections=50,
    resources=Resources(cpu="100m", cpu_limit="1", memory="512Mi"),
    backups=Backups(enabled=False),
)
SLOT = "replica"
MIB = 1024**2


class OnDisk(Postgres):
    """A member on a disk of its own, as large as the settings have it."""

    def __init__(self, folder: Path) -> None:
        self.disk = folder
        mounted(folder, SETTINGS.size)
        give(folder, self.user)
        super().__init__(folder)
        self.sql("CREATE TABLE writes (number int); INSERT INTO writes VALUES (0)")
        # Stored as it comes, not compressed.
        self.sql("CREATE TABLE large (number int, content text); ALTER TABLE large ALTER content SET STORAGE EXTERNAL")

    def start(self) -> None:
        configured = self.data / "postgresql.auto.conf"
        parameters = json.loads(patroni.shared(SETTINGS))["postgresql"]["parameters"]
        configured.write_text("".join(f"{name} = '{value}'\n" for name, value in parameters.items()))
        give(configured, self.user)
        super().start()

    def fill(self) -> None:
        """Leave 4 MiB of the disk, and a new segment of WAL, which takes in more than that."""
        self.sql("SELECT pg_switch_wal(); CHECKPOINT")
        free = os.statvfs(self.disk)
        with (self.disk / "ballast").open("wb") as file:
            for _ in range(free.f_bavail * free.f_frsize // MIB - 4):
                file.write(bytes(MIB))

    def grow(self) -> None:
        """As a volume does, beneath a database that may be running."""
        subprocess.run(["mount", "-o", "remount,size=1g", str(self.disk)], check=True)

    def writes(self, statement: str) -> tuple[set[str], str]:
        """Write one row after another until it isn't taken: the numbers of those that were acknowledged, and what was
        said then."""
        statements = "".join(statement.format(number=number) for number in range(1, 1001))
        done = subprocess.run([*self._psql("postgres")], input=statements, text=True, capture_output=True, check=False)
        assert done.returncode != 0, "everything was taken"
        return {line for line in done.stdout.splitlines() if line}, done.stderr


class Replica(Postgres):
    """Copies a primary, and holds a slot of it."""

    def __init__(self, primary: Postgres, folder: Path) -> None:
        self.primary = primary
        self.port, self.folder, self.data = primary.port, folder, folder / "replica"
        self.copy()

    def copy(self) -> None:
        """Anew, by a slot that is made for it: what Patroni does on `reinit`."""
        remove(self.data)
        self.primary.sql(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;"
            "SELECT pg_create_physical_replication_slot(:'slot', true)",
            slot=SLOT,
        )
        subprocess.run(
            [
                *(program("pg_basebackup"), "--checkpoint=fast", "--write-recovery-conf", f"--slot={SLOT}"),
                *(f"--host={self.primary.data}", f"--port={self.port}", "--username=postgres", f"--pgdata={self.data}"),
            ],
            check=True,
            capture_output=True,
            **as_user(self.user),  # type: ignore[call-overload]
        )
        for lock in self.data.glob(".s.PGSQL.*"):  # the primary's, whose socket is among its files
            lock.unlink()
        self.start()

    def start(self) -> None:
        """Reached by its socket alone: the port is the primary's."""
        command = ["postgres", "-D", str(self.data), "-c", "listen_addresses=", "-c", "fsync=off"]
        command += ["-c", f"port={self.port}", "-c", f"unix_socket_directories={self.data}"]
        self.process = Process(command, log=self.folder / "replica.log", environment={}, user=self.user)
        self.process.wait_until(self._is_ready, "the replica starts")


def mounted(folder: Path, size: str) -> None:
    options = f"size={size.removesuffix('i').lower()}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


@pytest.fixture
def database() -> Iterator[OnDisk]:
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    folder.chmod(0o755)
    database = None
    try:
        database = OnDisk(folder)
        yield database
    finally:
        if database:
            database.stop()
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        remove(folder)


@pytest.fixture
def replica(database: OnDisk) -> Iterator[Replica]:
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    folder.chmod(0o755)
    give(folder, Postgres.user)
    replica = Replica(database, folder)
    yield replica
    replica.stop()
    remove(folder)


def slot(database: OnDisk) -> list[str]:
    """Whether somebody uses it, and whether what he needs is kept."""
    (found,) = database.sql("SELECT active, wal_status FROM pg_replication_slots")
    return found


def numbers(database: Postgres, table: str) -> set[str]:
    return {number for (number,) in database.sql(f"SELECT number FROM {table} WHERE number > 0")}  # noqa: S608


def test_a_full_disk_refuses_what_it_has_no_room_for_and_takes_it_when_it_has_grown(database: OnDisk) -> None:
    """The database is not even started again."""
    started = database.sql("SELECT pg_postmaster_start_time()")
    database.fill()
    row = "INSERT INTO large VALUES ({number}, repeat('x', 100000)) RETURNING number;\n"
    acknowledged, said = database.writes(row)
    assert acknowledged
    assert "No space left on device" in said
    assert numbers(database, "large") == acknowledged
    database.grow()
    database.sql("INSERT INTO large SELECT i, repeat('x', 100000) FROM generate_series(2001, 2200) AS i")
    assert len(numbers(database, "large")) == len(acknowledged) + 200
    assert database.sql("SELECT pg_postmaster_start_time()") == started


def test_a_disk_without_room_for_wal_stops_the_database_and_loses_nothing(database: OnDisk) -> None:
    """It ends at once rather than acknowledge what it can't keep; on the grown disk it is what it was, page by page."""
    database.fill()
    row = (
        "INSERT INTO writes SELECT {number} FROM pg_logical_emit_message(false, 'wal', repeat('x', 1000000))"
        " RETURNING number;\n"
    )
    acknowledged, _ = database.writes(row)
    assert acknowledged
    assert "PANIC:  could not write to file" in database.process.log.read_text()
    database.grow()
    database.stop()
    database.start()
    assert numbers(database, "writes") >= acknowledged
    database.sql("INSERT INTO writes VALUES (2001)")
    database.stop()
    checked = subprocess.run(
        [program("pg_checksums"), "--check", f"--pgdata={database.data}"],
        check=True,
        text=True,
        capture_output=True,
        **as_user(database.user),  # type: ignore[call-overload]
    )
    assert "Bad checksums:  0" in checked.stdout
    database.start()


def test_a_replica_that_stays_away_does_not_fill_the_primarys_disk(database: OnDisk, replica: Replica) -> None:
    """More is written meanwhile than the whole disk holds. The replica's slot is given up, and it is copied anew."""
    wait_for(lambda: slot(database) == ["t", "reserved"], "the replica to follow")
    replica.stop()
    wal = "SELECT pg_logical_emit_message(false, 'wal', repeat('x', 1000000)) FROM generate_series(1, 30); CHECKPOINT"
    most = 0
    for _ in range(20):
        database.sql(wal)
        ((kept,),) = database.sql("SELECT sum(size) / 1024 / 1024 FROM pg_ls_waldir()")
        most = max(most, int(float(kept)))
    assert slot(database) == ["f", "lost"]
    assert most < mebibytes(SETTINGS.size) // 2
    replica.start()
    wait_for(lambda: "has already been removed" in replica.process.log.read_text(), "it to be refused")
    assert slot(database) == ["f", "lost"]
    replica.stop()
    replica.copy()
    database.sql("INSERT INTO writes VALUES (1)")
    wait_for(lambda: numbers(replica, "writes") == {"1"}, "the row to be at the replica")
    assert slot(database) == ["t", "reserved"]
