"""The whole life of a local cloud on a machine: it comes, meets bad luck, is repaired, goes and leaves nothing.

The tests tell one story on a machine of their own. Each also runs alone, and then makes what it needs by itself.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import paths, toolchain
from localcloud.cluster import kernel, layout
from localcloud.images import buildkit
from tests.localcloud.box import Box

pytestmark = pytest.mark.cluster

REGISTRY_UP = "from localcloud import cluster; cluster.registry_up(print)"
UP = """
from localcloud import cluster, docker, images
docker.ensure_engine(print)
images.buildkit_up(print)
cluster.up(print)
"""
STATUS = """
from localcloud import cluster
print([(part.name, part.problem) for part in cluster.status().parts if part.problem and part.name != "metrics"])
print(*cluster.notices(), sep="\\n")
"""
HEALTHY = "[]"
DOWN = (sys.executable, "-m", "localcloud", "down")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    toolchain.build()
    box = Box(tmp_path_factory.mktemp("box"))
    yield box
    box.remove()


@pytest.fixture(scope="module")
def untouched(box: Box) -> dict[str, object]:
    """The machine before anything of ours was on it."""
    return box.look(kernel.WATCHERS, *kernel.KUBELETS)


@pytest.fixture(scope="module")
def engine(box: Box, untouched: dict[str, object]) -> Box:
    """The machine with Docker running, started by us."""
    assert untouched["links"] == ["lo"]
    box.python("from localcloud import docker; docker.ensure_engine(print)")
    return box


@pytest.fixture(scope="module")
def stranger(engine: Box) -> str:
    """A container of somebody else's whose name is like the local cloud's."""
    engine.said("sh", "-c", "tar --create --files-from=/dev/null | docker import - empty")
    engine.said("docker", "create", "--name", "vision-week-something", "empty", "true")
    return "vision-week-something"


@pytest.fixture(scope="module")
def cloud(engine: Box) -> Box:
    """The machine with everything up."""
    engine.python(UP)
    return engine


def listening(port: int) -> str:
    """The beginning of a program that listens on a port of the loopback for as long as it runs."""
    return f"import socket; taken = socket.create_server(('127.0.0.1', {port}))\n"


def test_a_route_of_others_to_the_pods_is_refused_and_stays(engine: Box) -> None:
    engine.said("ip", "link", "add", "vpn", "type", "bridge")
    engine.said("ip", "link", "set", "vpn", "up")
    engine.said("ip", "route", "add", layout.NODES[1].pods, "dev", "vpn")
    assert f"{layout.NODES[1].pods} dev vpn" in engine.refused(REGISTRY_UP)
    assert f"{layout.NODES[1].pods} dev vpn" in engine.said("ip", "route")
    engine.said("ip", "link", "delete", "vpn")


def test_a_network_of_others_is_refused_and_stays(engine: Box) -> None:
    engine.said("docker", "network", "create", layout.NETWORK)
    assert "isn't this local cloud's" in engine.refused(REGISTRY_UP)
    engine.said("docker", "network", "rm", layout.NETWORK)


def test_a_container_of_others_with_a_name_that_is_needed_is_refused_and_stays(engine: Box, stranger: str) -> None:
    engine.said("docker", "rename", stranger, layout.REGISTRY)
    assert f"docker rename {layout.REGISTRY}" in engine.refused(REGISTRY_UP)
    engine.said("docker", "rename", layout.REGISTRY, stranger)


def test_the_registrys_port_that_is_taken_is_named_with_who_has_it(engine: Box) -> None:
    said = engine.refused(listening(layout.REGISTRY_PORT) + REGISTRY_UP)
    assert f"Port {layout.REGISTRY_PORT} of 127.0.0.1 is taken by python" in said
    assert layout.REGISTRY in said
    engine.python(REGISTRY_UP)


def test_the_edges_port_that_is_taken_is_named_with_who_has_it(engine: Box) -> None:
    port = layout.NODES[0].published[0][0]
    said = engine.refused(listening(port) + UP)
    assert f"Port {port} of 127.0.0.1 is taken by python" in said
    assert layout.NODES[0].container in said


def test_only_what_is_damaged_beyond_help_is_given_up(engine: Box) -> None:
    """etcd's data is set aside, and that is told from then on; one node begins anew, the others keep what they have."""
    whole, damaged = (engine.state / "cluster/disks" / node.name for node in layout.NODES[1:])
    for disk in (whole, damaged):
        disk.mkdir(parents=True, exist_ok=True)
        (disk / "here").touch()
    for file in (
        engine.state / "cluster/etcd/member/snap/db",
        damaged / "containerd/io.containerd.metadata.v1.bolt/meta.db",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(2**16))
    engine.run("docker", "rm", "--force", layout.CONTROL_PLANE, layout.NODES[2].container)

    engine.python(UP)

    problems, notice = engine.python(STATUS).splitlines()
    assert problems == HEALTHY
    assert "set aside in" in notice
    aside = Path(notice.partition(" set aside in ")[2].partition(":")[0])
    assert (aside / "member/snap/db").read_bytes() == bytes(2**16)
    assert (whole / "here").exists()
    assert not (damaged / "here").exists()
    shutil.rmtree(aside)
    assert engine.python(STATUS) == HEALTHY


