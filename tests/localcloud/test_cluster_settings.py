"""Settings of the cluster's programs are what the containers are made from: the same input, the same files."""

import json
import re
from pathlib import Path

import pytest

from localcloud.cluster import kernel, layout, network, nodes, registry
from localcloud.cluster.addons import manifests
from localcloud.cluster.containers import Container
from localcloud.cluster.settings import write_folder
from localcloud.files import write_private
from localcloud.problem import Problem


@pytest.fixture(autouse=True)
def empty_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "state" / "vision-week"


def test_a_file_that_is_right_is_not_touched(tmp_path: Path) -> None:
    file = write_private(tmp_path / "a", "same")
    before = file.stat()
    write_private(file, "same")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_folder_holds_what_was_asked_for_and_nothing_older(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", {"x": "1", "deep/y": "2"})
    write_folder(tmp_path / "a", {"deep/y": "3"})
    files = [file for file in (tmp_path / "a").rglob("*") if file.is_file()]
    assert files == [tmp_path / "a" / "deep" / "y"]
    assert files[0].read_text() == "3"
    assert not files[0].stat().st_mode & 0o077


def test_a_container_is_another_when_a_setting_changed(tmp_path: Path) -> None:
    def made(content: str) -> str:
        settings = write_folder(tmp_path / "a", {"x": content})
        return Container(name="n", image="i", options=(), command=("c",), settings=settings).digest

    assert made("1") != made("2")
    assert made("1") == made("1")


def test_the_registry_is_made_anew_when_its_store_is_another_folder(empty_state: Path) -> None:
    """The cache may be deleted at any time; the container would go on with the folder that is no more."""
    before = registry.container("machine").digest
    assert registry.container("machine").digest == before
    store = empty_state.parents[1] / "cache" / "vision-week" / "registry"
    store.rename(store.with_name("moved"))
    assert registry.container("machine").digest != before


def test_the_client_configuration_has_the_registrys_password(empty_state: Path) -> None:
    registry.write_credentials()
    first = json.loads((layout.credentials() / "config.json").read_text())
    assert list(first["auths"]) == ["localhost:5005"]
    registry.write_credentials()
    assert json.loads((empty_state / "docker" / "config.json").read_text()) == first


def test_every_node_has_its_own_range_inside_the_clusters() -> None:
    assert len({node.pods for node in layout.NODES}) == len(layout.NODES)
    assert len({node.address for node in layout.NODES}) == len(layout.NODES)
    assert len({node.zone for node in layout.NODES}) == len(layout.NODES)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A /proc/sys of a machine on which no node ever ran."""
    folder = tmp_path / "sys"
    for name, value in {
        kernel.WATCHERS: "128",
        kernel.BRIDGE_FILTER: "1",
        **dict.fromkeys(kernel.KUBELETS, "0"),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{value}\n")
    monkeypatch.setattr(kernel, "SYSTEM", folder)
    return folder


def test_kernel_settings_are_put_back(system: Path) -> None:
    kernel.ensure()
    assert (system / kernel.WATCHERS).read_text() == "1024\n"
    (system / "kernel/panic").write_text("10\n")
    kernel.ensure()
    assert kernel.restore() == [
        "kernel setting fs.inotify.max_user_instances, which is 128 again",
        "kernel setting kernel.panic, which is 0 again",
    ]
    assert (system / "kernel/panic").read_text() == "0\n"


def test_a_kernel_without_bridge_filter_is_refused(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (system / kernel.BRIDGE_FILTER).unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Problem, match="br_netfilter") as refused:
        kernel.ensure()
    assert "modprobe" in refused.value.hint


def test_name_servers_on_the_loopback_are_no_use_to_pods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("# local\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch example.org\n")
    monkeypatch.setattr(network, "RESOLVERS", (tmp_path / "missing", resolver))
    assert network.upstream_resolvers() == ["192.0.2.53"]
    nodes.write_resolver()
    assert (layout.home() / "resolver" / "resolv.conf").read_text() == "nameserver 192.0.2.53\n"


def corefile() -> str:
    found = next(each for each in manifests() if each["kind"] == "ConfigMap")
    return str(found["data"]["Corefile"])


def test_dns_gives_what_is_named_besides_the_cluster_and_else_is_as_it_was() -> None:
    before = corefile()
    write_private(layout.names(), "one.example 192.0.2.1\ntwo.example 192.0.2.2 192.0.2.3\n")
    answers = re.findall(r"template IN A (\S+) \{\n((?: +answer .*\n)+)", corefile())
    assert {name: re.findall(r"A ([\d.]+)", lines) for name, lines in answers} == {
        "one.example": ["192.0.2.1"],
        "two.example": ["192.0.2.2", "192.0.2.3"],
    }
    write_private(layout.names(), "")
    assert corefile() == before


def test_without_a_name_server_dns_forwards_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "upstream_resolvers", lambda: ["192.0.2.53"])
    assert "forward . 192.0.2.53\n" in corefile()
    monkeypatch.setattr(network, "upstream_resolvers", list)
    assert "forward" not in corefile()


def test_the_clusters_own_pods_are_hardened() -> None:
    for manifest in manifests():
        if manifest["kind"] in ("Deployment", "DaemonSet"):
            pod = manifest["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in pod["containers"]:
                assert container["securityContext"]["readOnlyRootFilesystem"]
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert set(container["resources"]) == {"requests", "limits"}
