"""What is in the simulated Google Cloud already, taken over by a stack."""

from pathlib import Path

import pytest

from localcloud.plugins.gcp import cloud, kinds
from tests.engine.project import STACK, Project

pytestmark = pytest.mark.engine

PROJECT = "a-project"
NETWORK = f"projects/{PROJECT}/global/networks/made-by-hand"


def test_what_somebody_has_made_is_imported_and_stays_as_it_is(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.environment[cloud.FOLDER] = str(tmp_path / "google")
    monkeypatch.setenv(cloud.FOLDER, str(tmp_path / "google"))
    with cloud.world() as world:
        world.add_project(PROJECT, 1, ["compute"])
        made = {"name": "made-by-hand", "project": PROJECT, "routingMode": "REGIONAL"}
        world.add(kinds.NETWORK, NETWORK, made, world.number(), ())
    project.write(
        """
        import pulumi
        import pulumi_gcp as gcp

        kept = pulumi.ResourceOptions(protect=True)
        gcp.compute.Network("network", name="made-by-hand", routing_mode="REGIONAL", opts=kept)
        """,
        {},
    )
    project.pulumi("config", "set", "gcp:project", PROJECT, f"--stack={STACK}")
    words = ("import", kinds.NETWORK, "network", NETWORK, "--yes", f"--stack={STACK}")
    assert "--generate-code=false" in project.pulumi(*words, succeeds=None).said
    project.pulumi(*words, "--generate-code=false")
    project.preview("--expect-no-changes")
