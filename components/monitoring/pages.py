"""What a dashboard is made of: questions about the numbers, in rows. `dashboards.py` makes Grafana's files of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["graph", "number", "list"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One question.

    questions: legend -> PromQL; `{{label}}` in a legend is that label's value. unit: Grafana's name of it.
    limit: from here on it is bad; or, where `least`, below it.
    """

    title: str
    questions: Mapping[str, str]
    unit: str = "short"
    kind: Kind = "graph"
    limit: float | None = None
    least: bool = False


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page.

    rows: title -> what stands under it; together they fill the width.
    choices: what is chosen at its top, some or all -> which values there are, as Grafana asks Prometheus for them.
    """

    name: str
    title: str
    rows: Mapping[str, Sequence[Panel]]
    choices: Mapping[str, str] = field(default_factory=dict)
