"""The platform of compose.yaml on this machine's engine: what that file asks of its surroundings, made here.

Compose is built from its module, our images by BuildKit, and other people's come from the local registry, under whose
name they stay: none is tagged as what it stands in for. Grafana can't be had here, so of the profile `monitoring` only
Prometheus is there, which has a profile of its own.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from localcloud import debian, docker, images, paths, toolchain
from localcloud.alone import alone
from localcloud.cluster import layout, registry_up
from localcloud.images import buildkit, registry
from localcloud.problem import Problem

FILE: Final = paths.CHECKOUT / "compose.yaml"
URL: Final = "https://vision-week.localhost:8445"
_REGISTRY: Final = f"{registry.ADDRESS}/vision-week-compose"
_PROFILE: Final = "metrics"
_PATIENCE: Final = 300  # seconds until all must be healthy; the application is asked every 30 (S2.2)

Progress = Callable[[str], None]


def up(progress: Progress) -> str:
    """Have all services run and be healthy, and give the URL. What runs as it should stays as it is."""
    toolchain.build(["docker-compose"], progress)
    docker.ensure_engine(progress)
    _refuse_strangers()
    registry_up(progress)
    images.buildkit_up(progress)
    contexts = images.stand_ins_up(progress)
    with alone(paths.LOCKS / "compose", lambda: progress("waiting for another run that starts it")):
        _make_secrets(progress)
        for request in _builds(contexts):
            progress(f"building {request.names[0]}")
            buildkit.build(request, progress)
        progress("pulling images")
        _compose("pull", "--quiet", "--policy=always")
        progress("starting services, until all are healthy")
        _compose("up", "--detach", "--no-build", "--wait", f"--wait-timeout={_PATIENCE}", "--remove-orphans")
    return URL


def down(progress: Progress) -> list[str]:
    """Remove containers, network, volumes and secrets, and say so; what somebody else started by compose.yaml stays."""
    if not _secrets().exists():
        return []
    # Containers of an engine that isn't running would be back with it. What goes needs no space.
    docker.ensure_engine(progress, space=0)
    toolchain.build(["docker-compose"], progress)
    with alone(paths.LOCKS / "compose", lambda: progress("waiting for another run that starts it")):
        _compose("down", "--volumes", "--remove-orphans", "--rmi=all")
        shutil.rmtree(_secrets())
    return ["the platform of compose.yaml, its data included"]


def authority() -> Path:
    """The certificate that signs the load balancer's."""
    return _secrets() / "ca.crt"


def _secrets() -> Path:
    return paths.state() / "compose"


def _make_secrets(progress: Progress) -> None:
    debian.install(["openssl"], progress)
    command = [str(FILE.parent / "compose" / "make-secrets"), str(_secrets())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(
            f"The secrets of compose.yaml can't be made: {done.stderr.strip()}",
            "Mend what it names, then run `make compose-up` again.",
        )


def _refuse_strangers() -> None:
    """Refuse to take over what a person started by compose.yaml: its data opens with that person's secrets alone."""
    if _secrets().exists():
        return
    theirs = "--filter=label=com.docker.compose.project=vision-week"
    if docker.docker("ps", "--all", "--quiet", theirs) or docker.docker("volume", "ls", "--quiet", theirs):
        raise Problem(
            "This machine has containers or volumes of compose.yaml that `make compose-up` did not make.",
            "Go on with `docker compose`, or remove them with their data: `docker compose down --volumes`.",
        )


def _builds(contexts: dict[str, str]) -> tuple[buildkit.Build, ...]:
    """The images that compose.yaml would build where the bases can be pulled."""
    sources = paths.CHECKOUT / "images"
    return (
        buildkit.Build(
            dockerfile=sources / "app" / "Dockerfile",
            context=paths.CHECKOUT,
            contexts=contexts,
            names=[f"{_REGISTRY}/app:compose"],
            target="production",
        ),
        *(
            buildkit.Build(dockerfile=sources / name / "Dockerfile", names=[f"{_REGISTRY}/{name}:compose"])
            for name in ("postgres", "websocket")
        ),
    )


def _compose(*words: str) -> str:
    command = [str(toolchain.binary("docker-compose")), f"--file={FILE}", f"--profile={_PROFILE}", *words]
    done = subprocess.run(
        command,
        cwd=FILE.parent,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    said = "\n".join(done.stderr.strip().splitlines()[-10:])
    if "Pool overlaps" in said:
        raise Problem(
            f"Another network of this machine has addresses of 172.20.0.0/16, which S2.4 asks for: {said}",
            "Remove it (`docker network ls`, `docker network inspect NAME`), then run `make compose-up` again.",
        )
    raise Problem(
        f"`docker compose {words[0]}` failed: {said}",
        "Read `docker ps --all` and `docker logs` of what is not healthy, mend it, then run the same command again.",
    )


def _environment() -> dict[str, str]:
    """This machine's engine, the local registry, and nothing of a person's own settings of Compose."""
    kept = {name: value for name, value in docker.environment().items() if not name.startswith("COMPOSE_")}
    return {
        **kept,
        "DOCKER_CONFIG": str(layout.credentials()),
        "VISION_WEEK_MIRROR": f"{registry.ADDRESS}/mirror/",
        "VISION_WEEK_REGISTRY": _REGISTRY,
        "VISION_WEEK_SECRETS": str(_secrets()),
    }
