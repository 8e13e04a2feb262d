"""The Google part of the production stack on the simulated Google Cloud: up, no changes, changes, refusals, destroy.

All of it is the program's own: what `components.platform` builds for Pulumi.production.yaml, without what is in the
cluster. That Google's answers would be these is not shown here.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud import storage

from components.google.pipeline import CHANGES
from localcloud import paths
from localcloud.plugins.gcp import cloud, kinds
from operations.cost.estimate import estimate
from operations.delivery.preview import resources_after
from tests.engine.project import STACK, Project, make_project
from tests.localcloud.google_storage import serving
from tests.policies.seen import resources_of
from tests.unit.recording import run_stack
from tests.unit.stacks import buildable

pytestmark = pytest.mark.engine

PROJECT, NUMBER = "vision-week-production", 100000000001
# What a person enables before the first update, and asks for (docs/google-cloud.md, docs/state.md).
FIRST = ("serviceusage", "cloudresourcemanager")
ASKED_FOR = ("gs-project-accounts",)
PROGRAM = f"""
    import sys

    import pulumi

    sys.path.append("{paths.CHECKOUT}")

    from components.configuration import load
    from components.platform import _ground

    ground = _ground(load(), pulumi.ResourceOptions())
    pulumi.export("kubeconfig", ground.kubeconfig)
    pulumi.export("uploads", ground.uploads)
    pulumi.export("backups", ground.backups)
"""


@contextmanager
def begun(folder: Path) -> Iterator[Project]:
    """The stack, not made yet; its project in the simulated cloud is new. Buckets are fake-gcs-server's."""
    project = make_project(folder)
    project.environment |= {cloud.FOLDER: str(folder / "google"), "PATH": _with_login(folder, project)}
    project.write(PROGRAM)
    configure(project)
    with pytest.MonkeyPatch.context() as patch, serving(folder / "buckets", patch):
        patch.setenv(cloud.FOLDER, str(folder / "google"))
        with cloud.world() as world:
            # As the pipeline's own account, which has these roles and no other.
            world.add_project(PROJECT, NUMBER, FIRST, CHANGES, ASKED_FOR)
        yield project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str, str]]:
    """The stack when it is up: its state, and the simulated cloud."""
    with begun(tmp_path_factory.mktemp("production")) as project:
        project.pulumi("up", "--yes", f"--stack={STACK}")  # with the preview of what isn't there yet
        yield project, project.state_file.read_text(), _file(project).read_text()


@pytest.fixture
def production(made: tuple[Project, str, str]) -> Project:
    """The stack, up, whatever the test before has done to it."""
    project, state, world = made
    configure(project)
    project.state_file.write_text(state)
    _file(project).write_text(world)
    return project


def _file(project: Project) -> Path:
    return Path(project.environment[cloud.FOLDER]) / "cloud.json"


def _with_login(folder: Path, project: Project) -> str:
    """PATH with what logs in to a cluster of Google's: it is asked for, and not run here."""
    login = folder / "bin" / "gke-gcloud-auth-plugin"
    login.parent.mkdir()
    login.write_text("#!/bin/sh\nexit 1\n")
    login.chmod(0o755)
    return os.pathsep.join([str(login.parent), project.environment["PATH"]])


def configure(project: Project, **changes: Any) -> None:
    """Production's settings, with these changed, and without the addresses of alerts, which are secrets."""
    config = buildable("production")
    del config["vision-week:webhooks"]
    config["vision-week:monitoring"]["receivers"] = []
    for name, value in changes.items():
        key = f"vision-week:{name}"
        config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    (project.directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))


def test_production_stays_as_the_pipelines_roles_alone_have_made_it(production: Project) -> None:
    production.preview("--expect-no-changes")
    production.refresh("--expect-no-changes")
    with cloud.world() as world:
        assert world.projects[PROJECT].roles == list(CHANGES)
        assert len(world.of(kinds.KEY)) == 7
        assert set(world.of(kinds.CLUSTER)) == {f"projects/{PROJECT}/locations/europe-west1/clusters/vision-week"}


