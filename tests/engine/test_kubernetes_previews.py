"""What a preview with the Kubernetes plugin shows, by dry runs on a real API server, and that it changes nothing."""

import pytest

from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.plugins.provider import Failed
from localcloud.plugins.values import UNKNOWN
from tests.engine.planes import Api, Stack, deployment

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SERVICE = "kubernetes:core/v1:Service"


def test_a_preview_makes_nothing_and_shows_what_the_api_server_would_fill_in(stack: Stack, api: Api) -> None:
    outputs = stack.preview(SERVICE, "web", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    assert outputs["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    with pytest.raises(ApiError, match="not found"):
        api.get("services/web")


def test_what_only_the_server_decides_stays_unknown_in_a_preview(stack: Stack) -> None:
    outputs = stack.preview(SERVICE, "web", {"spec": {"ports": [{"port": 80}]}})
    assert outputs["spec"]["clusterIP"] is UNKNOWN
    assert outputs["metadata"]["uid"] is UNKNOWN
    assert "status" not in outputs


def test_unknown_inputs_stay_unknown_in_a_preview(stack: Stack) -> None:
    outputs = stack.preview(CONFIG_MAP, "settings", {"data": {"known": "1", "unknown": UNKNOWN}})
    assert outputs["data"] == {"known": "1", "unknown": UNKNOWN}


def test_a_preview_finds_what_the_api_server_would_refuse(stack: Stack) -> None:
    with pytest.raises(Failed, match="Invalid value"):
        stack.preview(SERVICE, "web", {"spec": {"ports": [{"port": 123456}]}})


def test_a_preview_finds_a_field_that_does_not_exist(stack: Stack) -> None:
    with pytest.raises(Failed, match=r"\.dta: field not declared in schema"):
        stack.preview(CONFIG_MAP, "settings", {"dta": {"a": "1"}})


def test_a_namespace_that_is_not_there_yet_does_not_stop_a_preview(stack: Stack) -> None:
    inputs = {"metadata": {"namespace": "made-in-the-same-update"}, "data": {"a": "1"}}
    assert stack.preview(CONFIG_MAP, "settings", inputs)["data"] == {"a": "1"}


def test_a_previewed_update_changes_nothing(stack: Stack, api: Api) -> None:
    stack.up(DEPLOYMENT, "app", deployment(replicas=1))
    assert stack.preview(DEPLOYMENT, "app", deployment(replicas=2))["spec"]["replicas"] == 2
    assert api.get("deployments.apps/app")["spec"]["replicas"] == 1


def test_a_previewed_update_with_unknowns_keeps_what_is_known(stack: Stack) -> None:
    made = stack.up(SERVICE, "web", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    changed = {"metadata": {"name": "web", "labels": {"a": UNKNOWN}}, "spec": {"ports": [{"port": 80}]}}
    outputs = stack.preview(SERVICE, "web", changed)
    assert outputs["metadata"]["labels"] == {"a": UNKNOWN}
    assert outputs["spec"]["clusterIP"] == made["spec"]["clusterIP"]
