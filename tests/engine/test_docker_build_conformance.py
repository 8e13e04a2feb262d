"""Images and indexes, as the official plugin documents them.

Each test states one documented behaviour and where it is documented. The plugin under test is the local one, or the one
that CONFORMANCE_DOCKER_BUILD_PLUGIN names; it builds with this machine's BuildKit and pushes to its registry.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localcloud.images import buildkit, registry
from tests.builder import own_builder
from tests.engine.builds import REPOSITORY, base_with_shell, configuration, one, prepare, read, there
from tests.engine.project import Project, make_project

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

PROGRAM = """
    import pulumi
    import pulumi_docker_build as docker_build

    PREFIX = "@prefix@"
    context = {"location": "context"}

    def image(name, **settings):
        settings.setdefault("context", context)
        settings.setdefault("push", "exports" not in settings)
        if settings["push"]:
            settings.setdefault("tags", [f"{PREFIX}/{name}:1"])
        made = docker_build.Image(name, **settings)
        pulumi.export(name, {"id": made.id, "digest": made.digest, "ref": made.ref, "hash": made.context_hash})
        return made

    image("image", tags=[f"{PREFIX}/image:1", f"{PREFIX}/image:other"], labels={"title": "tried"})
    image("inline", dockerfile={"inline": "FROM scratch AS first\\nCOPY one.txt /\\nFROM scratch\\nCOPY nowhere /\\n"},
          target="first")
    image("elsewhere", dockerfile={"location": "elsewhere/Containerfile"})
    image("arguments", build_args={"WORD": "blue"}, exports=[{"local": {"dest": "out/arguments"}}])
    image("archive", exports=[{"tar": {"dest": "out/archive.tar"}}])
    image("layout", tags=["layout:1"], exports=[{"oci": {"dest": "out/layout.tar"}}])
    image("raw", exports=[{"raw": "type=local,dest=out/raw"}])
    image("disabled", exports=[{"local": {"dest": "out/disabled"}, "disabled": True}, {"cacheonly": {}}])
    image("unexported", tags=["localhost/unexported:1"], push=False)
    image("canonical", push=False, exports=[{"registry": {"names": [f"{PREFIX}/canonical:1"], "ociMediaTypes": True}}])
    image("named", dockerfile={"inline": "FROM scratch\\nCOPY --from=other three.txt /\\n"},
          context={"location": "context", "named": {"other": {"location": "other"}}},
          exports=[{"local": {"dest": "out/named"}}])
    image("both", platforms=["linux/amd64", "linux/arm64"])
    image("kept", cache_to=[{"local": {"dest": "out/cache", "mode": "max"}}])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All of them, built."""
    project = prepare(make_project(tmp_path_factory.mktemp("images")))
    for folder in ("elsewhere", "other", "out"):
        (project.directory / folder).mkdir()
    (project.directory / "elsewhere/Containerfile").write_text("FROM scratch\nCOPY two.txt /\n")
    (project.directory / "other/three.txt").write_text("three\n")
    project.write(PROGRAM.replace("@prefix@", f"{registry.ADDRESS}/{REPOSITORY}"), {})
    said = project.up().said
    (project.directory / "said").write_text(said)
    return project


@pytest.fixture(scope="module")
def values(made: Project) -> dict[str, dict[str, Any]]:
    return made.outputs()


# Where from.


def test_a_dockerfile_is_taken_from_the_context_by_default(made: Project, values: dict[str, Any]) -> None:
    """`dockerfile.location`: defaults to `${context.location}/Dockerfile` if context is on-disk.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#dockerfile
    """
    assert made.resource("image")["inputs"]["dockerfile"] == {"location": "context/Dockerfile"}
    assert values["image"]["digest"].startswith("sha256:")


def test_a_dockerfile_can_be_somewhere_else(values: dict[str, Any]) -> None:
    """`dockerfile.location`: location of the Dockerfile to use, an absolute or relative path.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#dockerfile
    """
    assert len(read(f"{REPOSITORY}/elsewhere", f"manifests/{values['elsewhere']['digest']}")["layers"]) == 1


def test_a_dockerfile_can_be_written_in_the_program(values: dict[str, Any]) -> None:
    """`dockerfile.inline`: raw Dockerfile contents. `target`: set the target build stage to build.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#dockerfile
    """
    assert len(read(f"{REPOSITORY}/inline", f"manifests/{values['inline']['digest']}")["layers"]) == 1


def test_a_dockerfile_is_given_one_way_only(building: Project) -> None:
    """`dockerfile`: `inline` conflicts with `location`.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#dockerfile
    """
    one(building, dockerfile={"inline": "FROM scratch\n", "location": "context/Dockerfile"})
    assert 'only specify "location" or "inline", not both' in building.preview(succeeds=False).said


def test_a_dockerfile_on_the_disk_is_validated_though_nothing_is_built(building: Project) -> None:
    """On-disk Dockerfiles are always validated for syntactic correctness regardless of `buildOnPreview`.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    (building.directory / "context/Dockerfile").write_text("FROM scratch\nCOPPY one.txt /\n")
    one(building, build_on_preview=False)
    assert "unknown instruction: COPPY" in building.preview(succeeds=False).said


