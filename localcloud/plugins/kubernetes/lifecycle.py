"""A resource's life on a cluster: made, read, changed, removed, each until it is so."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud.plugins.kubernetes.annotations import AUTONAMED, marked, seconds, waits_for_deletion
from localcloud.plugins.kubernetes.awaiting.readiness import TIMEOUT, Readiness
from localcloud.plugins.kubernetes.awaiting.registry import readiness_of
from localcloud.plugins.kubernetes.awaiting.wait import NotReady, Waiter
from localcloud.plugins.kubernetes.cluster import Cluster
from localcloud.plugins.kubernetes.comparison import drifted, inputs_of
from localcloud.plugins.kubernetes.errors import ApiError, NoSuchKind, Unreachable
from localcloud.plugins.kubernetes.journal import Journal
from localcloud.plugins.kubernetes.objects import (
    ObjectKind,
    field_of,
    from_api,
    id_of,
    name_of,
    normalised,
    split_id,
)
from localcloud.plugins.kubernetes.operations import Operations, Target, forced
from localcloud.plugins.kubernetes.settings import Settings
from localcloud.plugins.kubernetes.state import (
    changed_preview,
    manager_of,
    outputs_of,
    parse,
    sealed_inputs,
    secrets_in,
    unsettled,
)
from localcloud.plugins.provider import Create, Delete, Failed, Found, Incomplete, Provider, Read, Resource, Update
from localcloud.plugins.values import Values, has_unknown, reveal

_GONE = (
    "Where the cluster itself is gone, set deleteUnreachable on the provider, or PULUMI_K8S_DELETE_UNREACHABLE=true."
)

_SHORTEST_SECRET = 4  # shorter ones occur in any text


class _Unanswered(Exception):
    """The API server was told to make an object and broke off before it said whether it has."""


class Lifecycle:
    """What becomes of resources on one cluster."""

    def __init__(self, provider: Provider, cluster: Cluster, settings: Settings) -> None:
        self._provider = provider
        self._cluster = cluster
        self._settings = settings
        self._lock = threading.Lock()
        self._known: set[tuple[ObjectKind, str]] = set()
        self._taken: set[tuple[ObjectKind, str]] = set()
        self._journal = Journal(os.environ)

    def remember(self, kind: ObjectKind, live: Mapping[str, Any]) -> None:
        """The state has this object, so nothing that is made later may take it for its own."""
        with self._lock:
            self._known.add((kind, id_of(live)))

    def unready(self, kind: ObjectKind, live: Values) -> bool:
        """Whether a Job that the program would rather have replaced is not ready; False where that can't be told."""
        operations = self._cluster.operations
        readiness = readiness_of(kind, {})
        if kind.kind != "Job" or not operations or not readiness:
            return False
        try:
            now = operations.read(kind, *split_id(id_of(live)))
            Waiter(operations.client, operations.discovery, self._provider.cancelled).ready_now(now, readiness)
        except NotReady:
            return True
        except (ApiError, NoSuchKind, Unreachable):
            return False
        return False

    # Create.

    def create(self, request: Create, kind: ObjectKind) -> tuple[str, Values]:
        """Make the object and wait until it is ready; in a preview, ask what would become of it."""
        plain = normalised(request.inputs, kind)
        manager = manager_of(plain, None, request.resource.urn)
        readiness = None if kind.patch else readiness_of(kind, plain)
        if request.preview:
            live = self._would_become(request, kind, plain, manager)
            return "", outputs_of(unsettled(live, plain), request.inputs, manager, kind.api_version)
        keep = functools.partial(outputs_of, inputs=request.inputs, manager=manager, initial=kind.api_version)
        target = Target(kind, plain, manager, forced(plain, self._settings.patch_force))
        with _plain_errors(request.inputs, f"{kind} {id_of(plain)} was not made"):
            made_up = marked(plain, AUTONAMED)
            note = self._journal.noted(request.resource.urn, target.name) if made_up else contextlib.nullcontext()
            try:
                with note:
                    live = self._make(self._operations(), target, request)
            except _Unanswered as error:
                reason = f"{kind} {id_of(plain)} may have been made or not: {error}. The next update finds out."
                raise Incomplete(id_of(plain), keep(plain), request.inputs, [reason]) from None
            self.remember(kind, live)
        live = self._until_ready(request, readiness, live, request.inputs, keep)
        return id_of(live), keep(live)

    def _make(self, operations: Operations, target: Target, request: Create) -> Values:
        there = operations.find(target)
        if there is not None and field_of(there, "metadata", "deletionTimestamp"):
            self._await_deletion(operations, there, request, request.inputs)
            there = None
        if there is None:
            try:
                return operations.create(target)
            except Unreachable as error:
                raise _Unanswered(str(error)) from None
        if self._ours(operations, target, there):
            return operations.update(target, there)
        raise Failed(
            f"{target.kind} {id_of(target.plain)} already exists. Import it (`pulumi import`, or the option import_), "
            "give this one another name, or set upsertExistingObjects on the provider to take it over."
        )

    def _ours(self, operations: Operations, target: Target, there: Values) -> bool:
        """Whether an object that is there already may be taken for the one to be made."""
        with self._lock:
            known = (target.kind, id_of(target.plain)) in self._known
        left = not known and operations.left_behind(target, there)
        if left and not target.kind.patch:
            with self._lock:
                self._taken.add((target.kind, id_of(target.plain)))
        return left or self._settings.upsert or target.kind.patch

    def _would_become(self, request: Create, kind: ObjectKind, plain: Values, manager: str) -> Values:
        """The object as a dry run makes it; as the program wants it where no dry run can be made."""
        operations = self._cluster.operations
        if operations is None or kind.patch or has_unknown(plain) or not operations.serves(kind):
            return plain
        target = Target(kind, plain, manager, force=True)
        try:
            return plain if operations.find(target) else operations.create(target, dry_run=True)
        except ApiError as error:
            if _undecided(error):
                return plain
            raise Failed(_clean(f"{kind} {id_of(plain)} would be refused: {error.message}", request.inputs)) from None
        except (Unreachable, NoSuchKind):
            return plain

    # Read.

    def read(self, request: Read, kind: ObjectKind) -> Found | None:
        """Look the object up; by its id alone on import."""
        operations = self._cluster.operations
        if operations is None:
            return self._unreadable(request)
        namespace, name = split_id(request.id)
        known = parse(request.outputs)
        try:
            live = operations.read(kind, namespace or ("default" if self._namespaced(operations, kind) else ""), name)
        except NoSuchKind:
            return None
        except Unreachable as error:
            raise Failed(f"{kind} {request.id} can't be read: {error}") from None
        except ApiError as error:
            if error.not_found:
                return None
            raise Failed(f"{kind} {request.id} can't be read: {error.message}") from None
        imported = not request.inputs
        if imported:
            found = inputs_of(from_api(live), kind)
        else:
            found = drifted(reveal(request.inputs), known.live, from_api(live))
        inputs = sealed_inputs(found, request.inputs)
        manager = manager_of(found, known, request.resource.urn)
        outputs = outputs_of(live, inputs, manager, known.initial_api_version or kind.api_version)
        self.remember(kind, live)
        readiness = None if imported else readiness_of(kind, found)
        if readiness:
            try:
                Waiter(operations.client, operations.discovery, self._provider.cancelled).ready_now(live, readiness)
            except NotReady as error:
                reasons = [_clean(reason, request.inputs) for reason in error.reasons]
                raise Incomplete(request.id, outputs, inputs, reasons) from None
        return Found(request.id, inputs, outputs)

    def _unreadable(self, request: Read) -> Found | None:
        self._say_unreachable(request.resource)
        if self._settings.delete_unreachable:
            return None
        if self._settings.skip_update_unreachable:
            return Found(request.id, request.inputs, request.outputs)
        raise Failed(f"{request.id} can't be read: {self._cluster.unreachable}. {_GONE}")

    # Update.

    def update(self, request: Update, kind: ObjectKind) -> Values:
        """Change the object and wait until it is ready again; in a preview, ask what would become of it."""
        plain = normalised(request.new, kind)
        readiness = None if kind.patch else readiness_of(kind, plain)
        known = parse(request.old_outputs)
        manager = manager_of(plain, known, request.resource.urn)
        target = Target(kind, plain, manager, forced(plain, self._settings.patch_force), former=known.manager)
        initial = known.initial_api_version or kind.api_version
        keep = functools.partial(outputs_of, inputs=request.new, manager=manager, initial=initial)
        operations = self._cluster.operations
        if request.preview and (operations is None or has_unknown(plain) or not operations.serves(kind)):
            return keep(changed_preview(known.live, plain))
        with _plain_errors(request.new, f"{kind} {id_of(plain)} was not changed"):
            operations = self._operations()
            live = self._read_to_change(operations, target, known.live)
            if request.preview and (live is None or not operations.can_try(target, live)):
                return keep(changed_preview(known.live, plain))
            try:
                live = (
                    operations.create(target)
                    if live is None
                    else operations.update(target, live, request.ignore_changes, dry_run=request.preview)
                )
            except ApiError as error:
                if request.preview and _undecided(error):
                    return keep(changed_preview(known.live, plain))
                raise
        if not request.preview:
            live = self._until_ready(request, readiness, live, request.new, keep)
        return keep(live)

    def _read_to_change(self, operations: Operations, target: Target, before: Values) -> Values | None:
        """The live object; None where it was never seen and isn't there: its creation was not answered."""
        try:
            return operations.read(target.kind, target.namespace, name_of(before) or target.name)
        except ApiError as error:
            if not error.not_found:
                raise
            if not field_of(before, "metadata", "uid"):
                return None
            hint = "someone removed it: `pulumi refresh` takes note of that, and the next update makes it anew"
            raise Failed(f"{error.message}; {hint}") from None

    # Delete.

    def delete(self, request: Delete, kind: ObjectKind) -> None:
        """Remove the object and wait until it is gone. A patch gives up its fields."""
        if self._cluster.operations is None and self._settings.delete_unreachable:
            self._say_unreachable(request.resource)
            return
        with self._lock:
            taken = (kind, request.id) in self._taken
        if taken:  # the state had it after all, as the predecessor in a replacement that was asked for by --replace
            message = f"{request.id} keeps its object: one of a given name can't be replaced by one beside it"
            self._provider.say(message, request.resource, warning=True)
            return
        known = parse(request.outputs)
        inputs = reveal(request.inputs) or known.inputs
        namespace, name = split_id(request.id)
        with _plain_errors(request.inputs, f"{kind} {request.id} was not removed"):
            operations = self._operations(_GONE)
            try:
                if kind.patch:
                    patched: Values = {"metadata": {"name": name, "namespace": namespace}}
                    operations.relinquish(Target(kind, patched, known.manager, force=True))
                    return
                operations.delete(kind, inputs, namespace, name)
            except NoSuchKind:  # its definition is gone, and every object of it
                return
            except ApiError as error:
                if not error.not_found:
                    raise
                return
        if waits_for_deletion(kind.kind, inputs):
            live = {**known.live, "apiVersion": kind.api_version, "kind": kind.kind}
            self._await_deletion(operations, live, request, inputs)
        with self._lock:
            self._known.discard((kind, request.id))

    # What they share.

    def _await_deletion(
        self, operations: Operations, live: Values, request: Create | Delete, inputs: Mapping[str, Any]
    ) -> None:
        timeout = seconds(inputs, request.timeout, TIMEOUT)
        try:
            self._waiter(operations, request.resource, request.inputs).until_gone(live, timeout)
        except NotReady as error:
            raise Failed(str(error)) from None

    def _until_ready(
        self,
        request: Create | Update,
        readiness: Readiness | None,
        live: Values,
        inputs: Values,
        keep: Callable[[Values], Values],
    ) -> Values:
        if readiness is None:
            return live
        timeout = seconds(reveal(inputs), request.timeout, readiness.timeout)
        try:
            return self._waiter(self._operations(), request.resource, inputs).until_ready(live, readiness, timeout)
        except NotReady as error:
            reasons = [_clean(reason, inputs) for reason in error.reasons]
            raise Incomplete(id_of(error.live), keep(error.live), inputs, reasons) from None

    def _waiter(self, operations: Operations, resource: Resource, inputs: Values) -> Waiter:
        last = ""

        def say(message: str) -> None:
            nonlocal last
            if message != last:
                last = message
                self._provider.say(_clean(message, inputs), resource, passing=True)

        return Waiter(operations.client, operations.discovery, self._provider.cancelled, say)

    def _operations(self, hint: str = "") -> Operations:
        if self._cluster.operations is None:
            raise Failed(f"the Kubernetes cluster can't be reached: {self._cluster.unreachable}. {hint}".strip())
        return self._cluster.operations

    def _say_unreachable(self, resource: Resource) -> None:
        message = f"the Kubernetes cluster can't be reached: {self._cluster.unreachable}"
        self._provider.say(message, resource, warning=True)

    def _namespaced(self, operations: Operations, kind: ObjectKind) -> bool:
        return operations.discovery.find(kind.api_version, kind.kind).namespaced


@contextlib.contextmanager
def _plain_errors(inputs: Mapping[str, Any], what: str) -> Iterator[None]:
    """Turn what the API server or the way to it has against us into a sentence, without secrets in it."""
    try:
        yield
    except ApiError as error:
        raise Failed(_clean(f"{what}: {error.message}", inputs)) from None
    except (Unreachable, NoSuchKind) as error:
        raise Failed(f"{what}: {error}") from None


def _undecided(error: ApiError) -> bool:
    """Whether a dry run says nothing about the update: what is needed may be made before it."""
    webhook = "webhook" in error.message or "does not support dry run" in error.message
    return error.not_found or error.forbidden or webhook


def _clean(text: str, inputs: Mapping[str, Any]) -> str:
    """A message without the inputs' secrets: the API server quotes what it doesn't like."""
    for secret in sorted(set(secrets_in(inputs)), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return text
