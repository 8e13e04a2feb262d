"""Kinds that the cluster is taught, from the files of the Go module of whoever defines them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from localcloud import files, paths, toolchain
from localcloud.cluster.api import Api

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Which content a definition was made from: they are large, and slow to compare in the API server.
ANNOTATION = "vision-week.localcloud/content"


def apply(api: Api, kept: Path) -> None:
    """Make all that was kept be there. What is so already stays untouched."""
    objects: list[dict[str, Any]] = json.loads(kept.read_text())
    there = {each["name"]: each.get("annotations", {}).get(ANNOTATION) for each in api.about(DEFINITIONS)}
    for manifest in objects:
        metadata = manifest["metadata"]
        content = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()[:16]
        if there.get(metadata["name"]) != content:
            annotations = {**metadata.get("annotations", {}), ANNOTATION: content}
            api.apply({**manifest, "metadata": {**metadata, "annotations": annotations}})


def keep(module: toolchain.Module, path: str, pattern: str) -> Path:
    """Download the Go module `path` and keep what is in its files, as JSON: YAML of a megabyte is slow to read."""
    sources = module.folder
    digest = hashlib.sha256((sources / "go.mod").read_bytes() + (sources / "go.sum").read_bytes()).hexdigest()[:16]
    kept = paths.cache() / "toolchain" / f"{module.name}-{digest}.json"
    if not kept.exists():
        texts = [file.read_text() for file in sorted(toolchain.sources(module, path).glob(pattern))]
        objects = [each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader) if each]
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.write(kept, json.dumps(objects))
    return kept
