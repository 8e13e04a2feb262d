"""Previews as the engine tells of them: made up step by step, or of what the program registered on mocks."""

import json
from typing import Any

from operations.delivery.preview import SECRET, Preview
from tests.unit.recording import Made, Recording

PLATFORM = "vision-week:platform:Platform"


def step(operation: str, chain: str, name: str, **more: Any) -> dict[str, Any]:
    return {"op": operation, "urn": f"urn:pulumi:staging::vision-week::{PLATFORM}${chain}::{name}", **more}


def changed(path: str, before: Any, after: Any, chain: str = "vision-week:app:App$kubernetes:core/v1:ConfigMap") -> Any:
    """An update of one field that lies directly in the inputs."""
    return step(
        "update",
        chain,
        "app",
        detailedDiff={path: {"kind": "update", "inputDiff": True}},
        oldState={"inputs": {path: before}},
        newState={"inputs": {path: after}},
    )


def preview(*steps: Any, same: int = 90, diagnostics: Any = ()) -> Preview:
    told = {"steps": steps, "changeSummary": {"same": same}, "diagnostics": diagnostics}
    return Preview.of(json.dumps(told))


REPLACED = step(
    "replace", "vision-week:postgres:Postgres$kubernetes:apps/v1:StatefulSet", "postgres", replaceReasons=["spec"]
)
JOB = step("replace", "vision-week:app:App$kubernetes:batch/v1:Job", "migrations")


def preview_of(recording: Recording) -> str:
    """What `pulumi preview --json --show-sames` says."""
    steps = [
        {"op": "same", "urn": made.urn, "newState": {"inputs": checked(made) if made.is_kubernetes else {}}}
        for made in recording.made
    ]
    return json.dumps({"steps": steps})


def checked(made: Made) -> dict[str, Any]:
    """An object as the provider's check leaves it: named, and what is secret not shown."""
    about = dict(made.metadata)
    if "name" not in about:
        annotations = {**about.get("annotations", {}), "pulumi.com/autonamed": "true"}
        about |= {"name": made.object_name, "annotations": annotations}
    hidden = {field: SECRET for field in ("stringData", "data") if made.kind == "Secret" and field in made.inputs}
    return {**made.inputs, "metadata": about, **hidden}
