"""The engine of this machine is found, started and cleaned up after, and no other is ever used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import docker, firewall, paths
from localcloud.problem import Problem
from localcloud.process import Process


@pytest.fixture
def run_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An engine's /run, in a folder of the test's."""
    folder = tmp_path / "docker"
    (folder / "containerd").mkdir(parents=True)
    monkeypatch.setattr(docker, "RUN", folder)
    monkeypatch.setattr(docker, "SHIMS", tmp_path / "containerd")
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
    with pytest.raises(Problem, match="GiB free; Docker needs") as refused:
        docker.require_space(tmp_path / "not" / "there" / "yet", 2**60)
    assert "Free some space" in refused.value.hint


def test_a_machine_without_docker_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="Docker isn't installed") as refused:
        docker.docker("ps")
    assert "make up" in refused.value.hint


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, run_folder: Path, tmp_path: Path) -> Path:
    """A machine on which `dockerd` is a script of the test's, and nothing answers."""
    assert run_folder
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dockerd").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(docker, "SYSTEMD", tmp_path / "systemd")
    return programs / "dockerd"


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the firewall would be put back to, in place of doing it."""
    asked: list[object] = []

    def restore(before: object) -> list[str]:
        asked.append(before)
        return []

    monkeypatch.setattr(firewall, "restore", restore)
    return asked


def test_an_engine_that_does_not_start_says_why(engine: Path, tmp_path: Path) -> None:
    engine.write_text("#!/bin/sh\necho 'failed to mount: no such device' >&2\nexit 1\n")
    with pytest.raises(Problem, match="no such device") as refused:
        docker.ensure_engine(lambda _: None)
    assert str(tmp_path / "state") in refused.value.hint


def test_how_the_machine_was_is_known_before_anything_is_done_to_it(engine: Path, tmp_path: Path) -> None:
    """An engine that is started changes the firewall before it answers; a run may be killed meanwhile."""
    record = tmp_path / "state/vision-week/docker/engine.json"
    engine.write_text(f"#!/bin/sh\ncp {record} {tmp_path}/seen\nexit 1\n")
    with pytest.raises(Problem):
        docker.ensure_engine(lambda _: None)
    assert json.loads((tmp_path / "seen").read_text())["network"] == firewall.remember()


def test_an_engine_that_was_there_before_is_not_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert docker.release_engine() == []


def started_here(tmp_path: Path, **said: object) -> Path:
    """The record of an engine that was started here."""
    record = tmp_path / "state/vision-week/docker/engine.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"network": {"forwarding": "0", "policy": "ACCEPT"}, **said}))
    return record


def test_the_engine_that_was_started_here_is_stopped(engine: Path, tmp_path: Path, restored: list[object]) -> None:
    assert engine
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as ours:
        since = Process.of(ours.pid)
        assert since
        record = started_here(tmp_path, engine={"pid": since.pid, "since": since.since})
        assert docker.release_engine() == ["Docker, which was started here, is stopped"]
        assert ours.wait(timeout=10) < 0
    assert restored == [{"forwarding": "0", "policy": "ACCEPT"}]
    assert not record.exists()


def test_a_process_id_that_is_another_programs_by_now_is_not_stopped(
    engine: Path, tmp_path: Path, restored: list[object]
) -> None:
    assert engine
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        record = started_here(tmp_path, engine={"pid": other.pid, "since": "1"})
        docker.release_engine()
        assert other.poll() is None
        assert not record.exists()
        other.communicate(b"\n")
    assert restored


def test_an_engine_whose_start_was_interrupted_is_stopped(engine: Path, tmp_path: Path, restored: list[object]) -> None:
    """The run that started it was killed before it could say which one it is."""
    started_here(tmp_path)
    engine.unlink()
    engine.symlink_to(sys.executable)
    with subprocess.Popen([engine, "-c", "input()"], stdin=subprocess.PIPE) as ours:
        docker.PID_FILE.write_text(str(ours.pid))
        docker.release_engine()
        assert ours.wait(timeout=10) < 0
    assert restored


def test_an_engine_that_systemd_started_for_us_is_stopped_by_systemd(
    engine: Path, tmp_path: Path, restored: list[object]
) -> None:
    """Told in scripts, as the machines that run the tests have no systemd."""
    docker.SYSTEMD.mkdir()
    engine.unlink()
    engine.symlink_to(sys.executable)
    pid = docker.PID_FILE
    starts = f'{engine} -c "import time; time.sleep(600)" > /dev/null 2>&1 & echo $! > {pid}'
    systemctl = f"echo $@ >> {tmp_path}/asked; case $1 in start) {starts};; stop) kill $(cat {pid});; esac"
    client = f"case $1 in version) test -e {pid} && grep -q sleep /proc/$(cat {pid})/cmdline && echo 20;; esac"
    for name, script in (("systemctl", systemctl), ("docker", client)):
        (engine.with_name(name)).write_text(f"#!/bin/sh\n{script}\n")
        (engine.with_name(name)).chmod(0o755)
    before = firewall.remember()

    docker.ensure_engine(lambda _: None, space=0)
    assert docker.running()
    assert docker.release_engine() == ["Docker, which was started here, is stopped"]

    assert not docker.running()
    assert restored == [before]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["start docker.service", "stop docker.service docker.socket"]
