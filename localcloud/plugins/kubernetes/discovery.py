"""Which kinds the API server serves, and where.

Asked once: two requests tell of every kind in every version. Asked again only when a kind is looked for that isn't
there, as one may be that was defined meanwhile.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.plugins.kubernetes.client import PATIENCE, Client
from localcloud.plugins.kubernetes.errors import NoSuchKind

_ACCEPT = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)
_FRESH = 0.5  # seconds during which asking again would tell nothing new


@dataclass(frozen=True)
class Endpoint:
    """Where the objects of one kind are."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """The path of an object, or of all of a namespace; of all of the cluster where `namespace` is empty."""
        parts = ["/apis" if "/" in self.api_version else "/api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


class Discovery:
    """The kinds of one API server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._endpoints: Mapping[tuple[str, str], Endpoint] = {}
        self._asked = -_FRESH

    def load(self, patience: float = PATIENCE) -> None:
        """Ask which kinds there are."""
        with self._lock:
            self._ask(patience)

    def find(self, api_version: str, kind: str) -> Endpoint:
        """Where objects of this kind are; raises `NoSuchKind`."""
        key = (api_version, kind)
        if found := self._endpoints.get(key):
            return found
        with self._lock:
            if key not in self._endpoints and time.monotonic() - self._asked > _FRESH:
                self._ask(PATIENCE)
            if found := self._endpoints.get(key):
                return found
        raise NoSuchKind(api_version, kind)

    def _ask(self, patience: float) -> None:
        answers = [self._client.request("GET", path, accept=_ACCEPT, patience=patience) for path in ("/api", "/apis")]
        self._endpoints = {
            (endpoint.api_version, endpoint.kind): endpoint for answer in answers for endpoint in _endpoints(answer)
        }
        self._asked = time.monotonic()


def _endpoints(answer: Mapping[str, Any]) -> Iterator[Endpoint]:
    for group in answer.get("items") or []:
        name = group["metadata"].get("name", "")
        for version in group.get("versions") or []:
            api_version = f"{name}/{version['version']}" if name else version["version"]
            for resource in version.get("resources") or []:
                kind = (resource.get("responseKind") or {}).get("kind")
                if kind:
                    yield Endpoint(api_version, kind, resource["resource"], resource["scope"] == "Namespaced")
