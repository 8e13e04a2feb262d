"""Image registries of this machine, as far as plugins look images up in them and join them.

While a program is rehearsed, LOCALCLOUD_ARTIFACT_REGISTRY says where on this machine the simulated Google Cloud keeps
its images: `localhost:5005/mirror`, and `REGION-docker.pkg.dev/…` is below it, where the nodes look for it too.
"""

import base64
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import Any, Final

from localcloud.plugins.provider import Failed
from localcloud.plugins.quarantine import is_local

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES: Final = (OCI_INDEX, DOCKER_INDEX)
_MANIFESTS: Final = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
_ANSWER_TIME: Final = 10  # seconds; the registry is on this machine
_ARTIFACT_REGISTRY: Final = "LOCALCLOUD_ARTIFACT_REGISTRY"
# https://cloud.google.com/artifact-registry/docs/docker/names
_OF_GOOGLE: Final = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev")
# docker.io's own form and every other registry's: https://pkg.go.dev/github.com/distribution/reference
_REFERENCE: Final = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z0-9+.-]+:[0-9a-fA-F]{32,}))?"
)


class Refusal(Exception):
    """The registry's answer was not the wanted one. `status` is its HTTP status, `reason` the words to it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status


@dataclass(frozen=True)
class Reference:
    """An image's name in parts. `host` is empty where the name has none, `tag` and `digest` likewise."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest before the tag, `latest` without either."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        tag, digest = self.tag and f":{self.tag}", self.digest and f"@{self.digest}"
        return f"{self.host}/{self.repository}{tag}{digest}"


def parse(name: str) -> Reference | None:
    """The parts of an image's name, None if it is no such name."""
    first, slash, _ = name.partition("/")
    hosted = bool(slash) and (":" in first or "." in first or first == "localhost")
    match = _REFERENCE.fullmatch(name if hosted else f"localhost/{name}")
    if match is None:
        return None
    return Reference(first if hosted else "", match["repository"], match["tag"] or "", match["digest"] or "")


def kept_at(reference: Reference) -> Reference:
    """Where an image is: under its own name, or where the simulated Artifact Registry keeps it."""
    place = os.environ.get(_ARTIFACT_REGISTRY)
    if not place or not _OF_GOOGLE.fullmatch(reference.host):
        return reference
    host, _, folder = place.partition("/")
    return replace(reference, host=host, repository=f"{folder}/{reference.host}/{reference.repository}")


def kept_name(name: str) -> str:
    """The same of a name, which stays as it is if it is no image's."""
    reference = parse(name)
    return str(kept_at(reference)) if reference and kept_at(reference) != reference else name


def with_digest(name: str, digest: str) -> str | None:
    """The name of an image with its tag and digest; None where it names no registry."""
    reference = parse(name)
    if reference is None or not reference.host:
        return None
    return f"{reference.host}/{reference.repository}:{reference.tag or 'latest'}@{digest}"


@dataclass(frozen=True)
class Manifest:
    """A manifest or index as the registry has it."""

    content: bytes
    media_type: str
    digest: str

    @property
    def fields(self) -> dict[str, Any]:
        """What it says."""
        return dict(json.loads(self.content))

    @property
    def descriptor(self) -> dict[str, Any]:
        """How an index names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


class Registry:
    """One registry. `authorisation` is `user:password` in base64, empty for none; `scheme` http or https."""

    def __init__(self, host: str, authorisation: str = "", *, scheme: str = "http") -> None:
        if not is_local(host):
            raise Failed(
                f"{host} is no registry of this machine, and a local stand-in asks no other: "
                "use the official plugin, or an image of the local registry"
            )
        self.host = host
        self._base = f"{scheme}://{host}/v2"
        self._authorisation = authorisation
        # Never by a proxy, whatever the environment says of proxies.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())

    def digest(self, repository: str, wanted: str) -> str:
        """The digest of a tag, or of a digest that is there."""
        headers, _ = self._ask("HEAD", f"{repository}/manifests/{wanted}", {"Accept": ", ".join(_MANIFESTS)})
        return str(headers["Docker-Content-Digest"])

    def manifest(self, repository: str, wanted: str) -> Manifest:
        """A manifest or index."""
        headers, content = self._ask("GET", f"{repository}/manifests/{wanted}", {"Accept": ", ".join(_MANIFESTS)})
        return Manifest(content, headers.get_content_type(), str(headers["Docker-Content-Digest"]))

    def blob(self, repository: str, digest: str) -> bytes:
        """A small blob: an image's configuration."""
        return self._ask("GET", f"{repository}/blobs/{digest}")[1]

    def mount(self, repository: str, digest: str, source: str) -> None:
        """Have a blob of another repository in this one."""
        query = urllib.parse.urlencode({"mount": digest, "from": source})
        headers, _ = self._ask("POST", f"{repository}/blobs/uploads/?{query}")
        if "Docker-Content-Digest" not in headers:
            raise Refusal(202, f"{digest} can't be taken from {source}")

    def write(self, repository: str, wanted: str, content: bytes, media_type: str) -> str:
        """Store a manifest under a tag or its digest, and give its digest."""
        headers, _ = self._ask("PUT", f"{repository}/manifests/{wanted}", {"Content-Type": media_type}, content)
        return str(headers["Docker-Content-Digest"])

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> tuple[Message, bytes]:
        request = urllib.request.Request(  # noqa: S310  http or https, as the constructor has it
            f"{self._base}/{path}", data=content, method=method, headers=dict(headers or {})
        )
        if method == "POST" and content is None:
            request.add_header("Content-Length", "0")
        if self._authorisation:
            request.add_unredirected_header("Authorization", f"Basic {self._authorisation}")
        try:
            with self._opener.open(request, timeout=_ANSWER_TIME) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            raise Refusal(error.code, error.reason) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise Failed(f"the registry {self.host} doesn't answer: {reason}. `make up` starts the local one") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could lead away from this machine."""

    def redirect_request(self, *_: Any) -> None:
        return None


def encoded(username: str, password: str) -> str:
    """Credentials as the Docker client's configuration and HTTP have them."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def of_client(host: str, file: Path | None = None) -> str:
    """What the Docker client's configuration has for a registry, empty if nothing."""
    try:
        return authorisation_in((file or client_file()).read_text(), host)
    except OSError:
        return ""


def client_file() -> Path:
    """The Docker client's configuration. DOCKER_CONFIG is its folder; a provider's documentation calls it the file."""
    place = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    return place if place.is_file() else place / "config.json"


def authorisation_in(configuration: str, host: str) -> str:
    """What the text of a Docker client's configuration has for a registry, empty if nothing."""
    try:
        entries = json.loads(configuration)["auths"]
        known = {_host(address): entry for address, entry in entries.items()}
        return str(known[host]["auth"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _host(address: str) -> str:
    return address.removeprefix("https://").removeprefix("http://").partition("/")[0]
