"""Each stand-in honours its contract: it runs here as it runs in a pod, as user 1000 on a read-only root."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from localcloud import debian, toolchain
from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import buildkit, publish_binary, registry, stand_ins_up
from localcloud.images.catalogue import LABEL, LABEL_FOR, STAND_INS, StandIn
from localcloud.images.stand_ins import keys_of, request
from tests.localcloud.confined import CONFINED, Container

pytestmark = pytest.mark.cluster


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module", autouse=True)
def stand_ins() -> Iterator[None]:
    """Everything there and the engine allowed to pull it; what it pulled goes again."""
    registry_up(quiet)
    stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(layout.credentials()))
        before = pulled()
        yield
        if new := pulled() - before:
            docker("image", "rm", "--force", *new)


def pulled() -> set[str]:
    listing = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    return {name for name in listing if name.startswith(registry.ADDRESS)}


def address(reference: str) -> str:
    return str(registry.mirror(reference))


def run(reference: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return docker("run", "--rm", *CONFINED, *options, address(reference), *command)


REDIS = "docker.io/library/redis:7.4-bookworm"
NGINX = "docker.io/nginxinc/nginx-unprivileged:1.28-bookworm"
PYTHON = "docker.io/library/python:3.11-slim-bookworm"
POSTGRES = "docker.io/library/postgres:15-bookworm"
ALERTMANAGER = "docker.io/prom/alertmanager:v0.28.1"
BLACKBOX_EXPORTER = "docker.io/prom/blackbox-exporter:v0.27.0"
NODE_EXPORTER = "docker.io/prom/node-exporter:v1.9.1"
PROMETHEUS = "docker.io/prom/prometheus:v3.5.0"
NGINX_EXPORTER = "docker.io/nginx/nginx-prometheus-exporter:1.4.0"
REDIS_EXPORTER = "docker.io/oliver006/redis_exporter:v1.67.0"

NGINX_RUNS = ("nginx.pid", "ls", "/tmp")  # noqa: S108  # the container's own


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A volume at /data that a pod of user 1000 gets."""
    os.chown(tmp_path, 1000, 1000)
    return f"--volume={tmp_path}:/data"


@pytest.mark.parametrize("stand_in", STAND_INS, ids=lambda stand_in: stand_in.name)
def test_an_image_says_that_it_stands_in_and_for_what(stand_in: StandIn) -> None:
    keys = keys_of(debian.rootfs((), quiet))
    name = str(stand_in.names(keys[stand_in.name])[0])
    docker("pull", "--quiet", name)
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", name))
    assert (labels[LABEL], labels[LABEL_FOR]) == ("true", stand_in.stands_in_for)


@pytest.mark.parametrize("stand_in", STAND_INS, ids=lambda stand_in: stand_in.name)
def test_a_rebuild_with_nothing_changed_runs_no_step(stand_in: StandIn) -> None:
    tree = debian.rootfs((), quiet)
    keys = keys_of(tree)
    with registry.connect() as connection:
        before = connection.digest(stand_in.names(keys[stand_in.name])[0])
    buildkit.build(request(stand_in, tree, keys), quiet)  # the cache may have been pruned since it was pushed
    again = buildkit.build(request(stand_in, tree, keys), quiet)
    assert again.steps_run == ()
    assert before is not None


def test_asking_for_all_of_them_again_has_nothing_to_do() -> None:
    stand_ins_up(lambda text: pytest.fail(f"had something to do: {text}"))


def test_redis_serves_clients_from_other_pods_without_a_setting(data: str) -> None:
    with Container(address(REDIS), "--port", "6380", options=(data,)) as redis:
        redis.until("PONG", "redis-cli", "-p", "6380", "ping")
        assert redis.execute("redis-cli", "-p", "6380", "config", "get", "protected-mode").split()[1] == "no"
        assert redis.execute("redis-cli", "-p", "6380", "config", "get", "dir").split()[1] == "/data"
        assert redis.execute("redis-cli", "-p", "6380", "set", "key", "value") == "OK"
        assert redis.execute("redis-cli", "-p", "6380", "save") == "OK"
        assert "dump.rdb" in redis.execute("ls", "/data")


def test_redis_keeps_the_protection_that_the_configuration_asks_for(data: str) -> None:
    command = "printf 'protected-mode yes\\n' > /tmp/redis.conf; exec docker-entrypoint.sh /tmp/redis.conf"
    with Container(address(REDIS), "sh", "-c", command, options=(data,)) as redis:
        redis.until("PONG", "redis-cli", "ping")
        assert redis.execute("redis-cli", "config", "get", "protected-mode").split()[1] == "yes"


def test_sentinel_watches_a_primary(data: str) -> None:
    configuration = "port 26379\\nsentinel monitor main 127.0.0.1 6379 1\\n"
    command = f"redis-server --daemonize yes; printf '{configuration}' > /tmp/s.conf; exec redis-sentinel /tmp/s.conf"
    with Container(address(REDIS), "sh", "-c", command, options=(data,)) as sentinel:
        sentinel.until("127.0.0.1", "redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", "main")


