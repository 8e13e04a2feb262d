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
    logs: LogQL of what is said about it, where that is not the whole page's; `label(…)` is a label of what is clicked.
    exemplars: single requests are shown as points, each with its trace; the first question's histogram has them.
    """

    title: str
    questions: Mapping[str, str]
    unit: str = "short"
    kind: Kind = "graph"
    limit: float | None = None
    least: bool = False
    logs: str | None = None
    exemplars: bool = False


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page.

    rows: title -> what stands under it; together they fill the width.
    logs: LogQL of what is said by what it is about; None where nobody says anything.
    choices: what is chosen at its top, some or all -> which values there are, as Grafana asks Prometheus for them.
    """

    name: str
    title: str
    rows: Mapping[str, Sequence[Panel]]
    logs: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict)


def said_by(area: str, service: str) -> str:
    """LogQL of what pods of a workload say. area: of its namespace."""
    return f'{{k8s_namespace_name=~".+-{area}",service_name="{service}"}}'


def said_by_pod(lines: str, name: str) -> str:
    """The lines of one pod among them. name: the label of what is clicked that has the pod's name."""
    return f'{lines} | k8s_pod_name="{label(name)}"'


def label(name: str) -> str:
    """A label of what is clicked, as Grafana puts it in."""
    return f"${{__field.labels.{name}}}"
