"""The program on the real engine, against real pods."""

import json

import pytest

from tests.cluster.stack import CHECKOUT, PREFIX, Stack

pytestmark = pytest.mark.cluster


def test_a_second_preview_has_no_changes(stack: Stack) -> None:
    stack.pulumi("preview", "--expect-no-changes")


def test_the_checkout_stays_clean(stack: Stack) -> None:
    """The salt of the passphrase belongs to this machine and its state, not to the repository."""
    before = {file.name: file.read_text() for file in CHECKOUT.glob("Pulumi*")}
    stack.pulumi("preview")
    assert {file.name: file.read_text() for file in CHECKOUT.glob("Pulumi*")} == before


def test_images_are_deployed_by_digest(stack: Stack) -> None:
    pods = stack.objects("app", "pods", "app.kubernetes.io/part-of=vision-week")
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert images
    assert all("@sha256:" in image for image in images)


def test_a_changed_setting_touches_only_what_it_names(stack: Stack) -> None:
    before = stack.settings["config"]["vision-week:websocket"]["replicas"]
    stack.set("websocket.replicas", before + 1)
    try:
        steps = json.loads(stack.pulumi("preview", "--json").stdout)["steps"]
    finally:
        stack.set("websocket.replicas", before)
    touched = {step["urn"].rsplit("::", 1)[-1] for step in steps if step["op"] != "same"}
    assert touched == {"websocket"}


def test_no_secret_stands_in_clear_in_the_state(stack: Stack) -> None:
    """S7.3"""
    state = stack.pulumi("stack", "export").stdout
    for kubernetes_secret in stack.objects("data", "secrets") + stack.objects("app", "secrets"):
        for value in kubernetes_secret.get("data", {}).values():
            assert value not in state
    assert "BEGIN EC PRIVATE KEY" not in state
    assert "BEGIN PRIVATE KEY" not in state


@pytest.mark.last
def test_destroy_leaves_nothing(stack: Stack) -> None:
    volumes = {claim["spec"]["volumeName"] for claim in stack.objects("data", "pvc") + stack.objects("app", "pvc")}
    stack.pulumi("destroy", "--yes", "--skip-preview")
    namespaces = stack.kubectl("get", "namespaces", "-o", "name")
    assert PREFIX not in namespaces
    left = json.loads(stack.kubectl("get", "pv", "-o", "json"))["items"]
    assert not volumes & {volume["metadata"]["name"] for volume in left}
    assert json.loads(stack.pulumi("stack", "export").stdout)["deployment"].get("resources", []) == []
    stack.pulumi("stack", "rm", "--yes")
