"""The docker-build plugin, by the real engine and this machine's BuildKit and registry."""

import json
import textwrap
from pathlib import Path

import httpx
import pytest

from localcloud import toolchain
from localcloud.images import buildkit, registry
from tests.engine.project import STACK, Project, interrupt, make_project

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

PROGRAM = """
    import pulumi
    import pulumi_docker_build as docker_build

    config = pulumi.Config()
    image = docker_build.Image(
        "image",
        tags=["{tag}"],
        push=True,
        context={{"location": "context"}},
        labels={{"org.opencontainers.image.title": "tried"}},
        {more}
    )
    pulumi.export("digest", image.digest)
    pulumi.export("ref", image.ref)
    pulumi.export("hash", image.context_hash)
"""
DOCKERFILE = """\
FROM scratch AS base
COPY one.txt /one.txt
FROM base
ARG WORD=none
COPY two.txt /${WORD}.txt
"""


@pytest.fixture(scope="module")
def tag() -> str:
    return f"{registry.ADDRESS}/tried/image:1"


def write(project: Project, tag: str, more: str = "") -> None:
    project.write(PROGRAM.format(tag=tag, more=more))


def prepare(project: Project) -> Project:
    project.environment |= buildkit.environment()
    project.environment["PATH"] += f":{toolchain.binary('buildctl').parent}"
    context = project.directory / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / ".dockerignore").write_text("*\n!Dockerfile\n!*.txt\n")
    (context / "one.txt").write_text("one\n")
    (context / "two.txt").write_text("two\n")
    (project.directory / f"Pulumi.{STACK}.yaml").write_text("{}\n")
    return project


@pytest.fixture
def building(project: Project) -> Project:
    """A project with a context to build, of this test alone."""
    return prepare(project)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tag: str) -> Project:
    """A built and pushed image, for the tests that only look."""
    project = prepare(make_project(tmp_path_factory.mktemp("image")))
    write(project, tag)
    project.up()
    return project


def read(what: str) -> dict[str, object]:
    """A manifest or blob of the pushed image."""
    with registry.connect() as connection:
        answer: httpx.Response = connection._send(
            "GET", f"/v2/tried/image/{what}", headers={"Accept": registry.MANIFEST}
        )
    found: dict[str, object] = json.loads(answer.content)
    return found


def test_an_image_is_in_the_registry_under_its_digest(built: Project, tag: str) -> None:
    """S1: deployed by digest, never by a moving tag."""
    outputs = built.outputs()
    assert outputs["ref"] == f"{tag}@{outputs['digest']}"
    assert built.resource("image")["id"] == outputs["digest"]
    manifest = read(f"manifests/{outputs['digest']}")
    configuration = read(f"blobs/{manifest['config']['digest']}")  # type: ignore[index]
    assert configuration["config"]["Labels"] == {"org.opencontainers.image.title": "tried"}  # type: ignore[index]


def test_nothing_changed_builds_nothing(built: Project) -> None:
    built.preview("--expect-no-changes")
    built.up("--expect-no-changes")
    built.refresh("--expect-no-changes")


def test_what_is_ignored_changes_nothing(built: Project) -> None:
    """The context's digest follows .dockerignore."""
    (built.directory / "context" / "notes.md").write_text("not in the image\n")
    built.preview("--expect-no-changes")


def test_the_official_defaults_are_in_the_inputs(built: Project) -> None:
    inputs = built.resource("image")["inputs"]
    assert inputs["buildOnPreview"] is True
    assert inputs["network"] == "default"
    assert inputs["dockerfile"] == {"location": "context/Dockerfile"}


def test_a_changed_file_shows_in_the_preview_and_makes_another_digest(building: Project, tag: str) -> None:
    write(building, tag)
    building.up()
    before = building.outputs()
    (building.directory / "context" / "two.txt").write_text("other\n")
    step = building.steps()["image"]
    assert step["op"] == "update"
    assert step["detailedDiff"] == {"contextHash": {"kind": "update", "inputDiff": False}}
    building.up()
    after = building.outputs()
    assert after["digest"] != before["digest"]
    assert after["hash"] != before["hash"]


def test_a_changed_mode_counts_as_a_change(building: Project, tag: str) -> None:
    write(building, tag)
    building.up()
    (building.directory / "context" / "two.txt").chmod(0o755)
    assert building.steps()["image"]["op"] == "update"


def test_an_argument_reaches_the_build(building: Project, tag: str) -> None:
    write(building, tag, 'build_args={"WORD": "blue"},')
    building.up()
    write(building, tag, 'build_args={"WORD": "green"},')
    assert building.steps()["image"]["detailedDiff"] == {"buildArgs": {"kind": "update", "inputDiff": True}}


def test_a_preview_pushes_nothing(building: Project) -> None:
    name = f"{registry.ADDRESS}/tried/never-pushed:1"
    write(building, name)
    assert f"{name}@sha256:" in building.preview().said  # it was built
    with registry.connect() as connection:
        assert connection.digest(registry.Name("tried/never-pushed", "1")) is None


def test_a_preview_builds_nothing_where_it_should_not(building: Project, tag: str) -> None:
    (building.directory / "context" / "Dockerfile").write_text(f"{DOCKERFILE}COPY missing.txt /\n")
    write(building, tag, "build_on_preview=False,")
    building.preview()
    write(building, tag)
    assert "missing.txt" in building.preview(succeeds=False).said


