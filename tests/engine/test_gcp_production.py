"""The Google part of the production stack on the simulated Google Cloud: up, no changes, changes, refusals, destroy.

All of it is the program's own: what `components.platform` builds for Pulumi.production.yaml, without what is in the
cluster. That Google's answers would be these is not shown here.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.google.pipeline import CHANGES
from localcloud import paths
from localcloud.plugins.gcp import cloud, kinds
from tests.engine.project import STACK, Project
from tests.unit.stacks import buildable

pytestmark = pytest.mark.engine

PROJECT, NUMBER = "vision-week-production", 100000000001
# What a person enables before the first update (docs/google-cloud.md).
FIRST = ("serviceusage", "cloudresourcemanager")
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


@pytest.fixture
def production(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The stack, not made yet; its project in the simulated cloud is new."""
    project.environment |= {cloud.FOLDER: str(tmp_path / "google"), "PATH": _with_login(tmp_path, project)}
    monkeypatch.setenv(cloud.FOLDER, str(tmp_path / "google"))
    with cloud.world() as world:
        # As the pipeline's own account, which has these roles and no other.
        world.add_project(PROJECT, NUMBER, FIRST, roles=CHANGES)
    project.write(PROGRAM)
    configure(project)
    return project


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


def test_production_comes_up_by_the_pipelines_roles_alone_and_stays(production: Project) -> None:
    production.preview()
    production.up()
    production.preview("--expect-no-changes")
    production.refresh("--expect-no-changes")
    assert production.outputs()["uploads"]
    with cloud.world() as world:
        assert len(world.of(kinds.KEY)) == 6
        assert set(world.of(kinds.CLUSTER)) == {f"projects/{PROJECT}/locations/europe-west1/clusters/vision-week"}
