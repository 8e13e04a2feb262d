"""Containers, by what the nodes say of them (`containers.py`)."""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel, label, said_by_pod
from components.monitoring.rules import Alert
from components.settings import Alerts

# What is chosen at the top of the page of containers.
_CHOSEN = '{namespace=~"$namespace",pod=~"$pod"}'
_LOGS = f'{{k8s_namespace_name="{label("namespace")}"}}'
_EACH = "by (namespace, pod, container)"


def alerts(thresholds: Alerts) -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="ContainerCpuBusy",
        expr=f"{cpu_share()} > {thresholds.cpu_percent / 100:g}",
        minutes=5,
        severity="warning",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} uses {{ $value | humanizePercentage }} of its processor",
        description="At its limit it is made to wait, and so is everybody who asks it.",
    )
    yield Alert(
        name="ContainerMemoryNearLimit",
        expr=f"{memory_share()} > {thresholds.memory_percent / 100:g}",
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $labels.container }} of {{ $labels.pod }} has {{ $value | humanizePercentage }} of its memory",
        description="At its limit it is killed.",
    )


def page(thresholds: Alerts) -> Dashboard:
    """The page."""
    of_pod = said_by_pod(_LOGS, "pod")
    return Dashboard(
        name="containers",
        title="Containers",
        logs=_LOGS,
        choices={
            "namespace": "label_values(container_memory_rss, namespace)",
            "pod": 'label_values(container_memory_rss{namespace=~"$namespace"}, pod)',
        },
        rows={
            "Of their limits": (
                Panel(
                    title="Processor",
                    questions={"{{pod}} {{container}}": f"topk(20, {cpu_share(_CHOSEN)})"},
                    unit="percentunit",
                    logs=of_pod,
                    limit=thresholds.cpu_percent / 100,
                ),
                Panel(
                    title="Time in which it was made to wait",
                    questions={
                        "{{pod}} {{container}}": "topk(20, sum by (namespace, pod, container)"
                        f" (rate(container_cpu_cfs_throttled_periods_total{_CHOSEN}[$__rate_interval]))"
                        " / sum by (namespace, pod, container)"
                        " (rate(container_cpu_cfs_periods_total[$__rate_interval])))"
                    },
                    unit="percentunit",
                    logs=of_pod,
                ),
                Panel(
                    title="Memory of the limit",
                    questions={"{{pod}} {{container}}": f"topk(20, {memory_share(_CHOSEN)})"},
                    unit="percentunit",
                    logs=of_pod,
                    limit=thresholds.memory_percent / 100,
                ),
            ),
            "In all": (
                Panel(
                    title="Processors used",
                    questions={
                        "{{namespace}}": "sum by (namespace)"
                        f" (rate(container_cpu_usage_seconds_total{_CHOSEN}[$__rate_interval]))"
                    },
                ),
                Panel(
                    title="Memory allocated",
                    questions={"{{namespace}}": f"sum by (namespace) (container_memory_rss{_CHOSEN})"},
                    unit="bytes",
                ),
                Panel(
                    title="Memory with the files that are in use",
                    questions={"{{namespace}}": f"sum by (namespace) (container_memory_working_set_bytes{_CHOSEN})"},
                    unit="bytes",
                ),
            ),
        },
    )


def cpu_share(chosen: str = "") -> str:
    """Of its limit that a container uses. chosen: which of them, `{pod="app-1"}`."""
    return (
        f"sum {_EACH} (rate(container_cpu_usage_seconds_total{chosen}[2m]))"
        f" / max {_EACH} (container_spec_cpu_quota > 0) * max {_EACH} (container_spec_cpu_period)"
    )


def memory_share(chosen: str = "") -> str:
    """The same of memory: what it has allocated. Caches of files are given back when somebody needs the room, and what
    it shares with others (PostgreSQL's buffers) is not in it."""
    return f"max {_EACH} (container_memory_rss{chosen}) / max {_EACH} (container_spec_memory_limit_bytes > 0)"
