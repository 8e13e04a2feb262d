"""The programs that come before a stack, on the simulated Google Cloud: with the APIs, the accounts and the roles that
their pages ask for, and no more.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from localcloud import paths
from localcloud.plugins.gcp import cloud, kinds
from tests.engine.project import STACK, Project

pytestmark = pytest.mark.engine

PROJECT, NUMBER = "vision-week-production", 100000000001
COPY, COPY_NUMBER = "vision-week-backups", 100000000003
SOURCE = f"{PROJECT}-vision-week-backups"
# docs/state.md and docs/backups.md
STATE_APIS = ("cloudkms", "cloudresourcemanager", "iam", "iamcredentials", "storage", "sts")
STATE_ROLES = (
    "cloudkms.admin",
    "iam.serviceAccountAdmin",
    "iam.workloadIdentityPoolAdmin",
    "resourcemanager.projectIamAdmin",
    "serviceusage.serviceUsageAdmin",
    "storage.admin",
)
COPY_APIS = ("cloudkms", "logging", "monitoring", "storage", "storagetransfer")
COPY_ROLES = ("cloudkms.admin", "monitoring.editor", "storage.admin", "storagetransfer.admin")


@pytest.fixture(autouse=True)
def google(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated cloud of the test's own."""
    project.environment[cloud.FOLDER] = str(tmp_path / "google")
    monkeypatch.setenv(cloud.FOLDER, str(tmp_path / "google"))


def write(project: Project, program: str, config: Mapping[str, object]) -> None:
    """Let it be one of the checkout's programs."""
    place = paths.CHECKOUT / "bootstrap" / program / "__main__.py"
    project.write(f"import runpy\nrunpy.run_path({str(place)!r}, run_name='__main__')\n")
    name = yaml.safe_load(place.with_name("Pulumi.yaml").read_text())["name"]
    written = {f"{name}:{key}": value for key, value in config.items()}
    (project.directory / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": written}))


def test_the_place_of_a_state_is_made_by_what_its_page_asks_for(project: Project) -> None:
    with cloud.world() as world:
        world.add_project(PROJECT, NUMBER, STATE_APIS, STATE_ROLES, ["gs-project-accounts"])
    config = {
        "project": PROJECT,
        "project_number": NUMBER,
        "region": "europe-west1",
        "repository": "vision-week/platform",
        "repository_id": 1,
        "environment": "production",
        "break_glass": "group:operators@vision-week.example",
        "readers": ["group:developers@vision-week.example"],
        "auditors": ["group:auditors@vision-week.example"],
    }
    write(project, "state", config)
    project.up()
    project.preview("--expect-no-changes")
    found = project.outputs()
    assert found["backend"] == f"gs://{PROJECT}-state"
    ring = f"gcpkms://projects/{PROJECT}/locations/europe-west1/keyRings/keys-"
    assert found["secrets_provider"].startswith(ring)
    assert found["service_accounts"]["pipeline"] == f"serviceAccount:pipeline@{PROJECT}.iam.gserviceaccount.com"
    assert found["workload_identity_provider"].startswith(f"projects/{NUMBER}/locations/global/workloadIdentityPools/")


def test_a_copy_of_the_backups_is_made_once_they_may_be_read(project: Project) -> None:
    with cloud.world() as world:
        world.add_project(PROJECT, NUMBER)
        asked_for = ["gs-project-accounts", "storage-transfer-service"]
        world.add_project(COPY, COPY_NUMBER, COPY_APIS, COPY_ROLES, asked_for)
        world.add(kinds.BUCKET, SOURCE, {"name": SOURCE, "project": PROJECT}, world.number(), ())
    config = {
        "project": COPY,
        "project_number": COPY_NUMBER,
        "region": "europe-west4",
        "source": SOURCE,
        "told": "operators@vision-week.example",
    }
    write(project, "backups", config)
    agent = f"serviceAccount:project-{COPY_NUMBER}@storage-transfer-service.iam.gserviceaccount.com"
    assert f"{agent} has no right to the bucket {SOURCE}" in project.up(succeeds=False).said
    with cloud.world() as world:
        right = {"bucket": SOURCE, "member": agent, "role": "roles/storage.objectViewer"}
        world.add(kinds.BUCKET_MEMBER, f"b/{SOURCE}/{right['role']}/{agent}", right, world.number(), [SOURCE])
    project.up()
    project.preview("--expect-no-changes")
    assert project.outputs()["bucket"] == f"{COPY}-backup-copy"
