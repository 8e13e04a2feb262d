"""What it means for an object to be ready."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud.plugins.kubernetes.objects import field_of, name_of, namespace_of
from localcloud.plugins.values import Values

TIMEOUT: Final = 600.0  # seconds, the official provider's for almost everything


@dataclass(frozen=True)
class Source:
    """Objects to look at: all of a kind in a namespace, narrowed by name or labels."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""
    labels: str = ""


@dataclass(frozen=True)
class View:
    """An object and those around it, as they are now.

    related: by kind. quiet: seconds since anything related changed; infinite where only one look is taken.
    changed: the object as the change left it that is waited for; empty where none was made.
    """

    live: Mapping[str, Any]
    related: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    quiet: float = float("inf")
    changed: Mapping[str, Any] = field(default_factory=dict)

    def all(self, kind: str) -> Sequence[Values]:
        """The related objects of a kind."""
        return self.related.get(kind, ())

    def owned(self, kind: str, owner: Mapping[str, Any] | None = None) -> list[Values]:
        """The related objects of a kind that `owner` controls; the object itself if none is given."""
        uid = field_of(owner or self.live, "metadata", "uid")
        return [item for item in self.all(kind) if uid in _controllers(item)]


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready; if not, what it waits for. Hopeless: waiting longer won't help."""

    ready: bool
    message: str = ""
    hopeless: bool = False


READY: Final = Verdict(ready=True)


def waiting(message: str) -> Verdict:
    """Not ready yet."""
    return Verdict(ready=False, message=message)


def hopeless(message: str) -> Verdict:
    """Not ready, and never will be without a change."""
    return Verdict(ready=False, message=message, hopeless=True)


def _nothing(_: Mapping[str, Any]) -> Sequence[Source]:
    return ()


def _no_pods(_: View) -> Sequence[Values]:
    return ()


@dataclass(frozen=True)
class Readiness:
    """How one kind's objects become ready.

    assess: the verdict on a view. related: what else to look at. pods: those whose trouble explains a failure.
    timeout: seconds to wait where the program says nothing.
    """

    assess: Callable[[View], Verdict]
    related: Callable[[Mapping[str, Any]], Sequence[Source]] = _nothing
    pods: Callable[[View], Sequence[Values]] = _no_pods
    timeout: float = TIMEOUT


def number(item: Any, *path: str) -> int:
    """The number at a path; 0 where there is none, as the API server leaves zeros out."""
    value = field_of(item, *path)
    return int(value) if isinstance(value, int | float) else 0


def condition(live: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A status condition; empty where there is none of this type."""
    for found in field_of(live, "status", "conditions") or ():
        if found.get("type") == kind:
            return dict(found)
    return {}


def seen(live: Mapping[str, Any]) -> bool:
    """Whether the controller has seen the latest change of the object."""
    return number(live, "status", "observedGeneration") >= number(live, "metadata", "generation")


def selected_pods(live: Mapping[str, Any]) -> Source:
    """The pods that a workload's selector chooses."""
    return Source("v1", "Pod", namespace_of(live), labels=selector_text(field_of(live, "spec", "selector") or {}))


def selector_text(selector: Mapping[str, Any]) -> str:
    """A label selector as a query."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        key, values = rule["key"], ",".join(rule.get("values") or ())
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[rule["operator"]]
        )
    return ",".join(parts)


def title(live: Mapping[str, Any]) -> str:
    """How an object is spoken of: `Deployment vision-week-app/app`."""
    namespace = namespace_of(live)
    return f"{live.get('kind')} {namespace + '/' if namespace else ''}{name_of(live)}"


def _controllers(item: Mapping[str, Any]) -> list[Any]:
    return [
        owner.get("uid") for owner in field_of(item, "metadata", "ownerReferences") or () if owner.get("controller")
    ]
