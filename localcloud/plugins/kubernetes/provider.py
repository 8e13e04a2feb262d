"""The provider: the engine's requests, answered."""

import os
import threading
from collections.abc import Mapping
from typing import Any

from localcloud.plugins.changes import Change, Diff, Kind
from localcloud.plugins.kubernetes.annotations import AUTONAMED, REPLACE_UNREADY, marked
from localcloud.plugins.kubernetes.cluster import Cluster, open_cluster
from localcloud.plugins.kubernetes.comparison import changes
from localcloud.plugins.kubernetes.errors import ApiError, NoSuchKind, Unreachable
from localcloud.plugins.kubernetes.journal import Journal
from localcloud.plugins.kubernetes.lifecycle import Lifecycle
from localcloud.plugins.kubernetes.naming import settle_name
from localcloud.plugins.kubernetes.objects import (
    CRD,
    ObjectKind,
    field_of,
    kind_of,
    name_of,
    namespace_of,
    normalised,
    probably_namespaced,
)
from localcloud.plugins.kubernetes.quarantine import require_own
from localcloud.plugins.kubernetes.rendering import Rendering
from localcloud.plugins.kubernetes.replacement import replacing_fields
from localcloud.plugins.kubernetes.settings import check_settings, diff_settings, settings_of
from localcloud.plugins.kubernetes.state import parse, sealed_inputs
from localcloud.plugins.provider import (
    Check,
    Comparison,
    Create,
    Delete,
    Failed,
    Found,
    Provider,
    Read,
    Resource,
    Update,
)
from localcloud.plugins.values import Unknown, Values, reveal


