"""What is told of the nodes, by pods that are given nothing of theirs."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from components.monitoring import subjects
from components.settings import Alerts
from localcloud.cluster import layout
from tests.cluster.asking import answers, asked, value
from tests.cluster.stack import PREFIX, Stack
from tests.questions import for_prometheus
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

NODES = len(layout.NODES)


@pytest.fixture(scope="module", autouse=True)
def _told(stack: Stack) -> Iterator[None]:
    """The stack with what tells of nodes."""
    stack.set("monitoring.node_exporter", True)
    try:
        stack.pulumi("up", "--yes", "--skip-preview")
        stack.kubectl("-n", f"{PREFIX}-node", "rollout", "status", "daemonset/node-exporter", "--timeout=120s")
        yield
    finally:
        stack.set("monitoring.node_exporter", False)
        stack.pulumi("up", "--yes", "--skip-preview")


def test_every_node_has_a_pod_that_tells_of_its_processors_memory_and_disk(prometheus: httpx.Client) -> None:
    """S8.1. The nodes are containers here, so each tells of the whole machine."""
    wait_for(
        lambda: value(prometheus, 'count(up{job="node-exporter"} == 1)') == NODES,
        "every pod to be asked",
        patience=90,
        every=1,
    )
    memory = Path("/proc/meminfo").read_text().partition("MemTotal:")[2].split()[0]
    told = f"count(node_memory_MemTotal_bytes == {int(memory) * 1024})"
    wait_for(lambda: value(prometheus, told) == NODES, "all of the machine's memory", patience=60, every=1)
    disks = asked(prometheus, "query", query="node_filesystem_size_bytes > 0")["result"]
    assert sorted(each["metric"]["mountpoint"] for each in disks) == ["/"] * NODES + ["/volumes"] * NODES


def test_every_panel_on_nodes_has_an_answer(prometheus: httpx.Client) -> None:
    """S8.2"""
    (page,) = (each for each in subjects.pages(Alerts()) if each.name == "nodes")
    for panel in (panel for row in page.rows.values() for panel in row):
        for legend, expr in panel.questions.items():
            what = f"an answer to {legend} of {panel.title}"
            wait_for(partial(answers, prometheus, for_prometheus(expr)), what, patience=120, every=1)
