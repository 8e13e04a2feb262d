"""The engine of this machine is found, started and cleaned up after, and no other is ever used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import docker
from localcloud.problem import Problem


@pytest.fixture
def run_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An engine's /run, in a folder of the test's."""
    folder = tmp_path / "docker"
    (folder / "containerd").mkdir(parents=True)
    monkeypatch.setattr(docker, "RUN", folder)
    monkeypatch.setattr(docker, "PID_FILE", tmp_path / "docker.pid")
    monkeypatch.setattr(docker, "SOCKET", tmp_path / "docker.sock")
    return folder


def test_an_engine_elsewhere_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2376")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    assert docker.environment()["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert "DOCKER_CONTEXT" not in docker.environment()


def test_remains_of_an_engine_that_died_with_its_machine_go(run_folder: Path) -> None:
    """Its process ids are other programs' by now: dockerd would refuse to start beside "itself"."""
    docker.PID_FILE.write_text(str(os.getpid()))
    docker.SOCKET.touch()
    (run_folder / "containerd/containerd.pid").write_text(str(os.getppid()))
    (run_folder / "runtime-runc/moby/abc").mkdir(parents=True)
    docker.clear_remains()
    assert not docker.PID_FILE.exists()
    assert not docker.SOCKET.exists()
    assert not run_folder.exists()


def test_what_a_living_container_needs_stays(run_folder: Path, tmp_path: Path) -> None:
    """An engine that was killed alone leaves its containers running; the next one takes them over."""
    docker.PID_FILE.write_text("999999999")
    shim = tmp_path / "containerd-shim-runc-v2"
    shim.symlink_to("/bin/sh")
    with subprocess.Popen([shim, "-c", "read line", str(run_folder / "x")], stdin=subprocess.PIPE) as living:
        docker.clear_remains()
        assert run_folder.exists()
        assert not docker.PID_FILE.exists()
        living.communicate(b"\n")


def test_too_little_disk_is_said_before_anything_begins(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="GiB are needed") as refused:
        docker.require_space(tmp_path / "not" / "there" / "yet", 2**60)
    assert "XDG_CACHE_HOME" in refused.value.hint


def test_a_machine_without_docker_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="Docker isn't installed") as refused:
        docker.docker("ps")
    assert "make up" in refused.value.hint


def test_an_engine_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, run_folder: Path, tmp_path: Path
) -> None:
    assert run_folder
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dockerd").write_text("#!/bin/sh\necho 'failed to mount: no such device' >&2\nexit 1\n")
    (programs / "dockerd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Problem, match="no such device") as refused:
        docker.ensure_engine(lambda _: None)
    assert str(tmp_path / "state") in refused.value.hint


def test_an_engine_that_was_there_before_is_not_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert docker.release_engine() == []


def test_a_process_id_that_is_another_programs_by_now_is_not_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_folder: Path
) -> None:
    assert run_folder
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    record = tmp_path / "vision-week" / "docker" / "engine.json"
    record.parent.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        record.write_text(json.dumps({"by": "pid", "pid": other.pid, "since": "1"}))
        docker.release_engine()
        assert other.poll() is None
        assert not record.exists()
        other.communicate(b"\n")
