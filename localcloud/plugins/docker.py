"""The `docker` provider, as far as promotion needs it: what a registry has under a name.

It stands in for pulumi-docker 5.2.0 for the functions `getRegistryImage` and `getRegistryImageManifests`, on registries
of this machine, and `getRemoteImage`, on its Docker engine. It makes nothing: images are built by docker-build, and
containers belong in Kubernetes.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from localcloud.plugins.provider import Check, Failed, Provider
from localcloud.plugins.quarantine import is_local
from localcloud.plugins.registry import (
    INDEXES,
    Reference,
    Refusal,
    Registry,
    authorisation_in,
    client_file,
    encoded,
    kept_at,
    of_client,
    parse,
)
from localcloud.plugins.server import serve
from localcloud.plugins.values import Values, has_unknown, reveal, seal

_ANSWER_TIME: Final = 30  # seconds; the engine is on this machine


class Docker(Provider):
    """The provider."""

    name = "docker"
    version = "5.2.0"

    def __init__(self) -> None:
        super().__init__()
        self._settings: Values = {}
        self._auths: dict[str, Values] = {}
        self._functions: Mapping[str, Callable[[Values], Values]] = {
            "docker:index/getRegistryImage:getRegistryImage": self._registry_image,
            "docker:index/getRegistryImageManifests:getRegistryImageManifests": self._registry_manifests,
            "docker:index/getRemoteImage:getRemoteImage": self._remote_image,
        }

    def check_config(self, request: Check) -> Mapping[str, Any]:
        """Credentials are secret, whether the program says so or not."""
        hidden = {name: seal(value) for name, value in request.new.items() if name == "registryAuth"}
        return {**request.new, **hidden}

    def configure(self, inputs: Values) -> None:
        """Credentials by registry. What has parts comes as JSON."""
        self._settings = reveal(inputs)
        auths = self._settings.get("registryAuth") or []
        for entry in json.loads(auths) if isinstance(auths, str) else auths:
            if not has_unknown(entry):
                self._auths[_host(entry["address"])] = entry

    def check(self, request: Check) -> Mapping[str, Any]:
        """No resources: they would be refused when the update is half done."""
        raise Failed(
            f"{request.resource.type} is not among the local docker plugin's resources: it only looks images up"
        )

    def invoke(self, token: str, arguments: Values, preview: bool) -> Mapping[str, Any]:
        """Look an image up."""
        if token not in self._functions:
            return super().invoke(token, arguments, preview)
        return {**arguments, **self._functions[token](reveal(arguments))}

    def _registry_image(self, arguments: Values) -> Values:
        reference = _reference(arguments["name"])
        try:
            digest = self._registry(reference, arguments).digest(reference.repository, reference.wanted)
        except Refusal as refusal:
            raise _not_found(reference, refusal) from None
        return {"id": digest, "sha256Digest": digest}

    def _registry_manifests(self, arguments: Values) -> Values:
        reference = _reference(arguments["name"])
        try:
            found = self._registry(reference, arguments).manifest(reference.repository, reference.wanted)
        except Refusal as refusal:
            raise _not_found(reference, refusal) from None
        if found.media_type not in INDEXES:
            raise Failed(f"{arguments['name']} is one image, no index of several: it has no list of manifests")
        manifests = [
            {
                "mediaType": entry["mediaType"],
                "sha256Digest": entry["digest"],
                "architecture": entry.get("platform", {}).get("architecture", ""),
                "os": entry.get("platform", {}).get("os", ""),
            }
            for entry in found.fields["manifests"]
        ]
        return {"id": f"{reference.repository}:{reference.wanted}", "manifests": manifests}

    def _registry(self, reference: Reference, arguments: Values) -> Registry:
        """The image's registry, with the credentials given for it. Without a scheme http, as it is local."""
        given = arguments.get("authConfig") or self._auths.get(_named_host(arguments["name"])) or {}
        scheme = str(given.get("address", "")).partition("://")[0]
        return Registry(
            reference.host,
            _authorisation(given, reference.host) if given else "",
            scheme=scheme if scheme in ("http", "https") else "http",
        )

    def _remote_image(self, arguments: Values) -> Values:
        """An image that the Docker engine has; nothing is pulled."""
        host = str(self._settings.get("host") or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
        if not host.startswith("unix://"):
            raise Failed(f"{host} is no Docker engine of this machine, and the local docker plugin asks no other")
        program = shutil.which("docker")
        if program is None:
            raise Failed("there is no docker on PATH to ask for its images")
        done = subprocess.run(
            [program, "--host", host, "image", "inspect", arguments["name"]],
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIME,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"did not find docker image {arguments['name']}: {done.stderr.strip()}")
        found = json.loads(done.stdout)[0]
        return {"id": found["Id"], "repoDigest": next(iter(found.get("RepoDigests") or ()), "")}


def _authorisation(given: Values, host: str) -> str:
    """A named file before a given text before user and password before the Docker client's own file, as documented."""
    if given.get("authDisabled"):
        return ""
    if file := given.get("configFile"):
        return of_client(host, Path(file).expanduser())
    if content := given.get("configFileContent"):
        return authorisation_in(content, host)
    username = given.get("username") or os.environ.get("DOCKER_REGISTRY_USER")
    if username:
        return encoded(username, given.get("password") or os.environ.get("DOCKER_REGISTRY_PASS") or "")
    return of_client(host, client_file())


def _reference(name: str) -> Reference:
    reference = parse(name)
    if reference is None:
        raise Failed(f"{name}: invalid reference format")
    reference = kept_at(reference)
    host = reference.host or "registry-1.docker.io"
    if not is_local(host):
        raise Failed(
            f"{name} is in the registry {host}, and the local docker plugin asks no registry but this machine's: "
            "use the official plugin, or name an image of the local registry"
        )
    return reference


def _named_host(name: str) -> str:
    """The registry that the program names, for which it gives credentials."""
    reference = parse(name)
    return reference.host if reference else ""


def _not_found(reference: Reference, refusal: Refusal) -> Failed:
    wanted = f"{reference.repository}:{reference.wanted}"
    hint = {401: "; registryAuth of the provider names its user", 404: "; push it first, by a build or a promotion"}
    return Failed(
        f"Got error when attempting to fetch image version {wanted} from registry: Got bad response from registry: "
        f"{refusal}{hint.get(refusal.status, '')}"
    )


def _host(address: str) -> str:
    return address.removeprefix("https://").removeprefix("http://").partition("/")[0]


if __name__ == "__main__":
    serve(Docker())
