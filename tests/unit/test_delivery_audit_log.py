"""Google's audit log, as a look for drift reads it: by `gcloud`, here a stand-in that answers as Google documents."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operations.delivery.audit_log import GoogleLog, Write, log_of
from operations.delivery.preview import Reference
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

SETTINGS = Reference("v1", "ConfigMap", "vision-week-app", "settings")
LOG = GoogleLog("a-project")
Gcloud = Callable[[str], Path]


@pytest.fixture
def gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gcloud:
    """Makes a `gcloud` of a few lines of shell; gives the file with the words that it was called by."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def make(script: str) -> Path:
        (tmp_path / "gcloud").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\n{script}\n')
        (tmp_path / "gcloud").chmod(0o755)
        return tmp_path / "words"

    return make


def answering(*entries: object) -> str:
    return f"cat <<'EOF'\n{json.dumps(entries)}\nEOF"


def entry(
    verb: str,
    when: str,
    who: str,
    *,
    agent: str = "kubectl/v1.34.3 (linux/amd64)",
    code: int = 0,
    name: str = "core/v1/namespaces/vision-week-app/configmaps/settings",
) -> object:
    return {
        "timestamp": when,
        "protoPayload": {
            "resourceName": name,
            "methodName": f"io.k8s.core.v1.configmaps.{verb}",
            "authenticationInfo": {"principalEmail": who},
            "requestMetadata": {"callerSuppliedUserAgent": agent},
            "status": {"code": code} if code else {},
        },
    }


def test_who_wrote_is_there_the_newest_first(gcloud: Gcloud) -> None:
    gcloud(
        answering(
            entry("create", "2026-01-01T00:00:00Z", "pipeline@example.org", agent="pulumi-kubernetes/4.34.2"),
            entry("patch", "2026-01-02T00:00:00.123456789Z", "ada@example.org"),
            entry("get", "2026-01-03T00:00:00Z", "grace@example.org"),
            entry("delete", "2026-01-04T00:00:00Z", "mallory@example.org", code=7),
        )
    )
    newest, oldest = LOG.writes(SETTINGS)
    when = datetime(2026, 1, 2, 0, 0, 0, 123456, UTC)
    assert newest == Write(when, "ada@example.org", "patch", "kubectl", "kubectl")
    assert oldest.manager == "pulumi-kubernetes"


def test_another_number_of_replicas_is_known_by_its_own_door(gcloud: Gcloud) -> None:
    scale = "apps/v1/namespaces/a/deployments/b/scale"
    words = gcloud(answering(entry("patch", "2026-01-02T00:00:00Z", "ada@example.org", name=scale)))
    (write,) = LOG.writes(Reference("apps/v1", "Deployment", "a", "b"))
    assert write.door == "scale"
    assert f'"{scale}"' in words.read_text()


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (SETTINGS, "core/v1/namespaces/vision-week-app/configmaps/settings"),
        (Reference("apps/v1", "Deployment", "a", "b"), "apps/v1/namespaces/a/deployments/b"),
        (
            Reference("networking.k8s.io/v1", "NetworkPolicy", "a", "b"),
            "networking.k8s.io/v1/namespaces/a/networkpolicies/b",
        ),
        (Reference("storage.k8s.io/v1", "StorageClass", "", "b"), "storage.k8s.io/v1/storageclasses/b"),
        (Reference("v1", "Endpoints", "a", "b"), "core/v1/namespaces/a/endpoints/b"),
    ],
)
def test_an_object_is_asked_for_by_the_name_that_google_gives_it(gcloud: Gcloud, what: Reference, name: str) -> None:
    words = gcloud(answering())
    assert LOG.writes(what) == []
    asked = words.read_text().splitlines()
    assert asked[:2] == ["logging", "read"]
    assert f'protoPayload.resourceName=("{name}" OR ' in asked[2]
    assert "--project=a-project" in asked


def test_who_may_not_read_it_is_told_which_role_it_takes(gcloud: Gcloud) -> None:
    gcloud("echo 'PERMISSION_DENIED: logging.logEntries.list' >&2; exit 1")
    with pytest.raises(DeliveryError, match="PERMISSION_DENIED") as refused:
        LOG.writes(SETTINGS)
    assert "roles/logging.viewer" in refused.value.hint


def test_a_machine_without_gcloud_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeliveryError, match="gcloud") as refused:
        LOG.writes(SETTINGS)
    assert refused.value.hint == "install gcloud"


def test_a_stack_on_google_cloud_has_googles_and_another_one_none() -> None:
    staging = Target.named("staging")
    assert log_of(staging, None) == GoogleLog(staging.settings.cluster.project)  # type: ignore[union-attr]
    assert log_of(Target.named("development"), None) is None
