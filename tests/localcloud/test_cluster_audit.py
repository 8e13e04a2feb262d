"""The API server's audit log: who did what, and no secret."""

import json
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from kubernetes import client

from localcloud.cluster import audit, control_plane
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster


def events() -> Iterator[dict[str, Any]]:
    """What was written down, the newest first."""
    for line in reversed((audit.folder() / audit.FILE).read_text().splitlines()):
        if line.endswith("}"):  # the last one may be half written
            yield json.loads(line)


def written(fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    return wait_for(lambda: next(filter(fits, events()), None), "the audit log to tell of it", every=0.5)


def about(event: dict[str, Any], resource: str, name: str, verb: str) -> bool:
    object_ = event.get("objectRef", {})
    return (object_.get("resource"), object_.get("name"), event["verb"]) == (resource, name, verb)


def test_a_write_is_there_with_who_and_what(pods: Pods) -> None:
    value = secrets.token_hex(16)
    pods.core.create_namespaced_config_map(pods.namespace, {"metadata": {"name": "audited"}, "data": {"x": value}})
    event = written(lambda event: about(event, "configmaps", "audited", "create"))
    assert event["user"]["username"] == "administrator"
    assert event["objectRef"]["namespace"] == pods.namespace
    assert event["requestObject"]["data"] == {"x": value}
    assert event["responseStatus"]["code"] == 201


def test_a_refusal_is_there_too(pods: Pods) -> None:
    with pytest.raises(client.ApiException):
        pods.core.create_namespaced_pod(pods.namespace, {"metadata": {"name": "refused"}, "spec": {"containers": []}})
    event = written(lambda event: about(event, "pods", "refused", "create"))
    assert event["responseStatus"]["code"] == 422


def test_a_secret_is_told_of_and_not_told(pods: Pods) -> None:
    """S7.3. The ConfigMap shows that a value would have been found."""
    hidden, clear = secrets.token_hex(16), secrets.token_hex(16)
    for make, field, value in (
        (pods.core.create_namespaced_secret, "stringData", hidden),
        (pods.core.create_namespaced_config_map, "data", clear),
    ):
        make(pods.namespace, {"metadata": {"name": "told"}, field: {"value": value}})
    pods.core.read_namespaced_secret("told", pods.namespace)
    pods.core.create_namespaced_service_account_token("default", pods.namespace, {"spec": {"audiences": ["x"]}})

    for resource, name, verb in (
        ("secrets", "told", "create"),
        ("secrets", "told", "get"),
        ("serviceaccounts", "default", "create"),
        ("configmaps", "told", "create"),
    ):
        event = written(partial(about, resource=resource, name=name, verb=verb))
        assert (event["level"] == "Metadata") == (resource != "configmaps")
    log = "".join(file.read_text() for file in audit.folder().iterdir())
    assert clear in log
    assert hidden not in log


def test_heartbeats_are_left_out(pods: Pods) -> None:
    coordination: Any = client.CoordinationV1Api(pods.api)
    assert coordination.list_namespaced_lease("kube-node-lease").items  # each is renewed every ten seconds
    assert not any(event.get("objectRef", {}).get("resource") == "leases" for event in events())


def test_the_log_is_for_root_alone_and_does_not_grow_without_end() -> None:
    assert audit.folder().stat().st_mode & 0o077 == 0
    assert (audit.folder() / audit.FILE).stat().st_mode & 0o077 == 0
    options = audit.options(control_plane.SETTINGS, control_plane.AUDIT)
    assert {f"--audit-log-maxsize={audit.MEGABYTES}", f"--audit-log-maxbackup={audit.FILES}"} <= set(options)
