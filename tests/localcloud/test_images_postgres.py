"""images/postgres, as a pod runs it: user 1000, a read-only root, three writable places."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import postgres
from components.logins import verifier
from localcloud import paths
from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import buildkit, registry, stand_ins_up
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

IMAGE = f"{registry.ADDRESS}/vision-week/postgres:contract"
CONFINED = (
    "--read-only",
    "--user=1000:1000",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:mode=1777",
    "--tmpfs=/run/postgresql:uid=1000,gid=1000",
    "--tmpfs=/var/lib/postgresql/data:uid=1000,gid=1000",
)


def quiet(_: str) -> None:
    pass


def build() -> buildkit.Built:
    file = paths.CHECKOUT / "images/postgres/Dockerfile"
    return buildkit.build(buildkit.Build(dockerfile=file, names=[IMAGE]), quiet)


@pytest.fixture(scope="module", autouse=True)
def image() -> Iterator[None]:
    registry_up(quiet)
    stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    build()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(layout.credentials()))
        yield
        docker("image", "rm", "--force", IMAGE)


def run(*command: str) -> str:
    return docker("run", "--rm", *CONFINED, IMAGE, *command)


def test_a_rebuild_with_nothing_changed_runs_no_step() -> None:
    assert build().steps_run == ()


def test_it_has_patroni_4_and_postgresql_15_and_pgbackrest_on_path() -> None:
    assert run("patroni", "--version").startswith("patroni 4.")
    assert "(PostgreSQL) 15." in run("postgres", "--version")
    assert run("pgbackrest", "version").startswith("pgBackRest 2.")


def test_it_can_speak_to_kubernetes_and_write_logs_as_json() -> None:
    modules = "patroni.dcs.kubernetes, patroni.psycopg, psycopg, pythonjsonlogger"
    assert run("/opt/patroni/bin/python", "-c", f"import {modules}; print(psycopg.pq.__impl__)") == "binary"


def test_nothing_can_be_installed_in_it() -> None:
    installed = run(
        "/opt/patroni/bin/python", "-c", "import importlib.metadata as m; print(*[d.name for d in m.distributions()])"
    )
    assert "patroni" in installed.split()
    assert not {"pip", "setuptools"} & set(installed.split())


def test_a_database_can_be_made_by_user_1000() -> None:
    said = run("sh", "-c", 'initdb --username=postgres --pgdata="$PGDATA" > /dev/null && id -un && echo "$PGDATA"')
    assert said.splitlines() == ["postgres", "/var/lib/postgresql/data/pgdata"]


def test_a_killed_containers_socket_lock_does_not_outlive_it() -> None:
    """PostgreSQL refused to start: the lock file in the emptyDir named a process id that existed again."""
    said = run(
        "sh",
        "-c",
        "touch /run/postgresql/.s.PGSQL.5432 /run/postgresql/.s.PGSQL.5432.lock /run/postgresql/kept;"
        "postgres-entrypoint > /dev/null 2>&1 || ls -A /run/postgresql",
    )
    assert said == "kept"


def test_what_keeps_the_roles_makes_them_and_ends_who_is_over_when_all_had_time_to_end(tmp_path: Path) -> None:
    """`postgres-roles.sh`, beside a PostgreSQL as in a pod; here in one container with it."""
    for name in ("roles.sql", "logins.sql", "postgres-roles.sh"):
        (tmp_path / name).write_text((paths.CHECKOUT / "components" / "files" / name).read_text())
    login = {
        "role": "vision_week_app_a",
        "member_of": "vision_week_app",
        "generation": 1,
        "verifier": verifier("vision_week_app_a", "secret"),
        "settings": {},
    }
    for file, content in {"roles/logins.json": json.dumps([login]), "tls/tls.crt": "one"}.items():
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(content)
    tmp_path.chmod(0o755)
    (tmp_path / "roles" / "users.txt").touch()
    for folder in ("roles", "tls", "serving"):
        (tmp_path / folder).mkdir(exist_ok=True)
    started = (
        'initdb --username=postgres --pgdata="$PGDATA" > /dev/null'
        " && pg_ctl --options='-c listen_addresses= -c shared_buffers=16MB' --log=/tmp/log --wait start > /dev/null"
        " && exec sh /etc/vision-week/postgres-roles.sh"
    )
    options = (*CONFINED, f"--volume={tmp_path}:/etc/vision-week:ro", "--env=LONGEST_ENDING=1")
    container = docker("run", "--detach", *options, IMAGE, "sh", "-c", started)
    kept = ["vision_week_app_a", "vision_week_backup", "vision_week_exporter", "vision_week_readonly"]

    def who() -> str:
        ask = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'vision%' ORDER BY 1"
        return docker("exec", container, "psql", "--dbname=postgres", "-At", f"--command={ask}")

    try:
        wait_for(lambda: docker("exec", container, "find", "/tmp", "-name", "kept"), "the roles to be there")  # noqa: S108
        assert who().split() == kept
        earlier = "CREATE ROLE vision_week_app_of_old LOGIN IN ROLE vision_week_app"
        docker("exec", container, "psql", "--dbname=postgres", f"--command={earlier}")
        assert "vision_week_app_of_old" in who()
        (tmp_path / "serving" / "generation").write_text("1")
        wait_for(lambda: who().split() == kept, "the earlier one to end")
        docker("stop", "--time=30", container)
        # It ends at the first word, not when it is killed.
        assert docker("inspect", "--format={{.State.ExitCode}}", container) == "0"
    finally:
        docker("rm", "--force", container)


# Asks a port for its numbers under TLS, and prints who answers with what.
ASK = """
import http.client, socket, ssl, sys
folder, name, port = sys.argv[1:]
context = ssl.create_default_context(cafile=folder + "/tls.crt")
try:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as secure:
            secure.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
            print(secure.getpeercert()["serialNumber"], b"".join(iter(lambda: secure.recv(65536), b"")).decode())
