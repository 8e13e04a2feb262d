"""What is rendered for those who apply by GitOps, beside the stack that is up (S4.2)."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.releases import deliver
from tests.cluster.stack import Stack

pytestmark = pytest.mark.cluster


def test_what_is_rendered_is_what_was_applied(stack: Stack, tmp_path: Path) -> None:
    """Field by field as the state has it, nothing that the API server would change, and no secret."""
    deliver(stack, "render", "--to", str(tmp_path))
    overlay = str(tmp_path / "overlays" / "test")
    built = list(yaml.load_all(stack.kubectl("kustomize", overlay), yaml.CSafeLoader))
    state = json.loads(stack.pulumi("stack", "export", "--show-secrets").stdout)["deployment"]["resources"]
    applied = [one["inputs"] for one in state if one["type"].startswith("kubernetes:")]
    expected = [one for one in applied if one["kind"] != "Secret"]
    assert named(built) == named(expected)
    # It exits with 1 where something would change, and names it.
    assert stack.kubectl("diff", "--server-side", "--force-conflicts", "-k", overlay) == ""
    written = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    passwords = [one["outputs"]["result"] for one in state if one["type"].endswith(":RandomPassword")]
    keys = [one["outputs"]["privateKeyPem"] for one in state if one["type"].endswith(":PrivateKey")]
    assert passwords
    assert keys
    assert [secret for secret in plaintexts([*passwords, *keys]) if secret in written] == []


def named(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By kind, namespace and name, so that what differs can be told."""
    found = {f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}": one for one in objects}
    assert len(found) == len(objects)
    return found


def plaintexts(shown: list[dict[str, str]]) -> list[str]:
    """What `stack export --show-secrets` has in the place of what is encrypted."""
    return [json.loads(one["plaintext"]) for one in shown]
