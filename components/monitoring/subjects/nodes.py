"""The nodes, by what they say of themselves (`node_exporter.py`)."""

from collections.abc import Iterator

from components.monitoring.pages import Dashboard, Panel
from components.monitoring.rules import Alert
from components.settings import Alerts

# Of a node: processors that are not idle, memory that is not to be had any more, what of its disks is left.
_CPU_SHARE = (
    '1 - sum by (instance) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[2m]))'
    ' / count by (instance) (node_cpu_seconds_total{mode="idle"})'
)
_MEMORY_SHARE = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
_LEFT_OF_DISK = "node_filesystem_avail_bytes / node_filesystem_size_bytes"
# Somewhat before the kubelet puts pods off a node for it, at a tenth.
_DISK_LEFT = 0.15


def alerts(thresholds: Alerts) -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="NodeDiskFull",
        expr=f"{_LEFT_OF_DISK} < {_DISK_LEFT}",
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $value | humanizePercentage }} of {{ $labels.mountpoint }} is left on the node of"
        " {{ $labels.instance }}",
        description="At a tenth the kubelet puts pods off the node, and takes no new ones.",
    )
    yield Alert(
        name="NodeDiskFull",
        # What is half empty may well be filled fast for a while: by images, on a node that is new.
        expr=f"predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600) < 0 and {_LEFT_OF_DISK} < 0.5",
        minutes=15,
        severity="critical",
        team="platform",
        summary="{{ $labels.mountpoint }} on the node of {{ $labels.instance }} will be full within four hours",
        description="As it went in the last hour. The kubelet puts pods off the node before that.",
    )
    yield Alert(
        name="NodeMemoryLow",
        expr=f"{_MEMORY_SHARE} > {thresholds.memory_percent / 100:g}",
        minutes=5,
        severity="critical",
        team="platform",
        summary="{{ $value | humanizePercentage }} of the memory is taken on the node of {{ $labels.instance }}",
        description="When there is none left the kernel kills processes, not always those that took it.",
    )


def page(thresholds: Alerts) -> Dashboard:
    """The page."""
    return Dashboard(
        name="nodes",
        title="Nodes",
        rows={
            "Taken": (
                Panel(title="Processors", questions={"{{instance}}": _CPU_SHARE}, unit="percentunit"),
                Panel(
                    title="Memory",
                    questions={"{{instance}}": _MEMORY_SHARE},
                    unit="percentunit",
                    limit=thresholds.memory_percent / 100,
                ),
                Panel(
                    title="Disks",
                    questions={"{{instance}} {{mountpoint}}": f"1 - {_LEFT_OF_DISK}"},
                    unit="percentunit",
                    limit=1 - _DISK_LEFT,
                ),
            ),
            "Left": (
                Panel(
                    title="Processors",
                    questions={
                        "idle, {{instance}}": "sum by (instance)"
                        ' (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))',
                        "waiting for disks, {{instance}}": "sum by (instance)"
                        ' (rate(node_cpu_seconds_total{mode="iowait"}[$__rate_interval]))',
                    },
                ),
                Panel(title="Memory", questions={"{{instance}}": "node_memory_MemAvailable_bytes"}, unit="bytes"),
                Panel(
                    title="Disks",
                    questions={"{{instance}} {{mountpoint}}": "node_filesystem_avail_bytes"},
                    unit="bytes",
                ),
            ),
        },
    )
