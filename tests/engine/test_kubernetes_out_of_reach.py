"""The Kubernetes plugin without a cluster: out of reach, or not wanted, because manifests are rendered."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.plugins.provider import Failed
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.definitions import DEFINITION, definition
from tests.engine.planes import Api, Stack

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


# Out of reach.


def unreachable(plane: ControlPlane, **settings: Any) -> Stack:
    config = plane.config
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    return Stack(json.dumps(config), "default", **settings)


def test_a_preview_goes_on_without_the_cluster_and_warns(plane: ControlPlane) -> None:
    stack = unreachable(plane)
    assert stack.preview(CONFIG_MAP, "settings", {"data": {"a": "1"}})["data"] == {"a": "1"}
    assert [message for message in stack.said if "can't be reached" in message and "Connection refused" in message]


def test_an_update_without_the_cluster_fails_clearly(plane: ControlPlane) -> None:
    with pytest.raises(Failed, match=r"can't be reached: no answer from https://127\.0\.0\.1:1: Connection refused"):
        unreachable(plane).up(CONFIG_MAP, "settings", {"data": {"a": "1"}})


def test_resources_of_a_lost_cluster_are_forgotten_only_where_the_provider_says_so(
    plane: ControlPlane, stack: Stack, api: Api
) -> None:
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings"}})
    lost, forgetful = unreachable(plane), unreachable(plane, deleteUnreachable="true")
    lost.state, forgetful.state = dict(stack.state), dict(stack.state)
    with pytest.raises(Failed, match="deleteUnreachable"):
        lost.remove("settings")
    with pytest.raises(Failed, match="deleteUnreachable"):
        lost.refresh("settings")
    assert forgetful.refresh("settings") is None
    forgetful.state = dict(stack.state)
    forgetful.remove("settings")
    assert api.get("configmaps/settings")


# Rendering.


def test_manifests_are_rendered_instead_of_objects(plane: ControlPlane, tmp_path: Path) -> None:
    stack = Stack(str(plane.kubeconfig), "default", renderYamlToDirectory=str(tmp_path / "out"))
    stack.up(CONFIG_MAP, "settings", {"metadata": {"name": "settings"}, "data": {"a": "1"}})
    stack.up(DEFINITION, "things", definition("example.com"))
    manifest = tmp_path / "out" / "1-manifest" / "v1-configmap-default-settings.yaml"
    assert "a: '1'" in manifest.read_text()
    assert manifest.stat().st_mode & 0o077 == 0
    definitions = list((tmp_path / "out" / "0-crd").iterdir())
    assert "x-kubernetes-preserve-unknown-fields" in definitions[0].read_text()
    stack.remove("settings")
    assert not manifest.exists()
