"""The cluster lets through what cyclonus's model of network policies says, case by case, with real packets.

Cyclonus generates 216 cases for TCP and UDP, which take seconds each. `make test` runs every eighteenth, one of each
sort; `make drills` runs all others.
"""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from localcloud import cluster, toolchain
from tests.localcloud.peers import publish_image
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

CASES = 216
EVERY = 18
NAMESPACES = ("x", "y", "z")  # cyclonus's own


@pytest.fixture
def without_namespaces(api: client.ApiClient) -> Iterator[None]:
    """Cyclonus takes what it finds under its namespaces' names for its own."""
    core: Any = client.CoreV1Api(api)

    def remove() -> None:
        there = {each.metadata.name for each in core.list_namespace().items} & set(NAMESPACES)
        for name in there:
            core.delete_namespace(name)

    def gone() -> bool:
        return not {each.metadata.name for each in core.list_namespace().items} & set(NAMESPACES)

    remove()
    wait_for(gone, "namespaces of an earlier run to be gone")
    yield
    remove()


@pytest.mark.usefixtures("without_namespaces")
def test_packets_and_cyclonuss_model_agree() -> None:
    agree(first=0)


@pytest.mark.drill
@pytest.mark.usefixtures("without_namespaces")
@pytest.mark.parametrize("first", range(1, EVERY))
def test_packets_and_cyclonuss_model_agree_in_the_other_cases_too(first: int) -> None:
    agree(first)


def agree(first: int) -> None:
    """Run every eighteenth case from this one on."""
    command = [str(toolchain.binary("cyclonus")), "-image", publish_image(), f"-from={first}", f"-every={EVERY}"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr)
    agreed = [line for line in done.stdout.splitlines() if line.startswith("agrees ")]
    assert len(agreed) == CASES // EVERY
