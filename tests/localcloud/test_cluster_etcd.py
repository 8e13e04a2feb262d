"""etcd's data is set aside when etcd can't read it, and never for what only hinders etcd: as the real one says it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud import cluster, toolchain
from localcloud.cluster import control_plane
from localcloud.cluster.repair import is_damage
from tests.waiting import wait_for

# Its program is built by now, and a mount takes root.
pytestmark = pytest.mark.cluster

SIZE = 64 * 1024**2  # bytes that etcd reserves for its journal


def etcd(data: Path, before: str = "true") -> list[str]:
    """etcd on the data, in a network of its own, after some words in a shell whose mounts are its own, too."""
    isolated = ["unshare", "--mount", "--net", "sh", "-c", f'ip link set lo up; {before}; exec "$@"', "sh"]
    return [*isolated, str(toolchain.binary("etcd")), f"--data-dir={data}", "--log-level=warn"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that etcd has written and can read."""
    data = tmp_path_factory.mktemp("etcd") / "data"
    with subprocess.Popen(etcd(data), stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: (data / "member/snap/db").exists() and any(data.glob("member/wal/*.wal")), "etcd's data")
        process.terminate()
    return data


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def said(command: list[str]) -> str:
    """What etcd says that ends by itself."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode != 0
    return done.stdout


def cut(file: Path) -> None:
    with file.open("r+b") as content:
        content.truncate(8000)


def blank(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize(("place", "damage"), [("snap/db", cut), ("snap/db", blank), ("wal/*.wal", blank)])
def test_data_that_cannot_be_read_is_damaged(data: Path, place: str, damage: Callable[[Path], None]) -> None:
    damage(next((data / "member").glob(place)))
    assert is_damage(said(etcd(data)))


@pytest.mark.parametrize("there_is_data", [True, False])
def test_a_full_disk_is_no_damage(whole: Path, tmp_path: Path, there_is_data: bool) -> None:
    """etcd panics over it as it does over damaged data: whole data would have been set aside.

    The copy has holes for zeros, so that there is no room even in the journal that etcd reserved.
    """
    words = [
        f"mount -t tmpfs -o size={SIZE + 2**25} tmpfs {tmp_path}",
        f"cp -r --sparse=always {whole} {tmp_path}/data" if there_is_data else "true",
        f"cat /dev/zero > {tmp_path}/fill 2> /dev/null",
    ]
    text = said(etcd(tmp_path / "data", "; ".join(words)))
    assert "no space left" in text
    assert not is_damage(text)


def test_a_disk_that_cannot_be_written_to_is_no_damage(whole: Path, tmp_path: Path) -> None:
    text = said(etcd(tmp_path, f"mount --bind {whole} {tmp_path}; mount -o remount,bind,ro {tmp_path}"))
    assert "bootstrap failed" in text
    assert not is_damage(text)


def test_data_that_was_set_aside_is_told_of_until_it_is_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It flashed by in a line of progress once, and nobody knew why the cluster was empty."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    control_plane.etcd_data().mkdir(parents=True)
    assert cluster.notices() == []
    control_plane.set_etcd_aside()
    (folder,) = control_plane.etcd_set_aside()
    for _ in range(2):
        (notice,) = cluster.notices()
        assert str(folder) in notice
    folder.rmdir()
    assert cluster.notices() == []
