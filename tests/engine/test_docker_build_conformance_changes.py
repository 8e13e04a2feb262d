"""Previews and changes of images, and indexes, as the official plugin documents them.

Each test states one documented behaviour and where it is documented. The plugin under test is the local one, or the one
that CONFORMANCE_DOCKER_BUILD_PLUGIN names; it builds with this machine's BuildKit and pushes to its registry.
"""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localcloud.images import registry
from tests.engine.builds import REPOSITORY, base_with_shell, one, prepare, read, there
from tests.engine.project import Project, make_project

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

PROGRAM = """
    import pulumi
    import pulumi_docker_build as docker_build

    config = pulumi.Config()
    PREFIX = "@prefix@"
    context = {"location": "context"}

    def image(name, **settings):
        tags = [f"{PREFIX}/{name}:1"]
        made = docker_build.Image(name, context=context, push="exports" not in settings, tags=tags, **settings)
        pulumi.export(name, {"digest": made.digest, "hash": made.context_hash})
        return made

    image("changing", labels={"title": config.get("title") or "tried"})
    word = config.get("word") or "blue"
    image("exported", build_args={"WORD": word}, exports=[{"local": {"dest": "out/exported"}}])
    platforms = {name: image(name, platforms=[f"linux/{name}"]) for name in ("amd64", "arm64")}
    tag = f"{PREFIX}/index:{config.get('release') or '1'}"
    index = docker_build.Index("index", tag=tag, sources=[each.ref for each in platforms.values()])
    pulumi.export("index", {"ref": index.ref})
    unpushed = docker_build.Index("unpushed", tag=f"{PREFIX}/unpushed:1", sources=[platforms["amd64"].ref], push=False)
    pulumi.export("unpushed", {"ref": unpushed.ref})
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All of them, built."""
    project = prepare(make_project(tmp_path_factory.mktemp("images")))
    write(project)
    project.up()
    return project


@pytest.fixture(scope="module")
def values(made: Project) -> dict[str, dict[str, Any]]:
    return made.outputs()


def write(project: Project, **configuration: str) -> None:
    project.write(PROGRAM.replace("@prefix@", f"{registry.ADDRESS}/{REPOSITORY}"), configuration)


