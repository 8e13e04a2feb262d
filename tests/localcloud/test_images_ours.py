"""images/app and images/websocket, built as on this machine and run as their pods run them (S1)."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import httpx
import pytest

from localcloud import paths
from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import buildkit, registry, stand_ins_up
from tests.localcloud.confined import Container
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

APP: Final = paths.CHECKOUT / "images/app/Dockerfile"
WEBSOCKET: Final = paths.CHECKOUT / "images/websocket/Dockerfile"
PHP: Final = ("php-fpm", "--nodaemonize", "--fpm-config", "/etc/vision-week/php-fpm.conf")


def quiet(_: str) -> None:
    pass


def name(image: str) -> str:
    return f"{registry.ADDRESS}/vision-week/{image}:contract"


@pytest.fixture(scope="module")
def requests() -> dict[str, buildkit.Build]:
    """The builds that the program asks for, by what comes of them."""
    registry_up(quiet)
    contexts = stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    stages = {
        target: buildkit.Build(
            dockerfile=APP, context=paths.CHECKOUT, contexts=contexts, names=[name(f"app-{target}")], target=target
        )
        for target in ("production", "development")
    }
    return {**stages, "websocket": buildkit.Build(dockerfile=WEBSOCKET, names=[name("websocket")])}


@pytest.fixture(scope="module", autouse=True)
def built(requests: dict[str, buildkit.Build]) -> Iterator[None]:
    """All of them in the registry, and the engine allowed to pull them; what it pulled goes again."""
    for request in requests.values():
        buildkit.build(request, quiet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(layout.credentials()))
        yield
        docker("image", "rm", "--force", *(request.names[0] for request in requests.values()))


@pytest.mark.parametrize("image", ["production", "development", "websocket"])
def test_a_rebuild_with_nothing_changed_runs_no_step(requests: dict[str, buildkit.Build], image: str) -> None:
    assert buildkit.build(requests[image], quiet).steps_run == ()


def environment(**more: str) -> tuple[str, ...]:
    """As a pod has it, without a database and without a Redis."""
    secrets = {f"{name}_PASSWORD_FILE": "/etc/hostname" for name in ("DATABASE", "REDIS")}
    places = {f"{name}_HOST": "127.0.0.1" for name in ("DATABASE", "REDIS")}
    variables = {
        "APP_ENV": "production",
        "APP_VERSION": "1.2.3",
        "DATABASE_NAME": "x",
        "DATABASE_USER": "x",
        **secrets,
        **places,
        **more,
    }
    return tuple(f"--env={variable}={value}" for variable, value in variables.items())


@pytest.fixture
def run(tmp_path: Path) -> str:
    """The volume that the pod's containers share."""
    os.chown(tmp_path, 1000, 1000)
    return f"--volume={tmp_path}:/run/vision-week"


@pytest.mark.parametrize("target", ["production", "development"])
def test_the_application_runs_as_its_pod_runs_it(run: str, target: str) -> None:
    """S7.2: uid and gid 1000, read-only root; nginx and PHP-FPM are two containers that a socket joins."""
    options = (run, "--tmpfs=/var/www/html/storage/uploads:uid=1000,gid=1000", *environment())
    with (
        Container(name(f"app-{target}"), *PHP, options=options) as php,
        Container(name(f"app-{target}"), options=options) as nginx,
    ):
        public = f"http://{nginx.ip}:8080"
        wait_for(lambda: _answers(f"{public}/health"), "nginx to answer")
        for container in (php, nginx):
            container.require_confined()
        assert httpx.get(f"{public}/", trust_env=False).headers["Content-Type"].startswith("text/html")
        php.until("php-fpm.sock", "ls", "/run/vision-week")
        # PHP-FPM has heard of it, and that there is no database it knows by itself.
        ready = httpx.get(f"http://{nginx.ip}:8081/ready", trust_env=False, timeout=30)
        assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert ready.json()["checks"]["storage"]["ok"] is True


def test_production_holds_no_development_tool(run: str) -> None:
    """S1.4: `development` adds Xdebug 3; `production` holds no development tool."""
    with Container(name("app-production"), *PHP, options=(run,)) as production:
        modules = production.execute("php", "-m").splitlines()
        assert "redis" in modules
        assert "Xdebug" not in modules
        assert production.execute("sh", "-c", "command -v composer flutter pecl phpize || true") == ""
    with Container(name("app-development"), *PHP, options=(run,)) as development:
        assert "with Xdebug v3." in development.execute("php", "-v")


def test_the_debugger_is_connected_to_when_a_request_asks_for_it(run: str) -> None:
    """S10.1: Xdebug 3 connects back to the engineer's editor, which here speaks as much DBGp as lets PHP go on."""
    subnet = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", "bridge")
    host = str(ip_network(subnet)[1])
    with socket.create_server((host, 0)) as editor, ThreadPoolExecutor() as browser:
        editor.settimeout(120)
        to_the_editor = f"client_host={host} client_port={editor.getsockname()[1]}"
        options = (run, *environment(XDEBUG_CONFIG=to_the_editor))
        with (
            Container(name("app-development"), *PHP, options=options),
            Container(name("app-development"), options=options) as nginx,
        ):
            public = f"http://{nginx.ip}:8080"
            # Nobody accepts yet: a request that doesn't ask for the debugger waits for none.
            wait_for(lambda: _answers(f"{public}/health"), "the application to answer")
            asked = browser.submit(httpx.get, f"{public}/health", params={"XDEBUG_TRIGGER": "1"}, trust_env=False)
            connection, _ = editor.accept()
            with connection:
                length, _, greeting = connection.recv(65536).partition(b"\0")
                assert int(length) > 0
                assert b'fileuri="file:///var/www/html/public/index.php"' in greeting
                assert b'language="PHP"' in greeting
                connection.sendall(b"detach -i 1\0")
                assert asked.result(timeout=120).status_code == httpx.codes.OK


def test_the_websocket_service_runs_as_its_pod_runs_it() -> None:
    """S7.2: uid and gid 1000, read-only root. Without a Redis it lives, and isn't ready."""
    options = environment(ALLOWED_ORIGINS="https://vision.local")
    with Container(name("websocket"), options=options) as service:
        wait_for(lambda: _answers(f"http://{service.ip}:8090/health"), "the service to answer")
        service.require_confined()
        ready = httpx.get(f"http://{service.ip}:8091/ready", trust_env=False, timeout=30)
        assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
