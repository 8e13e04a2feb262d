"""The toolchain: real builds of its smallest program, in a cache of the test's own."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from localcloud import paths, toolchain
from localcloud.problem import Problem
from localcloud.toolchain.place import one_builder


def gocache() -> str:
    """Where Go keeps what is compiled, which moves with XDG_CACHE_HOME unless it is named."""
    return subprocess.check_output(["go", "env", "GOCACHE"], text=True).strip()


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GOCACHE", gocache())
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


def on_a_disk_of(megabytes: int, folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Build a program with the cache on a disk of this size."""
    code = f"from localcloud import toolchain; print(toolchain.binary({program!r}).exists())"
    mount = f'mount -t tmpfs -o size={megabytes}M tmpfs "$XDG_CACHE_HOME" && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", mount, "sh", sys.executable, "-c", code],
        cwd=paths.CHECKOUT,
        env={**os.environ, "GOCACHE": gocache(), "XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_disk_without_room_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    done = on_a_disk_of(100, tmp_path, "pause")
    assert "has 0.1 GiB free; building pause takes 0.25 GiB" in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr


def test_no_more_room_is_asked_for_than_the_program_takes(tmp_path: Path) -> None:
    """Twelve GiB were asked for whatever was missing, and a laptop with eight could not build the smallest."""
    assert on_a_disk_of(400, tmp_path, "pause").stdout == "True\n"
    assert "building kubernetes takes 3.5 GiB" in on_a_disk_of(400, tmp_path, "kubectl").stderr


def test_two_builders_at_once_build_once(empty_cache: Path) -> None:
    code = "from localcloud import toolchain; print(toolchain.build(['pause'], print)['pause'])"
    environment = {**os.environ, "GOCACHE": gocache()}
    builders = [
        subprocess.Popen([sys.executable, "-c", code], cwd=paths.CHECKOUT, env=environment, stdout=PIPE, text=True)
        for _ in range(2)
    ]
    said = [builder.communicate()[0].splitlines() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert said[0][-1] == said[1][-1]
    assert sum("packages" in "".join(lines) for lines in said) <= 1
    assert len(list(empty_cache.glob("vision-week/toolchain/*/pause"))) == 1


def test_what_a_killed_builder_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    """Folders of half a Go, 250 MB each, stayed for good."""
    target = tmp_path / "go" / "1a2b"
    code = "import os; from pathlib import Path; from localcloud.toolchain.place import one_builder\n"
    code += f"with one_builder(Path({str(target)!r})) as folder: Path(folder, 'half').touch(); os._exit(1)"
    subprocess.run([sys.executable, "-c", code], cwd=paths.CHECKOUT, check=False)
    assert len(list(target.parent.glob(".1a2b-*/half"))) == 1
    with one_builder(target) as folder:
        assert folder
        (folder / "whole").touch()
    assert {place.name for place in target.parent.iterdir()} == {"1a2b", ".1a2b.lock"}
    assert [file.name for file in target.iterdir()] == ["whole"]


def test_without_go_and_without_a_network_both_ways_out_are_named(tmp_path: Path) -> None:
    """The port is the discard port: nobody listens."""
    assert shutil.which("go", path="/usr/bin:/bin") is None
    code = "from localcloud.toolchain import go; go.command()"
    settings = {"PATH": "/usr/bin:/bin", "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    others = {"XDG_CACHE_HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv"), "no_proxy": "*"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=paths.CHECKOUT,
        env={**os.environ, **settings, **others},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "isn't on PATH, and the Python package index, which has it too, can't be reached" in done.stderr
    assert "put Go on PATH" in done.stderr


def test_a_name_that_is_not_in_the_toolchain_is_refused() -> None:
    with pytest.raises(KeyError, match="kubeadm"):
        toolchain.binary("kubeadm")
