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
GROUPS = ("vision_week_owner", "vision_week_app")


class Members(Postgres):
    """A database that is told logins as a member of the platform's is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.words: dict[str, str] = {}

    def tell(self, *generations: int, serving: int = 0) -> None:
        """Both consumers' logins of these generations."""
        self.words |= {login(group, number): f"{group} {number}" for group in GROUPS for number in generations}
        told = [entry(group, number, self.words[login(group, number)]) for group in GROUPS for number in generations]
        file = self.folder / "logins.json"
        file.write_text(json.dumps(told))
        text = LOGINS.read_text().replace("/etc/vision-week/roles/logins.json", str(file))
        self.sql(text, serving=str(serving))

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
def database(server: Members) -> Members:
    """As it is in a new cluster."""
    server.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    for (role,) in server.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'vision%' ORDER BY 1 DESC"):
        server.sql(f"DROP ROLE {role}")
    server.run(ROLES)
    server.tell(1)
    return server


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


def test_what_is_as_it_should_be_is_not_written_again(database: Members) -> None:
    """It runs every two seconds."""
    written = "SELECT rolname, xmin FROM pg_authid WHERE rolname LIKE 'vision%' ORDER BY 1"
    before = database.sql(written)
    database.tell(1)
    assert database.sql(written) == before


def test_a_database_of_an_earlier_release_is_brought_here(database: Members) -> None:
    """There the owner and the application logged in as themselves; they do until nobody needs it."""
    exhibits(database)
    for group in GROUPS:
        database.sql(f"ALTER ROLE {group} LOGIN PASSWORD 'of old'")
    database.sql("DROP OWNED BY vision_week_readonly; DROP ROLE vision_week_readonly", DATABASE)
    database.run(ROLES)
    database.tell(1)
    assert database.says("vision_week_app", "SELECT count(*) FROM exhibits", "of old") == "0"
    assert database.says("vision_week_app_a", "SELECT count(*) FROM exhibits") == "0"
    assert database.sql("SET ROLE vision_week_readonly; SELECT count(*) FROM exhibits", DATABASE) == [["0"]]
    database.tell(1, serving=1)
    for group in GROUPS:
        assert "authentication failed" in database.says(group, "SELECT 1", "of old")


def test_it_can_all_be_run_again(database: Members) -> None:
    exhibits(database)
    database.run(ROLES)
    database.tell(1)
    assert database.says("vision_week_app_a", "SELECT count(*) FROM exhibits") == "0"
