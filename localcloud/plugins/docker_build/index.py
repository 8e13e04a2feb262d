"""An index: one name for several images, a platform each, joined in the registry without a build."""

import json
from collections.abc import Mapping
from typing import Any

from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.docker_build.image import with_hidden_password
from localcloud.plugins.provider import Failed, Refused
from localcloud.plugins.quarantine import is_local
from localcloud.plugins.registry import (
    DOCKER_INDEX,
    INDEXES,
    OCI_INDEX,
    Manifest,
    Reference,
    Refusal,
    Registry,
    kept_at,
    parse,
    with_digest,
)
from localcloud.plugins.values import Unknown, Values


def complete(inputs: Mapping[str, Any]) -> Values:
    """The inputs with the default that the official provider writes into them."""
    completed = {"push": True, **{name: value for name, value in inputs.items() if value is not None}}
    if "registry" in completed:
        completed["registry"] = with_hidden_password(completed["registry"])
    return completed


def refuse(inputs: Values) -> None:
    """Raise `Refused` with all that is wrong; what isn't known yet can't be wrong."""
    failures = [
        (name, f"Missing required property '{name}'") for name in ("tag", "sources") if inputs.get(name) is None
    ]
    named = [("tag", inputs.get("tag"))]
    sources = inputs.get("sources")
    if isinstance(sources, list):
        named += [(f"sources[{number}]", source) for number, source in enumerate(sources)]
    for place, name in named:
        if not isinstance(name, str) or not name:
            continue
        reference = parse(name)
        if reference is None:
            failures.append((place, f"{name}: invalid reference format"))
        elif not is_local(kept_at(reference).host):
            failures.append((place, f"{name} is not in this machine's registry, and the local plugin asks no other"))
    if failures:
        raise Refused(failures)


def changes(old: Values, new: Values) -> dict[str, Change]:
    """What has changed; another tag or another registry is another index. Passwords may change with every run."""
    found = {}
    if old.get("tag") != new.get("tag"):
        found["tag"] = Change(Kind.UPDATE, replace=True)
    if old.get("sources") != new.get("sources"):
        found["sources"] = Change(Kind.UPDATE)
    if (old.get("push") is not False) != (new.get("push") is not False):
        found["push"] = Change(Kind.UPDATE)
    before, after = old.get("registry"), new.get("registry")
    if isinstance(before, dict) and isinstance(after, dict):
        if before.get("address") != after.get("address"):
            found["registry.address"] = Change(Kind.UPDATE, replace=bool(before.get("address")))
        if before.get("username") != after.get("username"):
            found["registry.username"] = Change(Kind.UPDATE)
    elif (before is None) != (after is None) or isinstance(after, Unknown):
        found["registry"] = Change(Kind.UPDATE)
    return found


def push(inputs: Values, registry: Registry) -> str:
    """Join the sources in the registry and give the tag with the digest."""
    target = _reference(inputs["tag"])
    try:
        found = [(source, _found(registry, source)) for source in map(_reference, inputs["sources"])]
        for source, manifest in found:
            if source.repository != target.repository:
                _copy(registry, source.repository, target.repository, manifest)
        content, media_type = _joined(registry, found)
        digest = registry.write(target.repository, target.tag or "latest", content, media_type)
    except Refusal as refusal:
        raise Failed(f"creating: the registry {registry.host} answers {refusal}") from None
    return with_digest(inputs["tag"], digest) or str(inputs["tag"])


def look_up(inputs: Values, registry: Registry) -> str | None:
    """The tag with the digest that it leads to now, None if it is gone."""
    target = _reference(inputs["tag"])
    try:
        digest = registry.digest(target.repository, target.tag or "latest")
    except Refusal as refusal:
        if refusal.status == 404:
            return None
        raise Failed(f"reading: the registry {registry.host} answers {refusal}") from None
    return with_digest(inputs["tag"], digest)


def host(inputs: Values) -> str:
    """The registry that the index is in."""
    return _reference(inputs["tag"]).host


def _reference(name: str) -> Reference:
    reference = parse(name)
    if reference is None:
        raise Failed(f"{name}: invalid reference format")
    return kept_at(reference)


def _found(registry: Registry, source: Reference) -> Manifest:
    if source.host != registry.host:
        raise Failed(f"creating: {source.host} is not the index's registry {registry.host}; all sources must be in it")
    try:
        return registry.manifest(source.repository, source.wanted)
    except Refusal as refusal:
        name = f"{source.host}/{source.repository}:{source.wanted}"
        raise Failed(f"creating: the registry answers {refusal} to a look-up of {name}") from None


def _joined(registry: Registry, found: list[tuple[Reference, Manifest]]) -> tuple[bytes, str]:
    """The index of all; a single one is taken as it is, as `docker buildx imagetools create` does."""
    if len(found) == 1 and found[0][1].media_type in INDEXES:
        return found[0][1].content, found[0][1].media_type
    entries: dict[str, dict[str, Any]] = {}
    for source, manifest in found:
        if manifest.media_type in INDEXES:
            entries |= {entry["digest"]: entry for entry in manifest.fields["manifests"]}
        else:
            entries[manifest.digest] = {
                **manifest.descriptor,
                "platform": _platform(registry, source.repository, manifest),
            }
    types = [entry["mediaType"] for entry in entries.values()]
    media_type = OCI_INDEX if any(".oci." in kind for kind in types) else DOCKER_INDEX
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries.values())}
    return json.dumps(index, indent=2).encode(), media_type


def _platform(registry: Registry, repository: str, manifest: Manifest) -> dict[str, str]:
    configuration = json.loads(registry.blob(repository, manifest.fields["config"]["digest"]))
    return {name: configuration[name] for name in ("architecture", "os", "variant") if configuration.get(name)}


def _copy(registry: Registry, source: str, target: str, manifest: Manifest) -> None:
    """Have a manifest and all that it needs in another repository of the same registry."""
    if manifest.media_type in INDEXES:
        for entry in manifest.fields["manifests"]:
            _copy(registry, source, target, registry.manifest(source, entry["digest"]))
        return
    fields = manifest.fields
    for blob in (fields["config"], *fields["layers"]):
        registry.mount(target, blob["digest"], source)
    registry.write(target, manifest.digest, manifest.content, manifest.media_type)
