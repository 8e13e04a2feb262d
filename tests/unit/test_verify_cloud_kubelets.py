"""What kubelets tell, as a real Prometheus has it and promtool says it. Simulated are the nodes, and the collector that
asks their kubelets."""

import subprocess
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import yaml

from components.monitoring import containers
from operations.verify_cloud.report import Verdict
from tests.app.processes import free_port, program
from tests.unit.answering import answering
from tests.unit.verifying import SITE, Answering, judged, settings
from tests.waiting import wait_for

CLAIM = "What kubelets tell"
JOBS = (containers.NAME, containers.CLAIMS)
NODES = ("10.10.0.2", "10.10.0.3")
OF_CONTAINERS = 'container_memory_rss{job="containers",instance="10.10.0.2:10250",pod="app-1",container="php"} 4'
OF_CLAIMS = 'kubelet_volume_stats_capacity_bytes{job="claims",instance="10.10.0.2:10250",persistentvolumeclaim="a"} 9'


def asked(job: str, node: str, answered: int = 1) -> str:
    """How a collector found the kubelet of its node."""
    return f'up{{job="{job}",instance="{node}:10250"}} {answered}'


WELL = [*(asked(job, node) for job in JOBS for node in NODES), OF_CONTAINERS, OF_CLAIMS]


class Collector(BaseHTTPRequestHandler):
    """Shows these numbers."""

    shown: ClassVar[Sequence[str]] = ()

    def do_GET(self) -> None:
        body = "".join(f"{line}\n" for line in self.shown).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Watched(Answering):
    """A place of two nodes, whose Prometheus is at an address of this machine."""

    def __init__(self, folder: Path, address: str, nodes: Sequence[str] = NODES) -> None:
        listed = [
            {"status": {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": node}]}}
            for node in nodes
        ]
        super().__init__(settings(folder), {"get nodes": listed})
        self.address = address
        self.target = self
        self.namespaces = {"monitoring": f"{SITE.name}-monitoring"}

    def kubectl(self, *words: str) -> str:
        before, command = words[: words.index("--")], words[words.index("--") + 1 :]
        assert before == ("-n", self.namespaces["monitoring"], "exec", "statefulset/prometheus", "-c", "prometheus")
        own = [
            program(command[0]),
            *(self.address if word == "http://localhost:9090" else word for word in command[1:]),
        ]
        return subprocess.run(own, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real one, which asks the collector every half second."""
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with answering(Collector) as collector, (folder / "log").open("w") as log:
        job = {
            "job_name": containers.NAME,
            "honor_labels": True,
            "static_configs": [{"targets": [collector.removeprefix("http://")]}],
        }
        (folder / "prometheus.yml").write_text(
            yaml.safe_dump({"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "scrape_configs": [job]})
        )
        command = [
            program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:

            def ready() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    return httpx.get(f"{address}/-/ready", trust_env=False).is_success
                except httpx.TransportError:
                    return False

            try:
                wait_for(ready, "Prometheus to be ready", patience=60, every=0.1)
                yield address
            finally:
                process.kill()


def without(*lines: str) -> list[str]:
    return [line for line in WELL if line not in lines]


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (WELL, (Verdict.VERIFIED, "2 kubelets are asked, and tell of containers and of claims")),
        # What a policy that means no node comes to.
        (
            [asked(job, node, 0) for job in JOBS for node in NODES],
            (Verdict.REFUTED, "the kubelets at 10.10.0.2, 10.10.0.3 tell nothing of containers"),
        ),
        (
            [*without(asked("claims", "10.10.0.3")), asked("claims", "10.10.0.3", 0)],
            (Verdict.REFUTED, "the kubelets at 10.10.0.3 tell nothing of claims"),
        ),
        # A node without a collector.
        (
            without(asked("containers", "10.10.0.2")),
            (Verdict.REFUTED, "the kubelets at 10.10.0.2 tell nothing of containers"),
        ),
        (without(OF_CONTAINERS), (Verdict.REFUTED, "Prometheus has no container_memory_rss")),
        (without(OF_CLAIMS), (Verdict.REFUTED, "Prometheus has no kubelet_volume_stats_capacity_bytes")),
    ],
    ids=["well", "not reached", "one not reached", "one not asked", "nothing of containers", "nothing of claims"],
)
def test_what_simulated_kubelets_tell_or_do_not_tell_is_seen(
    prometheus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: Sequence[str], found: tuple[Verdict, str]
) -> None:
    monkeypatch.setattr(Collector, "shown", shown)
    place = Watched(tmp_path, prometheus)
    wait_for(lambda: judged(CLAIM, place) == found, f"Prometheus to know: {found[1]}", patience=20, every=0.2)


def test_without_nodes_nothing_is_verified(prometheus: str, tmp_path: Path) -> None:
    assert judged(CLAIM, Watched(tmp_path, prometheus, ())) == (Verdict.REFUTED, "there are no nodes")
