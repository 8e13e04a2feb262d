"""A database that is in use elsewhere becomes ours by the commands of docs/postgres.md, and nothing is lost (S5.2).

Two real PostgreSQL 15, the old one reached by TLS as from a pod. A stand-in for `kubectl` runs on our server what the
page has it run in a member's pod, and keeps the objects that it is to apply.
"""

import os
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import patroni
from components.kubernetes import selector
from tests.app.processes import give, program
from tests.app.servers import APP, DATABASE, Postgres, remove
from tests.waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "postgres.md"
HEADING = "### By replication, while it goes on"
# Its owner is nobody of ours. A table with a key that a sequence gives, one that refers to it, one without any key.
SCHEMA = """
CREATE ROLE curator;
GRANT ALL ON SCHEMA public TO curator;
SET ROLE curator;
CREATE TABLE exhibits (id bigserial PRIMARY KEY, title text NOT NULL);
CREATE TABLE photographs (exhibit bigint NOT NULL REFERENCES exhibits ON DELETE CASCADE, name text, UNIQUE (name));
CREATE TABLE "Visits" (number bigint NOT NULL, times int NOT NULL);
INSERT INTO exhibits (title) SELECT 'of old ' || i FROM generate_series(1, 20000) AS i;
INSERT INTO photographs SELECT id, 'of ' || id FROM exhibits;
"""
# What somebody does there all the time.
CHANGE = """
BEGIN;
WITH made AS (INSERT INTO exhibits (title) VALUES ('new {number}') RETURNING id)
    INSERT INTO photographs SELECT id, 'new {number}' FROM made;
INSERT INTO "Visits" VALUES ({number}, 1);
UPDATE "Visits" SET times = times + 1 WHERE number = {number} - 1;
DELETE FROM "Visits" WHERE number = {number} - 9;
DELETE FROM exhibits WHERE id = {number};
COMMIT;
SELECT {number};
"""
KUBECTL = """#!/bin/sh
echo "kubectl $*" >> {told}
case "$*" in
    *" exec "*) while [ "$1" != -- ]; do shift; done; shift
        exec env PGHOST={socket} PGPORT={port} PGUSER=postgres {as_user} "$@" ;;
    *" get pod "*) echo pod/postgres-0 ;;
    "apply -f -") cat > {applied} ;;
esac
"""


