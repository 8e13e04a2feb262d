"""The Gateway API's own kinds, so that the cluster takes Gateways and routes. Nothing here acts on them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from localcloud import files, paths, toolchain
from localcloud.cluster.api import Api

MODULE = "sigs.k8s.io/gateway-api"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Which content a definition was made from: they are half a megabyte each, and slow to compare in the API server.
ANNOTATION = "vision-week.localcloud/content"


def apply(api: Api) -> None:
    """Make the standard channel's definitions be there, and the policy that keeps older ones from replacing them."""
    objects: list[dict[str, Any]] = json.loads(ensure().read_text())
    there = {each["name"]: each.get("annotations", {}).get(ANNOTATION) for each in api.about(DEFINITIONS)}
    for manifest in objects:
        metadata = manifest["metadata"]
        content = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()[:16]
        if there.get(metadata["name"]) != content:
            annotations = {**metadata.get("annotations", {}), ANNOTATION: content}
            api.apply({**manifest, "metadata": {**metadata, "annotations": annotations}})


def ensure() -> Path:
    """All that is applied, from the project's Go module, as JSON: YAML of a megabyte is slow to read."""
    sources = toolchain.GATEWAY_API.folder
    digest = hashlib.sha256((sources / "go.mod").read_bytes() + (sources / "go.sum").read_bytes()).hexdigest()[:16]
    kept = paths.cache() / "toolchain" / f"gateway-api-{digest}.json"
    if not kept.exists():
        folder = toolchain.sources(toolchain.GATEWAY_API, MODULE) / "config" / "crd" / "standard"
        texts = [file.read_text() for file in sorted(folder.glob("*.yaml"))]
        objects = [each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader) if each]
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.write(kept, json.dumps(objects))
    return kept
