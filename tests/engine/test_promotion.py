"""Images that one stack has built run in another by the same digest: the real engine, and a real registry.

Once by the registry's own name, and once as in a rehearsal: by Google's name, for which the local registry stands in.
"""

import re
from dataclasses import dataclass

import pytest

from localcloud import paths
from localcloud.cluster import layout
from localcloud.images import registry
from tests.engine.builds import prepare, read, there
from tests.engine.project import Project

pytestmark = pytest.mark.engine

OURS = ("app", "websocket", "postgres")


@dataclass(frozen=True)
class Place:
    """Two repositories: as the program names them, and where the local registry has them."""

    named: str
    kept: str
    variables: dict[str, str]

    @property
    def tried(self) -> tuple[str, str]:
        return f"{self.named}/staged", f"{self.kept}/staged"

    @property
    def live(self) -> tuple[str, str]:
        return f"{self.named}/promoted", f"{self.kept}/promoted"


GOOGLE = layout.ARTIFACT_REGISTRIES[0]
PLACES = {
    "local": Place(f"{registry.ADDRESS}/tried", "tried", {}),
    "google": Place(
        f"{GOOGLE}/tried", f"mirror/{GOOGLE}/tried", {"LOCALCLOUD_ARTIFACT_REGISTRY": f"{registry.ADDRESS}/mirror"}
    ),
}
BUILDING = f"""
    import pulumi
    import pulumi_docker_build as docker_build

    release = pulumi.Config().require("release")
    for name in {OURS}:
        docker_build.Image(
            name,
            context={{"location": "context"}},
            build_args={{"WORD": f"{{name}}-{{release}}"}},
            tags=[f"TRIED/{{name}}:{{release}}"],
            push=True,
        )
"""
PROMOTING = f"""
    import sys

    import pulumi

    sys.path.append("{paths.CHECKOUT}")

    from components.catalogue import CATALOGUE
    from components.images import Images, ImagesArgs

    images = Images(
        "images",
        ImagesArgs(
            registry="LIVE",
            release=pulumi.Config().require("release"),
            promoted_from="TRIED",
            app_target="production",
            flutter="3.24.5",
            source=None,
            document_root="public",
            allow_unpinned=list(CATALOGUE),
            fixed={{}},
        ),
    )
    for name in {OURS}:
        pulumi.export(name, getattr(images, name))
"""


def _program(text: str, place: Place) -> str:
    return text.replace("TRIED", place.tried[0]).replace("LIVE", place.live[0])


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    """Where the images are."""
    return PLACES[request.param]


@pytest.fixture
def staged(project: Project, place: Place) -> Project:
    """A project whose next program finds the releases v1 and v2 in the registry."""
    prepare(project)
    project.environment |= place.variables
    for release in ("v1", "v2"):
        project.write(_program(BUILDING, place), {"release": release})
        project.up()
    return project


def test_what_was_tried_is_what_runs_and_stays_for_a_roll_back(staged: Project, place: Place) -> None:
    """DECISIONS: promotion, rollback"""
    kept, live = place.tried[1], place.live[1]
    tried = {release: {name: there(f"{kept}/{name}", release) for name in OURS} for release in ("v1", "v2")}
    for release in ("v1", "v2"):
        staged.write(_program(PROMOTING, place), {"release": release})
        staged.up()
        for name, digest in tried[release].items():
            assert staged.outputs()[name] == f"{place.live[0]}/{name}@{digest}"
            assert there(f"{live}/{name}", release)
        staged.preview("--expect-no-changes")
    for digests in tried.values():
        for name, digest in digests.items():
            assert read(f"{live}/{name}", f"manifests/{digest}") == read(f"{kept}/{name}", f"manifests/{digest}")


def test_a_release_that_was_not_tried_is_refused_before_anything_is_made(staged: Project, place: Place) -> None:
    staged.write(_program(PROMOTING, place), {"release": "v3"})
    said = staged.preview(succeeds=False).said
    assert re.search(f"{place.tried[1]}/({'|'.join(OURS)}):v3 from registry: .*404", said)


def test_what_stands_in_for_googles_registry_stays_on_this_machine(project: Project) -> None:
    """Quarantine: no variable leads a stand-in's images elsewhere."""
    prepare(project)
    project.environment["LOCALCLOUD_ARTIFACT_REGISTRY"] = "registry.example.org/mirror"
    project.write(_program(BUILDING, PLACES["google"]), {"release": "v1"})
    assert "is not in this machine's registry" in project.up(succeeds=False).said
    project.write(_program(PROMOTING, PLACES["google"]), {"release": "v1"})
    assert "asks no registry but this machine's" in project.preview(succeeds=False).said
