"""Plugins start quickly where a nursery has loaded what they need, and start all the same where none has."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2

from localcloud.paths import CHECKOUT
from localcloud.plugins.protocol import provider_pb2_grpc
from tests.waiting import wait_for

START = CHECKOUT / "localcloud" / "plugins" / "start.py"
NURSERY = "localcloud.plugins.nursery"


@pytest.fixture
def engine() -> str:
    """The address that an engine would give; nothing listens there."""
    return f"engine-{uuid.uuid4()}"


@pytest.fixture
def nursery(engine: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-P", "-m", NURSERY, engine]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}) as process:
        names = Path("/proc/net/unix")
        wait_for(lambda: f"@localcloud-plugins-of-{engine}" in names.read_text(), "the nursery")
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def started(plugin: str, engine: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A plugin as the engine starts it, and its port."""
    with subprocess.Popen(
        [sys.executable, "-P", "-S", str(START), f"localcloud.plugins.{plugin}", engine],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        **options,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def answers(port: int) -> str:
    """The version of the plugin at this port, empty if there is none."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            info = provider_pb2_grpc.ResourceProviderStub(channel).GetPluginInfo(empty_pb2.Empty(), timeout=10)
        except grpc.RpcError:
            return ""
        return str(info.version)


def forks_of(process: subprocess.Popen[bytes]) -> list[Path]:
    """The processes that a nursery has become."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [Path("/proc", child) for child in children]


def test_a_plugin_is_a_fork_of_the_nursery(engine: str, nursery: subprocess.Popen[bytes]) -> None:
    with started("random", engine) as (_, port):
        assert answers(port) == "4.21.4"
        assert len(forks_of(nursery)) == 1


@pytest.mark.parametrize("plugin", ["docker_build", "kubernetes", "random", "tls"])
def test_a_plugin_starts_without_a_nursery(engine: str, plugin: str) -> None:
    with started(plugin, engine) as (_, port):
        assert answers(port)


@pytest.mark.parametrize("plugin", ["docker_build", "kubernetes", "random", "tls"])
def test_every_plugin_starts_from_the_nursery_and_says_nothing(
    engine: str, nursery: subprocess.Popen[bytes], plugin: str
) -> None:
    with started(plugin, engine, stderr=subprocess.PIPE) as (process, port):
        assert answers(port)
        assert len(forks_of(nursery)) == 1
        process.terminate()
        assert process.communicate(timeout=60)[1] == ""


def test_a_plugin_has_the_folder_and_the_streams_that_the_engine_gave_it(
    engine: str, nursery: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with started("random", engine, cwd=tmp_path) as (process, port):
        assert answers(port)
        (fork,) = forks_of(nursery)
        assert (fork / "cwd").readlink() == tmp_path
        for stream in ("0", "1", "2"):
            assert (fork / "fd" / stream).readlink() == Path(f"/proc/{process.pid}/fd/{stream}").readlink()


def test_a_plugin_ends_with_the_process_that_the_engine_started(engine: str, nursery: subprocess.Popen[bytes]) -> None:
    """However it ended: one that went on would change what the next update changes too."""
    with started("random", engine) as (process, port):
        assert answers(port)
        process.kill()
        wait_for(lambda: not forks_of(nursery), "the plugin's end")


def test_a_plugin_ends_with_its_engine(engine: str, nursery: subprocess.Popen[bytes]) -> None:
    with started("random", engine) as (process, port):
        assert answers(port)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        wait_for(lambda: not forks_of(nursery), "the plugin's end")


def test_the_engine_sees_that_a_plugin_was_killed(engine: str, nursery: subprocess.Popen[bytes]) -> None:
    with started("random", engine) as (process, port):
        assert answers(port)
        subprocess.run(["kill", "-KILL", forks_of(nursery)[0].name], check=True)
        process.wait(timeout=60)
        assert not answers(port)


def test_a_nursery_ends_with_its_language_host_and_its_plugins_go_on(
    engine: str, nursery: subprocess.Popen[bytes]
) -> None:
    with started("random", engine) as (_, port):
        assert answers(port)
        assert nursery.stdin is not None
        nursery.stdin.close()
        assert nursery.wait(timeout=60) == 0
        assert answers(port)


def test_a_plugin_that_cannot_end_is_ended() -> None:
    """Once in a thousand runs a plugin hung when it was told to end, and the engine with it, which reads its output."""
    program = "import threading; from localcloud.plugins import process; process.serve(print, threading.Event().wait)"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    ) as hanging:
        assert hanging.stdout is not None
        while not hanging.stdout.readline().strip().isdigit():
            pass
        hanging.terminate()
        assert hanging.wait(60) != 0
