"""Manifests instead of objects: with `renderYamlToDirectory` each resource is a file, to be applied by other means.

Definitions of kinds are kept apart, for they must be applied first. Secrets are written as they are: the directory is
for the eyes of this user alone, and the engine shows a warning.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from localcloud.plugins.kubernetes.objects import CRD, ObjectKind, id_of, name_of, namespace_of, normalised, to_api
from localcloud.plugins.kubernetes.state import manager_of, outputs_of, parse
from localcloud.plugins.provider import Create, Delete, Found, Provider, Read, Resource, Update
from localcloud.plugins.values import Values, has_secret

_DEFINITIONS: Final = "0-crd"
_MANIFESTS: Final = "1-manifest"


class Rendering:
    """What becomes of resources in a directory."""

    def __init__(self, provider: Provider, directory: str) -> None:
        self._provider = provider
        self._directory = Path(directory)

    def remember(self, kind: ObjectKind, live: Mapping[str, Any]) -> None:
        """Nothing to remember: files are overwritten."""

    def unready(self, kind: ObjectKind, live: Values) -> bool:  # noqa: ARG002
        """A file is always ready."""
        return False

    def create(self, request: Create, kind: ObjectKind) -> tuple[str, Values]:
        """Write the manifest."""
        plain = normalised(request.inputs, kind)
        manager = manager_of(plain, None, request.resource.urn)
        if not request.preview:
            self._write(request.resource, kind, plain, request.inputs)
        return id_of(plain), outputs_of(plain, request.inputs, manager, kind.api_version)

    def read(self, request: Read, kind: ObjectKind) -> Found | None:  # noqa: ARG002
        """The state is all there is."""
        return Found(request.id, request.inputs, request.outputs)

    def update(self, request: Update, kind: ObjectKind) -> Values:
        """Write the manifest anew."""
        plain = normalised(request.new, kind)
        known = parse(request.old_outputs)
        if not request.preview:
            self._write(request.resource, kind, plain, request.new)
        return outputs_of(plain, request.new, known.manager, known.initial_api_version)

    def delete(self, request: Delete, kind: ObjectKind) -> None:
        """Remove the manifest."""
        self._path(kind, parse(request.outputs).live).unlink(missing_ok=True)

    def _write(self, resource: Resource, kind: ObjectKind, plain: Values, inputs: Mapping[str, Any]) -> None:
        path = self._path(kind, plain)
        if has_secret(inputs):
            self._provider.say(f"{path} holds a secret in clear", resource, warning=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(to_api(plain, kind), sort_keys=False))
        self._provider.say(f"rendered {path}", resource, passing=True)

    def _path(self, kind: ObjectKind, plain: Mapping[str, Any]) -> Path:
        version = kind.api_version.replace("/", "_")
        name = (
            f"{version}-{kind.kind.lower()}-{namespace_of(plain) or 'default'}-{name_of(plain).replace(':', '_')}.yaml"
        )
        return self._directory / (_DEFINITIONS if kind.kind == CRD else _MANIFESTS) / name
