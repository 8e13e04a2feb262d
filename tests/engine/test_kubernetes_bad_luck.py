"""Updates that meet bad luck: the real engine, and a real API server that restarts, refuses or breaks off.

Whatever happens, no state is lost, nothing is made twice or left behind, and the next update finishes.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.plugins.values import Values
from localcloud.problem import Problem
from localcloud.pulumi import backend
from localcloud.rehearsal.control_plane import ControlPlane, control_plane
from tests.engine.kubelet import client_of, kubelet
from tests.engine.middleman import Fate, Middleman, middleman
from tests.engine.planes import Api, namespace_for
from tests.engine.project import STACK, Project, interrupt, state_in
from tests.engine.waiting import exists, plugins_of
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

UP = ("up", "--yes", "--skip-preview", f"--stack={STACK}")
MAPS = 12
PROGRAM = f"""
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    cluster = k8s.Provider(
        "cluster",
        kubeconfig=config.require("kubeconfig"),
        namespace=config.require("namespace"),
        cluster_identifier="plane",
    )
    options = pulumi.ResourceOptions(provider=cluster)
    labels = {{"app": "app"}}
    app = k8s.apps.v1.Deployment(
        "app",
        metadata={{"name": "app"}},
        spec={{
            "selector": {{"match_labels": labels}},
            "template": {{
                "metadata": {{"labels": {{**labels, "plays": config.require("plays")}}}},
                "spec": {{"containers": [{{"name": "main", "image": "none"}}]}},
            }},
        }},
        opts=options,
    )
    for number in range({MAPS}):
        k8s.core.v1.ConfigMap(f"map-{{number}}", data={{"number": str(number)}}, opts=options)
    k8s.core.v1.ConfigMap(
        "after",
        data={{"a": "1"}},
        opts=pulumi.ResourceOptions(provider=cluster, depends_on=[app]),
    )
"""


@pytest.fixture
def settings(plane: ControlPlane, api: Api) -> dict[str, str]:
    return {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace, "plays": "ready"}


@pytest.fixture
def between(plane: ControlPlane) -> Iterator[Middleman]:
    with middleman(plane) as found:
        yield found


def maps(api: Api) -> list[str]:
    """The numbers in the program's ConfigMaps, one for each object that is there."""
    found = [item.get("data", {}) for item in api.get("configmaps")["items"]]
    return sorted((data["number"] for data in found if "number" in data), key=int)


def nothing_lost(project: Project, api: Api) -> None:
    """Everything is there once, the state knows of it, and nothing is left to be done."""
    assert maps(api) == [str(number) for number in range(MAPS)]
    assert not project.deployment().get("pending_operations")
    project.preview("--expect-no-changes")


def let_pods_become_ready(api: Api) -> None:
    """Change what the played kubelet makes of the Deployment's pods."""
    pods = wait_for(lambda: api.get("pods")["items"], "a pod")
    for pod in pods:
        api.patch(f"pods/{pod['metadata']['name']}", {"metadata": {"labels": {"plays": "ready"}}})


@contextmanager
def updating(project: Project) -> Iterator[subprocess.Popen[str]]:
    """An update that runs while the block lasts."""
    with project.start(*UP) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def ended_well(process: subprocess.Popen[str]) -> None:
    output, said = process.communicate(timeout=180)
    assert process.returncode == 0, f"{output}\n{said}"


# The API server.


@pytest.fixture(scope="module")
def unlucky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this file's own: others rely on theirs."""
    with control_plane(tmp_path_factory.mktemp("unlucky")) as running, kubelet(client_of(str(running.kubeconfig))):
        yield running


def test_an_api_server_that_restarts_while_things_are_made_and_waited_for(
    project: Project, unlucky: ControlPlane
) -> None:
    with namespace_for(client_of(str(unlucky.kubeconfig))) as api:
        given = {"kubeconfig": str(unlucky.kubeconfig), "namespace": api.namespace, "plays": "unpullable"}
        project.write(PROGRAM, given)
        with updating(project) as update:
            wait_for(lambda: exists(api, "deployments.apps/app") and maps(api), "the first objects")
            unlucky.server.kill()
            unlucky.server.start()
            unlucky.await_ready()
            let_pods_become_ready(api)
            ended_well(update)
        project.write(PROGRAM, {**given, "plays": "unpullable"})
        nothing_lost(project, api)


