"""Claims that pods answer, looked at in the test stack's. Simulated is what Google would say of its buckets.

Where a claim does not hold another thing is asked for that the same pods answer otherwise: the stack stays whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from operations.delivery import restore
from operations.delivery.target import Target
from operations.preflight import Google
from operations.stacks import settings_of
from operations.verify_cloud.place import Place
from operations.verify_cloud.report import Verdict
from operations.verify_cloud.settings import Site
from tests.cluster import database
from tests.cluster.backups import made
from tests.cluster.stack import Stack
from tests.unit.verifying import judged
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

SITE = Site(name="verify-test", project="an-empty-project", number=42, region="europe-west1")
HEALTH, FILE = "http://127.0.0.1:8080/api/health", "verified.txt"


@dataclass(frozen=True)
class Here(Place):
    """The test stack. stored: what the simulated buckets have. instead: other words for some of a command."""

    stored: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster(self) -> Any:
        return SimpleNamespace(uploads="the-uploads")

    def gcloud(self, *words: str) -> Any:
        assert words[:3] == ("storage", "objects", "list")
        return [{"name": name} for name in self.stored]

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        words = tuple(self.instead.get(word, word) for word in words)
        return super().kubectl(*words, stdin=stdin)

    def objects(self, *words: str) -> list[dict[str, Any]]:
        return super().objects(*(self.instead.get(word, word) for word in words))


@pytest.fixture
def here(stack: Stack, tmp_path: Path) -> Callable[..., Here]:
    target = Target("test", stack.settings_file, settings_of(stack.settings_file))

    def made(**more: Any) -> Here:
        return Here(SITE, tmp_path, target, Google("a-token"), **more)

    return made


def test_an_application_that_is_not_well_is_found(here: Callable[..., Here]) -> None:
    verdict, seen = judged("The application, its stores", here())
    assert (verdict, "pods say that they" in seen) == (Verdict.VERIFIED, True)
    verdict, seen = judged("The application, its stores", here(instead={HEALTH: f"{HEALTH}/of-nothing"}))
    assert verdict == Verdict.REFUTED
    assert seen.endswith(" answers 404")


def test_pods_that_one_is_not_let_through_to_are_told_from_those_that_answer(here: Callable[..., Here]) -> None:
    claim = "Pods get no answer"
    assert judged(claim, here()) == (Verdict.VERIFIED, "neither Prometheus nor Patroni answers the application")
    # Nothing keeps a pod from itself: nobody listens there, which is an answer.
    data = here().target.namespaces["data"]
    itself = {
        data: here().target.namespaces["app"],
        "app.kubernetes.io/name=postgres": "app.kubernetes.io/name=app",
    }
    verdict, seen = judged(claim, here(instead=itself))
    assert verdict == Verdict.REFUTED
    assert seen.endswith("curl exits with 7")


def test_an_upload_that_another_pod_or_the_bucket_has_not_is_found(here: Callable[..., Here], stack: Stack) -> None:
    claim = "What one pod has uploaded"
    alone = judged(claim, here(stored=(FILE,)))
    assert alone == (Verdict.REFUTED, "there is one pod alone")
    app = here().target.namespaces["app"]
    stack.kubectl("-n", app, "scale", "deployment/app", "--replicas=2")
    try:
        stack.kubectl("-n", app, "rollout", "status", "deployment/app", "--timeout=120s")
        assert judged(claim, here(stored=(f"a/{FILE}",)))[0] == Verdict.VERIFIED
        assert judged(claim, here()) == (Verdict.REFUTED, "it is not in the bucket")
        elsewhere = "cat /var/www/html/storage/uploads/verified.txt || true"
        verdict = judged(claim, here(stored=(FILE,), instead={elsewhere: elsewhere.replace("verified", "none")}))
        assert verdict == (Verdict.REFUTED, "another pod doesn't see it")
    finally:
        stack.kubectl("-n", app, "scale", "deployment/app", "--replicas=1")
        for pod in stack.objects("app", "pods", "app.kubernetes.io/name=app"):
            stack.tried(
                "-n", app, "exec", pod["metadata"]["name"], "-c", "php", "--", "rm", "-f", f"storage/uploads/{FILE}"
            )


def test_a_backup_is_seen_in_the_repository_and_in_a_simulated_bucket(here: Callable[..., Here], stack: Stack) -> None:
    database.whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    claim = "A first backup"
    verdict, seen = judged(claim, here(stored=("backup/main/backup.info",)))
    assert verdict == Verdict.VERIFIED, seen
    assert seen == f"{made(stack)[-1]['label']}, 1 objects in gs://an-empty-project-verify-test-backups"
    assert judged(claim, here()) == (Verdict.REFUTED, "the bucket is empty")


def test_what_is_restored_has_the_application_s_tables_or_is_found_not_to(
    here: Callable[..., Here], stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is restored once, and looked at twice."""
    database.whole(stack)
    wait_for(lambda: made(stack), "the first backup", every=1)
    claim = "It is restored beside"
    with monkeypatch.context() as staying:
        staying.setattr(restore, "remove", lambda _: None)
        # PostgreSQL's own database has none of them.
        verdict, seen = judged(claim, here(instead={"vision_week": "postgres"}))
    assert (verdict, seen) == (Verdict.REFUTED, "what was restored has no table of the application's")
    monkeypatch.setattr(restore, "beside", lambda *_, say, **__: say("Restored."))
    verdict, seen = judged(claim, here())
    assert verdict == Verdict.VERIFIED, seen
    assert "of the application's tables" in seen
    assert restore.NAME not in [each["metadata"]["name"] for each in stack.objects("data", "jobs")]