def test_a_context_must_be_a_folder(building: Project) -> None:
    """`context.location`: resources to use for build context, a directory or an address.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#buildcontext
    """
    one(building, context={"location": "nowhere"})
    assert "not a valid directory or URL" in building.preview(succeeds=False).said


def test_other_contexts_can_be_named(made: Project) -> None:
    """`context.named`: additional build contexts, accessed with `FROM name` or `--from=name` statements.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#buildcontext
    """
    assert (made.directory / "out/named/three.txt").read_text() == "three\n"


# How.


def test_build_arguments_reach_the_build(made: Project) -> None:
    """`buildArgs`: `ARG` names and values to set during the build.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    assert (made.directory / "out/arguments/blue.txt").read_text() == "two\n"


def test_labels_are_in_the_image(values: dict[str, Any]) -> None:
    """`labels`: attach arbitrary key/value metadata to the image.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    assert configuration(f"{REPOSITORY}/image", values["image"]["digest"])["config"]["Labels"] == {"title": "tried"}


def test_a_secret_reaches_the_build_and_nothing_else(building: Project) -> None:
    """`secrets`: a mapping of names to values, passed by value; not persistent in the final image, kept as a secret.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    command = "test $(wc -c < /run/secrets/word) = 9"
    settings = {
        "dockerfile": {"inline": f"FROM shell\nRUN --mount=type=secret,id=word {command}\n"},
        "context": {"location": "context", "named": {"shell": {"location": base_with_shell()}}},
        "tags": [f"{registry.ADDRESS}/{REPOSITORY}/secret:1"],
        "push": True,
        "exports": [],
    }
    one(building, secrets={"word": "hush-hush"}, **settings)
    said = building.up().said + building.preview("--diff").said
    assert "hush-hush" not in said
    assert "hush-hush" not in building.state_file.read_text()
    found = configuration(f"{REPOSITORY}/secret", building.outputs()["digest"])
    assert any(command in step["created_by"] for step in found["history"])
    assert "hush-hush" not in json.dumps(found)
    one(building, secrets={"word": "other-one"}, **settings)
    assert building.steps()["it"]["detailedDiff"] == {"secrets": {"kind": "update", "inputDiff": True}}
    one(building, secrets={"word": "other-one"}, ignore_secrets_in_diff_calculation=["word"], **settings)
    building.preview("--expect-no-changes")


def test_hosts_can_be_added(building: Project) -> None:
    """`addHosts`: custom `host:ip` mappings to use during the build. `network`: the network mode for RUN instructions.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    one(
        building,
        dockerfile={
            "inline": "FROM shell\nRUN grep '10.9.8.7.*far' /etc/hosts && ! grep -v lo: /proc/net/dev | grep :\n"
        },
        context={"location": "context", "named": {"shell": {"location": base_with_shell()}}},
        add_hosts=["far:10.9.8.7"],
        network="none",
    )
    building.up()


