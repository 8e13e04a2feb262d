"""What a rule is, and what it sees of a resource.

A rule is a pure function: it gets a resource, or all of a stack, and what the stack's settings say of it, and gives a
sentence for each thing that is wrong. It never sees the value of a secret: `SECRET` stands in its place. What a preview
doesn't know yet is `UNKNOWN`, and is no fault: the update knows it and asks again.

Some mend what they find, by a second pure function that says what to add. It can't change what somebody wrote, only say
what nobody said (`mending`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

Severity = Literal["low", "medium", "high", "critical"]
# A path in a resource's properties, and what is written there where there is nothing.
Addition = tuple[Sequence[str | int], Any]


class Opaque(Enum):
    """What stands for a value that a rule can't see."""

    UNKNOWN = "(not known yet)"
    SECRET = "(secret)"  # noqa: S105  it is none


UNKNOWN: Final = Opaque.UNKNOWN
SECRET: Final = Opaque.SECRET


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource as the engine is about to make it, or has it in its state."""

    urn: str
    type: str
    name: str
    props: Mapping[str, Any]
    protect: bool = False

    @property
    def kind(self) -> str:
        """`Deployment` of `kubernetes:apps/v1:Deployment`."""
        return self.type.rpartition(":")[2]

    @property
    def is_kubernetes(self) -> bool:
        """Whether it is an object of the cluster."""
        return self.type.startswith("kubernetes:")

    @property
    def namespace(self) -> Any:
        """The namespace of an object that has one."""
        return at(self.props, "metadata", "namespace")


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a stack's settings say about itself, as far as rules ask.

    relied_on: people use it, or a release is rehearsed on it: it must stand the loss of a pod.
    registries: prefixes that images may come from. unpinned: repositories that may run without a digest.
    protect: what holds data must be protected.
    """

    relied_on: bool
    registries: Collection[str]
    unpinned: Collection[str]
    protect: bool


@dataclass(frozen=True, kw_only=True)
class Framework:
    """Where a rule comes from: the item of a published guide."""

    name: str
    item: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a rule found. urn: of the resource; none where the whole stack is meant."""

    message: str
    urn: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    name: what exemptions and reports call it. says: what must be so. mend: what to do where it isn't.
    resource: looks at one resource. stack: looks at all of them together; a rule has one of the two.
    adds: what to add to a resource that says nothing; none where only a person can know.
    """

    name: str
    says: str
    severity: Severity
    framework: Framework
    mend: str
    resource: Callable[[Resource, Demands], Iterable[str]] | None = None
    stack: Callable[[Sequence[Resource], Demands], Iterable[Finding]] | None = field(default=None)
    adds: Callable[[Resource], Iterable[Addition]] | None = None


def at(value: Any, *path: str | int) -> Any:
    """The value at a path; None where there is nothing; UNKNOWN or SECRET where that can't be seen."""
    for step in path:
        if isinstance(value, Opaque):
            return value
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def is_other(value: Any, *expected: Any) -> bool:
    """Whether a value is seen, and is none of these."""
    return not isinstance(value, Opaque) and value not in expected


def is_of_nodes(namespace: Any) -> bool:
    """Whether it is the namespace of what reads files of its node: no other may (DECISIONS: namespaces)."""
    return isinstance(namespace, str) and namespace.endswith("-node")


def listed(value: Any) -> list[Any]:
    """A list as it is; nothing where there is none, or none that can be seen."""
    return list(value) if isinstance(value, list) else []


def mapped(value: Any) -> Mapping[str, Any]:
    """The same of a mapping."""
    return value if isinstance(value, Mapping) else {}


def texts(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a value with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts(inner, f"{path}[{index}]")
    else:
        yield path, value


def chosen(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a selector of Kubernetes' chooses what has these labels. An empty one chooses everything."""
    wanted = mapped(selector.get("matchLabels"))
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _matches(expression, labels) for expression in listed(selector.get("matchExpressions"))
    )


def _matches(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = expression["key"], listed(expression.get("values"))
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