class Old(Postgres):
    """Somebody's server, which takes connections by TLS alone and logs every statement."""

    def start(self) -> None:
        key, certificate = self.data / "server.key", self.folder / "old.crt"
        subprocess.run(
            [
                *(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)
        give(key, self.user)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                f"wal_level = logical\nlog_statement = all\n"
                f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n"
            )
        access = self.data / "pg_hba.conf"
        access.write_text(access.read_text().replace("\nhost ", "\nhostssl "))
        super().start()

    def in_use(self) -> "Writer":
        writer = Writer(self._psql(DATABASE))
        writer.start()
        return writer


class Writer(threading.Thread):
    """Changes rows without a pause until it is put out, and remembers what was acknowledged."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(daemon=True)
        self._command = command
        self.acknowledged = 0

    def run(self) -> None:
        with subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as session:
            assert session.stdin
            assert session.stdout
            try:
                while True:
                    session.stdin.write(CHANGE.format(number=self.acknowledged + 1))
                    session.stdin.flush()
                    if session.stdout.readline() != f"{self.acknowledged + 1}\n":
                        return
                    self.acknowledged += 1
            except BrokenPipeError:
                return


@dataclass(frozen=True)
class Adoption:
    """What the commands left behind.

    told: what `kubectl` and `pulumi` were asked. written: changes that were acknowledged before, and in all.
    temporary: a member's /tmp.
    """

    old: Postgres
    new: Postgres
    told: str
    policy: dict[str, Any]
    written: tuple[int, int]
    temporary: Path


@pytest.fixture(scope="module")
def adopted() -> Iterator[Adoption]:
    """The old database, in use, and all commands of the page one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    folder.chmod(0o755)
    for name in ("old", "new", "pod", "bin"):
        (folder / name).mkdir()
    give(folder / "pod", Postgres.user)
    old, new = Old(folder / "old"), Postgres(folder / "new")
    try:
        old.sql(SCHEMA, DATABASE)
        old.sql("ALTER ROLE postgres PASSWORD 'of old'")
        # As the application's migrations left it.
        new.sql("SET ROLE vision_week_owner; CREATE TABLE exhibits (id uuid PRIMARY KEY)", DATABASE)
        stand_in(
            folder,
            "kubectl",
            KUBECTL.format(
                told=folder / "told",
                applied=folder / "applied",
                socket=new.data,
                port=new.port,
                as_user=shlex.join(other()),
            ),
        )
        stand_in(folder, "pulumi", f'#!/bin/sh\necho "pulumi $*" >> {folder / "told"}\n')
        writer = old.in_use()
        wait_for(lambda: writer.acknowledged >= 20, "the old database to be in use")
        before = writer.acknowledged
        ran(folder, commands(old.port, folder / "pod"))
        writer.join(30)
        assert not writer.is_alive()
        policy = yaml.safe_load((folder / "applied").read_text())
        told = (folder / "told").read_text()
        yield Adoption(old, new, told, policy, (before, writer.acknowledged), folder / "pod")
    finally:
        old.stop()
        new.stop()
        remove(folder)


def other() -> list[str]:
    """Words before a command that make it PostgreSQL's own user's, as all is in a pod."""
    return (
        ["setpriv", f"--reuid={Postgres.user}", f"--regid={Postgres.user}", "--clear-groups"]
        if os.geteuid() == 0
        else []
    )


def stand_in(folder: Path, name: str, text: str) -> None:
    file = folder / "bin" / name
    file.write_text(text)
    file.chmod(0o755)


def commands(port: int, temporary: Path) -> str:
    """What the page has one type, for a server on this machine's port; a member's /tmp is a folder of the test's."""
    section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
    typed = [
        line[2:]
        for block in section.split("```console\n")[1:]
        for line in block.partition("```")[0].splitlines()
        if line.startswith(("$ ", "> "))
    ]
    text = "\n".join(typed)
    for theirs, ours in {"old.example": "localhost", "5432": str(port), "/tmp/": f"{temporary}/"}.items():  # noqa: S108
        assert theirs in text
        text = text.replace(theirs, ours)
    return text


def ran(folder: Path, text: str) -> None:
    """Have a shell run it in a folder where the old server's certificate is, by somebody who is its superuser."""
    here = folder / "old"
    password = here / "pgpass"
    password.write_text("localhost:*:*:postgres:of old\n")
    password.chmod(0o600)
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{text}"],
        cwd=here,
        env={
            "PATH": f"{folder / 'bin'}:{Path(program('pg_ctl')).parent}:{os.environ['PATH']}",
            "PGPASSFILE": str(password),
            "LANG": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def content(server: Postgres) -> list[list[list[str]]]:
    """Every row of every table."""
    return [
        server.sql(f"SELECT * FROM {table} ORDER BY 1, 2", DATABASE)  # noqa: S608
        for table in ("exhibits", "photographs", '"Visits"')
    ]


def test_everything_that_was_acknowledged_there_is_here(adopted: Adoption) -> None:
    before, written = adopted.written
    assert written > before, "nothing was written meanwhile"
    titles = {title for _, title in adopted.new.sql("TABLE exhibits", DATABASE)}
    assert {f"new {number}" for number in range(1, written + 1)} <= titles
    assert content(adopted.new) == content(adopted.old)


def test_keys_go_on_after_the_last_one_there(adopted: Adoption) -> None:
    last = "SELECT max(id) FROM exhibits"
    ((there,),) = adopted.old.sql(last, DATABASE)
    made = "INSERT INTO exhibits (title) VALUES ('ours') RETURNING id"
    ((first,),) = adopted.new.sql(f"BEGIN; SET ROLE {APP}; {made}; ROLLBACK", DATABASE)
    assert int(first) > int(there)


def test_what_was_adopted_is_the_owners_and_the_application_writes_it(adopted: Adoption) -> None:
    owners = adopted.new.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", DATABASE)
    assert owners == [["vision_week_owner"]]
    changed = f"""BEGIN; SET ROLE {APP}; UPDATE "Visits" SET times = 0 RETURNING times; ROLLBACK"""  # noqa: S608
    assert ["0"] in adopted.new.sql(changed, DATABASE)


def test_whoever_comes_to_the_old_server_afterwards_is_refused(adopted: Adoption) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        adopted.old.sql("INSERT INTO exhibits (title) VALUES ('late')", DATABASE)
    assert "read-only transaction" in caught.value.stderr


def test_nothing_of_the_adoption_is_left(adopted: Adoption) -> None:
    assert adopted.new.sql("SELECT count(*) FROM pg_subscription") == [["0"]]
    left = (
        "SELECT (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_replication_slots),"
        " (SELECT count(*) FROM pg_roles WHERE rolname = 'adoption')"
    )
    assert adopted.old.sql(left, DATABASE) == [["0", "0", "0"]]
    assert list(adopted.temporary.iterdir()) == []


def test_the_password_stands_in_no_argument_and_no_log(adopted: Adoption) -> None:
    """It is 48 hexadecimal digits; nothing else here is that long."""
    logs = [server.folder / "postgres.log" for server in (adopted.old, adopted.new)]
    for text in (adopted.told, *(log.read_text() for log in logs)):
        assert text
        assert not [word for word in text.replace("'", " ").replace(":", " ").split() if is_a_password(word)]


def is_a_password(word: str) -> bool:
    return len(word) == 48 and set(word) <= set("0123456789abcdef")


def test_the_policy_opens_a_way_for_the_members_alone_and_goes_again(adopted: Adoption) -> None:
    """Kubernetes' own rule: what selects pods and says nothing of who comes in changes nothing about that."""
    spec = adopted.policy["spec"]
    labels = spec["podSelector"]["matchLabels"]
    assert labels
    assert labels.items() <= selector(patroni.SCOPE).items()
    assert spec["policyTypes"] == ["Egress"]
    name, namespace = adopted.policy["metadata"]["name"], adopted.policy["metadata"]["namespace"]
    assert f"kubectl -n {namespace} delete networkpolicy {name}" in adopted.told.splitlines()
