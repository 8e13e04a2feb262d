"""What the vertical autoscaler's programs may do in the local cluster, as it is written down."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from localcloud.cluster import vertical_autoscaling


@pytest.fixture(autouse=True)
def _empty_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def objects(kind: str) -> list[dict[str, Any]]:
    return [each for each in vertical_autoscaling.manifests() if each["kind"] == kind]


def rules() -> Iterator[dict[str, Any]]:
    for kind in ("ClusterRole", "Role"):
        for role in objects(kind):
            yield from role["rules"]


def test_no_program_reads_a_secret_or_decides_what_the_api_server_asks() -> None:
    reach = {resource for rule in rules() for resource in rule["resources"]}
    assert not reach & {"*", "secrets", "configmaps", "mutatingwebhookconfigurations"}


def test_no_program_removes_or_changes_a_pod_but_by_asking_for_its_eviction() -> None:
    """Which disruption budgets may refuse."""
    verbs = {verb for rule in rules() if "pods" in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}
    assert [rule["verbs"] for rule in rules() if "pods/eviction" in rule["resources"]] == [["create"]]


def test_only_who_is_asked_has_the_webhooks_key() -> None:
    holders = {
        each["metadata"]["name"] for each in objects("Deployment") if each["spec"]["template"]["spec"]["volumes"]
    }
    assert holders == {"vpa-admission-controller"}


def test_the_webhook_is_registered_last_and_stops_nobody_who_is_not_answered() -> None:
    *_, last = vertical_autoscaling.manifests()
    (webhook,) = last["webhooks"]
    assert webhook["failurePolicy"] == "Ignore"
    assert webhook["timeoutSeconds"] <= 5
    (not_asked_about,) = webhook["namespaceSelector"]["matchExpressions"]
    assert (not_asked_about["operator"], not_asked_about["values"]) == ("NotIn", ["kube-system"])


def test_the_webhooks_certificate_is_for_its_name_and_signed_by_the_authority_that_is_registered() -> None:
    (secret,), (registration,) = objects("Secret"), objects("MutatingWebhookConfiguration")
    client = registration["webhooks"][0]["clientConfig"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    authority = x509.load_pem_x509_certificate(base64.b64decode(client["caBundle"]))
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    service = client["service"]
    assert names.get_values_for_type(x509.DNSName) == [f"{service['name']}.{service['namespace']}.svc"]
