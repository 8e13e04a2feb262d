"""Another source tree in place of the reference application: built by the docker-build plugin, and served."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from localcloud import paths, toolchain
from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import buildkit, registry, stand_ins_up
from localcloud.plugins.docker_build.build import Build, build
from tests.localcloud.confined import Container
from tests.localcloud.test_images_ours import PHP, quiet
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

NAME: Final = f"{registry.ADDRESS}/vision-week/app:another"
INDEX: Final = "<?php header('Content-Type: application/json'); echo json_encode(['from' => basename(__DIR__)]);"


@pytest.fixture(scope="module", autouse=True)
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A tree whose document root has another name and another front controller."""
    tree = tmp_path_factory.mktemp("another") / "application"
    shutil.copytree(paths.CHECKOUT / "app", tree)
    (tree / "public").rename(tree / "site")
    (tree / "site/index.php").write_text(INDEX)
    (tree / "site/other.txt").write_text("another tree\n")
    registry_up(quiet)
    stages = {stage: place for stage, place in stand_ins_up(quiet).items() if stage != "php-base-development"}
    buildkit.buildkit_up(quiet)
    wanted = Build(
        context=str(paths.CHECKOUT),
        dockerfile=str(paths.CHECKOUT / "images/app/Dockerfile"),
        named={**stages, "application": str(tree)},
        options={"target": "production", "build-arg:DOCUMENT_ROOT": "site"},
        outputs=[f"type=image,name={NAME},push=true"],
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in buildkit.environment().items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{os.environ['PATH']}:{toolchain.binary('buildctl').parent}")
        patch.setenv("DOCKER_CONFIG", str(layout.credentials()))
        assert build(wanted, quiet, threading.Event(), 300, {}).startswith("sha256:")
        yield
        docker("image", "rm", "--force", NAME)


def test_another_tree_is_served_from_its_own_document_root(tmp_path: Path) -> None:
    os.chown(tmp_path, 1000, 1000)
    run = (f"--volume={tmp_path}:/run/vision-week",)
    with Container(NAME, *PHP, options=run) as php, Container(NAME, options=run) as nginx:
        php.until("php-fpm.sock", "ls", "/run/vision-week")
        public = f"http://{nginx.ip}:8080"
        wait_for(lambda: _text(f"{public}/other.txt") == "another tree\n", "nginx to answer")
        assert _text(f"{public}/config.json") == '{"from":"public"}'
        assert php.execute("cat", "public/index.php") == INDEX


def _text(url: str) -> str:
    try:
        return httpx.get(url, trust_env=False).text
    except httpx.TransportError:
        return ""
