"""Who may connect to PostgreSQL, and how, tried from the application's own pod (S7, beyond)."""

import pytest

from tests.cluster.database import MEMBERS, inside, primary, psql
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

_CONNECT = """
$host = getenv('DATABASE_HOST');
$password = file_get_contents(getenv('DATABASE_PASSWORD_FILE'));
try {{
    new PDO("pgsql:host=$host;dbname=vision_week;{parameters}", getenv('DATABASE_USER'), $password);
    echo 'connected';
}} catch (PDOException $error) {{
    echo $error->getMessage();
}}
"""


def connect(stack: Stack, parameters: str) -> str:
    """What the application's container gets that connects in this way, with its own name and password."""
    program = _CONNECT.format(parameters=parameters)
    return stack.kubectl("-n", f"{PREFIX}-app", "exec", "deploy/app", "-c", "php", "--", "php", "-r", program)


def test_who_does_not_encrypt_is_refused(stack: Stack) -> None:
    assert "no encryption" in connect(stack, "sslmode=disable")


def test_an_authority_that_did_not_sign_the_certificate_is_not_enough(stack: Stack) -> None:
    system = "/etc/ssl/certs/ca-certificates.crt"
    assert "certificate verify failed" in connect(stack, f"sslmode=verify-full;sslrootcert={system}")
    assert connect(stack, "sslmode=verify-full;sslrootcert=/etc/vision-week/secrets/database-ca.crt") == "connected"


def test_nobody_logs_in_but_as_the_consumer_that_it_is(stack: Stack) -> None:
    """S7.3: by a role of its own, with a password of its own; the members' files put it there."""
    logins = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'vision%' ORDER BY 1"
    own = ["vision_week_backup", "vision_week_exporter"]
    wanted = ["vision_week_app_a", *own, "vision_week_owner_a", "vision_week_readonly"]
    # Those of an earlier release may come in until its last pod has had time to end.
    wait_for(lambda: psql(stack, logins).split() == wanted, "nobody else to log in", patience=300)
    assert psql(stack, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "vision_week_owner"


def test_a_person_may_read_over_a_members_own_socket(stack: Stack) -> None:
    read = ["psql", "--username=vision_week_readonly", "--dbname=vision_week", "--tuples-only", "--no-align"]
    assert inside(stack, primary(stack), *read, "--command=SELECT count(*) > 0 FROM schema_migrations") == "t"


def test_the_members_copy_over_encrypted_connections(stack: Stack) -> None:
    versions = "SELECT version FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"
    found = wait_for(lambda: copies if len(copies := psql(stack, versions).split()) == MEMBERS - 1 else None, "copies")
    assert set(found) == {"TLSv1.3"}


def test_a_former_primary_may_ask_the_new_one_what_to_take_back(stack: Stack) -> None:
    """It was refused, and never came back, where it had writes that nobody else had."""
    assert psql(stack, "SELECT has_database_privilege('rewinder', 'postgres', 'CONNECT')") == "t"
