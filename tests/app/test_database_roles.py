"""Who may do what in the database, asked of PostgreSQL itself: by the files that the platform's members run (S7.3)."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from components.logins import verifier
from tests.app.processes import program
from tests.app.servers import DATABASE, ROLES, Postgres, remove

LOGINS = ROLES.with_name("logins.sql")
FIRST_RELEASE = Path(__file__).with_name("first_release.sql")
GROUPS = ("vision_week_owner", "vision_week_app")


class Members(Postgres):
    """A database that is told logins as a member of the platform's is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.words: dict[str, str] = {}

    def tell(self, *generations: int, serving: int = 0, told: int = 0) -> None:
        """Both consumers' logins of these generations. serving: what everybody is at; told: what new pods are at."""
        self.words |= {login(group, number): f"{group} {number}" for group in GROUPS for number in generations}
        entries = [entry(group, number, self.words[login(group, number)]) for group in GROUPS for number in generations]
        file = self.folder / "logins.json"
        file.write_text(json.dumps(entries))
        text = LOGINS.read_text().replace("/etc/vision-week/roles/logins.json", str(file))
        self.sql(text, serving=str(serving), told=str(told or serving))

    def says(self, user: str, statement: str, password: str | None = None, database: str = DATABASE) -> str:
        """What a role that logs in over the network gets: the answer, or the error."""
        done = subprocess.run(
            [program("psql"), "-X", "-q", "-A", "-t", f"--command={statement}"],
            env={
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": user,
                "PGDATABASE": database,
                "PGPASSWORD": self.words.get(user, "") if password is None else password,
            },
            text=True,
            capture_output=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


def login(group: str, generation: int) -> str:
    return f"{group}_{'a' if generation % 2 else 'b'}"


def entry(group: str, generation: int, password: str) -> Mapping[str, object]:
    user = login(group, generation)
    settings = {"role": group} if group == "vision_week_owner" else {"statement_timeout": "30s"}
    return {
        "role": user,
        "member_of": group,
        "generation": generation,
        "verifier": verifier(user, password),
        "settings": settings,
    }


@pytest.fixture(scope="module")
def server() -> Iterator[Members]:
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    folder.chmod(0o755)
    server = Members(folder)
    yield server
    server.stop()
    remove(folder)


@pytest.fixture
def bare(server: Members) -> Members:
    """A server without our database and without our roles."""
    server.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    for (role,) in server.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'vision%' ORDER BY 1 DESC"):
        server.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
    return server


@pytest.fixture
def database(bare: Members) -> Members:
    """As it is in a new cluster."""
    bare.run(ROLES)
    bare.tell(1)
    return bare


def exhibits(database: Members) -> None:
    """A table, as a migration makes it."""
    made = database.says("vision_week_owner_a", "CREATE TABLE exhibits (id bigserial PRIMARY KEY, title text)")
    assert made == ""


def refused(answer: str) -> bool:
    return any(words in answer for words in ("permission denied", "must be owner", "must be superuser"))


def test_the_password_is_right_and_another_is_not(database: Members) -> None:
    """PostgreSQL was told a verifier, and never the password."""
    assert database.says("vision_week_app_a", "SELECT current_user") == "vision_week_app_a"
    assert "authentication failed" in database.says("vision_week_app_a", "SELECT 1", "another")


def test_what_a_migration_makes_belongs_to_the_owner_whoever_runs_it(database: Members) -> None:
    exhibits(database)
    assert database.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'exhibits'", DATABASE) == [
        ["vision_week_owner"]
    ]
    database.tell(1, 2)
    assert database.says("vision_week_owner_b", "ALTER TABLE exhibits ADD COLUMN year int") == ""


def test_the_application_changes_rows_and_nothing_about_their_table(database: Members) -> None:
    exhibits(database)
    for may in (
        "INSERT INTO exhibits (title) VALUES ('one')",
        "UPDATE exhibits SET title = 'two'",
        "DELETE FROM exhibits WHERE title = 'none'",
    ):
        assert database.says("vision_week_app_a", may) == ""
    for may_not in (
        "CREATE TABLE other (id int)",
        "CREATE TEMPORARY TABLE other (id int)",
        "CREATE SCHEMA other",
        "ALTER TABLE exhibits ADD COLUMN year int",
        "CREATE INDEX ON exhibits (title)",
        "TRUNCATE exhibits",
        "DROP TABLE exhibits",
        "SET ROLE vision_week_owner",
        "CREATE ROLE other",
        "ALTER ROLE vision_week_owner LOGIN",
        "SELECT rolpassword FROM pg_authid",
        "COPY exhibits TO PROGRAM 'cat'",
    ):
        assert refused(database.says("vision_week_app_a", may_not)), may_not
    assert database.says("vision_week_app_a", "SELECT title FROM exhibits") == "two"


