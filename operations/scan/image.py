"""An image as files: pulled once, in the layout of the Open Container Initiative, for all that look at it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from operations.scan.programs import NotScanned, run

# What a node runs (localcloud/toolchain/go.py, components/google/cluster.py).
_PLATFORM: Final = "linux/amd64"
_ENDINGS: Final = {"+gzip": ".tar.gz", ".gzip": ".tar.gz", "+zstd": ".tar.zst", ".tar": ".tar"}


@dataclass(frozen=True)
class Image:
    """reference: how it was named. digest: of that name, as pods have it. folder: its files."""

    reference: str
    digest: str
    folder: Path

    @property
    def name(self) -> str:
        return self.reference.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0]

    @property
    def file(self) -> str:
        """A name for a file that tells of this one image: `app@sha256-96438b8e19dd`."""
        return f"{self.name}@{self.digest.replace(':', '-')[:19]}"

    def contents(self) -> Iterator[tuple[str, Path]]:
        """What gitleaks can read, which goes by names: the settings that the image starts with, and the layers."""
        manifest = self._blob(_index(self.folder)["digest"])
        yield f"{manifest['config']['digest'].partition(':')[2]}.json", self._path(manifest["config"]["digest"])
        for layer in manifest["layers"]:
            ending = next((end for kind, end in _ENDINGS.items() if layer["mediaType"].endswith(kind)), None)
            if ending is None:
                raise NotScanned(
                    f"{self.reference} has a layer of the unknown kind {layer['mediaType']}.", "build it by BuildKit"
                )
            yield f"{layer['digest'].partition(':')[2]}{ending}", self._path(layer["digest"])

    def _blob(self, digest: str) -> Any:
        return json.loads(self._path(digest).read_text())

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")


def pulled(reference: str, folder: Path) -> Image:
    """The image from its registry, with the credentials that the Docker client has, or from a folder."""
    if Path(reference, "index.json").exists():
        return Image(reference, str(_index(Path(reference))["digest"]), Path(reference))
    done = run("crane", "pull", "--format", "oci", "--platform", _PLATFORM, reference, folder)
    if done.returncode != 0:
        raise NotScanned(
            f"{reference} can't be pulled: {done.stderr.strip().rpartition('Error: ')[2]}",
            "see that the name is right, that the registry answers and that you are logged in to it",
        )
    _, _, digest = reference.partition("@")
    return Image(reference, digest or str(_index(folder)["digest"]), folder)


def _index(folder: Path) -> dict[str, Any]:
    (found,) = json.loads((folder / "index.json").read_text())["manifests"]
    return dict(found)
