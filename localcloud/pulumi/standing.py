"""How a stack stands, read from the backend's files alone: whether it is up, how its last update ended, and its URL."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud import paths
from localcloud.pulumi import backend
from localcloud.pulumi.recovery import held


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stack.

    said: how it stands, in a few words.
    problem: what is wrong with it, as the end of a sentence that its name begins.
    outputs: what it gave last, secrets left out.
    """

    said: str = "isn't up"
    problem: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)


def standing(stack: str, directory: Path = paths.CHECKOUT) -> Standing:
    """Look at the stack without asking the engine."""
    project = backend.project_name(directory / "Pulumi.yaml")
    file = backend.state_file(project, stack)
    if not file.exists():
        return Standing()
    for lock in backend.lock_folder(project, stack).glob("*.json"):
        if holder := held(lock):
            return Standing(said=f"is being worked on by process {holder['pid']}")
    try:
        state = json.loads(file.read_text())["checkpoint"].get("latest") or {}
    except (ValueError, KeyError):
        return Standing(problem="has a state that is damaged")
    if state.get("pending_operations"):
        return Standing(problem="was interrupted in its last update")
    outputs = {name: value for name, value in backend.outputs(file).items() if isinstance(value, str)}
    last = _last(backend.history(project, stack))
    when = datetime.fromtimestamp(last.get("endTime", 0)).astimezone().strftime("%Y-%m-%d %H:%M")
    if last and last.get("result") != "succeeded":
        return Standing(problem=f"could not be brought up at its last update, {when}", outputs=outputs)
    if not state.get("resources"):
        return Standing()
    return Standing(said=f"is up, last update {when}", outputs=outputs)


def _last(history: list[Path]) -> dict[str, Any]:
    for file in history:
        try:
            return dict(json.loads(file.read_text()))
        except ValueError:  # the machine was switched off while it was written
            continue
    return {}
