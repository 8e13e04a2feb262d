"""The history of a stack as a self-managed backend keeps it, for tests; a real one: tests/engine/test_audit.py."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STACK = "production"
AUTHOR = {"git.author": "A. Person", "git.author.email": "a@example.org", "git.head": "c" * 40, "git.dirty": "false"}
_URN = f"urn:pulumi:{STACK}::vision-week::vision-week:app:App$kubernetes:core/v1:{{kind}}::{{name}}"
SEALED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def resource(name: str, kind: str = "ConfigMap", **inputs: Any) -> dict[str, Any]:
    """A resource of the state."""
    return {
        "urn": _URN.format(kind=kind, name=name),
        "type": f"kubernetes:core/v1:{kind}",
        "id": name,
        "inputs": inputs,
    }


def add(
    folder: Path,
    number: int,
    resources: list[dict[str, Any]],
    *,
    config: Mapping[str, Any] | None = None,
    packed: bool = False,
    **told: Any,
) -> Path:
    """One more update, of the given minute; gives its history file."""
    folder.mkdir(exist_ok=True)
    begun = 1_795_000_000 + 60 * number
    history = {
        "kind": "update",
        "startTime": begun,
        "endTime": begun + 30,
        "message": "a commit's own words",
        "environment": AUTHOR,
        "config": {"vision-week:release": "v1"} if config is None else config,
        "result": "succeeded",
        "resourceChanges": {"update": 1},
        **told,
    }
    checkpoint = {"version": 3, "checkpoint": {"stack": STACK, "latest": {"resources": resources}}}
    files = {"history": history, "checkpoint": checkpoint}
    for what, content in files.items():
        text = json.dumps(content).encode()
        file = folder / f"{STACK}-{begun}000000000.{what}.json{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(text) if packed else text)
    return folder / f"{STACK}-{begun}000000000.history.json{'.gz' if packed else ''}"
