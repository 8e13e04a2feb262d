"""BuildKit, when luck is bad: a damaged cache, no network, a proxy that asks for a password."""

from pathlib import Path

import pytest

from localcloud.cluster import registry_up
from localcloud.images import buildkit, registry, stand_ins_up
from localcloud.problem import Problem
from tests.builder import own_builder

pytestmark = pytest.mark.cluster

BASE = "docker.io/library/debian:bookworm-slim"


def quiet(_: str) -> None:
    pass


def test_a_damaged_cache_is_made_anew_and_said_to_be(tmp_path: Path) -> None:
    """The machine was switched off in the middle of a build: BuildKit ended as soon as it was started."""
    with own_builder(tmp_path):
        buildkit.buildkit_up(quiet)
        buildkit.buildkit_down()
        databases = sorted((tmp_path / "cache").rglob("*.db"))
        assert databases
        for file in databases:
            file.write_bytes(b"\0" * 4096 + file.read_bytes()[4096:][::-1])
        heard: list[str] = []
        buildkit.buildkit_up(heard.append)
        assert "making BuildKit's cache anew, as BuildKit doesn't start on the old one" in heard
        assert buildkit._answers()


@pytest.fixture
def request_(tmp_path: Path) -> buildkit.Build:
    """A build that takes something from outside."""
    registry_up(quiet)
    stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    dockerfile = tmp_path / "tried" / "Dockerfile"
    dockerfile.parent.mkdir()
    step = "RUN apt-get -o APT::Update::Error-Mode=any -o Acquire::Retries=0 update"
    dockerfile.write_text(f"FROM {BASE}\nENV of={tmp_path.name}\n{step}\n")
    return buildkit.Build(dockerfile=dockerfile, names=[f"{registry.ADDRESS}/tried/outside:1"])


def test_a_build_that_reaches_nothing_outside_says_so(
    request_: buildkit.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at this proxy. Its user and password are in no argument, no message and no image."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://ada:hush-hush@127.0.0.1:9")
    with pytest.raises(Problem) as problem:
        buildkit.build(request_, quiet)
    assert "tried/Dockerfile does not build: at [2/2] RUN apt-get" in problem.value.what
    assert "127.0.0.1" in problem.value.what
    assert "check this machine's network and its proxy settings" in problem.value.hint
    assert "user and password are not handed to builds" in problem.value.hint
    assert "hush-hush" not in str(problem.value)
    words = buildkit._command(request_, Path("metadata.json"))
    assert "--opt=build-arg:http_proxy=http://127.0.0.1:9" in words
    assert not any("hush-hush" in word for word in words)


def test_an_image_that_is_nowhere_is_named(request_: buildkit.Build) -> None:
    request_.dockerfile.write_text("FROM docker.io/library/nowhere-to-be-found:1\nCOPY x /x\n")
    with pytest.raises(Problem) as problem:
        buildkit.build(request_, quiet)
    assert "docker.io/library/nowhere-to-be-found:1" in problem.value.what