def test_a_failing_step_is_named_with_the_end_of_its_output(building: Project, tag: str) -> None:
    context = building.directory / "context"
    context.joinpath("Dockerfile").write_text(
        "FROM base-of-test\nRUN echo first && for n in $(seq 100); do echo line $n; done && exit 7\n"
    )
    base = _any_stand_in()
    building.write(
        PROGRAM.replace('context={{"location": "context"}},', "").format(
            tag=tag,
            more=f'''
        build_on_preview=False,
        context={{"location": "context", "named": {{"base-of-test": {{"location": "{base}"}}}}}},
    ''',
        )
    )
    said = building.up(succeeds=False).said
    assert "the build failed at: [1/2] RUN echo first" in said
    assert "line 100" in said
    assert "line 10\n" not in said
    assert "exit code: 7" in said


def test_stages_that_cannot_be_built_here_are_replaced(building: Project, tag: str) -> None:
    """The program and the Dockerfile know nothing of it."""
    context = building.directory / "context"
    context.joinpath("Dockerfile").write_text(
        "FROM docker.io/no/such-image:1 AS php-base\nRUN false\nFROM php-base\nCOPY one.txt /one.txt\n"
    )
    building.environment["LOCALCLOUD_BUILD_CONTEXTS"] = json.dumps(
        {"php-base": _any_stand_in(), "flutter-builder": "docker-image://docker.io/never/pulled:1"}
    )
    write(building, tag)
    building.up()
    building.preview("--expect-no-changes")
    del building.environment["LOCALCLOUD_BUILD_CONTEXTS"]
    said = building.up(succeeds=False).said
    assert "no/such-image" in said


def test_a_secret_reaches_the_build_and_nothing_else(building: Project, tag: str) -> None:
    context = building.directory / "context"
    context.joinpath("Dockerfile").write_text(
        "FROM php-base AS php-base\nFROM php-base\nRUN --mount=type=secret,id=word test -s /run/secrets/word\n"
    )
    building.environment["LOCALCLOUD_BUILD_CONTEXTS"] = json.dumps({"php-base": _any_stand_in()})
    write(building, tag, 'secrets={"word": "hush-hush"},')
    said = building.up().said + building.preview("--diff").said
    assert "hush-hush" not in said
    assert "hush-hush" not in building.state_file.read_text()
    write(building, tag, 'secrets={"word": "other"},')
    assert building.steps()["image"]["detailedDiff"] == {"secrets": {"kind": "update", "inputDiff": True}}


@pytest.mark.parametrize("name", ["docker.io/library/evil:1", "registry.example.org/x:1", "localhost.example.org/x:1"])
def test_other_registries_are_refused_in_the_preview(building: Project, name: str) -> None:
    """Stand-ins can't be pushed anywhere but the local registry."""
    write(building, name)
    said = building.preview(succeeds=False).said
    assert "is not in this machine's registry" in said


def test_a_missing_dockerfile_and_context_are_refused_in_the_preview(building: Project, tag: str) -> None:
    write(building, tag, 'dockerfile={"location": "nowhere/Dockerfile"},')
    assert "nowhere/Dockerfile: no such file" in building.preview(succeeds=False).said


def test_an_inline_dockerfile_and_a_target_are_built(building: Project, tag: str) -> None:
    dockerfile = textwrap.dedent(
        """\
        FROM scratch AS wanted
        COPY one.txt /wanted.txt
        FROM scratch
        COPY missing.txt /
        """
    )
    write(building, tag, f'dockerfile={{"inline": {dockerfile!r}}}, target="wanted",')
    building.up()
    assert building.outputs()["digest"].startswith("sha256:")


def test_an_export_to_the_disk_is_made_again_when_it_is_gone(building: Project, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    building.write(
        f"""
        import pulumi_docker_build as docker_build

        docker_build.Image(
            "image", push=False, context={{"location": "context"}}, exports=[{{"local": {{"dest": "{target}"}}}}]
        )
        """
    )
    building.up()
    assert (target / "one.txt").read_text() == "one\n"
    building.preview("--expect-no-changes")
    for file in target.iterdir():
        file.unlink()
    target.rmdir()
    assert building.steps()["image"]["op"] == "update"


def test_an_image_that_left_the_registry_is_found_out_by_a_refresh(building: Project) -> None:
    name = f"{registry.ADDRESS}/tried/leaving:1"
    write(building, name)
    building.up()
    digest = building.outputs()["digest"]
    with registry.connect() as connection:
        answer = connection._send("DELETE", f"/v2/tried/leaving/manifests/{digest}")
    if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:
        pytest.skip("the registry deletes nothing")
    assert "1 deleted" in building.refresh().said


def test_an_interrupt_stops_a_build(building: Project, tag: str) -> None:
    context = building.directory / "context"
    context.joinpath("Dockerfile").write_text("FROM php-base AS php-base\nFROM php-base\nRUN echo begun && sleep 600\n")
    building.environment["LOCALCLOUD_BUILD_CONTEXTS"] = json.dumps({"php-base": _any_stand_in()})
    write(building, tag)
    with building.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        assert update.stdout is not None
        for line in update.stdout:
            if "RUN echo begun" in line:
                break
        interrupt(update)
        said = "".join(update.communicate(timeout=60))
    assert update.returncode != 0
    assert "the build was cancelled" in said


def test_without_a_builder_the_way_to_one_is_shown(building: Project, tag: str) -> None:
    write(building, tag)
    building.environment["BUILDKIT_HOST"] = "unix:///nowhere/buildkitd.sock"
    said = building.up(succeeds=False).said
    assert "/nowhere/buildkitd.sock" in said


def _any_stand_in() -> str:
    """An image that is there, with a shell in it."""
    contexts: dict[str, str] = json.loads((buildkit.socket().parent.parent / "build-contexts.json").read_text())
    return contexts["php-base"]