@contextmanager
def changed(file: Path, content: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(content)
    try:
        yield
    finally:
        file.write_text(before)


def test_nothing_changed_builds_nothing(made: Project) -> None:
    """`contextHash`: Pulumi uses this to determine if an image may need to be re-built.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#outputs
    """
    made.up("--expect-no-changes")
    made.refresh("--expect-no-changes")


def test_a_change_in_the_context_shows_in_the_preview(made: Project, values: dict[str, Any]) -> None:
    """`contextHash`: a preliminary hash of the image's build context.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#outputs
    """
    with changed(made.directory / "context/two.txt", "other\n"):
        steps = made.steps()
    expected = {"contextHash": {"kind": "update", "inputDiff": False}}
    built = ("changing", "exported", "amd64", "arm64")
    assert {name: steps[name]["detailedDiff"] for name in built} == dict.fromkeys(built, expected)
    assert len(values["changing"]["hash"]) == 64


def test_what_is_ignored_changes_nothing(made: Project) -> None:
    """A .dockerignore in the context leaves files out of the build, and so out of the hash.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#dockerfile
    """
    (made.directory / "context/notes.md").write_text("not in the image\n")
    made.preview("--expect-no-changes")


def test_changed_inputs_show_by_name(made: Project) -> None:
    """Every input may be changed without replacing the image, which is built again.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    write(made, title="other", word="green")
    try:
        steps = made.steps()
    finally:
        write(made)
    assert {name: (step["op"], list(step["detailedDiff"])) for name, step in steps.items()} == {
        "changing": ("update", ["labels"]),
        "exported": ("update", ["buildArgs"]),
    }


def test_a_preview_builds_and_pushes_nothing(building: Project) -> None:
    """`buildOnPreview`: images built during previews are never exported to registries; defaults to `true`.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    tag = f"{registry.ADDRESS}/{REPOSITORY}/previewed:1"
    one(building, tags=[tag], push=True, exports=[])
    assert "sha256:" in building.preview().said
    assert there(f"{REPOSITORY}/previewed", "1") is None


def test_a_preview_builds_nothing_where_it_should_not(building: Project) -> None:
    """`buildOnPreview`: setting this to `false` will always skip image builds during previews.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    (building.directory / "context/Dockerfile").write_text("FROM scratch\nCOPY missing.txt /\n")
    one(building, build_on_preview=False)
    building.preview()
    one(building)
    assert "missing.txt" in building.preview(succeeds=False).said


def test_bases_that_are_pulled_are_looked_at_each_time(building: Project) -> None:
    """`pull`: always pull referenced images.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    one(building)
    building.up()
    building.preview("--expect-no-changes")
    one(building, pull=True)
    building.up()
    assert building.steps()["it"]["detailedDiff"] == {"contextHash": {"kind": "update", "inputDiff": False}}


def test_a_build_without_cache_runs_every_step(building: Project) -> None:
    """`noCache`: do not import cache manifests when building the image.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    settings: dict[str, Any] = {
        "dockerfile": {"inline": "FROM shell\nRUN cat /proc/sys/kernel/random/uuid > /made\n"},
        "context": {"location": "context", "named": {"shell": {"location": base_with_shell()}}},
        "tags": [f"{registry.ADDRESS}/{REPOSITORY}/uncached:1"],
        "push": True,
        "exports": [],
        "build_on_preview": False,
    }
    last = []
    for number, cached in enumerate((True, True, False)):
        one(building, labels={"number": str(number)}, no_cache=not cached, **settings)
        building.up()
        last.append(read(f"{REPOSITORY}/uncached", "manifests/1")["layers"][-1]["digest"])
    assert last[0] == last[1] != last[2]


def test_a_folder_that_is_gone_is_exported_again(made: Project) -> None:
    """`exports.local` is where the image is persisted: what is missing is made by the next update.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#exportlocal
    """
    shutil.rmtree(made.directory / "out/exported")
    assert made.steps()["exported"]["detailedDiff"] == {"exports[0]": {"kind": "update", "inputDiff": True}}
    made.up()
    assert (made.directory / "out/exported/one.txt").read_text() == "one\n"


def test_an_image_brings_its_registrys_credentials_along(building: Project, tmp_path: Path) -> None:
    """`registries`: credentials, required if reading or exporting to private repositories; `password` is secret.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#registry
    """
    user, password = credentials(building)
    building.environment["DOCKER_CONFIG"] = str(tmp_path)  # where there are none
    settings = {"tags": [f"{registry.ADDRESS}/{REPOSITORY}/private:1"], "push": True, "exports": []}
    one(building, build_on_preview=False, **settings)
    assert "401 Unauthorized" in building.up(succeeds=False).said
    entry = {"address": registry.ADDRESS, "username": user, "password": password}
    one(building, build_on_preview=False, registries=[entry], **settings)
    said = building.up().said + building.preview("--diff").said
    assert there(f"{REPOSITORY}/private", "1") == building.outputs()["digest"]
    assert user in building.state_file.read_text()  # so the password could have been there too
    assert password not in building.state_file.read_text() + said


def test_another_password_is_no_change(building: Project) -> None:
    """`registries`: credentials, required if reading or exporting to private repositories; kept in memory.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#registry
    """
    entry = {"address": "registry.example.org", "username": "ada", "password": "one"}
    one(building, registries=[entry])
    building.up()
    one(building, registries=[{**entry, "password": "two"}])
    building.preview("--expect-no-changes")
    one(building, registries=[{**entry, "username": "bob"}])
    assert building.steps()["it"]["detailedDiff"] == {"registries[0]": {"kind": "update", "inputDiff": True}}


# Indexes.


def test_an_index_joins_images(values: dict[str, Any]) -> None:
    """Creates an index (or manifest list) referencing one or more existing images; `ref`: the pushed tag with digest.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/index/
    """
    digest = there(f"{REPOSITORY}/index", "1")
    assert values["index"]["ref"] == f"{registry.ADDRESS}/{REPOSITORY}/index:1@{digest}"
    index = read(f"{REPOSITORY}/index", "manifests/1")
    found = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
    assert found == {name: values[name]["digest"] for name in ("amd64", "arm64")}


def test_an_index_that_is_not_pushed_is_its_tag(values: dict[str, Any]) -> None:
    """`push`: if true, push the index to the target registry; `ref`: identical to the tag if it was not pushed.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/index/
    """
    assert values["unpushed"]["ref"] == f"{registry.ADDRESS}/{REPOSITORY}/unpushed:1"
    assert there(f"{REPOSITORY}/unpushed", "1") is None


def test_another_tag_is_another_index(made: Project) -> None:
    """`tag`: the tag to apply to the index.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/index/
    """
    write(made, release="2")
    try:
        step = made.steps()["index"]
    finally:
        write(made)
    assert (step["op"], step["replaceReasons"]) == ("replace", ["tag"])


def test_an_index_brings_its_registrys_credentials_along(
    building: Project, tmp_path: Path, values: dict[str, Any]
) -> None:
    """`registry`: authentication for the registry where the tagged index will be pushed.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/index/
    """
    user, password = credentials(building)
    building.environment["DOCKER_CONFIG"] = str(tmp_path)  # where there are none
    tag = f"{registry.ADDRESS}/{REPOSITORY}/private-index:1"
    source = f"{registry.ADDRESS}/{REPOSITORY}/amd64@{values['amd64']['digest']}"
    entry = {"address": registry.ADDRESS, "username": user, "password": password}
    text = "import pulumi_docker_build as docker_build\ndocker_build.Index('it', tag=%r, sources=[%r], registry=%r)\n"
    building.write(text % (tag, source, None))
    assert "401 Unauthorized" in building.up(succeeds=False).said
    building.write(text % (tag, source, entry))
    building.up()
    assert there(f"{REPOSITORY}/private-index", "1")
    assert password not in building.state_file.read_text()


def credentials(project: Project) -> tuple[str, str]:
    """User and password of who may push."""
    client = json.loads(Path(project.environment["DOCKER_CONFIG"], "config.json").read_text())
    user, _, password = base64.b64decode(client["auths"][registry.ADDRESS]["auth"]).decode().partition(":")
    return user, password