except OSError as error:
    print(error)
"""


def test_exporters_answer_under_tls_alone_with_the_certificate_that_is_there(tmp_path: Path) -> None:
    """S7.3. A renewed one is shown without a start of theirs, which would roll a member."""
    there, program = postgres._EXPORTERS_TLS, "/main.py"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    make += ["-keyout", "tls.key", "-out", "tls.crt", "-subj", f"/CN={postgres.EXPORTERS}"]
    make += ["-addext", f"subjectAltName=DNS:{postgres.EXPORTERS}"]

    def renew() -> None:
        subprocess.run(make, cwd=tmp_path, capture_output=True, check=True)
        (tmp_path / "tls.key").chmod(0o644)

    renew()
    (tmp_path / "web.json").write_text(postgres._EXPORTERS_WEB)
    tmp_path.chmod(0o755)
    own, pooler = postgres.EXPORTER_PORT, postgres.POOLER_EXPORTER_PORT
    both = (
        f"prometheus-postgres-exporter --web.listen-address=:{own} --web.config.file={there}/web.json &"
        f" exec python {program} {pooler} {there}"
    )
    script = paths.CHECKOUT / "components/files/pooler-exporter.py"
    source = "--env=DATA_SOURCE_NAME=postgresql:///vision_week?host=/run/postgresql&sslmode=disable"
    options = (f"--volume={tmp_path}:{there}:ro", f"--volume={script}:{program}:ro", source)
    container = docker("run", "--detach", *CONFINED, *options, IMAGE, "sh", "-c", both)

    def said(port: int) -> str:
        return docker("exec", container, "python", "-c", ASK, there, postgres.EXPORTERS, str(port))

    def in_clear(port: int) -> str:
        ask = f"import socket; s = socket.create_connection(('127.0.0.1', {port}), 10);"
        ask += "s.sendall(b'GET /metrics HTTP/1.0\\r\\n\\r\\n'); s.settimeout(20); print(s.recv(65536))"
        return docker("exec", container, "python", "-c", ask)

    try:
        for port, number in ((own, "pg_up 0"), (pooler, "pgbouncer_up 0")):
            wait_for(lambda port=port, number=number: number in said(port), f"{number} at {port}")  # type: ignore[misc]
            assert "_up" not in in_clear(port)
        before = {said(port).split()[0] for port in (own, pooler)}
        renew()
        for port in (own, pooler):
            assert "_up 0" in said(port)
            assert said(port).split()[0] not in before
        # Its pod's other containers wait for it when they go, a primary's members too.
        docker("stop", "--time=60", container)
        assert docker("inspect", "--format={{.State.ExitCode}}", container).strip() == "0"
    finally:
        docker("rm", "--force", container)
