"""The provider: images are checked, compared and built when the engine asks."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from localcloud.plugins.changes import Diff
from localcloud.plugins.docker_build import buildctl, image
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
from localcloud.plugins.values import UNKNOWN, Values, has_unknown, reveal

_IMAGE: Final = "docker-build:index:Image"
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_ANSWER_TIME: Final = 10  # seconds; the registry is on this machine


class DockerBuild(Provider):
    """The local stand-in for pulumi-docker-build."""

    name = "docker-build"
    version = "0.0.22"

    def __init__(self) -> None:
        super().__init__()
        self._registries: Sequence[Mapping[str, Any]] = ()

    def configure(self, inputs: Values) -> None:
        """Credentials for all images; they come as a list or, from a default provider, as its JSON."""
        registries = reveal(inputs.get("registries")) or ()
        self._registries = json.loads(registries) if isinstance(registries, str) else registries

    def check(self, request: Check) -> Mapping[str, Any]:
        """Complete the inputs; refuse what can't be built or must not be pushed."""
        _require_image(request.resource)
        inputs = image.complete(request.new)
        image.refuse(inputs)
        return inputs

    def diff(self, request: Comparison) -> Diff:
        """Everything is changed by building again. The digest stays what it was when nothing is."""
        return Diff(image.changes(reveal(request.old_outputs), reveal(request.new)))

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        """Build and push; in a preview build without pushing, if that is wanted and all is known."""
        outputs = self._built(request.resource, request.inputs, preview=request.preview, timeout=request.timeout)
        digest = outputs["digest"]
        return digest if isinstance(digest, str) and digest else request.resource.name, outputs

    def update(self, request: Update) -> Mapping[str, Any]:
        """Build anew under the same id, as the official provider does."""
        return self._built(request.resource, request.new, preview=request.preview, timeout=request.timeout)

    def read(self, request: Read) -> Found | None:
        """Look a pushed image up in the registry: gone if no tag has the digest any more."""
        if not request.outputs:
            raise Failed("images can't be imported: what they were built from can't be told")
        state = reveal(request.outputs)
        if image.is_pushed(state) and state.get("tags") and state.get("digest"):
            kept = [tag for tag in state["tags"] if self._is_there(tag, state["digest"])]
            if not kept:
                return None
            return Found(request.id, request.inputs, {**request.outputs, "tags": kept})
        return Found(request.id, request.inputs, request.outputs)

    def delete(self, request: Delete) -> None:
        """Nothing: what was pushed may be running, and the registry's storage is a cache."""

    def _built(self, resource: Resource, inputs: Values, *, preview: bool, timeout: float) -> Values:
        known = reveal(inputs)
        outputs = {**inputs, "contextHash": image.context_hash(known), "digest": UNKNOWN, "ref": UNKNOWN}
        if preview and not known.get("buildOnPreview", True):
            return outputs
        if preview and has_unknown(known):
            self.say("Skipping preview build because some inputs are unknown.", resource, warning=True)
            return outputs
        if not known.get("push") and not known.get("exports"):
            self.say(
                "No exports were specified so the build will only remain in the local build cache. "
                "Use `push` to upload the image to a registry, or silence this warning with a `cacheonly` export.",
                resource,
                warning=True,
            )
        digest = buildctl.build(
            image.to_build(known, preview=preview),
            tell=lambda step: self.say(step, resource, passing=True),
            cancelled=self.cancelled,
            timeout=timeout,
            credentials=image.credentials(known, self._registries),
        )
        return {**outputs, "digest": digest, "ref": image.reference(known.get("tags") or (), digest)}

    def _is_there(self, tag: str, digest: str) -> bool:
        host, _, path = tag.partition("/")
        repository = path.rpartition(":")[0] or path
        request = urllib.request.Request(  # Check has made sure that it is this machine's
            f"http://{host}/v2/{repository}/manifests/{digest}", method="HEAD", headers={"Accept": _MANIFESTS}
        )
        if authorisation := _authorisation(host):
            request.add_header("Authorization", f"Basic {authorisation}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_ANSWER_TIME):
                return True
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise Failed(f"the registry {host} answers {error.code} to a look-up of {tag}") from None
        except OSError as error:
            raise Failed(f"the registry {host} doesn't answer: {error}. `make up` starts it") from None


def _require_image(resource: Resource) -> None:
    if resource.type != _IMAGE:
        raise Failed(f"{resource.type} is not among the local docker-build plugin's resources: {_IMAGE}")


def _authorisation(host: str) -> str:
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    try:
        return str(json.loads(file.read_text())["auths"][host]["auth"])
    except (OSError, ValueError, KeyError):
        return ""
