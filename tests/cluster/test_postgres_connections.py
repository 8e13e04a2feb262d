"""Who may connect to PostgreSQL, and how, tried from the application's own pod (S7, beyond)."""

import json

import pytest

from components.patroni import POOLED_PORT, PORT
from tests.cluster.database import MEMBERS, inside, primary, psql
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

_CONNECT = """
$host = getenv('DATABASE_HOST');
$password = file_get_contents(getenv('DATABASE_PASSWORD_FILE'));
try {{
    new PDO("pgsql:host=$host;port={port};dbname=vision_week;{parameters}", getenv('DATABASE_USER'), $password);
    echo 'connected';
}} catch (PDOException $error) {{
    echo $error->getMessage();
}}
"""


_ONE_BY_ONE = """
$password = file_get_contents(getenv('DATABASE_PASSWORD_FILE'));
$place = 'pgsql:host=' . getenv('DATABASE_HOST') . ';port={port};dbname=vision_week;sslmode=require';
$answers = [];
for ($number = 0; $number < 20; $number++) {{
    $client = new PDO($place, getenv('DATABASE_USER'), $password);
    $answers[] = $client->query("SELECT pg_backend_pid(), current_setting('search_path'),
        current_setting('statement_timeout')")->fetch(PDO::FETCH_NUM);
    $client->exec("SET search_path = left_behind");
    $client = null;
}}
echo json_encode($answers);
"""


def connect(stack: Stack, port: int, parameters: str) -> str:
    """What the application's container gets that connects in this way, with its own name and password."""
    return php(stack, _CONNECT.format(port=port, parameters=parameters))


def php(stack: Stack, program: str) -> str:
    """What a program prints in the application's container."""
    return stack.kubectl("-n", f"{PREFIX}-app", "exec", "deploy/app", "-c", "php", "--", "php", "-r", program)


@pytest.mark.parametrize(("port", "said"), [(POOLED_PORT, "SSL required"), (PORT, "no encryption")])
def test_who_does_not_encrypt_is_refused(stack: Stack, port: int, said: str) -> None:
    assert said in connect(stack, port, "sslmode=disable")


@pytest.mark.parametrize("port", [POOLED_PORT, PORT])
def test_an_authority_that_did_not_sign_the_certificate_is_not_enough(stack: Stack, port: int) -> None:
    system = "/etc/ssl/certs/ca-certificates.crt"
    assert "certificate verify failed" in connect(stack, port, f"sslmode=verify-full;sslrootcert={system}")
    own = "sslmode=verify-full;sslrootcert=/etc/vision-week/secrets/database-ca.crt"
    assert connect(stack, port, own) == "connected"


def test_clients_that_come_and_go_get_connections_that_stay_and_find_nothing_of_each_other(stack: Stack) -> None:
    """Straight to PostgreSQL each has a process of its own. Their statements end, too."""
    answers = {port: json.loads(php(stack, _ONE_BY_ONE.format(port=port))) for port in (POOLED_PORT, PORT)}
    processes = {port: len({process for process, *_ in told}) for port, told in answers.items()}
    assert processes[POOLED_PORT] < processes[PORT] == 20
    assert {tuple(rest) for _, *rest in answers[POOLED_PORT]} == {('"$user", public', "30s")}


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
