"""What the scan is tried with: an image of a few files, and a small database of vulnerabilities that grype reads."""

import datetime
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from localcloud import toolchain
from tests.app.processes import answers, free_port
from tests.waiting import wait_for

# Opens nothing. In two parts, so that this file has none.
TOKEN: Final = "ghp_" + "aZ3kQ9mX7tB1vN5cR8wL2pY6hJ4dS0fG1eUq"
_KINDS: Final = "application/vnd.oci.image"


def advisory(name: str, severity: str, below: str, *, fixed: bool, package: str = "leaky") -> dict[str, Any]:
    """A vulnerability of a Python package's versions below one, in which it is fixed, or not yet."""
    told = {"id": name, "severity": severity, "ecosystem": "python", "package": package}
    return {**told, "below": below, "fixed": fixed}


def database(folder: Path, advisories: Sequence[Mapping[str, Any]]) -> Path:
    """The folder of a database, as grype has it unpacked."""
    folder.mkdir()
    subprocess.run([toolchain.binary("grype-database"), folder], input=json.dumps(advisories), text=True, check=True)
    return folder / "vulnerability.db"


def archive(made: Path) -> Path:
    """The database as it is handed on."""
    packed = made.with_name("database.tar.gz")
    with tarfile.open(packed, "w:gz") as opened:
        opened.add(made, arcname=made.name)
    return packed


@contextmanager
def mirror(packed: Path) -> Iterator[str]:
    """The address of a server that has this archive as the newest database."""
    served = packed.with_name("served") / "v6"
    served.mkdir(parents=True)
    (served / packed.name).write_bytes(packed.read_bytes())
    newest = {
        "status": "active",
        "schemaVersion": "v6.1.4",
        "built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "path": packed.name,
        "checksum": f"sha256:{hashlib.sha256(packed.read_bytes()).hexdigest()}",
    }
    (served / "latest.json").write_text(json.dumps(newest))
    port = free_port()
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(served.parent)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: answers(port), "the mirror")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def image(folder: Path, *layers: Mapping[str, str], environment: Sequence[str] = ()) -> Path:
    """An image in the OCI's layout: each layer has these files, path -> content."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def kept(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"{_KINDS}.{kind}", "size": len(data), "digest": f"sha256:{digest}"}

    packed = [_layer(files) for files in layers]
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": list(environment)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in packed]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_KINDS}.manifest.v1+json",
        "config": kept(json.dumps(settings).encode(), "config.v1+json"),
        "layers": [kept(gzip.compress(each, mtime=0), "layer.v1.tar+gzip") for each in packed],
    }
    index = {"schemaVersion": 2, "manifests": [kept(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def package(name: str, version: str) -> dict[str, str]:
    """The files by which an installed Python package is known."""
    place = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info"
    told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return {f"{place}/METADATA": told, f"{place}/RECORD": f"{place}/METADATA,,\n"}


def _layer(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as opened:
        for path, content in files.items():
            data = content.encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return out.getvalue()
