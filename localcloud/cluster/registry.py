"""The registry: our images, and under `mirror/` stand-ins for other people's.

One store in the cache, two programs over it. The nodes read without credentials, on the cluster's bridge alone; who
pushes comes through this machine's loopback and needs the password that is made here at the first start.
"""

import base64
import http.client
import json
import secrets
from pathlib import Path
from typing import Any

from localcloud import paths
from localcloud.cluster import layout
from localcloud.cluster.containers import Container
from localcloud.cluster.settings import write_folder
from localcloud.files import write_private
from localcloud.problem import Problem
from localcloud.waiting import wait

USER = "vision-week"
INSIDE = Path(__file__).parent / "inside"
STORE = "/var/lib/registry"


def container(machine: str) -> Container:
    """The registry's container, its settings written."""
    settings = write_folder(
        layout.home() / "registry",
        {
            "password": _password(),
            "programs.json": json.dumps(
                {
                    "registry-read": ["docker-registry", "serve", "/etc/vision-week/read.json"],
                    "registry-write": ["docker-registry", "serve", "/etc/vision-week/write.json"],
                }
            ),
            "read.json": json.dumps(_configuration(5000, writable=False)),
            "write.json": json.dumps(_configuration(layout.REGISTRY_PORT, writable=True)),
            "registry.sh": (INSIDE / "registry.sh").read_bytes(),
            "supervise.py": (INSIDE / "supervise.py").read_bytes(),
        },
    )
    store = paths.cache() / "registry"
    store.mkdir(parents=True, exist_ok=True)
    # A cache that was deleted and made again is another folder, though the path is the same: the container, which holds
    # the one that is no more, must be made anew.
    identity = f"{store.stat().st_dev}:{store.stat().st_ino}"
    return Container(
        name=layout.REGISTRY,
        image=machine,
        options=(
            f"--network={layout.NETWORK}",
            f"--ip={layout.REGISTRY_ADDRESS}",
            "--hostname=registry",
            f"--publish=127.0.0.1:{layout.REGISTRY_PORT}:{layout.REGISTRY_PORT}",
            f"--volume={store}:{STORE}",
            f"--env=STORE_IDENTITY={identity}",
            "--read-only",
            "--tmpfs=/run",
            "--tmpfs=/tmp",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
        ),
        command=("sh", "/etc/vision-week/registry.sh"),
        settings=settings,
    )


def write_credentials() -> None:
    """Write the docker client configuration that may push, for use through `DOCKER_CONFIG`."""
    login = base64.b64encode(f"{USER}:{_password()}".encode()).decode()
    content = json.dumps({"auths": {f"localhost:{layout.REGISTRY_PORT}": {"auth": login}}}, indent=2) + "\n"
    write_private(layout.credentials() / "config.json", content)


def answers() -> bool:
    """Whether the registry can be pushed to: it asks for the password and takes ours."""
    login = base64.b64encode(f"{USER}:{_password()}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", layout.REGISTRY_PORT, timeout=3)
    try:
        connection.request("GET", "/v2/", headers={"Authorization": f"Basic {login}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_ready(seconds: float = 30) -> None:
    """Wait until the registry answers."""
    if not wait(answers, seconds):
        raise Problem(
            f"The registry doesn't answer on 127.0.0.1:{layout.REGISTRY_PORT} after {seconds:.0f} s.",
            f"Read `docker logs {layout.REGISTRY}`; `make down` and `make up` make it anew, its images are kept.",
        )


def _configuration(port: int, *, writable: bool) -> dict[str, Any]:
    storage: dict[str, Any] = {
        "filesystem": {"rootdirectory": STORE},
        "delete": {"enabled": writable},
        "maintenance": {"readonly": {"enabled": not writable}},
    }
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": {"addr": f":{port}", "headers": {"X-Content-Type-Options": ["nosniff"]}},
    }
    if writable:
        configuration["auth"] = {"htpasswd": {"realm": "vision-week", "path": "/run/htpasswd"}}
    return configuration


def _password() -> str:
    file = layout.home() / "registry-password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text()
