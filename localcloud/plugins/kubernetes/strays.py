"""Objects with made-up names that an interrupted update left behind, and of which the state knows nothing.

A plugin that is killed while the API server makes an object takes its name along: the next update would make another
one beside it, and this one would stay for ever. Its field manager follows from the resource's URN, so it is recognised
and carried on with. What holds data is not: one may have kept it on purpose.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

from localcloud.plugins.kubernetes.annotations import AUTONAMED, marked
from localcloud.plugins.kubernetes.errors import ApiError, NoSuchKind, Unreachable
from localcloud.plugins.kubernetes.managed_fields import owned_by
from localcloud.plugins.kubernetes.objects import ObjectKind, name_of
from localcloud.plugins.kubernetes.operations import Operations
from localcloud.plugins.values import Values

_KEPT: Final = frozenset({"PersistentVolume", "PersistentVolumeClaim"})
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Strays:
    """What was there when this plugin first looked, one list for each kind and namespace."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._lock = threading.Lock()
        self._found: dict[tuple[ObjectKind, str], list[Values]] = {}

    def name(self, kind: ObjectKind, namespace: str, manager: str, mine: Callable[[str], bool]) -> str:
        """The name of an object that this manager made and that is `mine` to take; empty where there is none."""
        if kind.kind in _KEPT or kind.patch:
            return ""
        found = (name_of(item) for item in self._look(kind, namespace) if owned_by(item, manager))
        return next((name for name in found if mine(name)), "")

    def _look(self, kind: ObjectKind, namespace: str) -> list[Values]:
        with self._lock:
            if (kind, namespace) not in self._found:
                self._found[kind, namespace] = self._list(kind, namespace)
            return self._found[kind, namespace]

    def _list(self, kind: ObjectKind, namespace: str) -> list[Values]:
        try:
            endpoint = self._operations.discovery.find(kind.api_version, kind.kind)
            if endpoint.namespaced and not namespace:
                return []  # not known yet
            listing: dict[str, Any] = self._operations.client.request(
                "GET", endpoint.path(namespace), accept=_METADATA, patience=0
            )
        except (ApiError, NoSuchKind, Unreachable):
            return []
        return [
            item
            for item in listing.get("items") or ()
            if marked(item, AUTONAMED) and not item["metadata"].get("deletionTimestamp")
        ]
