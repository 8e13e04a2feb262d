"""Images that one stack has built run in another by the same digest: the real engine, and a real registry."""

import re

import pytest

from localcloud import paths
from localcloud.images import registry
from tests.engine.builds import prepare, read, there
from tests.engine.project import Project

pytestmark = pytest.mark.engine

OURS = ("app", "websocket", "postgres")
TRIED, LIVE = "tried/staged", "tried/promoted"
BUILDING = f"""
    import pulumi
    import pulumi_docker_build as docker_build

    release = pulumi.Config().require("release")
    for name in {OURS}:
        docker_build.Image(
            name,
            context={{"location": "context"}},
            build_args={{"WORD": f"{{name}}-{{release}}"}},
            tags=[f"{registry.ADDRESS}/{TRIED}/{{name}}:{{release}}"],
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
            registry="{registry.ADDRESS}/{LIVE}",
            release=pulumi.Config().require("release"),
            promoted_from="{registry.ADDRESS}/{TRIED}",
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


@pytest.fixture
def staged(project: Project) -> Project:
    """A project whose next program finds the releases v1 and v2 in the registry."""
    prepare(project)
    for release in ("v1", "v2"):
        project.write(BUILDING, {"release": release})
        project.up()
    return project


def test_what_was_tried_is_what_runs_and_stays_for_a_roll_back(staged: Project) -> None:
    """DECISIONS: promotion, rollback"""
    tried = {release: {name: there(f"{TRIED}/{name}", release) for name in OURS} for release in ("v1", "v2")}
    for release in ("v1", "v2"):
        staged.write(PROMOTING, {"release": release})
        staged.up()
        for name, digest in tried[release].items():
            assert staged.outputs()[name] == f"{registry.ADDRESS}/{LIVE}/{name}@{digest}"
            assert there(f"{LIVE}/{name}", release)
        staged.preview("--expect-no-changes")
    for digests in tried.values():
        for name, digest in digests.items():
            assert read(f"{LIVE}/{name}", f"manifests/{digest}") == read(f"{TRIED}/{name}", f"manifests/{digest}")


def test_a_release_that_was_not_tried_is_refused_before_anything_is_made(staged: Project) -> None:
    staged.write(PROMOTING, {"release": "v3"})
    said = staged.preview(succeeds=False).said
    assert re.search(f"{TRIED}/({'|'.join(OURS)}):v3 from registry: .*404", said)
