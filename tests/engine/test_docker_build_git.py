"""Images that are built from a commit of a Git repository, as `source.git` and `source.reference` have it (S12.2).

Over Git's own protocol: a server with TLS would need an authority that the builder trusts. BuildKit fetches either.
"""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.builds import base_with_shell
from tests.engine.project import Project
from tests.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

PROGRAM = """
    import pulumi
    import pulumi_docker_build as docker_build

    image = docker_build.Image(
        "image",
        context={context},
        push=False,
        exports=[{{"cacheonly": {{}}}}],
        build_on_preview=False,
    )
    pulumi.export("digest", image.digest)
"""
# The stage that the commit takes the place of, and a step that fails on another one's word.
DOCKERFILE = """\
FROM scratch AS application
COPY one.txt /word.txt
FROM shell
COPY --from=application word.txt /word.txt
RUN grep -x {word} /word.txt
"""


@dataclass(frozen=True)
class Repository:
    """A repository of another team, and where it is fetched from."""

    folder: Path
    address: str

    def commit(self, word: str) -> str:
        """Have this word in its file, and give the commit in full."""
        (self.folder / "word.txt").write_text(f"{word}\n")
        self.git("add", "word.txt")
        self.git("commit", "--quiet", "--message", word)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    root = tmp_path / "served"
    folder = root / "app.git"
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--export-all", "--reuseaddr", f"--base-path={root}", "--listen=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(["git", "daemon", *options, str(root)]) as daemon:
        try:
            wait_for(lambda: _listens(port), "git daemon")
            yield Repository(folder, f"git://127.0.0.1:{port}/app.git")
        finally:
            daemon.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def write(project: Project, location: str, word: str) -> None:
    named = {"application": {"location": location}, "shell": {"location": base_with_shell()}}
    (project.directory / "context/Dockerfile").write_text(DOCKERFILE.format(word=word))
    project.write(PROGRAM.format(context={"location": "context", "named": named}))


def test_an_image_is_built_from_the_commit_that_is_named_whatever_comes_after_it(
    building: Project, repository: Repository
) -> None:
    first = repository.commit("first")
    second = repository.commit("second")
    write(building, f"{repository.address}#{first}", "first")
    building.up()
    repository.commit("third")
    building.preview("--expect-no-changes")
    write(building, f"{repository.address}#{second}", "second")
    assert "image" in building.steps()
    building.up()


def test_a_commit_that_is_not_there_is_named(building: Project, repository: Repository) -> None:
    repository.commit("first")
    missing = "0123456789abcdef0123456789abcdef01234567"
    write(building, f"{repository.address}#{missing}", "first")
    said = building.up(succeeds=False).said
    assert "the build failed" in said
    assert missing in said