def test_nginx_listens_on_8080_as_any_user_and_logs_to_the_container() -> None:
    with Container(address(NGINX)) as nginx:
        nginx.until(*NGINX_RUNS)
        answer = httpx.get(f"http://{nginx.ip}:8080/", trust_env=False)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
        assert '"GET / HTTP/1.1" 200' in docker("logs", nginx.id)


def test_nginx_takes_its_sites_from_conf_d(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("server { listen 8080; location / { return 200 ours; } }")
    tmp_path.chmod(0o755)
    with Container(address(NGINX), options=(f"--volume={tmp_path}:/etc/nginx/conf.d:ro",)) as nginx:
        nginx.until(*NGINX_RUNS)
        assert httpx.get(f"http://{nginx.ip}:8080/", trust_env=False).text == "ours"


def test_python_and_its_packages_are_where_the_official_image_has_them() -> None:
    program = "import sys, sysconfig; print(sys.executable, sys.version_info[:2], sysconfig.get_path('purelib'))"
    assert run(PYTHON, "python", "-c", program) == (
        "/usr/local/bin/python (3, 11) /usr/local/lib/python3.11/site-packages"
    )
    assert "/usr/local/lib/python3.11/site-packages/pip" in run(PYTHON, "pip", "--version")
    assert run(PYTHON, "sh", "-c", "python -m venv /tmp/v && /tmp/v/bin/python -c 'print(1)'") == "1"


def test_postgres_has_its_programs_on_path_and_makes_a_database_in_pgdata() -> None:
    command = 'initdb --username=postgres --pgdata="$PGDATA" >/dev/null && cat "$PGDATA/PG_VERSION" && locale'
    options = ("--tmpfs=/var/lib/postgresql/data:uid=999,gid=999,mode=0700", "--user=999:999")
    said = run(POSTGRES, "sh", "-c", command, options=options).splitlines()
    assert said[0] == "15"
    assert "LANG=en_US.utf8" in said
    assert run(POSTGRES, "sh", "-c", "echo $PG_MAJOR $PGDATA") == "15 /var/lib/postgresql/data"
    assert run(POSTGRES, "which", "postgres") == "/usr/lib/postgresql/15/bin/postgres"


def test_prometheus_asks_and_keeps_as_any_user_and_promtool_is_beside_it(tmp_path: Path) -> None:
    job = {"job_name": "itself", "scrape_interval": "1s", "static_configs": [{"targets": ["localhost:9090"]}]}
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    tmp_path.chmod(0o755)
    options = (f"--volume={tmp_path}:/etc/prometheus:ro", "--tmpfs=/prometheus:uid=1000,gid=1000")
    with Container(address(PROMETHEUS), options=options) as prometheus:
        prometheus.until('job="itself"', "promtool", "query", "instant", "http://localhost:9090", "up == 1")


def test_alertmanager_runs_as_any_user_and_amtool_is_beside_it(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(json.dumps({"route": {"receiver": "a"}, "receivers": [{"name": "a"}]}))
    tmp_path.chmod(0o755)
    options = (f"--volume={tmp_path}:/etc/alertmanager:ro", "--tmpfs=/alertmanager:uid=1000,gid=1000")
    with Container(address(ALERTMANAGER), options=options) as alertmanager:
        words = ("amtool", "--alertmanager.url=http://localhost:9093", "config", "routes")
        alertmanager.until("receiver: a", *words)


def test_nginx_exporter_runs_as_any_user_and_says_what_it_is() -> None:
    command = ("/usr/bin/nginx-prometheus-exporter", "--version")
    assert "NGINX Prometheus Exporter" in run(NGINX_EXPORTER, *command, options=("--entrypoint=",))


def test_redis_exporter_runs_as_any_user_and_says_what_it_is() -> None:
    assert "Redis Metrics Exporter" in run(REDIS_EXPORTER, "/redis_exporter", "-version", options=("--entrypoint=",))


def test_blackbox_exporter_starts_without_the_right_to_ping_and_says_what_it_is() -> None:
    command = ("/bin/blackbox_exporter", "--version")
    assert "blackbox_exporter, version 0.23" in run(BLACKBOX_EXPORTER, *command, options=("--entrypoint=",))


def test_node_exporter_runs_as_any_user_and_says_what_it_is() -> None:
    assert "node_exporter, version 1.5" in run(
        NODE_EXPORTER, "/bin/node_exporter", "--version", options=("--entrypoint=",)
    )


def test_a_program_of_the_toolchain_becomes_an_image_of_its_own() -> None:
    program = toolchain.binary("pause")
    digest = publish_binary(layout.PAUSE_IMAGE, {"/pause": program}, ["/pause"])
    assert publish_binary(layout.PAUSE_IMAGE, {"/pause": program}, ["/pause"]) == digest
    with Container(address(layout.PAUSE_IMAGE)) as pause:
        assert docker("inspect", "--format", "{{.State.Running}} {{.Config.Entrypoint}}", pause.id) == "true [/pause]"
    user = docker("image", "inspect", "--format", "{{.Config.User}}", address(layout.PAUSE_IMAGE))
    assert all(part.isdigit() and int(part) for part in user.split(":"))
