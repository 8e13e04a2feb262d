"""What the local docker-build plugin does beyond what is documented of the official one.

`test_docker_build_conformance.py` has that; here are stand-ins, the quarantine, and what goes wrong.
"""

import json
from pathlib import Path

import httpx
import pytest

from localcloud.images import registry
from tests.engine.builds import base_with_shell, there
from tests.engine.project import STACK, Project, interrupt
from tests.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

PROGRAM = """
    import pulumi
    import pulumi_docker_build as docker_build

    image = docker_build.Image(
        "image",
        tags=["{tag}"],
        push=True,
        context={context},
        build_on_preview=False,
        {more}
    )
    pulumi.export("digest", image.digest)
"""
TAG = f"{registry.ADDRESS}/tried/image:1"
# Nobody listens there.
PROXY = {"http_proxy": "http://ada:hush-hush@127.0.0.1:9"}


def write(project: Project, tag: str = TAG, more: str = "", on_shell: bool = False, dockerfile: str = "") -> None:
    """Let the program be one image; `on_shell` gives it a base that has one."""
    context: dict[str, object] = {"location": "context"}
    if on_shell:
        context["named"] = {"shell": {"location": base_with_shell()}}
    if dockerfile:
        (project.directory / "context" / "Dockerfile").write_text(dockerfile)
    project.write(PROGRAM.format(tag=tag, context=context, more=more))


def test_a_failing_step_is_named_with_the_end_of_its_output(building: Project) -> None:
    step = "RUN echo first && for n in $(seq 100); do echo line $n; done && exit 7"
    write(building, on_shell=True, dockerfile=f"FROM shell\n{step}\n")
    said = building.up(succeeds=False).said
    assert "the build failed: at [1/2] RUN echo first" in said
    assert "line 100" in said
    assert "line 10\n" not in said
    assert "exit code: 7" in said


def test_stages_that_cannot_be_built_here_are_replaced(building: Project) -> None:
    """The program and the Dockerfile know nothing of it."""
    building.environment["LOCALCLOUD_BUILD_CONTEXTS"] = json.dumps(
        {"php-base": base_with_shell(), "flutter-builder": "docker-image://docker.io/never/pulled:1"}
    )
    text = "FROM docker.io/no/such-image:1 AS php-base\nRUN false\nFROM php-base\nCOPY one.txt /one.txt\n"
    write(building, dockerfile=text)
    building.up()
    building.preview("--expect-no-changes")
    del building.environment["LOCALCLOUD_BUILD_CONTEXTS"]
    assert "no/such-image" in building.up(succeeds=False).said


def test_what_a_proxy_asks_of_its_users_is_told_to_nobody(building: Project) -> None:
    """S7: no secret in a log, in argv or in the image. Arguments can be read by everyone on the machine."""
    building.environment |= {**PROXY, "HTTPS_PROXY": "http://ada:hush-hush@[::1]:9"}
    step = 'RUN echo "it is $http_proxy" && sleep 600'
    write(building, on_shell=True, dockerfile=f"FROM shell\n{step}\n")
    with building.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        words = wait_for(_builder, "buildctl to run")
        interrupt(update)
        update.communicate(timeout=60)
    assert "--opt=build-arg:http_proxy=http://127.0.0.1:9" in words
    assert "--opt=build-arg:HTTPS_PROXY=http://[::1]:9" in words
    assert not any("hush-hush" in word for word in words)


def _builder() -> list[str]:
    """The words of the running buildctl that builds this test's step, if there is one."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_text().split("\0")
        except OSError:
            continue
        if words[0].endswith("/buildctl") and any("127.0.0.1:9" in word for word in words):
            return words
    return []


def test_without_a_network_the_way_out_is_shown(building: Project) -> None:
    building.environment |= PROXY
    step = "RUN apt-get -o APT::Update::Error-Mode=any -o Acquire::Retries=0 update"
    write(building, on_shell=True, dockerfile=f"FROM shell\n{step}\n")
    said = building.up(succeeds=False).said
    assert "127.0.0.1" in said
    assert "a proxy's user and password are not handed to builds" in said
    assert "hush-hush" not in said


@pytest.mark.parametrize("name", ["docker.io/library/evil:1", "registry.example.org/x:1", "localhost.example.org/x:1"])
def test_other_registries_are_refused_in_the_preview(building: Project, name: str) -> None:
    """Quarantine: stand-ins can't be pushed anywhere but to the local registry."""
    write(building, name)
    assert "is not in this machine's registry" in building.preview(succeeds=False).said


