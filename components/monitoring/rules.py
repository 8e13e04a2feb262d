"""What Prometheus concludes from the numbers: recorded series, and alerts. `subjects` has all that there are.

Each alert is about something that a person has to do. Its page in `docs/runbooks/` says what it means, what to look at
and what to do; `tests/unit/test_monitoring_alerts.py` has numbers that raise it and numbers that don't, for promtool.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from components.settings.monitoring import Severity, Team

# Share of a limit from which on somebody should know: there is still time to do something.
NEAR = 0.9


@dataclass(frozen=True, kw_only=True)
class Record:
    """A series that is computed once, for many to read. name: `vision_week:…`."""

    name: str
    expr: str
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A condition that somebody has to be told of.

    minutes: how long it must hold. team: who can do something about it.
    window: over which it is, where there are several of one name.
    summary: what is wrong, in a line. description: what that means, with the numbers.
    """

    name: str
    expr: str
    minutes: int
    severity: Severity
    team: Team
    summary: str
    description: str
    window: str | None = None

    @property
    def runbook(self) -> str:
        """The page on it, in this repository."""
        return f"docs/runbooks/{self.name}.md"


def render(records: Iterable[Record], alerts: Iterable[Alert]) -> str:
    """The rules as Prometheus reads them."""
    groups = {"recorded": [_recorded(each) for each in records], "alerts": [_told(each) for each in alerts]}
    return yaml.safe_dump(
        {"groups": [{"name": name, "rules": rules} for name, rules in groups.items()]}, sort_keys=False, width=1000
    )


def _recorded(record: Record) -> dict[str, Any]:
    return {"record": record.name, "expr": record.expr, **({"labels": dict(record.labels)} if record.labels else {})}


def _told(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": f"{alert.minutes}m",
        "labels": {
            "severity": alert.severity,
            "team": alert.team,
            **({"window": alert.window} if alert.window else {}),
        },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": alert.runbook,
        },
    }