def test_an_api_server_that_does_not_answer_is_told_and_the_next_update_finishes(
    project: Project, settings: dict[str, str], api: Api, between: Middleman
) -> None:
    """An object is made, never acknowledged, and has a made-up name: lost from sight it would stay for ever."""
    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig()})
    between.fate = lambda method, path: "lost" if method == "PATCH" and "/configmaps/map-7-" in path else "pass"
    with updating(project) as update:
        wait_for(lambda: sum("/map-7-" in path for _, path in between.seen) > 3, "attempts in vain")
        interrupt(update)
        said, _ = update.communicate(timeout=60)
    assert update.returncode != 0
    assert "may have been made or not" in said
    assert "7" in maps(api)
    between.fate = lambda *_: "pass"
    project.up()
    nothing_lost(project, api)


def test_an_answer_that_is_lost_is_asked_for_again(
    project: Project, settings: dict[str, str], api: Api, between: Middleman
) -> None:
    lost: set[str] = set()

    def once(method: str, path: str) -> Fate:
        if method != "PATCH" or path in lost:
            return "pass"
        lost.add(path)
        return "lost"

    between.fate = once
    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig()})
    project.up()
    assert len(lost) > MAPS
    nothing_lost(project, api)


def test_a_server_that_is_too_busy_is_asked_again_later(
    project: Project, settings: dict[str, str], api: Api, between: Middleman
) -> None:
    refused: set[tuple[str, str]] = set()

    def first_refused(method: str, path: str) -> Fate:
        if (method, path) in refused:
            return "pass"
        refused.add((method, path))
        return "busy"

    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig()})
    between.fate = first_refused
    project.up()
    assert len(refused) > MAPS
    between.fate = lambda *_: "pass"
    nothing_lost(project, api)


def test_a_watch_that_breaks_is_taken_up_again(
    project: Project, settings: dict[str, str], api: Api, between: Middleman
) -> None:
    between.fate = lambda _, path: "cut" if "watch=true" in path else "pass"
    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig(), "plays": "unpullable"})
    with updating(project) as update:
        wait_for(lambda: stirred(api) and sum("watch=true" in path for _, path in between.seen) > 5, "broken watches")
        let_pods_become_ready(api)
        ended_well(update)
    nothing_lost(project, api)


def stirred(api: Api) -> bool:
    """Whether there are pods, to which something has just happened."""
    pods = api.get("pods")["items"]
    for pod in pods:
        label = {"metadata": {"labels": {"stirred": str(time.monotonic_ns())}}}
        api.patch(f"pods/{pod['metadata']['name']}", label)
    return bool(pods)


# Credentials.


def test_a_token_that_expires_during_the_update_is_made_anew(
    project: Project, settings: dict[str, str], plane: ControlPlane, api: Api, tmp_path: Path
) -> None:
    """Both tokens are real; the first ends with the Secret that it is bound to."""
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    api.post("roles.rbac.authorization.k8s.io", {"metadata": {"name": "all"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": api.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all"}
    api.post(
        "rolebindings.rbac.authorization.k8s.io",
        {"metadata": {"name": "all"}, "subjects": [subject], "roleRef": role},
    )
    api.post("serviceaccounts", {"metadata": {"name": "robot"}})
    tokens = [_token(api, name) for name in ("first", "second")]
    answer = tmp_path / "answer"
    answer.write_text(_credential(tokens[0]))
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(answer)]}
    project.write(
        PROGRAM,
        {**settings, "kubeconfig": _as_user(plane, {"exec": command}), "plays": "unpullable"},
    )
    with updating(project) as update:
        wait_for(lambda: exists(api, "deployments.apps/app") and len(maps(api)) == MAPS, "the objects")
        answer.write_text(_credential(tokens[1]))
        api.delete("secrets/first")
        first = client_of(_as_user(plane, {"token": tokens[0]}))
        own = f"/api/v1/namespaces/{api.namespace}/configmaps"
        wait_for(lambda: _refused(lambda: first.request("GET", own)), "the end of the token")
        let_pods_become_ready(api)
        ended_well(update)
    nothing_lost(project, api)


def _token(api: Api, secret: str) -> str:
    made = api.post("secrets", {"metadata": {"name": secret}})
    bound = {"kind": "Secret", "apiVersion": "v1", "name": secret, "uid": made["metadata"]["uid"]}
    path = f"/api/v1/namespaces/{api.namespace}/serviceaccounts/robot/token"
    return str(api.client.request("POST", path, {"spec": {"boundObjectRef": bound}})["status"]["token"])


def _credential(token: str) -> str:
    kind = "client.authentication.k8s.io/v1"
    return json.dumps({"apiVersion": kind, "kind": "ExecCredential", "status": {"token": token}})


def _as_user(plane: ControlPlane, user: Values) -> str:
    config = plane.config
    cluster = config["clusters"][0]["cluster"]
    cluster["certificate-authority-data"] = base64.b64encode(
        Path(cluster.pop("certificate-authority")).read_bytes()
    ).decode()
    config["users"][0]["user"] = user
    return json.dumps(config)


