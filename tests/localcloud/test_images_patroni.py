"""images/postgres forms a PostgreSQL of one member in a pod, with the Kubernetes API as Patroni's store."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud import cluster, paths, toolchain
from localcloud.images import buildkit, registry, stand_ins_up

pytestmark = pytest.mark.cluster

MANIFEST = Path(__file__).with_name("patroni.yaml")
IMAGE = f"{registry.ADDRESS}/vision-week/postgres:contract"

Kubectl = Callable[..., str]


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own, as strict as the platform's; the image is in the registry."""
    cluster.up(quiet)
    stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    file = paths.CHECKOUT / "images/postgres/Dockerfile"
    buildkit.build(buildkit.Build(dockerfile=file, names=[IMAGE]), quiet)
    namespace = f"images-{secrets.token_hex(4)}"
    command = [str(toolchain.binary("kubectl")), f"--namespace={namespace}"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig())}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run("create", "namespace", namespace)
    run("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    yield run
    run("delete", "namespace", namespace, "--wait=false")


def wait(kubectl: Kubectl, condition: str, of: str = "pod/try-0") -> None:
    try:
        kubectl("wait", of, f"--for={condition}", "--timeout=120s")
    except AssertionError as error:
        pytest.fail(f"{error}\n{kubectl('logs', 'try-0', '--tail=20')}")


def sql(kubectl: Kubectl, statement: str) -> str:
    psql = ("psql", "--username=postgres", "--quiet", "--no-align", "--tuples-only", "--command")
    return kubectl("exec", "try-0", "--", *psql, statement)


def test_a_pod_becomes_a_primary_that_kubernetes_knows(kubectl: Kubectl) -> None:
    kubectl("apply", "--filename", str(MANIFEST))
    wait(kubectl, "condition=Ready")
    wait(kubectl, "jsonpath={.metadata.labels.role}=primary")
    address = kubectl("get", "pod", "try-0", "--output=jsonpath={.status.podIP}")
    wait(kubectl, f"jsonpath={{.subsets[*].addresses[*].ip}}={address}", of="endpoints/try")
    assert sql(kubectl, "show data_checksums") == "on"


def test_what_was_committed_is_there_after_the_container_was_killed(kubectl: Kubectl) -> None:
    """The killed container's socket lock stayed in the emptyDir and named a process id that existed again."""
    sql(kubectl, "create table kept as select 42 as value")
    kubectl("exec", "try-0", "--", "sh", "-c", "kill -9 -1 || true")
    wait(kubectl, "jsonpath={.status.containerStatuses[0].restartCount}=1")
    wait(kubectl, "condition=Ready")
    assert sql(kubectl, "select value from kept") == "42"