def test_another_machines_builder_is_refused(building: Project) -> None:
    """Quarantine: what is built there could go anywhere."""
    before = building.environment["BUILDKIT_HOST"]
    building.environment["BUILDKIT_HOST"] = "tcp://builder.example.org:1234"
    write(building)
    assert "BUILDKIT_HOST=tcp://builder.example.org:1234 is no builder" in building.up(succeeds=False).said
    building.environment["BUILDKIT_HOST"] = before
    building.pulumi("config", "set", "docker-build:host", "ssh://builder.example.org", f"--stack={STACK}")
    assert "host=ssh://builder.example.org is no builder" in building.up(succeeds=False).said


def test_a_state_that_another_plugin_wrote_is_left_alone(building: Project) -> None:
    """Quarantine: an image of the official plugin is not built anew by the stand-in."""
    write(building)
    building.up()
    before = building.ids()
    building.unmark()
    for said in (
        building.preview(succeeds=False).said,
        building.refresh(succeeds=False).said,
        building.destroy(succeeds=False).said,
    ):
        assert "was not written by the local docker-build plugin" in said
    assert building.ids() == before


def test_an_image_that_left_the_registry_is_found_out_by_a_refresh(building: Project) -> None:
    write(building, f"{registry.ADDRESS}/tried/leaving:1")
    building.up()
    digest = building.outputs()["digest"]
    with registry.connect() as connection:
        answer = connection._send("DELETE", f"/v2/tried/leaving/manifests/{digest}")
    assert answer.status_code == httpx.codes.ACCEPTED
    assert "1 deleted" in building.refresh().said


def test_an_image_outlives_its_stack(building: Project) -> None:
    """Another stack may run the same digest; the registry's storage is a cache."""
    write(building)
    building.up()
    digest = building.outputs()["digest"]
    building.destroy()
    assert there("tried/image", "1") == digest


def test_an_index_that_left_the_registry_is_found_out_by_a_refresh(building: Project) -> None:
    place = "tried/leaving-index"
    building.write(
        f"""
        import pulumi_docker_build as docker_build

        image = docker_build.Image("image", context={{"location": "context"}}, tags=["{TAG}"], push=True)
        docker_build.Index("index", tag="{registry.ADDRESS}/{place}:1", sources=[image.ref])
        """
    )
    building.up()
    building.preview("--expect-no-changes")
    with registry.connect() as connection:
        connection._send("DELETE", f"/v2/{place}/manifests/{there(place, '1')}")
    assert "1 deleted" in building.refresh().said
    building.up()
    assert there(place, "1")


def test_a_secret_among_the_build_arguments_is_warned_of(building: Project) -> None:
    """They stay in the image, and everyone on the machine can read them while it is built."""
    write(building, more='build_args={"WORD": pulumi.Output.secret("blue")},')
    assert "buildArgs: one of them is a secret" in building.up().said


def test_an_interrupt_stops_a_build(building: Project) -> None:
    write(building, on_shell=True, dockerfile="FROM shell\nRUN echo begun && sleep 600\n")
    with building.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        assert update.stdout is not None
        for line in update.stdout:
            if "RUN echo begun" in line:
                break
        interrupt(update)
        said = "".join(update.communicate(timeout=60))
    assert update.returncode != 0
    assert "the build was cancelled" in said


def test_without_a_builder_the_way_to_one_is_shown(building: Project) -> None:
    write(building)
    building.environment["BUILDKIT_HOST"] = "unix:///nowhere/buildkitd.sock"
    assert "/nowhere/buildkitd.sock" in building.up(succeeds=False).said
