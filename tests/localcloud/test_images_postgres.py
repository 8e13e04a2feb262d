"""images/postgres, as a pod runs it: user 1000, a read-only root, three writable places."""

from collections.abc import Iterator

import pytest

from localcloud import paths
from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import buildkit, registry, stand_ins_up

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
