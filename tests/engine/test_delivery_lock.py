"""One delivery at a time, on a real API server: who has it is named, and who was killed doesn't keep it (S9)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery import prerequisites
from operations.delivery.lock import keep, locked
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

pytestmark = pytest.mark.engine


@pytest.fixture
def target(plane: ControlPlane, tmp_path: Path) -> Target:
    """A stack in that cluster, of this test's own name."""
    found = Target.named("development")
    (context,) = plane.config["contexts"]
    cluster = {"context": context["name"], "kubeconfig": str(plane.kubeconfig), "flavour": "existing"}
    settings = found.settings.model_copy(update={"cluster": found.settings.cluster.model_validate(cluster)})
    return replace(found, stack=tmp_path.name.replace("_", "-"), settings=settings)


def lease(target: Target) -> tuple[str, ...]:
    return ("-n", "default", "lease", f"vision-week-delivery-{target.stack}")


def held_since(target: Target, seconds: int) -> None:
    """Somebody elsewhere has the stack, and was last heard of so many seconds ago."""
    when = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec: dict[str, Any] = {"holderIdentity": "ci@elsewhere, process 7", "acquireTime": when, "renewTime": when}
    metadata = {"name": lease(target)[-1], "namespace": "default"}
    made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    target.kubectl("create", "-f", "-", stdin=json.dumps(made))


def test_a_second_delivery_is_refused_and_told_who_has_it(target: Target) -> None:
    with locked(target):
        with (
            pytest.raises(DeliveryError, match=r"is being delivered to by .*process \d+, since") as refused,
            locked(target),
        ):
            pass
        assert refused.value.code == Exit.LOCKED
        assert target.kubectl("get", *lease(target), "-o", "name")


def test_it_is_free_again_afterwards_however_it_ended(target: Target) -> None:
    with pytest.raises(KeyboardInterrupt), locked(target):
        raise KeyboardInterrupt
    with locked(target):
        pass
    with pytest.raises(DeliveryError, match="NotFound"):
        target.kubectl("get", *lease(target))


def test_who_was_killed_loses_it_a_minute_later(target: Target) -> None:
    held_since(target, 61)
    with locked(target):
        assert "elsewhere" not in target.kubectl("get", *lease(target), "-o", "jsonpath={.spec.holderIdentity}")


def test_who_was_heard_of_a_moment_ago_keeps_it(target: Target) -> None:
    held_since(target, 30)
    with pytest.raises(DeliveryError, match="by ci@elsewhere, process 7"), locked(target):
        pass
    assert "elsewhere" in target.kubectl("get", *lease(target), "-o", "jsonpath={.spec.holderIdentity}")


def test_what_somebody_else_has_taken_meanwhile_stays_theirs(target: Target) -> None:
    """One that was asleep for a minute takes the lock from its new holder neither when it wakes nor when it ends."""
    with locked(target):
        target.kubectl("delete", *lease(target))
        held_since(target, 0)
        with pytest.raises(DeliveryError, match="by ci@elsewhere, process 7 by now") as lost:
            keep(target)
        assert lost.value.code == Exit.LOCKED
    assert "elsewhere" in target.kubectl("get", *lease(target), "-o", "jsonpath={.spec.holderIdentity}")


def test_who_keeps_it_has_it_for_another_minute(target: Target) -> None:
    def renewed() -> str:
        return target.kubectl("get", *lease(target), "-o", "jsonpath={.spec.renewTime}")

    with locked(target):
        before = renewed()
        keep(target)
        assert renewed() > before


def test_a_cluster_that_lets_us_is_told_with_its_version(target: Target) -> None:
    assert "Kubernetes v1." in prerequisites.check_cluster(target)


def test_a_right_that_is_missing_is_named_before_anything_is_tried(target: Target) -> None:
    class Stranger(Target):
        def kubectl_command(self, *arguments: str) -> list[str]:
            return [*super().kubectl_command(*arguments), "--as=stranger"]

    stranger = Stranger(target.stack, target.file, target.settings)
    with pytest.raises(DeliveryError, match=r"doesn't let you create leases.*, create namespaces, patch deployments"):
        prerequisites.check_cluster(stranger)


def test_a_cluster_that_does_not_answer_is_said_to_be_away(target: Target, tmp_path: Path, plane: ControlPlane) -> None:
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(plane.kubeconfig.read_text().replace(f":{plane.port}", ":1"))
    cluster = target.settings.cluster.model_copy(update={"kubeconfig": str(elsewhere)})
    away = replace(target, settings=target.settings.model_copy(update={"cluster": cluster}))
    with pytest.raises(DeliveryError, match=r"The cluster of the context .* doesn't answer"):
        prerequisites.check_cluster(away)


def test_commands_that_are_missing_or_too_old_are_all_named_at_once(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "pulumi"
    old.write_text("#!/bin/sh\necho v3.1.0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeliveryError) as refused:
        prerequisites.check(target)
    assert "pulumi is 3.1.0, which doesn't go with this checkout" in refused.value.what
    assert "kubectl is missing: https://" in refused.value.what
    assert "git is missing" in refused.value.what
    assert "docker is missing" in refused.value.what


def test_credentials_that_have_expired_are_said_to_be_the_reason(
    target: Target, tmp_path: Path, plane: ControlPlane
) -> None:
    config = dict(plane.config)
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": "expired"}}]
    expired = tmp_path / "kubeconfig"
    expired.write_text(json.dumps(config))
    cluster = target.settings.cluster.model_copy(update={"kubeconfig": str(expired)})
    stranger = replace(target, settings=target.settings.model_copy(update={"cluster": cluster}))
    with pytest.raises(DeliveryError, match=r"must be logged in|Unauthorized") as refused:
        prerequisites.check_cluster(stranger)
    assert "log in again" in refused.value.hint
