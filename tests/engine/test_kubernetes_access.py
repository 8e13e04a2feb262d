"""How the Kubernetes plugin proves who it is to a real API server: by certificate, token, or a program for either."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values
from localcloud.rehearsal.control_plane import ControlPlane, certificate_authority
from tests.engine.planes import Api, Stack

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SETTINGS = {"metadata": {"name": "settings"}, "data": {"a": "1"}}


@pytest.fixture
def token(api: Api) -> str:
    """A token of someone who may do everything in the test's namespace."""
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    api.post("roles.rbac.authorization.k8s.io", {"metadata": {"name": "all"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": api.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all"}
    binding = {"metadata": {"name": "all"}, "subjects": [subject], "roleRef": role}
    api.post("rolebindings.rbac.authorization.k8s.io", binding)
    api.post("serviceaccounts", {"metadata": {"name": "robot"}})
    path = f"/api/v1/namespaces/{api.namespace}/serviceaccounts/robot/token"
    return str(api.client.request("POST", path, {"spec": {}})["status"]["token"])


def as_user(plane: ControlPlane, user: Values) -> str:
    """A kubeconfig with this user, and the authority by content."""
    config = plane.config
    cluster = config["clusters"][0]["cluster"]
    authority = Path(cluster.pop("certificate-authority")).read_bytes()
    cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    config["users"][0]["user"] = user
    return json.dumps(config)


def program(folder: Path, *credentials: Values) -> Values:
    """An exec plugin that gives these credentials one after the other, and the last for ever."""
    for number, status in enumerate(credentials):
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        (folder / f"answer-{number}").write_text(json.dumps(answer))
    script = folder / "login"
    script.write_text(
        f"""#!/bin/sh
cd {folder}
asked=$(cat asked 2>/dev/null || echo 0)
echo $((asked + 1)) > asked
[ $asked -lt {len(credentials)} ] || asked={len(credentials) - 1}
echo "$KUBERNETES_EXEC_INFO" > information
cat answer-$asked
"""
    )
    script.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}


def test_a_token_is_enough(plane: ControlPlane, api: Api, token: str) -> None:
    Stack(as_user(plane, {"token": token}), api.namespace).up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_a_token_is_read_from_its_file(plane: ControlPlane, api: Api, token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    Stack(as_user(plane, {"tokenFile": str(file)}), api.namespace).up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


def test_a_program_is_asked_for_a_token_once(plane: ControlPlane, api: Api, token: str, tmp_path: Path) -> None:
    stack = Stack(as_user(plane, program(tmp_path, {"token": token})), api.namespace)
    stack.up(CONFIG_MAP, "settings", SETTINGS)
    stack.up(CONFIG_MAP, "more", {"metadata": {"name": "more"}})
    assert (tmp_path / "asked").read_text().strip() == "1"
    assert json.loads((tmp_path / "information").read_text())["kind"] == "ExecCredential"


def test_a_token_that_the_server_no_longer_takes_is_made_anew(
    plane: ControlPlane, api: Api, token: str, tmp_path: Path
) -> None:
    user = program(tmp_path, {"token": "expired"}, {"token": token})
    Stack(as_user(plane, user), api.namespace).up(CONFIG_MAP, "settings", SETTINGS)
    assert (tmp_path / "asked").read_text().strip() == "2"


def test_a_token_that_says_when_it_expires_is_made_anew_before(
    plane: ControlPlane, api: Api, token: str, tmp_path: Path
) -> None:
    user = program(tmp_path, {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"}, {"token": token})
    Stack(as_user(plane, user), api.namespace).up(CONFIG_MAP, "settings", SETTINGS)
    assert (tmp_path / "asked").read_text().strip() == "2"


def test_a_program_may_give_a_certificate(plane: ControlPlane, api: Api, tmp_path: Path) -> None:
    certificate, key = ((plane.directory / f"admin.{kind}").read_text() for kind in ("crt", "key"))
    user = program(tmp_path, {"clientCertificateData": certificate, "clientKeyData": key})
    Stack(as_user(plane, user), api.namespace).up(CONFIG_MAP, "settings", SETTINGS)
    assert api.get("configmaps/settings")["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"command": "nowhere-to-be-found", "installHint": "ask Ann"}, "nowhere-to-be-found.*isn't there: ask Ann"),
        ({"command": "sh", "args": ["-c", "echo no access today >&2; exit 1"]}, "no access today"),
    ],
)
def test_a_program_that_can_not_help_is_told(plane: ControlPlane, user: Any, told: str) -> None:
    config = as_user(plane, {"exec": {"apiVersion": "client.authentication.k8s.io/v1", **user}})
    with pytest.raises(Failed, match=told):
        Stack(config, "default").up(CONFIG_MAP, "settings", SETTINGS)


def test_who_may_not_do_a_thing_is_told_so_by_the_update_and_not_stopped_by_the_preview(
    plane: ControlPlane, token: str
) -> None:
    stack = Stack(as_user(plane, {"token": token}), "kube-system")
    assert stack.preview(CONFIG_MAP, "settings", SETTINGS)["data"] == {"a": "1"}
    with pytest.raises(Failed, match="is forbidden"):
        stack.up(CONFIG_MAP, "settings", SETTINGS)


def test_a_server_that_proves_itself_by_another_authority_is_not_trusted(plane: ControlPlane) -> None:
    config = json.loads(as_user(plane, {}))
    config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(certificate_authority()).decode()
    with pytest.raises(Failed, match="certificate verify failed"):
        Stack(json.dumps(config), "default").up(CONFIG_MAP, "settings", SETTINGS)