def test_whoever_only_reads_writes_nothing(database: Members) -> None:
    exhibits(database)
    database.says("vision_week_app_a", "INSERT INTO exhibits (title) VALUES ('one')")
    as_reader = "SET ROLE vision_week_readonly;"
    assert database.sql(f"{as_reader} TABLE exhibits", DATABASE) == [["1", "one"]]
    for may_not in (
        "INSERT INTO exhibits (title) VALUES ('two')",
        "UPDATE exhibits SET title = 'two'",
        "DELETE FROM exhibits",
        "CREATE TABLE other (id int)",
        "SELECT nextval('exhibits_id_seq')",
    ):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            database.sql(f"{as_reader} {may_not}", DATABASE)
        assert refused(caught.value.stderr), may_not


def test_the_exporter_sees_what_others_do_and_no_row(database: Members) -> None:
    exhibits(database)
    as_exporter = "SET ROLE vision_week_exporter;"
    for sees in (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'checkpointer' AND backend_start IS NOT NULL",
        "SELECT setting <> '' FROM pg_settings WHERE name = 'data_directory'",
        f"SELECT pg_database_size('{DATABASE}') > 0",
        "SELECT count(*) = 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'",
    ):
        assert database.sql(f"{as_exporter} {sees}", DATABASE) == [["t"]], sees
    for may_not in (
        "TABLE public.exhibits",
        "CREATE TABLE public.other (id int)",
        "CREATE TEMPORARY TABLE other (id int)",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT * FROM pg_ls_waldir()",
    ):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            database.sql(f"{as_exporter} {may_not}", DATABASE)
        assert refused(caught.value.stderr), may_not


def test_nobody_logs_in_as_a_role_that_holds_rights(database: Members) -> None:
    for group in GROUPS:
        assert "authentication failed" in database.says(group, "SELECT 1", "a guess")


def test_a_session_has_the_settings_of_its_login(database: Members) -> None:
    assert database.says("vision_week_app_a", "SHOW statement_timeout") == "30s"
    assert database.says("vision_week_owner_a", "SHOW statement_timeout") == "0"


def test_two_generations_are_valid_until_everybody_is_at_the_later_one(database: Members) -> None:
    database.tell(1, 2)
    assert database.says("vision_week_app_a", "SELECT 1") == database.says("vision_week_app_b", "SELECT 1") == "1"
    database.tell(1, 2, serving=2)
    assert "authentication failed" in database.says("vision_week_app_a", "SELECT 1")
    assert database.says("vision_week_app_b", "SELECT 1") == "1"


def test_the_third_generation_takes_the_first_ones_role_under_another_password(database: Members) -> None:
    database.tell(1, 2, serving=2)
    database.tell(2, 3)
    assert database.says("vision_week_app_a", "SELECT 1") == "1"
    assert "authentication failed" in database.says("vision_week_app_a", "SELECT 1", "vision_week_app 1")


def test_a_generation_that_was_left_out_takes_no_password_from_anybody(database: Members) -> None:
    """From the first to the third: both take the same turn, and pods log in with the first one's password."""
    database.tell(1, serving=1)
    database.tell(2, 3, serving=1)
    assert database.says("vision_week_app_a", "SELECT 1", "vision_week_app 1") == "1"
    assert database.says("vision_week_app_b", "SELECT 1") == "1"


def test_a_turn_that_comes_again_waits_for_the_last_who_has_it(database: Members) -> None:
    """The third generation, while the last pods of the first end."""
    database.tell(1, 2, told=2)
    database.tell(2, 3, told=2)
    assert database.says("vision_week_app_a", "SELECT 1", "vision_week_app 1") == "1"
    database.tell(2, 3, serving=2)
    assert database.says("vision_week_app_a", "SELECT 1") == database.says("vision_week_app_b", "SELECT 1") == "1"


def test_a_database_from_a_backup_is_told_the_passwords_of_today(database: Members) -> None:
    """In a new cluster nobody is served yet, whatever the roles were when the backup was made."""
    database.tell(2, 3)
    assert database.says("vision_week_app_a", "SELECT 1") == database.says("vision_week_app_b", "SELECT 1") == "1"


