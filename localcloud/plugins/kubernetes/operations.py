"""Making, changing and removing objects.

Both by server-side apply under the resource's own field manager, which fails where another manager owns a field that we
would set; a CustomResourceDefinition is replaced whole. A dry run takes the same way and changes nothing.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from localcloud.plugins.kubernetes.annotations import FORCE, marked, propagation
from localcloud.plugins.kubernetes.client import APPLY, JSON_PATCH, Client
from localcloud.plugins.kubernetes.discovery import Discovery, Endpoint
from localcloud.plugins.kubernetes.errors import ApiError, NoSuchKind
from localcloud.plugins.kubernetes.managed_fields import owned_by, owners, ownership_patch
from localcloud.plugins.kubernetes.objects import CRD, ObjectKind, name_of, namespace_of, to_api
from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values

# How long to wait for a namespace or a definition that something else is making at the same time.
_PATIENCE: Final = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_RACES: Final = 5  # how often another's write may come between our reading and writing

# The steps of a property path: `["a.b/c"]`, `[3]` or `[*]`, `name`.
_STEPS: Final = re.compile(r"""\["([^"]*)"\]|\[(\d+|\*)\]|([^.\[\]]+)""")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Target:
    """An object to be made or changed.

    kind: of the object. plain: what the program wants, nothing secret or unknown about it.
    manager: the field manager. force: take fields over from other managers. former: the manager it had before.
    """

    kind: ObjectKind
    plain: Values
    manager: str
    force: bool
    former: str = ""

    @property
    def name(self) -> str:
        return name_of(self.plain)

    @property
    def namespace(self) -> str:
        return namespace_of(self.plain)


class Operations:
    """What can be done to objects of one cluster."""

    def __init__(self, client: Client, discovery: Discovery, *, cancelled: threading.Event) -> None:
        self.client = client
        self.discovery = discovery
        self._cancelled = cancelled

    def serves(self, kind: ObjectKind) -> bool:
        """Whether the API server knows this kind now."""
        try:
            self.discovery.find(kind.api_version, kind.kind)
        except NoSuchKind:
            return False
        return True

    def read(self, kind: ObjectKind, namespace: str, name: str) -> Values:
        """The live object."""
        return self._ask("GET", self._endpoint(kind).path(namespace, name))

    def find(self, target: Target) -> Values | None:
        """The live object, if it is there."""
        try:
            return self.read(target.kind, target.namespace, target.name)
        except NoSuchKind:
            return None
        except ApiError as error:
            if error.not_found:
                return None
            raise

    def create(self, target: Target, *, dry_run: bool = False) -> Values:
        """Make the object. Whoever asks has made sure that it isn't there: one that is would be changed."""
        content = to_api(target.plain, target.kind)
        return self._once_possible(lambda: self._apply(target, content, dry_run=dry_run), dry_run=dry_run)

    def left_behind(self, target: Target, live: Values) -> bool:
        """Whether an interrupted update of this very resource made the object."""
        return owned_by(live, target.manager)

    def can_try(self, target: Target, live: Values) -> bool:
        """Whether a dry run of an update would be true: it can't set right first who owns the fields."""
        replaced_whole = target.kind.kind == CRD
        return replaced_whole or target.kind.patch or not ownership_patch(live, target.manager, target.former)

    def update(self, target: Target, live: Values, ignored: Sequence[str] = (), *, dry_run: bool = False) -> Values:
        """Change the live object to what the program wants; `ignored` are property paths to leave alone."""
        if target.kind.kind == CRD and not target.kind.patch:
            return self._replace(target, live, dry_run=dry_run)
        body = to_api(_without_ignored(target, live, ignored), target.kind)
        if not dry_run and not target.kind.patch:
            self._own(target, live)
        return self._apply(target, body, dry_run=dry_run)

    def relinquish(self, target: Target) -> None:
        """Give up every field that the target's manager owns: those that nobody else owns go."""
        empty = {"apiVersion": target.kind.api_version, "kind": target.kind.kind}
        metadata = {"name": target.name} | ({"namespace": target.namespace} if target.namespace else {})
        endpoint = self._endpoint(target.kind)
        self._ask(
            "PATCH",
            endpoint.path(target.namespace, target.name),
            {**empty, "metadata": metadata},
            query={"fieldManager": target.manager, "force": "true"},
            content_type=APPLY,
        )

    def delete(self, kind: ObjectKind, inputs: Mapping[str, Any], namespace: str, name: str) -> None:
        """Ask for the object's deletion; it may take its time. Raises `ApiError` where there is none."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation(inputs)}
        self._ask("DELETE", self._endpoint(kind).path(namespace, name), body)

    def _endpoint(self, kind: ObjectKind) -> Endpoint:
        return self.discovery.find(kind.api_version, kind.kind)

    def _apply(self, target: Target, content: Values, *, dry_run: bool) -> Values:
        query = {
            "fieldManager": target.manager,
            "force": str(target.force).lower(),
            "fieldValidation": "Warn",
        }
        endpoint = self._endpoint(target.kind)
        if not endpoint.namespaced:  # its definition may not have been there when the namespace was filled in
            content = _changed(content, ["metadata", "namespace"], None)
        path = endpoint.path(target.namespace, target.name)
        try:
            return self._ask("PATCH", path, content, query=query | _dry(dry_run), content_type=APPLY)
        except ApiError as error:
            if not error.conflict:
                raise
            raise Failed(_conflict(target, error)) from None

    def _replace(self, target: Target, live: Values, *, dry_run: bool) -> Values:
        """Definitions are replaced whole: applied, a version that the program removes would stay."""
        path = self._endpoint(target.kind).path("", target.name)
        query = {"fieldManager": target.manager, "fieldValidation": "Warn"} | _dry(dry_run)
        for _ in range(_RACES):
            body = to_api(target.plain, target.kind)
            body["metadata"] = {**body["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
            try:
                return self._ask("PUT", path, body, query=query)
            except ApiError as error:
                if not error.conflict:
                    raise
                live = self.read(target.kind, "", target.name)
        raise Failed(f"{target.kind} {target.name} changes faster than it can be updated")

    def _own(self, target: Target, live: Values) -> None:
        path = self._endpoint(target.kind).path(target.namespace, target.name)
        for _ in range(_RACES):
            patch = ownership_patch(live, target.manager, target.former)
            if not patch:
                return
            try:
                self._ask("PATCH", path, patch, content_type=JSON_PATCH)
                return
            except ApiError as error:
                if not error.conflict:
                    raise
                live = self.read(target.kind, target.namespace, target.name)

    def _once_possible(self, attempt: Callable[[], Result], *, dry_run: bool) -> Result:
        """Try again while the namespace or the kind isn't there: both may be made at the same time as this."""
        deadline = time.monotonic() + (0 if dry_run else _PATIENCE)
        pause = _FIRST_PAUSE
        while True:
            try:
                return attempt()
            except NoSuchKind:
                if time.monotonic() + pause > deadline or self._cancelled.wait(pause):
                    raise
            except ApiError as error:
                if not error.not_found or time.monotonic() + pause > deadline or self._cancelled.wait(pause):
                    raise
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _ask(self, method: str, path: str, body: Any = None, **options: Any) -> Values:
        answer: Values = self.client.request(method, path, body, **options)
        return answer


