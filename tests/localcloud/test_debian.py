"""Debian trees are made on this machine's own terms, and once."""

import os
import tarfile
from pathlib import Path

import pytest

from localcloud import debian
from localcloud.problem import Problem


@pytest.fixture
def pip_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home with a pip.conf to be written, and no pip settings in the environment."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True)
    return file


def machine(monkeypatch: pytest.MonkeyPatch, folder: Path, **programs: str) -> None:
    """Put programs of these names before the machine's own on PATH."""
    for name, script in programs.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_the_sources_of_the_release_and_its_security_updates_are_found() -> None:
    suites = [source.split()[2] for source in debian.terms().sources]
    assert "bookworm" in suites
    assert "bookworm-security" in suites


def test_sources_of_other_projects_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = "Packages http://a.test/debian/ bookworm main\\nPackages http://b.test/ nodistro main\\n"
    machine(monkeypatch, tmp_path, apt_get=f"printf '{lines}'")
    assert debian.terms().sources == ("deb http://a.test/debian/ bookworm main",)


def test_a_source_with_a_password_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, apt_get="echo Packages http://me:secret@a.test/debian/ bookworm main")
    with pytest.raises(Problem, match="password in its address") as refused:
        debian.terms()
    assert "secret" not in str(refused.value)


def test_no_source_at_all_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, apt_get="exit 0")
    with pytest.raises(Problem, match="no package source for bookworm"):
        debian.terms()


def test_pip_keeps_the_machines_index(pip_settings: Path) -> None:
    pip_settings.write_text("[global]\nindex-url = https://index.test/simple\nfind-links = /opt/wheels\n")
    assert debian.terms().pip.splitlines() == [
        "[global]",
        "cert = /etc/ssl/certs/ca-certificates.crt",
        "index-url = https://index.test/simple",
    ]


def test_pips_password_stays_on_the_machine(pip_settings: Path) -> None:
    pip_settings.write_text("[global]\nindex-url = https://me:secret@index.test/simple\n")
    assert "secret" not in debian.terms().pip


def test_a_package_that_apt_does_not_know_is_a_clear_problem() -> None:
    with pytest.raises(Problem, match="apt can't install no-such-package-anywhere") as refused:
        debian.install(["no-such-package-anywhere"], lambda _: None)
    assert "apt-get install" in refused.value.hint


def test_another_distribution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"ID": "ubuntu", "VERSION_CODENAME": "noble", "PRETTY_NAME": "Ubuntu 24.04 LTS"}
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: other)
    with pytest.raises(Problem, match=r"Ubuntu 24\.04 LTS") as refused:
        debian.require()
    assert "vision-week:cluster" in refused.value.hint


def test_who_is_not_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Problem, match="needs root"):
        debian.require()


@pytest.mark.cluster
def test_a_tree_is_made_once_and_has_the_machines_terms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told: list[str] = []
    tree = debian.rootfs(["netbase"], told.append)
    assert told
    with tarfile.open(tree) as tar:
        names = set(tar.getnames())
        sources = tar.extractfile("./etc/apt/sources.list")
        assert sources
        assert sources.read().decode().splitlines() == list(debian.terms().sources)
    assert {"./etc/pip.conf", "./usr/share/doc/netbase/copyright", "./etc/protocols"} <= names
    assert {f"./usr/local/share/ca-certificates/{name}" for name in debian.terms().authorities} <= names
    assert "./etc/resolv.conf" not in names
    told.clear()
    assert debian.rootfs(["netbase"], told.append) == tree
    assert told == []
    assert {file.name for file in tree.parent.iterdir()} == {tree.name, f"{tree.stem}.lock"}


def test_a_tree_that_can_not_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    machine(monkeypatch, tmp_path, mmdebstrap="echo no route to host >&2; exit 1", dpkg_query="echo ii")
    with pytest.raises(Problem, match="no route to host"):
        debian.rootfs([], lambda _: None)
    left = (tmp_path / "cache" / "vision-week" / "debian").iterdir()
    assert [file.name for file in left if file.suffix != ".lock"] == []
