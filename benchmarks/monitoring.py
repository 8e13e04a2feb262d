"""What watching costs: Prometheus over the developer's stack, and one collector of logs on one core (S8.1, S8.3).

The stack is asked as it stands; how many series it has grows with its pods. The collector and Loki run as processes, as
the platform configures them: all lines are there before the collector starts, so that it is never short of work.
"""

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from benchmarks.commands import run
from benchmarks.program import local_environment
from components.monitoring import subjects
from components.monitoring.pages import Dashboard
from components.settings import Alerts
from localcloud.images import logs
from tests.app.collecting import NAMESPACES
from tests.app.log_keeping import Keeping
from tests.app.processes import free_port
from tests.questions import for_prometheus
from tests.waiting import wait_for

_PROMETHEUS: Final = ["-n", "vision-week-monitoring", "port-forward", "pod/prometheus-0"]
_WATCHED: Final = 60.0  # seconds that Prometheus is looked at
_HOUR: Final = 3600  # seconds that a page shows, as Grafana opens it
_STEP: Final = 15  # seconds between two points of it
_PODS: Final = 8
_LINES: Final = 50_000  # of each pod
_PATIENCE: Final = 300  # seconds until all lines are kept
_COUNTED: Final = f'sum(count_over_time({{k8s_namespace_name="{NAMESPACES[0]}"}}[1h]))'


def measure(runs: int) -> Iterator[tuple[str, str, str]]:
    """What is measured, what came of it, the target."""
    with _prometheus() as prometheus:
        yield from _scraping(prometheus)
        yield from _pages(prometheus, runs)
    yield from _collecting()


@contextmanager
def _prometheus() -> Iterator[httpx.Client]:
    kubeconfig, port = run(["make", "-s", "kubeconfig"]).strip(), free_port()
    kubectl = ["kubectl", f"--kubeconfig={kubeconfig}", *_PROMETHEUS, f"{port}:9090"]
    with (
        subprocess.Popen(kubectl, env={**os.environ, **local_environment()}, stdout=subprocess.DEVNULL) as forwarding,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        try:
            wait_for(lambda: _ready(client), "Prometheus to be reached", every=0.2)
            yield client
        finally:
            forwarding.terminate()


def _ready(prometheus: httpx.Client) -> bool:
    try:
        return prometheus.get("/-/ready").is_success
    except httpx.HTTPError:
        return False


def _scraping(prometheus: httpx.Client) -> Iterator[tuple[str, str, str]]:
    before, began = _own(prometheus), time.monotonic()
    time.sleep(_WATCHED)
    after, watched = _own(prometheus), time.monotonic() - began
    samples, processor = "prometheus_tsdb_head_samples_appended_total", "process_cpu_seconds_total"
    taken = sum(value for name, value in after.items() if name.startswith(samples))
    taken -= sum(value for name, value in before.items() if name.startswith(samples))
    memory = after["process_resident_memory_bytes"] / 2**20
    yield "Prometheus: series, memory", f"{after['prometheus_tsdb_head_series']:,.0f}, {memory:.0f} MiB", ""
    share = (after[processor] - before[processor]) / watched
    yield "  samples, processor", f"{taken / watched:,.0f}/s, {share * 1000:.0f} m", ""


def _own(prometheus: httpx.Client) -> dict[str, float]:
    """Prometheus' numbers of itself, by name and labels."""
    told = prometheus.get("/metrics").raise_for_status().text
    return {name: float(value) for name, value in re.findall(r"^([^#\s]+(?: ?\{[^}]*\})?) (\S+)$", told, re.MULTILINE)}


def _pages(prometheus: httpx.Client, runs: int) -> Iterator[tuple[str, str, str]]:
    """All questions of a page, one after the other."""
    taken = {
        page.title: statistics.median(_asked(prometheus, page) for _ in range(runs))
        for page in subjects.pages(Alerts())
    }
    heaviest = max(taken, key=lambda title: taken[title])
    yield f"heaviest dashboard: {heaviest}, an hour", f"{taken[heaviest] * 1000:.0f} ms", ""


def _asked(prometheus: httpx.Client, page: Dashboard) -> float:
    now, began = time.time(), time.monotonic()
    for panel in (panel for row in page.rows.values() for panel in row):
        for expr in panel.questions.values():
            words = {"query": for_prometheus(expr), "start": str(now - _HOUR), "end": str(now), "step": str(_STEP)}
            prometheus.get("/api/v1/query_range", params=words).raise_for_status()
    return time.monotonic() - began


def _collecting() -> Iterator[tuple[str, str, str]]:
    """Until Loki has every line: what is counted is what it answers, not what was sent."""
    logs.up(lambda _: None)
    with tempfile.TemporaryDirectory(prefix="vision-week-bench-") as folder:
        node = Keeping(Path(folder))
        try:
            node.loki_up()
            size = sum(_write(node, number) for number in range(_PODS))
            began = time.monotonic()
            node.up()
            process = node.running("otelcol-contrib")
            for thread in Path(f"/proc/{process}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {0})
            expected = _PODS * _LINES
            wait_for(lambda: _kept(node) >= expected, "every line to be kept", patience=_PATIENCE, every=0.5)
            taken = time.monotonic() - began
            kept = _kept(node)
            status = Path(f"/proc/{process}/status").read_text()
        finally:
            node.stop()
    memory = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
    rate = f"{kept / taken:,.0f} lines/s, {size / taken / 2**20:.1f} MiB/s"
    yield "one collector, one core", f"{rate}; {kept:,} of {expected:,} kept; {memory:.0f} MiB", "none lost"


def _write(node: Keeping, number: int) -> int:
    """Lines as the application's nginx writes them; gives the bytes of the file."""
    pod = f"app-7c9d8b6f5d-x2k4{'bcdfghjk'[number]}"
    node.write(_requests(number), pod=pod, container="nginx")
    (file,) = (node.folder / "logs").glob(f"*_{pod}_*/nginx/0.log")
    return file.stat().st_size


def _requests(number: int) -> Sequence[str]:
    return [
        json.dumps(
            {
                "time": "2026-01-01T00:00:00Z",
                "level": "info",
                "service": "app",
                "message": "request",
                "request_id": f"{number:02x}{line:030x}",
                "method": "GET",
                "path": "/api/exhibits",
                "status": 200,
                "duration_ms": 12.5,
                "client": "203.0.113.0",
            }
        )
        for line in range(_LINES)
    ]


def _kept(node: Keeping) -> int:
    with node.client() as client:
        found = client.get("/loki/api/v1/query", params={"query": _COUNTED}).raise_for_status().json()["data"]["result"]
    return int(found[0]["value"][1]) if found else 0