class KubernetesProvider(Provider):
    """The local stand-in for pulumi-kubernetes."""

    name = "kubernetes"
    version = "4.34.2"
    autonaming = True

    def __init__(self) -> None:
        super().__init__()
        self._settings = settings_of({})
        self._cluster = Cluster("", None, "the provider is not configured")
        self._lifecycle: Lifecycle | Rendering = Lifecycle(self, self._cluster, self._settings)
        self._defined: dict[tuple[str, str], bool] = {}
        self._journal = Journal(os.environ)
        self._asked = threading.local()
        self._lock = threading.Lock()
        self._warned: set[str] = set()

    # The provider itself.

    def check_config(self, request: Check) -> Mapping[str, Any]:
        check_settings(request.new, request.resource.urn)
        return request.new

    def diff_config(self, request: Comparison) -> Diff:
        return diff_settings(request.old_inputs or request.old_outputs, request.new)

    def configure(self, inputs: Values) -> None:
        self._settings = settings_of(inputs)
        self._cluster = open_cluster(self._settings, self.cancelled, self._warn)
        if self._settings.render_to:
            self._lifecycle = Rendering(self, self._settings.render_to)
        else:
            self._lifecycle = Lifecycle(self, self._cluster, self._settings)

    # Its resources.

    def check(self, request: Check) -> Mapping[str, Any]:
        kind = kind_of(request.resource.type, request.new)
        self._speak_of(request.resource)
        if self._cluster.unreachable and self._settings.known and not self._settings.render_to:
            self._warn(f"the Kubernetes cluster can't be reached: {self._cluster.unreachable}")
            if self._settings.skip_update_unreachable and request.old:
                return request.old
        inputs = normalised(request.new, kind)
        old: Values = reveal(request.old)
        if kind.patch and not (name_of(inputs) or isinstance(field_of(inputs, "metadata", "name"), Unknown)):
            raise Failed("a patch must say in metadata.name which object it is for")
        if old:
            self._journal.settled(request.resource.urn, name_of(old))
        settle_name(inputs, old, request, self._journal.interrupted)
        if kind.kind == CRD:
            self._define(inputs)
        metadata = inputs["metadata"]
        if isinstance(metadata, dict) and self._cluster.namespace and self._placeable(kind):
            metadata.setdefault("namespace", self._cluster.namespace)
        return sealed_inputs(inputs, request.new)

    def diff(self, request: Comparison) -> Diff:
        require_own(request.old_outputs, request.resource.urn)
        self._speak_of(request.resource)
        kind = kind_of(request.resource.type, request.new)
        known = parse(request.old_outputs)
        old, new = (
            self._placed(normalised(inputs, kind), kind) for inputs in (request.old_inputs or known.inputs, request.new)
        )
        replacing = replacing_fields(
            kind,
            new,
            config_map_mutable=self._settings.config_map_mutable,
            secret_mutable=self._settings.secret_mutable,
        )
        self._lifecycle.remember(kind, known.live)
        found = changes(old, new, replacing)
        if marked(new, REPLACE_UNREADY) and self._lifecycle.unready(kind, known.live):
            found[f'metadata.annotations["{REPLACE_UNREADY}"]'] = Change(Kind.UPDATE, replace=True)
        same = name_of(new) == name_of(known.live) and namespace_of(new) == namespace_of(self._placed(known.live, kind))
        replaces = any(change.replace for change in found.values())
        # Two objects of one name can't be there at once; one whose name we made gets another.
        return Diff(
            found,
            delete_before_replace=replaces and same and not marked(new, AUTONAMED),
            due=bool(self._settings.render_to) and self._settings.always_render,
        )

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        self._speak_of(request.resource)
        return self._lifecycle.create(request, kind_of(request.resource.type, request.inputs))

    def read(self, request: Read) -> Found | None:
        self._speak_of(request.resource)
        require_own(request.outputs, request.resource.urn)
        return self._lifecycle.read(request, kind_of(request.resource.type, request.inputs or request.outputs))

    def update(self, request: Update) -> Mapping[str, Any]:
        self._speak_of(request.resource)
        require_own(request.old_outputs, request.resource.urn)
        return self._lifecycle.update(request, kind_of(request.resource.type, request.new))

    def delete(self, request: Delete) -> None:
        self._speak_of(request.resource)
        require_own(request.outputs, request.resource.urn)
        self._lifecycle.delete(request, kind_of(request.resource.type, request.outputs))

    # What they share.

    def _placed(self, inputs: Values, kind: ObjectKind) -> Values:
        """The inputs with the namespace that they mean."""
        metadata = inputs.get("metadata")
        if not isinstance(metadata, dict):
            return inputs
        placed = {key: value for key, value in metadata.items() if key != "namespace"}
        if self._namespaced(kind):
            placed["namespace"] = metadata.get("namespace") or "default"
        return {**inputs, "metadata": placed}

    def _namespaced(self, kind: ObjectKind) -> bool:
        known = self._scope(kind)
        return probably_namespaced(kind) if known is None else known

    def _placeable(self, kind: ObjectKind) -> bool:
        """Whether a namespace may be filled in. In a manifest, what isn't known is left to who applies it."""
        known = self._scope(kind)
        if known is None and self._settings.render_to and not kind.built_in:
            self._warn(f"rendered without a namespace: no cluster and no definition says whether a {kind} has one")
            return False
        return self._namespaced(kind)

    def _scope(self, kind: ObjectKind) -> bool | None:
        """Whether objects of this kind have a namespace, as the cluster or the program says; None if neither does."""
        operations = self._cluster.operations
        try:
            if operations:
                return operations.discovery.find(kind.api_version, kind.kind).namespaced
        except (NoSuchKind, ApiError, Unreachable):
            pass  # perhaps the program defines it
        return self._defined.get((kind.api_version, kind.kind))

    def _define(self, inputs: Mapping[str, Any]) -> None:
        """Remember a kind that the program defines: its objects are checked before it is there."""
        group, kind = field_of(inputs, "spec", "group"), field_of(inputs, "spec", "names", "kind")
        for version in field_of(inputs, "spec", "versions") or ():
            name = field_of(version, "name")
            if isinstance(group, str) and isinstance(kind, str) and isinstance(name, str):
                self._defined[f"{group}/{name}", kind] = field_of(inputs, "spec", "scope") != "Cluster"

    def _speak_of(self, resource: Resource) -> None:
        """Warnings that this thread's requests bring are about this resource."""
        self._asked.resource = resource

    def _warn(self, message: str) -> None:
        """Show a warning, once."""
        if self._settings.suppress_deprecation_warnings and "deprecated" in message:
            return
        with self._lock:
            if message in self._warned:
                return
            self._warned.add(message)
        self.say(message, getattr(self._asked, "resource", None), warning=True)
