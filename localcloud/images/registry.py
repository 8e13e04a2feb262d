"""The local registry, as one who may push sees it: what is there, and images that need no builder put into it.

Nothing here, nor in the rest of this package, ever talks to another registry: what is made on this machine to take
another image's place must not be found under that image's name anywhere else.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx

from localcloud.cluster import layout
from localcloud.problem import Problem

ADDRESS = f"localhost:{layout.REGISTRY_PORT}"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_MANIFESTS = ", ".join(
    (
        MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


@dataclass(frozen=True)
class Name:
    """A place in the local registry: `localhost:5005/<repository>:<tag>`."""

    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{ADDRESS}/{self.repository}:{self.tag}"


def mirror(reference: str) -> Name:
    """Where the local registry keeps what nodes get for a public reference, `docker.io/library/redis:7.4`."""
    repository, colon, tag = reference.partition(":")
    host = repository.split("/", maxsplit=1)[0]
    if not colon or "/" in tag or host not in layout.MIRRORED:
        raise Problem(
            f"{reference} can't be mirrored: the local registry stands in for {', '.join(layout.MIRRORED)} only.",
            "Write the reference in full, with one of these hosts and a tag: docker.io/library/redis:7.4-bookworm.",
        )
    return Name(f"mirror/{repository}", tag)


def require_local(address: str) -> None:
    """Refuse to push to any registry but this machine's own."""
    if address.split("/", maxsplit=1)[0] != ADDRESS:
        raise Problem(
            f"{address} is not in the local registry: stand-ins are never pushed anywhere else.",
            f"Push it as {ADDRESS}/…, or build the real image where its base can be pulled.",
        )


class Registry:
    """The registry's own protocol, as far as it is needed to look images up and to write small ones."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def digest(self, name: Name) -> str | None:
        """The digest that a tag leads to now, None where there is no such tag."""
        path = f"/v2/{name.repository}/manifests/{name.tag}"
        answer = self._send("HEAD", path, headers={"Accept": _MANIFESTS})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _checked(answer).headers["Docker-Content-Digest"]

    def write_blob(self, repository: str, digest: str, content: bytes) -> None:
        """Store a blob, unless it is there."""
        found = self._send("HEAD", f"/v2/{repository}/blobs/{digest}")
        if found.status_code == httpx.codes.OK:
            return
        upload = _checked(self._send("POST", f"/v2/{repository}/blobs/uploads/"))
        place = httpx.URL(urljoin(str(upload.url), upload.headers["Location"])).copy_add_param("digest", digest)
        _checked(self._send("PUT", str(place), content=content))

    def write_manifest(self, name: Name, content: bytes) -> str:
        """Let a tag lead to this manifest, and give its digest."""
        path = f"/v2/{name.repository}/manifests/{name.tag}"
        answer = _checked(self._send("PUT", path, content=content, headers={"Content-Type": MANIFEST}))
        return answer.headers["Docker-Content-Digest"]

    def copy(self, source: Name, target: Name) -> None:
        """Let a tag lead to what another one of this registry leads to: one image, not an index of several."""
        path = f"/v2/{source.repository}/manifests/{source.tag}"
        answer = _checked(self._send("GET", path, headers={"Accept": _MANIFESTS}))
        manifest = answer.json()
        for each in (manifest["config"], *manifest["layers"]):
            mount = f"mount={each['digest']}&from={source.repository}"
            _checked(self._send("POST", f"/v2/{target.repository}/blobs/uploads/?{mount}"))
        path = f"/v2/{target.repository}/manifests/{target.tag}"
        kind = {"Content-Type": answer.headers["Content-Type"]}
        _checked(self._send("PUT", path, content=answer.content, headers=kind))

    def _send(
        self, method: str, address: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._client.request(method, address, content=content, headers=headers)
        except httpx.TransportError as error:
            raise Problem(
                f"The local registry doesn't answer at {ADDRESS}: {error}",
                "Run `make up`: it starts the registry. `make status` says what runs.",
            ) from None


@contextmanager
def connect() -> Iterator[Registry]:
    """A connection to the local registry, with the credentials that were made when it was first started."""
    # Loopback is never reached by a proxy, whatever the environment says of proxies.
    with httpx.Client(
        base_url=f"http://{ADDRESS}",
        auth=_credentials(),
        timeout=60,
        trust_env=False,
        follow_redirects=False,
        # Trusts nobody: it speaks no TLS, and to read this machine's authorities takes a quarter of a second.
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    ) as client:
        yield Registry(client)


def _credentials() -> tuple[str, str]:
    file = layout.credentials() / "config.json"
    try:
        user, _, password = (
            base64.b64decode(json.loads(file.read_text())["auths"][ADDRESS]["auth"]).decode().partition(":")
        )
    except (OSError, ValueError, KeyError) as error:
        raise Problem(
            f"There are no credentials for the local registry in {file} ({error!r}).",
            "Run `make up`: it makes them when it starts the registry.",
        ) from None
    return user, password


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise Problem(
        f"The local registry refused {answer.request.method} {answer.request.url.path}: "
        f"{answer.status_code} {answer.text.strip()[:300]}",
        "About authentication: `make down` and `make up` make new credentials. About space: free some. Then try again.",
    )
