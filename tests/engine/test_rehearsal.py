"""Production, rehearsed until it is up: its program, stack file and rules, on the real engine and a real API server.

Google Cloud is simulated, and the pods are played. The whole rehearsal is `make rehearse STACK=production`.
"""

from pathlib import Path
from typing import Any

import pytest

from localcloud import rehearsal
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.problem import Problem
from localcloud.rehearsal.control_plane import ControlPlane
from localcloud.rehearsal.pods import played
from operations.override import Override
from tests.engine.builds import read, there
from tests.engine.kubelet import client_of
from tests.engine.planes import Api, deployment
from tests.unit.recording import stack_config
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

KEPT = "mirror/europe-west1-docker.pkg.dev"


def test_production_comes_up_from_an_empty_project_with_what_staging_has_built(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    rehearsal.rehearse("production", report, played=True, short=True)
    steps = [line.split(" | ") for line in report.read_text().splitlines() if line.startswith(("| staging", "| produ"))]
    assert [step[1] for step in steps] == [
        "the release, and what is not in its cluster",
        "a first preview of everything",
        "up, from an empty project",
        "a second preview is empty",
    ]
    created = {step[1]: step[2] for step in steps}
    # All that was foreseen was made.
    assert created["a first preview of everything"].split()[0] == created["up, from an empty project"].split()[0]
    assert created["a second preview is empty"] == "nothing to change"
    release = stack_config("production")["vision-week:release"]
    for image in ("app", "websocket", "postgres"):
        built = there(f"{KEPT}/vision-week-staging/vision-week/{image}", release)
        assert read(f"{KEPT}/vision-week-production/vision-week/{image}", f"manifests/{built}")


def test_a_pod_is_played_though_the_api_server_did_not_answer_at_first(
    plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine one answer too late left all pods that came after it pending."""
    asked: list[str] = []
    ask = Client.request

    def unsteady(client: Client, method: str, path: str, *words: Any, **named: Any) -> Any:
        if method == "PATCH" and path.startswith(f"/api/v1/namespaces/{api.namespace}/pods/"):
            asked.append(path)
            if len(asked) == 1:
                raise Unreachable("no answer in time")
        return ask(client, method, path, *words, **named)

    monkeypatch.setattr(Client, "request", unsteady)
    api.post("deployments.apps", deployment())
    with played(client_of(str(plane.kubeconfig))):
        wait_for(lambda: api.get("deployments.apps/app")["status"].get("readyReplicas"), "the pod")
    assert len(asked) > 1


def test_a_step_that_fails_ends_the_rehearsal_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Override("postgres.members", 2, "nothing: it is wrong")
    monkeypatch.setattr(rehearsal, "needed", lambda _: iter([wrong]))
    report = tmp_path / "report.md"
    with pytest.raises(Problem, match=r"vision-week:postgres\.members"):
        rehearsal.rehearse("staging", report, played=True)
    assert not report.exists()
