"""The provider: images are checked, compared and built when the engine asks, indexes joined."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from localcloud.plugins.changes import Diff
from localcloud.plugins.docker_build import build, checks, image, index
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
from localcloud.plugins.quarantine import marked, require_own
from localcloud.plugins.registry import Refusal, Registry, kept_at, of_client, parse
from localcloud.plugins.values import UNKNOWN, Values, has_secret, has_unknown, reveal, seal

_IMAGE: Final = "docker-build:index:Image"
_INDEX: Final = "docker-build:index:Index"
_NO_EXPORTS: Final = (
    "No exports were specified so the build will only remain in the local build cache. "
    "Use `push` to upload the image to a registry, or silence this warning with a `cacheonly` export."
)
_CACHED_PLATFORMS: Final = (
    "Caching doesn't work reliably with multi-platform builds (https://github.com/docker/buildx/discussions/1382). "
    "Instead, perform one cached build per platform and create an Index to join them all together."
)
_READABLE_ARGUMENT: Final = (
    "buildArgs: one of them is a secret, but they stay in the image, and everyone on this machine can read them while "
    "it is built. Use `secrets`."
)


class DockerBuild(Provider):
    """The local stand-in for pulumi-docker-build."""

    name = "docker-build"
    version = "0.0.22"

    def __init__(self) -> None:
        super().__init__()
        self._registries: Sequence[Mapping[str, Any]] = ()

    def check_config(self, request: Check) -> Mapping[str, Any]:
        """Credentials are secret, whether the program says so or not."""
        hidden = {name: seal(value) for name, value in request.new.items() if name == "registries"}
        return {**request.new, **hidden}

    def configure(self, inputs: Values) -> None:
        """Credentials for all images; they come as a list or, from a default provider, as its JSON."""
        if isinstance(host := reveal(inputs.get("host")), str) and host:
            build.require_local("host", host)
        registries = reveal(inputs.get("registries")) or ()
        self._registries = json.loads(registries) if isinstance(registries, str) else registries

    def check(self, request: Check) -> Mapping[str, Any]:
        """Complete the inputs; refuse what can't be built or must not be pushed."""
        if _is_index(request.resource):
            inputs = index.complete(request.new)
            index.refuse(reveal(inputs))
        else:
            inputs = image.complete(request.new)
            checks.refuse(inputs)
        return inputs

    def diff(self, request: Comparison) -> Diff:
        """Everything is changed by building again. The digest stays what it was when nothing is."""
        self._require_own(request.old_outputs, request.resource)
        changes = index.changes if _is_index(request.resource) else image.changes
        return Diff(changes(reveal(request.old_outputs), reveal(request.new)))

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        """Build and push; in a preview build without pushing, if that is wanted and all is known."""
        if _is_index(request.resource):
            return request.resource.name, self._joined(request.inputs, preview=request.preview)
        outputs = self._built(request.resource, request.inputs, preview=request.preview, timeout=request.timeout)
        digest = outputs["digest"]
        return digest if isinstance(digest, str) and digest else request.resource.name, outputs

    def update(self, request: Update) -> Mapping[str, Any]:
        """Build anew under the same id, as the official provider does."""
        self._require_own(request.old_outputs, request.resource)
        if _is_index(request.resource):
            return self._joined(request.new, preview=request.preview)
        return self._built(request.resource, request.new, preview=request.preview, timeout=request.timeout)

    def read(self, request: Read) -> Found | None:
        """Look up in the registry what was pushed: gone if no tag has the digest any more."""
        self._require_own(request.outputs, request.resource)
        if not request.outputs:
            raise Failed("images can't be imported: what they were built from can't be told")
        state = reveal(request.outputs)
        if _is_index(request.resource):
            if state.get("push") is False:
                return Found(request.id, request.inputs, request.outputs)
            ref = index.look_up(state, self._registry(index.host(state), [state.get("registry")]))
            return Found(request.id, request.inputs, {**request.outputs, "ref": ref}) if ref else None
        if image.is_pushed(state) and state.get("tags") and state.get("digest"):
            kept = [tag for tag in state["tags"] if self._is_there(tag, state)]
            return Found(request.id, request.inputs, {**request.outputs, "tags": kept}) if kept else None
        return Found(request.id, request.inputs, request.outputs)

    def delete(self, request: Delete) -> None:
        """Nothing: other stacks may run the same digest, and the registry's storage is a cache."""
        self._require_own(request.outputs, request.resource)

    def _require_own(self, outputs: Mapping[str, Any], resource: Resource) -> None:
        require_own(self.name, outputs, resource.urn)

    def _joined(self, inputs: Values, *, preview: bool) -> Values:
        known = reveal(inputs)
        outputs = marked({**inputs, "ref": known["tag"]})
        if preview or known["push"] is False:
            return outputs
        return {**outputs, "ref": index.push(known, self._registry(index.host(known), [known.get("registry")]))}

    def _built(self, resource: Resource, inputs: Values, *, preview: bool, timeout: float) -> Values:
        known = reveal(inputs)
        outputs = marked({**inputs, "contextHash": image.context_hash(known), "digest": UNKNOWN, "ref": UNKNOWN})
        if preview and not known.get("buildOnPreview", True):
            return outputs
        if preview and has_unknown(known):
            self.say("Skipping preview build because some inputs are unknown.", resource, warning=True)
            return outputs
        if not known.get("push") and not known.get("exports"):
            self.say(_NO_EXPORTS, resource, warning=True)
        if len(known.get("platforms") or ()) > 1 and known.get("cacheTo"):
            self.say(_CACHED_PLATFORMS, resource, warning=True)
        if has_secret(inputs.get("buildArgs")):
            self.say(_READABLE_ARGUMENT, resource, warning=True)
        digest = build.build(
            image.to_build(known, preview=preview),
            tell=lambda step: self.say(step, resource, passing=True),
            cancelled=self.cancelled,
            timeout=timeout,
            credentials=image.credentials(known, self._registries),
        )
        return {**outputs, "digest": digest, "ref": image.reference(known.get("tags") or (), digest)}

    def _is_there(self, tag: str, state: Values) -> bool:
        reference = parse(tag)
        if reference is None or not reference.host:
            return True  # no pushed one
        reference = kept_at(reference)
        try:
            self._registry(reference.host, state.get("registries") or ()).digest(reference.repository, state["digest"])
        except Refusal as refusal:
            if refusal.status == 404:
                return False
            raise Failed(f"the registry {reference.host} answers {refusal} to a look-up of {tag}") from None
        return True

    def _registry(self, host: str, of_resource: Sequence[Mapping[str, Any] | None]) -> Registry:
        own = {"registries": [registry for registry in of_resource if registry]}
        given = image.credentials(own, self._registries).get(host, {})
        return Registry(host, given.get("auth") or of_client(host))


def _is_index(resource: Resource) -> bool:
    if resource.type not in (_IMAGE, _INDEX):
        raise Failed(f"{resource.type} is not among the local docker-build plugin's resources: {_IMAGE}, {_INDEX}")
    return resource.type == _INDEX