def test_an_image_can_be_for_several_platforms(values: dict[str, Any]) -> None:
    """`platforms`: set target platform(s) for the build.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    index = read(f"{REPOSITORY}/both", f"manifests/{values['both']['digest']}")
    platforms = {entry["platform"]["architecture"] for entry in index["manifests"]} - {"unknown"}
    assert platforms == {"amd64", "arm64"}


def test_several_platforms_with_a_cache_are_warned_of(building: Project) -> None:
    """Building multi-platform images with caching will only export a cache for one platform at a time.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/index/
    """
    one(building, platforms=["linux/amd64", "linux/arm64"], cache_to=[{"local": {"dest": "cache"}}])
    assert "Caching doesn't work reliably with multi-platform builds" in building.preview().said


def test_a_cache_is_kept_in_a_folder(made: Project) -> None:
    """`cacheTo.local`: a simple backend which caches images on your local filesystem.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#cacheto
    """
    assert (made.directory / "out/cache/index.json").is_file()


def test_a_cache_in_the_registry_serves_another_builder(building: Project, tmp_path: Path) -> None:
    """`cacheTo.registry`: push caches to remote registries. `cacheFrom.registry`: fully qualified name to import.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#cachefrom
    """
    cache = f"{registry.ADDRESS}/{REPOSITORY}/cache:1"
    settings: dict[str, Any] = {
        "dockerfile": {"inline": "FROM shell\nRUN cat /proc/sys/kernel/random/uuid > /made\nCOPY one.txt /\n"},
        "context": {"location": "context", "named": {"shell": {"location": base_with_shell()}}},
        "tags": [f"{registry.ADDRESS}/{REPOSITORY}/cached:1"],
        "push": True,
        "exports": [],
        "build_on_preview": False,
    }
    one(building, cache_to=[{"registry": {"ref": cache, "mode": "max"}}], **settings)
    building.up()
    before = read(f"{REPOSITORY}/cached", "manifests/1")["layers"][-2]["digest"]
    with own_builder(tmp_path) as building.environment["BUILDKIT_HOST"]:
        buildkit.buildkit_up(lambda _: None)
        one(building, cache_from=[{"registry": {"ref": cache}}], labels={"again": "yes"}, **settings)
        building.up()
    assert configuration(f"{REPOSITORY}/cached", "1")["config"]["Labels"]["again"] == "yes"
    assert read(f"{REPOSITORY}/cached", "manifests/1")["layers"][-2]["digest"] == before


# Where to.


def test_tags_lead_to_the_pushed_image(values: dict[str, Any]) -> None:
    """`push`: the build will automatically include a `registry` export. `tags`: name and optionally a tag.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    assert there(f"{REPOSITORY}/image", "1") == there(f"{REPOSITORY}/image", "other") == values["image"]["digest"]


def test_ref_is_a_tag_with_the_digest(values: dict[str, Any]) -> None:
    """`ref`: if the image was pushed, a single fully-qualified tag including the build's digest.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#outputs
    """
    found = values["image"]
    assert found["ref"] == f"{registry.ADDRESS}/{REPOSITORY}/image:1@{found['digest']}"


def test_an_image_that_is_not_exported_has_no_digest(made: Project, values: dict[str, Any]) -> None:
    """`digest`: empty if the image was not exported. `ref`: if it had tags but was not exported, one of those tags.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#outputs
    """
    found = values["unexported"]
    assert (found["digest"], found["ref"]) == ("", "localhost/unexported:1")
    assert "the build will only remain in the local build cache" in (made.directory / "said").read_text()


def test_an_image_is_exported_to_a_folder(made: Project) -> None:
    """`exports.local`: export to a local directory as files and directories.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#export
    """
    assert (made.directory / "out/arguments/one.txt").read_text() == "one\n"
    assert (made.directory / "out/raw/one.txt").read_text() == "one\n"


def test_an_image_is_exported_as_a_tarball(made: Project) -> None:
    """`exports.tar`: export to a local directory as a tarball.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#export
    """
    with tarfile.open(made.directory / "out/archive.tar") as tar:
        assert "one.txt" in tar.getnames()


def test_an_image_is_exported_as_a_layout(made: Project) -> None:
    """`exports.oci`: identical to the Docker exporter but uses OCI media types by default.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#export
    """
    with tarfile.open(made.directory / "out/layout.tar") as tar:
        file = tar.extractfile("index.json")
        assert file
        assert json.load(file)["manifests"][0]["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_a_disabled_export_is_left_out(made: Project) -> None:
    """`exports.disabled`: when `true` this entry will be excluded. `cacheonly`: a no-op export, silences the warning.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#export
    """
    assert not (made.directory / "out/disabled").exists()


def test_an_export_to_a_registry_is_pushed_under_its_names(values: dict[str, Any]) -> None:
    """`exports.registry`: identical to the Image exporter, but pushes by default; `names`: image names to export.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#exportregistry
    """
    assert there(f"{REPOSITORY}/canonical", "1") == values["canonical"]["digest"]


def test_one_export_has_one_type(building: Project) -> None:
    """`exports` is a union of types, each described by one of its properties.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#export
    """
    one(building, exports=[{"cacheonly": {}, "local": {"dest": "out"}}])
    assert "should only specify one" in building.preview(succeeds=False).said


def test_a_push_needs_a_name(building: Project) -> None:
    """`tags`: if exporting to a registry, the name should include the fully qualified registry address.

    https://www.pulumi.com/registry/packages/docker-build/api-docs/image/#inputs
    """
    one(building, push=True, exports=[])
    assert "at least one tag or export name is needed" in building.preview(succeeds=False).said
