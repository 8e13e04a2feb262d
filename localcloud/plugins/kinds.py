"""Resources that exist in the state alone, such as keys and random values, described by what goes in and comes out.

They are made once, from their inputs, and never change afterwards. An input either replaces the resource when it
changes or, for the few that only steer what the provider does, is taken over in place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from localcloud.plugins.changes import Change, Diff, Kind, compare, path_of
from localcloud.plugins.provider import (
    Check,
    Comparison,
    Create,
    Delete,
    Failed,
    Found,
    Provider,
    Read,
    Refused,
    Update,
)
from localcloud.plugins.quarantine import marked, require_own
from localcloud.plugins.values import UNKNOWN, Unknown, Values, reveal, seal

Made = tuple[str, Values]  # the id and what is computed
Recalled = tuple[str, Values, Values]  # the id, the inputs and what is computed


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input.

    default: what the resource has where the program says nothing.
    replaces: a change makes a new resource.
    secret: encrypted in the state whether the program says so or not.
    written_only: used when the resource is made, in no output, and compared with nothing.
    check: says what is wrong with a known value, None if nothing is.
    """

    required: bool = False
    default: Any = None
    replaces: bool = True
    secret: bool = False
    written_only: bool = False
    check: Callable[[Any], str | None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class ResourceKind:
    """One kind of resource.

    make: its id and what it computes from complete inputs, all of them revealed.
    computed: names of what it computes; True where that is a secret.
    check: what is wrong with inputs as a whole, when all of them are known: property and reason.
    recall: the inputs and what is computed, from the id that `pulumi import` is given; None where that can't be.
    refresh: what has changed by itself since the resource was made, from its revealed outputs.
    stale: which output has changed by itself so that the resource must be made anew, None if none has.
    """

    inputs: Mapping[str, Input]
    computed: Mapping[str, bool]
    make: Callable[[Values], Made]
    check: Callable[[Values], list[tuple[str, str]]] = lambda _: []
    recall: Callable[[str], Recalled] | None = None
    refresh: Callable[[Values], Values] = lambda _: {}
    stale: Callable[[Values], str | None] = lambda _: None
    mirrors: Mapping[str, str] = field(default_factory=dict)

    def complete(self, inputs: Mapping[str, Any]) -> Values:
        """The inputs with defaults for what isn't given. An empty list or map is the same as none."""
        complete: Values = {}
        for name, description in self.inputs.items():
            value = inputs.get(name)
            value = None if value in ([], {}) else value
            if value is None and name in self.mirrors:
                value = inputs.get(self.mirrors[name])
            if value is None:
                value = description.default
            if value is not None:
                complete[name] = value
        return complete

    def outputs(self, inputs: Mapping[str, Any], computed: Mapping[str, Any]) -> Values:
        """What is kept in the state, secrets sealed, with the mark of who wrote it."""
        kept = {name: value for name, value in self.complete(inputs).items() if not self.inputs[name].written_only}
        for name, value in kept.items():
            kept[name] = seal(value) if self.inputs[name].secret else value
        for name, value in computed.items():
            kept[name] = seal(value) if self.computed.get(name) else value
        return marked(kept)


class KindProvider(Provider):
    """A provider whose resources are all of such kinds. `kinds` is keyed by type token."""

    kinds: ClassVar[Mapping[str, ResourceKind]]

    def check(self, request: Check) -> Mapping[str, Any]:
        """Refuse what is missing or wrong; nothing is added, defaults show in the outputs."""
        kind = self._kind(request.resource.type)
        inputs = {name: value for name, value in request.new.items() if value is not None}
        failures = []
        for name, description in kind.inputs.items():
            value = reveal(inputs.get(name))
            if value is None and description.required:
                failures.append((name, f"Missing required property '{name}'"))
            elif value is not None and not isinstance(value, Unknown) and (wrong := description.check(value)):
                failures.append((name, wrong))
        complete = reveal(kind.complete(inputs))
        if not failures and not any(isinstance(value, Unknown) for value in complete.values()):
            failures = kind.check(complete)
        if failures:
            raise Refused(failures)
        return inputs

    def diff(self, request: Comparison) -> Diff:
        """Compare what the resource has with what it shall have, defaults included on both sides."""
        require_own(self.name, request.old_outputs, request.resource.urn)
        kind = self._kind(request.resource.type)
        old, new = reveal(request.old_outputs), reveal(kind.complete(request.new))
        names = [name for name, given in kind.inputs.items() if not given.written_only]
        changes = compare(
            kind.complete({name: old.get(name) for name in names}),
            {name: new.get(name) for name in names},
            replaces=lambda path: kind.inputs[path.partition(".")[0].partition("[")[0]].replaces,
        )
        if not any(change.replace for change in changes.values()) and (path := kind.stale({**old, **new})):
            changes[path_of(path)] = Change(Kind.UPDATE, replace=True, of_inputs=False)
        return Diff(changes)

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        """Make it; in a preview all that is computed is unknown."""
        kind = self._kind(request.resource.type)
        if request.preview:
            return "", kind.outputs(request.inputs, dict.fromkeys(kind.computed, UNKNOWN))
        made, computed = kind.make(reveal(kind.complete(request.inputs)))
        return made, kind.outputs(request.inputs, computed)

    def read(self, request: Read) -> Found | None:
        """On refresh the state with what has changed by itself; on import what the id tells."""
        require_own(self.name, request.outputs, request.resource.urn)
        kind = self._kind(request.resource.type)
        if request.outputs:
            changed = kind.refresh(reveal(request.outputs))
            return Found(request.id, request.inputs, {**request.outputs, **changed})
        if kind.recall is None:
            raise Failed(f"{request.resource.type} can't be imported")
        made, inputs, computed = kind.recall(request.id)
        return Found(made, inputs, kind.outputs(inputs, computed))

    def update(self, request: Update) -> Mapping[str, Any]:
        """Take over the inputs that replace nothing."""
        require_own(self.name, request.old_outputs, request.resource.urn)
        kind = self._kind(request.resource.type)
        computed = {name: value for name, value in request.old_outputs.items() if name not in kind.inputs}
        return kind.outputs(request.new, computed)

    def delete(self, request: Delete) -> None:
        """It is in the state alone."""
        require_own(self.name, request.outputs, request.resource.urn)

    def _kind(self, token: str) -> ResourceKind:
        if token not in self.kinds:
            raise Failed(f"{token} is not among the local {self.name} plugin's resources: {', '.join(self.kinds)}")
        return self.kinds[token]