def test_going_back_ends_nobody_before_everybody_is_back(database: Members) -> None:
    """The word that all are at the second generation is still there when the files know the first alone."""
    database.tell(1, 2, serving=2)
    database.tell(1, serving=2)
    assert database.says("vision_week_app_a", "SELECT 1") == database.says("vision_week_app_b", "SELECT 1") == "1"
    database.tell(1, serving=1)
    assert database.says("vision_week_app_a", "SELECT 1") == "1"
    assert "authentication failed" in database.says("vision_week_app_b", "SELECT 1")


def test_who_is_over_is_put_out(database: Members) -> None:
    """A connection that was made before would outlive its password."""
    session = subprocess.Popen(
        [program("psql"), "-X", "-q", "-A", "-t"],
        env={
            "PGHOST": "127.0.0.1",
            "PGPORT": str(database.port),
            "PGUSER": "vision_week_app_a",
            "PGDATABASE": DATABASE,
            "PGPASSWORD": database.words["vision_week_app_a"],
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert session.stdin
    assert session.stdout
    session.stdin.write("SELECT 'here';\n")
    session.stdin.flush()
    assert session.stdout.readline() == "here\n"
    database.tell(1, 2, serving=2)
    _, said = session.communicate("SELECT 'still here';\n")
    assert "terminating connection" in said or "server closed the connection" in said


def test_a_password_that_was_edited_by_hand_is_put_right(database: Members) -> None:
    database.sql("ALTER ROLE vision_week_app_a PASSWORD 'another'")
    database.tell(1)
    assert database.says("vision_week_app_a", "SELECT 1") == "1"


def test_a_setting_that_a_login_gave_itself_is_put_right(database: Members) -> None:
    """It may, in PostgreSQL: a limit that it could take away would be none."""
    for own in ("statement_timeout = 0", "work_mem = '1GB'"):
        assert database.says("vision_week_app_a", f"ALTER ROLE vision_week_app_a SET {own}") == ""
    database.tell(1)
    shown = [database.says("vision_week_app_a", f"SHOW {name}") for name in ("statement_timeout", "work_mem")]
    assert shown == ["30s", "4MB"]


def test_what_is_as_it_should_be_is_not_written_again(database: Members) -> None:
    """It runs every two seconds."""
    roles = "SELECT rolname, xmin FROM pg_authid WHERE rolname LIKE 'vision%' ORDER BY 1"
    settings = "SELECT setrole, xmin FROM pg_db_role_setting ORDER BY 1"
    before = database.sql(roles), database.sql(settings)
    assert all(before)
    database.tell(1)
    assert (database.sql(roles), database.sql(settings)) == before


def test_a_database_of_the_first_release_is_brought_here(bare: Members) -> None:
    """There the owner and the application logged in as themselves; they do until nobody needs it."""
    bare.run(FIRST_RELEASE)
    bare.run(ROLES)
    bare.tell(1)
    rows = "SELECT title FROM exhibits"
    assert bare.says("vision_week_app", rows, "of old") == "of old"
    assert bare.says("vision_week_app_a", rows) == "of old"
    assert bare.says("vision_week_app_a", "INSERT INTO exhibits (title) VALUES ('new')") == ""
    assert bare.says("vision_week_owner_a", "ALTER TABLE exhibits ADD COLUMN year int") == ""
    assert bare.sql(f"SET ROLE vision_week_readonly; {rows}", DATABASE) == [["of old"], ["new"]]
    bare.tell(1, serving=1)
    for group in GROUPS:
        assert "authentication failed" in bare.says(group, "SELECT 1", "of old")


def test_what_a_migration_takes_from_somebody_stays_taken(database: Members) -> None:
    """The files are run at each change of the primary; a record that may only grow would be open again after one."""
    exhibits(database)
    taken = "REVOKE DELETE ON exhibits FROM vision_week_app; REVOKE SELECT ON exhibits FROM vision_week_readonly"
    assert database.says("vision_week_owner_a", taken) == ""
    database.run(ROLES)
    assert refused(database.says("vision_week_app_a", "DELETE FROM exhibits"))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        database.sql("SET ROLE vision_week_readonly; TABLE exhibits", DATABASE)
    assert refused(caught.value.stderr)


def test_it_can_all_be_run_again(database: Members) -> None:
    exhibits(database)
    database.run(ROLES)
    database.tell(1)
    assert database.says("vision_week_app_a", "SELECT count(*) FROM exhibits") == "0"