def test_a_preview_of_the_engine_s_costs_what_the_program_does_on_mocks(production: Project) -> None:
    told = json.loads(production.preview("--json", "--show-sames").output)
    here = {(one.type, one.name): one for one in resources_after(told["steps"]) if one.type.startswith("gcp:")}
    # The passphrase of the backups is put away by what is in the cluster.
    mocked = [one for one in resources_of(run_stack(buildable("production"))) if (one.type, one.name) in here]
    assert len(mocked) == len(here)
    assert estimate(list(here.values())) == estimate(mocked)
    assert {"nodes of the pool apps, n2-standard-4", "versions of keys"} <= {one.what for one in estimate(mocked).lines}


def test_settings_change_in_place(production: Project) -> None:
    before = production.ids()
    configure(
        production, cluster={"apps": {"machine": "n2-standard-4", "min_nodes": 2}, "labels": {"team": "platform"}}
    )
    steps = production.steps()
    assert {"apps", "cluster", "uploads"} <= steps.keys()
    assert {step["op"] for step in steps.values()} == {"update"}
    production.up()
    assert production.ids() == before


def test_what_cannot_be_changed_is_made_anew_before_the_old_one_goes(production: Project) -> None:
    configure(production, edge={"ssl_policy": "modern"})
    assert production.steps()["ssl-policy"]["op"] == "replace"
    production.up()
    with cloud.world() as world:
        assert set(world.of("gcp:compute/sSLPolicy:SSLPolicy")) == {f"projects/{PROJECT}/global/sslPolicies/modern"}


def test_what_somebody_removed_or_changed_is_put_back(production: Project) -> None:
    with cloud.world() as world:
        world.remove(kinds.FIREWALL, f"projects/{PROJECT}/global/firewalls/vision-week-deny-ingress")
        world.things[kinds.BUCKET]["vision-week-production-uploads"].inputs["publicAccessPrevention"] = "inherited"
    production.refresh()
    steps = production.steps()
    assert (steps["deny-ingress"]["op"], steps["uploads"]["op"]) == ("create", "update")
    production.up()
    with cloud.world() as world:
        assert world.of(kinds.FIREWALL)
        assert world.of(kinds.BUCKET)["vision-week-production-uploads"].inputs["publicAccessPrevention"] == "enforced"


def test_production_goes_when_its_protection_is_taken_away_and_comes_again(production: Project) -> None:
    assert "protected" in production.destroy(succeeds=False).said
    production.pulumi("state", "unprotect", "--all", "--yes", f"--stack={STACK}")
    assert "deletion_protection is true" in production.destroy(succeeds=False).said
    configure(production, protect=False)
    production.up()
    backups = storage.Client(PROJECT).bucket(production.outputs()["backups"])
    backups.blob("a-backup").upload_from_string("of PostgreSQL")
    production.destroy()
    with cloud.world() as world:
        left = {token for token, things in world.things.items() if things}
        # The APIs stay enabled, and a key ring and its keys can't be deleted (docs/google-cloud.md).
        assert left == {kinds.SERVICE, kinds.KEY_RING, kinds.KEY}
    production.up()
    production.preview("--expect-no-changes")


def test_an_update_that_google_refuses_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with begun(tmp_path) as project:
        with cloud.world() as world:
            world.projects[PROJECT].roles = [role for role in CHANGES if role != "container.admin"]
        said = project.up(succeeds=False).said
        assert f"the caller has no permission in the project {PROJECT} that roles/container.admin would give" in said
        assert "https://cloud.google.com/iam/docs/roles-permissions/container" in said
        before = project.ids()
        assert len(before) > 1
        with cloud.world() as world:
            world.projects[PROJECT].roles = list(CHANGES)
        project.up()
        assert before.items() <= project.ids().items()