def _refused(request: Callable[[], object]) -> bool:
    try:
        request()
    except ApiError as error:
        return error.status == 401
    return False


# The engine and the plugin.


def test_a_killed_plugin_leaves_no_object_with_a_made_name_behind(
    project: Project, settings: dict[str, str], api: Api, between: Middleman
) -> None:
    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig()})
    between.fate = lambda method, path: "held" if method == "PATCH" and "/configmaps/map-7-" in path else "pass"
    with updating(project) as update:
        wait_for(lambda: "7" in maps(api), "the object")
        for plugin in plugins_of(update.pid):
            os.kill(plugin, signal.SIGKILL)
        update.communicate(timeout=60)
    assert update.returncode != 0
    between.fate = lambda *_: "pass"
    project.make_up()
    nothing_lost(project, api)


@pytest.mark.parametrize("times", [1, 2])
def test_an_engine_that_is_cancelled_leaves_nothing_behind(
    project: Project, settings: dict[str, str], api: Api, between: Middleman, times: int
) -> None:
    """Once: the plugin gives up what it waits for. Twice: the engine goes without waiting for the plugin."""
    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig(), "plays": "unpullable"})
    between.fate = lambda method, path: (
        "held" if times == 2 and method == "PATCH" and "/configmaps/map-7-" in path else "pass"
    )
    with updating(project) as update:
        wait_for(lambda: exists(api, "deployments.apps/app") and "7" in maps(api), "the objects")
        interrupt(update)
        if times == 2:
            told(update, "ancel")
            interrupt(update)
        update.communicate(timeout=60)
    assert update.returncode != 0
    between.fate = lambda *_: "pass"
    project.write(PROGRAM, {**settings, "kubeconfig": between.kubeconfig()})
    project.make_up()
    nothing_lost(project, api)


def test_a_disk_that_fills_up_during_the_update_loses_nothing(
    project: Project, settings: dict[str, str], api: Api, between: Middleman, tmp_path: Path
) -> None:
    """The engine tries for half a minute to write each piece of its state; a person gives it up after the first.

    Its file backend puts what it could write in the place of what was whole: the copy that `make up` keeps is the last.
    """
    given = {**settings, "kubeconfig": between.kubeconfig()}
    with tiny_disk(project.state / "pulumi", tmp_path) as ballast:
        project.write(PROGRAM.replace(f"range({MAPS})", "range(2)"), given)
        project.make_up()
        project.make_up()
        project.write(PROGRAM, given)
        between.fate = lambda method, path: "held" if method == "PATCH" and "/configmaps/map-7-" in path else "pass"
        with updating(project) as update:
            wait_for(lambda: "7" in maps(api), "the object")
            fill(ballast)
            between.fate = lambda *_: "pass"
            between.over.set()
            told(update, "no space left on device")
            interrupt(update)
            interrupt(update)
            update.communicate(timeout=300)
        assert update.returncode != 0
        ballast.unlink()
        project.make_up()
        nothing_lost(project, api)


def test_what_a_restored_state_has_not_heard_of_is_taken_again(
    project: Project, settings: dict[str, str], api: Api
) -> None:
    """As when a full disk ruins the engine's own copies as well, and the one from before the update is left."""
    project.write(PROGRAM.replace(f"range({MAPS})", "range(2)"), settings)
    project.make_up()
    project.write(PROGRAM, settings)
    project.make_up()
    assert maps(api) == [str(number) for number in range(MAPS)]
    with state_in(project.state.parent):
        copies = [copy for copy in backend.copies("tried", STACK) if copy != backend.kept_copy("tried", STACK)]
    for file in (project.state_file, *copies):
        file.write_text("{")
    project.make_up()
    nothing_lost(project, api)


def test_a_full_disk_is_told_before_anything_begins(project: Project, settings: dict[str, str], tmp_path: Path) -> None:
    project.write(PROGRAM, settings)
    with tiny_disk(project.state / "pulumi", tmp_path) as ballast:
        fill(ballast)
        before = project.state_file.read_bytes()
        with pytest.raises(Problem, match="no room for the state"):
            project.make_up()
        assert project.state_file.read_bytes() == before


def told(update: subprocess.Popen[str], words: str) -> None:
    """Read what an update says until these words; its last ones, when it ends by itself, are on stderr."""
    assert update.stdout is not None
    assert update.stderr is not None
    if not any(words in line for line in update.stdout):
        last = update.stderr.read()
        assert words in last, last


def fill(ballast: Path) -> None:
    """Leave no room on the disk."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@contextmanager
def tiny_disk(folder: Path, scratch: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 4 MB; gives a file that can fill it."""
    kept = scratch / "kept"
    shutil.copytree(folder, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield folder / "ballast"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
