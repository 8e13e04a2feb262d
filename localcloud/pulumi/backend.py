"""The backend of files, as far as it must be read without the engine: where a stack's state and its locks are."""

import json
import re
from pathlib import Path
from typing import Any, Final

from localcloud import paths
from localcloud.problem import Problem

_NAME: Final = re.compile(r"^name:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def folder() -> Path:
    """Where the backend is."""
    return paths.state() / "pulumi"


def project_name(project: Path) -> str:
    """The name that a Pulumi.yaml gives its project."""
    name = _NAME.search(project.read_text())
    if name is None:
        raise Problem(f"{project} gives the project no name.", "Write `name: …` into it.")
    return name[1]


def state_file(project: str, stack: str) -> Path:
    """The stack's state."""
    return folder() / ".pulumi" / "stacks" / project / f"{stack}.json"


def lock_folder(project: str, stack: str) -> Path:
    """Where a running update leaves its lock, `{"pid": …, "hostname": …, "timestamp": …}`."""
    return folder() / ".pulumi" / "locks" / "organization" / project / stack


def outputs(state: Path) -> dict[str, Any]:
    """What a stack with this state gave last; a secret is an object that only the engine can open."""
    resources = (json.loads(state.read_text())["checkpoint"].get("latest") or {}).get("resources") or []
    for resource in resources:
        if resource["type"] == "pulumi:pulumi:Stack":
            return dict(resource.get("outputs") or {})
    return {}


def history(project: str, stack: str) -> list[Path]:
    """What the engine keeps of each update, the newest first: its kind, its times and how it ended."""
    kept = (folder() / ".pulumi" / "history" / project / stack).glob("*.history.json")
    return sorted(kept, key=lambda file: file.name, reverse=True)


def copies(project: str, stack: str) -> list[Path]:
    """What the engine keeps of the state beside it, the newest first."""
    kept = (folder() / ".pulumi" / "backups" / project / stack).glob("*.json")
    ours = [copy] if (copy := kept_copy(project, stack)).exists() else []
    return sorted((*state_file(project, stack).parent.glob(f"{stack}.json.bak"), *kept, *ours), key=_age)


def kept_copy(project: str, stack: str) -> Path:
    """Where the state is kept apart while it is being updated."""
    return folder() / "kept" / project / f"{stack}.json"


def _age(file: Path) -> float:
    return -file.stat().st_mtime
