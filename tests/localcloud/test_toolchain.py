"""The toolchain: real builds of its smallest program, in a cache of the test's own."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import paths, toolchain
from localcloud.problem import Problem


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("empty_cache")
def test_a_program_is_built_once_and_then_found() -> None:
    first = toolchain.binary("pause")
    made = first.stat().st_mtime_ns
    again = toolchain.build(["pause"], progress=lambda text: pytest.fail(f"built again: {text}"))["pause"]
    assert again == first
    assert again.stat().st_mtime_ns == made
    assert os.access(first, os.X_OK)


@pytest.mark.usefixtures("empty_cache")
def test_another_source_gives_another_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = toolchain.binary("pause")
    shutil.copytree(toolchain.SOURCES / "pause", tmp_path / "sources" / "pause")
    with (tmp_path / "sources" / "pause" / "main.go").open("a") as source:
        source.write("\n// changed\n")
    monkeypatch.setattr(toolchain, "SOURCES", tmp_path / "sources")
    assert toolchain.binary("pause") != before


def test_a_build_that_was_killed_is_made_good_by_the_next(empty_cache: Path) -> None:
    command = [sys.executable, "-c", "from localcloud import toolchain; toolchain.binary('etcd')"]
    environment = {**os.environ, "GOCACHE": str(empty_cache / "go-build")}
    with subprocess.Popen(command, cwd=paths.CHECKOUT, env=environment, start_new_session=True) as building:
        while not list(empty_cache.glob("vision-week/toolchain/.etcd-*/")):
            assert building.poll() is None
        os.killpg(building.pid, signal.SIGKILL)
    finished = [place for place in empty_cache.glob("vision-week/toolchain/*") if not place.name.startswith(".")]
    assert finished == []
    assert toolchain.binary("etcd").exists()
    assert [place.name for place in empty_cache.glob("vision-week/toolchain/.etcd-*/")] == []


@pytest.mark.usefixtures("empty_cache")
def test_modules_that_cannot_be_downloaded_are_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(Problem, match="Go modules of etcd cannot be downloaded") as failure:
        toolchain.binary("etcd")
    assert "GOPROXY" in failure.value.hint


@pytest.mark.usefixtures("empty_cache")
def test_a_disk_without_room_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "FREE_SPACE", 2**60)
    with pytest.raises(Problem, match="GiB free") as failure:
        toolchain.binary("pause")
    assert "XDG_CACHE_HOME" in failure.value.hint


def test_a_name_that_is_not_in_the_toolchain_is_refused() -> None:
    with pytest.raises(KeyError, match="kubeadm"):
        toolchain.binary("kubeadm")
