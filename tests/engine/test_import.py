"""`pulumi import` writes the program of what it takes over: with that code the next update has nothing to do.

It takes the schemas of the packages, which our plugins derive, and the language host, which has the code written.
"""

import json
from pathlib import Path

import pytest

from localcloud.plugins.values import Values
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import Api
from tests.engine.project import STACK, Project, make_project

pytestmark = pytest.mark.engine

LABELS = {"app.kubernetes.io/name": "web"}
CONTAINER = {
    "name": "main",
    "image": "registry.example/web:1",
    "args": ["--listen", ":8080"],
    "env": [{"name": "WORD", "value": "a ${b} %{c} \"d\" 'e' \\n"}],
    "ports": [{"containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    "resources": {"limits": {"memory": "64Mi"}},
    "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
}
OBJECTS: dict[str, Values] = {
    "configmaps": {"metadata": {"name": "web", "labels": LABELS}, "data": {"nginx.conf": 'a "b";\n\n${c}\nü\n'}},
    "deployments.apps": {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}},
        },
    },
    "services": {
        "metadata": {"name": "web"},
        "spec": {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]},
    },
    "roles.rbac.authorization.k8s.io": {
        "metadata": {"name": "web"},
        "rules": [{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get"]}],
    },
}
TYPES = {
    "settings": "core/v1:ConfigMap",
    "app": "apps/v1:Deployment",
    "address": "core/v1:Service",
    "role": "rbac.authorization.k8s.io/v1:Role",
}


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project for commands that do nothing to it."""
    return make_project(tmp_path_factory.mktemp("anywhere"))


@pytest.mark.parametrize("package", ["docker", "docker-build", "kubernetes", "random", "tls"])
def test_pulumi_finds_nothing_wrong_with_the_schema_of_a_plugin(
    anywhere: Project, package: str, tmp_path: Path
) -> None:
    file = tmp_path / "schema.json"
    file.write_text(anywhere.pulumi("package", "get-schema", package).output)
    assert json.loads(file.read_text())["resources"]
    anywhere.pulumi("schema", "check", str(file))


@pytest.fixture
def of_the_cluster(project: Project, plane: ControlPlane, api: Api) -> Project:
    """A project without a program, whose default provider is of this cluster, with some objects in the namespace."""
    project.environment["KUBECONFIG"] = str(plane.kubeconfig)
    project.write("", {})
    for resource, body in OBJECTS.items():
        api.post(resource, body)
    return project


def test_the_code_that_an_import_writes_changes_nothing(of_the_cluster: Project, api: Api, tmp_path: Path) -> None:
    listed = [
        {"type": f"kubernetes:{type_}", "name": name, "id": f"{api.namespace}/web"} for name, type_ in TYPES.items()
    ]
    listed.append({"type": "random:index/randomInteger:RandomInteger", "name": "number", "id": "15390,1,50000"})
    file, code = tmp_path / "resources.json", tmp_path / "code.py"
    file.write_text(json.dumps({"resources": listed}))
    options = ("--yes", "--skip-preview", "--protect=false", f"--stack={STACK}")
    of_the_cluster.pulumi("import", f"--file={file}", f"--out={code}", *options)
    of_the_cluster.write(code.read_text())
    of_the_cluster.preview("--expect-no-changes")
    assert "kubernetes.rbac.v1.Role(" in code.read_text()


def test_the_code_of_one_object_is_printed(of_the_cluster: Project, api: Api) -> None:
    """And it protects what it takes over, unless told otherwise."""
    words = ("kubernetes:core/v1:ConfigMap", "settings", f"{api.namespace}/web")
    said = of_the_cluster.pulumi("import", *words, "--yes", "--skip-preview", f"--stack={STACK}").output
    assert 'settings = kubernetes.core.v1.ConfigMap("settings",' in said
    assert "opts = pulumi.ResourceOptions(protect=True)" in said
