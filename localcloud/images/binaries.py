"""Images with nothing but programs of the toolchain in them, written without a builder.

They are what a cluster needs before anything can be built on it (pause, CoreDNS, metrics-server), and a layer with one
file in it needs no BuildKit: a tar, a configuration and a manifest are the whole of it.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.images import catalogue, registry

# Nobody in particular: the number that distroless images use, far from those of any machine's users.
NOBODY = "65532:65532"


def publish_binary(
    reference: str, binaries: Mapping[str, Path], entrypoint: Sequence[str], *, user: str = NOBODY
) -> str:
    """Have an image with these programs in the local registry, as what nodes get for `reference`; give its digest.

    binaries: absolute path in the image -> file of this machine.
    user: numbers, so that a cluster can tell that it isn't root.
    """
    public = registry.mirror(reference)
    described = {"for": reference, "entrypoint": list(entrypoint), "user": user}
    key = hashlib.sha256(json.dumps(described).encode())
    for path, file in sorted(binaries.items()):
        key.update(f"\0{path}\0".encode())
        with file.open("rb") as content:
            key.update(hashlib.file_digest(content, "sha256").digest())
    keyed = registry.Name(public.repository, f"stand-in-{key.hexdigest()[:16]}")
    with registry.connect() as connection:
        there = connection.digest(keyed)
        if there is not None and there == connection.digest(public):
            return there
        layer = _layer(binaries)
        configuration = _configuration(layer, reference, entrypoint, user)
        compressed = gzip.compress(layer, compresslevel=1, mtime=0)
        for blob in (compressed, configuration):
            connection.write_blob(public.repository, _digest(blob), blob)
        manifest = _manifest(configuration, compressed)
        connection.write_manifest(keyed, manifest)
        return connection.write_manifest(public, manifest)


def _layer(binaries: Mapping[str, Path]) -> bytes:
    """A tar with the programs and a /tmp, the same bytes for the same programs whenever it is made."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        scratch = tarfile.TarInfo("tmp")
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(scratch)
        for path, file in sorted(binaries.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.size = 0o755, file.stat().st_size
            with file.open("rb") as program:
                tar.addfile(entry, program)
    return content.getvalue()


def _configuration(layer: bytes, reference: str, entrypoint: Sequence[str], user: str) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "User": user,
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
                "Entrypoint": list(entrypoint),
                "WorkingDir": "/",
                "Labels": {catalogue.LABEL: "true", catalogue.LABEL_FOR: reference},
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()


def _manifest(configuration: bytes, compressed: bytes) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": registry.MANIFEST,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", configuration),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", compressed)],
        }
    ).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