def test_status_tells_of_an_image_builder_that_is_gone(cloud: Box) -> None:
    cloud.said("docker", "kill", buildkit.CONTAINER)
    assert f"('{buildkit.CONTAINER}', 'is exited'), ('image builder', \"doesn't answer\")" in cloud.python(STATUS)
    cloud.python("from localcloud import images; images.buildkit_up(print)")
    assert cloud.python(STATUS) == HEALTHY


def test_a_machine_that_was_reset_is_repaired_from_two_checkouts_at_once(cloud: Box, tmp_path: Path) -> None:
    kubectl = (str(toolchain.binary("kubectl")), f"--kubeconfig={cloud.state / 'kubeconfig'}")
    cloud.said(*kubectl, "create", "configmap", "kept")
    shutil.copytree(paths.CHECKOUT / "localcloud", tmp_path / "localcloud")
    cloud.reset()
    assert "isn't running" in cloud.python(STATUS)

    runs = [cloud.start(sys.executable, "-c", UP, checkout=checkout) for checkout in (paths.CHECKOUT, tmp_path)]
    said = [run.communicate()[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], said
    assert sum("waiting for another run that changes the cluster" in each for each in said) == 1
    assert cloud.python(STATUS) == HEALTHY
    cloud.said(*kubectl, "get", "configmap", "kept")


def test_down_leaves_nothing_of_ours_and_everything_of_others(
    engine: Box, stranger: str, untouched: dict[str, object]
) -> None:
    """Even where every process of the local cloud was killed before, and nothing cleaned up behind them."""
    containers = engine.said("docker", "ps", "--all", "--quiet", "--no-trunc").split()
    engine.kill_all()
    assert f"container {stranger} stays" in engine.said(*DOWN)
    assert engine.look(kernel.WATCHERS, *kernel.KUBELETS) == untouched
    groups = {group.name for group in Path("/sys/fs/cgroup").glob("*/docker/*")}
    assert not groups & set(containers)
    assert "Nothing was there" in engine.said(*DOWN)


def test_the_local_cloud_comes_back_after_it_was_taken_down(engine: Box, stranger: str) -> None:
    engine.said(*DOWN)
    engine.python(REGISTRY_UP)
    listed = engine.said("docker", "ps", "--all", "--format", "{{.Names}}").split()
    assert sorted(listed) == [layout.REGISTRY, stranger]
    assert engine.said("docker", "volume", "ls", "--quiet") == ""


def test_an_engine_that_others_use_by_then_keeps_running(engine: Box) -> None:
    engine.python(REGISTRY_UP)
    image = engine.said("docker", "image", "ls", "--quiet", "vision-week/machine")
    engine.said("docker", "run", "--detach", "--name", "other", image, "sleep", "600")
    assert "Docker keeps running" in engine.said(*DOWN)
    assert engine.said("docker", "ps", "--format", "{{.Names}}") == "other"