def forced(plain: Mapping[str, Any], enabled: bool) -> bool:
    """Whether to take fields over from other managers: as the object's annotation says, or the provider's setting."""
    return marked(plain, FORCE) or enabled


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _without_ignored(target: Target, live: Mapping[str, Any], ignored: Sequence[str]) -> Values:
    """Leave ignored fields to who owns them: another manager's are not sent, our own are sent as they are."""
    plain = target.plain
    for path in ignored:
        keys = _keys(path)
        if keys is None:  # items of lists stay as the engine sends them
            continue
        managers = owners(live, keys)
        if managers and target.manager not in managers:
            plain = _changed(plain, keys, None)
        elif (value := _value(live, keys)) is not None:
            plain = _changed(plain, keys, value)
    return plain


def _keys(path: str) -> list[str] | None:
    """The keys of a property path; None where it goes through a list."""
    found = [(quoted or plain, index) for quoted, index, plain in _STEPS.findall(path)]
    return None if any(index for _, index in found) else [key for key, _ in found]


def _value(item: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(item, Mapping):
            return None
        item = item.get(key)
    return item


def _changed(item: Mapping[str, Any], keys: Sequence[str], value: Any) -> Values:
    """A copy with another value at a path of keys, or with none."""
    first, *rest = keys
    if rest:
        inner = item.get(first)
        if not isinstance(inner, Mapping):
            return dict(item)
        return {**item, first: _changed(inner, rest, value)}
    if value is None:
        return {key: inner for key, inner in item.items() if key != first}
    return {**item, first: value}


def _conflict(target: Target, error: ApiError) -> str:
    return (
        f"server-side apply conflict: the field manager {target.manager!r} doesn't own all that it would set.\n"
        f"{error.message}\n"
        f"Remove these fields from the program, or take them over with the annotation {FORCE}: "
        '"true", or by importing the object.'
    )
