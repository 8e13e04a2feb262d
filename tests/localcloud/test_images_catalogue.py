"""What is claimed of the stand-ins agrees with the Dockerfiles, without building anything."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from localcloud import dockerfile, paths
from localcloud.images import catalogue, registry
from localcloud.images.buildkit import Build, build
from localcloud.images.catalogue import STAND_INS, StandIn
from localcloud.images.stand_ins import keys_of
from localcloud.problem import Problem

OURS = sorted((paths.CHECKOUT / "images").glob("*/Dockerfile"))
THEIRS = sorted(catalogue.FOLDER.glob("*/Dockerfile"))
REPLACED = {stand_in.name: stand_in for stand_in in STAND_INS if stand_in.replaces_stage}


def name_of(file: Path) -> str:
    return file.parent.name


@pytest.mark.parametrize("file", OURS, ids=name_of)
def test_whatever_our_dockerfiles_take_from_outside_has_a_stand_in(file: Path) -> None:
    needed = dockerfile.images(file.read_text(), replaced=frozenset(REPLACED))
    assert needed <= catalogue.by_reference().keys()


@pytest.mark.parametrize("file", THEIRS, ids=name_of)
def test_a_stand_in_is_made_of_other_stand_ins_alone(file: Path) -> None:
    assert dockerfile.images(file.read_text()) <= catalogue.by_reference().keys()


def test_the_catalogue_and_the_folder_hold_the_same_stand_ins() -> None:
    assert sorted(stand_in.name for stand_in in STAND_INS) == [name_of(file) for file in THEIRS]


def test_a_replaced_stage_is_one_that_our_dockerfiles_have_on_the_named_image() -> None:
    stages = {stage.name: stage for file in OURS for stage in dockerfile.stages(file.read_text())}
    for name, stand_in in REPLACED.items():
        base = stages[name].uses[0]
        while base in stages:
            base = stages[base].uses[0]
        assert base == stand_in.reference


@pytest.mark.parametrize("file", OURS + THEIRS, ids=name_of)
def test_a_dockerfile_is_clean_by_hadolint(file: Path) -> None:
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    done = subprocess.run([hadolint, file], cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("stand_in", STAND_INS, ids=lambda stand_in: stand_in.name)
def test_a_stand_in_is_nowhere_but_in_the_local_registry(stand_in: StandIn) -> None:
    for name in stand_in.names("key"):
        registry.require_local(str(name))


@pytest.mark.parametrize(
    "address", ["docker.io/library/redis:7.4", "localhost:5000/redis:7.4", "localhost:5005.example/redis:7"]
)
def test_a_push_to_any_other_registry_is_refused_before_anything_is_built(address: str) -> None:
    request = Build(dockerfile=STAND_INS[0].folder / "Dockerfile", names=[address])
    with pytest.raises(Problem, match="never pushed anywhere else"):
        build(request, progress=lambda _: None)


@pytest.mark.parametrize(
    "reference", ["redis:7.4", "docker.io/library/redis", "gcr.io/redis:7.4", "localhost:5005/redis"]
)
def test_a_reference_that_no_node_would_look_up_locally_is_refused(reference: str) -> None:
    with pytest.raises(Problem, match="can't be mirrored"):
        registry.mirror(reference)


def test_a_change_of_one_stand_in_makes_it_and_what_stands_on_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(catalogue.FOLDER, tmp_path / "stand-ins")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path / "stand-ins")
    before = keys_of(Path("tree.tar"))
    with (tmp_path / "stand-ins/php-base/Dockerfile").open("a") as file:
        file.write("LABEL changed=true\n")
    after = keys_of(Path("tree.tar"))
    assert {name for name in before if before[name] != after[name]} == {"php-base", "php-base-development"}
    assert all(before[name] != key for name, key in keys_of(Path("other.tar")).items())


def test_an_argument_in_front_of_the_first_stage_fills_in_the_image() -> None:
    text = """
ARG VERSION=3.24
FROM docker.io/a/b:${VERSION} AS builder
FROM --platform=linux/amd64 docker.io/c/d:1 AS base
# FROM docker.io/not/this:1
RUN --mount=type=bind,from=docker.io/e/f:2,target=/x \\
    true
FROM base
COPY --chown=1000:1000 --from=builder /a /a
COPY --from=docker.io/g/h:3 /b /b
"""
    assert dockerfile.images(text) == {"docker.io/a/b:3.24", "docker.io/c/d:1", "docker.io/e/f:2", "docker.io/g/h:3"}
    assert dockerfile.images(text, replaced=frozenset({"builder"})) == {
        "docker.io/c/d:1",
        "docker.io/e/f:2",
        "docker.io/g/h:3",
    }
