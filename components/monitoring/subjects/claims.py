"""Claims, by what the kubelets say of the volumes behind them (`containers.py`)."""

from collections.abc import Iterator, Sequence

from components.monitoring.pages import Panel
from components.monitoring.rules import NEAR, Alert

# The row on each page that has some.
ROW = "Volumes"
_VOLUME = "kubelet_volume_stats_"
# A volume of many is told of by every node that has it.
_EACH = "by (namespace, persistentvolumeclaim)"
# As good as full: what writes fails.
_FULL = 0.98


def alerts() -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="ClaimFull",
        expr=f"{_taken()} > {NEAR} or {_taken_of_files()} > {NEAR}",
        minutes=15,
        severity="warning",
        team="platform",
        summary="{{ $labels.persistentvolumeclaim }} is {{ $value | humanizePercentage }} full",
        description="When nothing is left of the room, or of the files that there may be, whoever writes to it stops.",
    )
    yield Alert(
        name="ClaimFull",
        # What is half empty may well be filled fast for a while: by a restore, or a member that is made anew.
        expr=f"({_left_later()} < 0 and {_taken()} > 0.5) or {_taken()} > {_FULL}",
        minutes=15,
        severity="critical",
        team="platform",
        summary="{{ $labels.persistentvolumeclaim }} is full, or will be within four hours",
        description="As it went in the last hour. A database whose volume is full takes no writes.",
    )


def panels(chosen: str = "") -> Sequence[Panel]:
    """The row. chosen: pattern of the claims' names that it is about; all without one."""
    those = f'{{persistentvolumeclaim=~"{chosen}"}}' if chosen else ""
    legend = "{{persistentvolumeclaim}}" if chosen else "{{namespace}} {{persistentvolumeclaim}}"
    return (
        Panel(title="Room that is taken", questions={legend: _taken(those)}, unit="percentunit", limit=NEAR),
        Panel(
            title="Room in four hours, as it went in the last",
            questions={legend: f"clamp_min({_left_later(those)}, 0)"},
            unit="bytes",
        ),
        Panel(
            title="Files, share of all that there may be",
            questions={legend: _taken_of_files(those)},
            unit="percentunit",
            limit=NEAR,
        ),
    )


def _taken(those: str = "") -> str:
    return f"max {_EACH} (1 - {_VOLUME}available_bytes{those} / ({_VOLUME}capacity_bytes{those} > 0))"


def _taken_of_files(those: str = "") -> str:
    """Some file systems have no such limit, and say so by a zero."""
    return f"max {_EACH} (1 - {_VOLUME}inodes_free{those} / ({_VOLUME}inodes{those} > 0))"


def _left_later(those: str = "") -> str:
    return f"min {_EACH} (predict_linear({_VOLUME}available_bytes{those}[1h], 4 * 3600))"
