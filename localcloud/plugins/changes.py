"""What differs between two sets of properties, path by path, as a preview shows it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from localcloud.plugins.values import reveal

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class Kind(Enum):
    """How one property changed."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Change:
    """One property's change.

    replace: the resource can't take it in place.
    of_inputs: it lies between old and new inputs; False where it lies between the old state and the new inputs.
    """

    kind: Kind
    replace: bool = False
    of_inputs: bool = True


@dataclass(frozen=True)
class Diff:
    """Every change of a resource by property path; none means that nothing is to be done.

    delete_before_replace: the old one must go before the new one can be made.
    stables: properties that an update never alters, so that who depends on them need not wait.
    due: an update is wanted even where no property changes.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    delete_before_replace: bool = False
    stables: tuple[str, ...] = ()
    due: bool = False

    @property
    def replaces(self) -> bool:
        """Whether the resource is made anew."""
        return any(change.replace for change in self.changes.values())


def path_of(*keys: str | int) -> str:
    """A property path as Pulumi writes it: `spec.ports[0].name`, `metadata.labels["app.kubernetes.io/name"]`."""
    path = ""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        elif _NAME.fullmatch(key):
            path += f".{key}" if path else key
        else:
            escaped = key.replace('"', '\\"')
            path += f'["{escaped}"]'
    return path


def compare(
    old: Mapping[str, Any], new: Mapping[str, Any], replaces: Callable[[str], bool] = lambda _: False
) -> dict[str, Change]:
    """The changes from `old` to `new`.

    A property that isn't there and one that is null are the same. A value that is not known yet counts as changed.
    Secrets are compared by what they hold. `replaces` is asked for each changed path.
    """
    return {
        path_of(*keys): Change(kind, replace=replaces(path_of(*keys)))
        for keys, kind in _differences((), reveal(old), reveal(new))
    }


def _differences(keys: tuple[str | int, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str | int, ...], Kind]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences((*keys, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _differences(
                (*keys, index),
                old[index] if index < len(old) else None,
                new[index] if index < len(new) else None,
            )
    elif old is None and new is not None:
        yield keys, Kind.ADD
    elif old is not None and new is None:
        yield keys, Kind.DELETE
    elif old != new or type(old) is not type(new):
        yield keys, Kind.UPDATE
