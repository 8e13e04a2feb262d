"""What an update that was cut short leaves behind, put in order before the next one.

A killed engine leaves the lock of its update, under which every later command stops, and in the state the operations
that it hadn't seen the end of. Interrupted changes and removals are simply done again. An interrupted creation is the
hard case: the object may be there or not, under a name that only the state remembers. Kubernetes objects are looked up
and taken over; for what exists in the state alone there is nothing to look up, and it is made again.
"""

import json
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud import files, paths
from localcloud.plugins.kubernetes.journal import Journal
from localcloud.problem import Problem
from localcloud.process import Process, name_of
from localcloud.pulumi import backend
from localcloud.pulumi.command_line import quietly

_WRITTEN_AGAIN = 4  # times the state lies on the disk during an update: twice beside itself, in a backup, and here
_MARGIN = 1 << 20  # bytes for what the update adds
_ADOPTED = "kubernetes:"  # types whose id can be told from their inputs
_CLOCKS = 60  # seconds by which a lock's clock and the kernel's may differ; numbers of processes aren't reused as fast


def recover(
    stack: str,
    environment: Mapping[str, str],
    progress: Callable[[str], None] = lambda _: None,
    directory: Path = paths.CHECKOUT,
) -> None:
    """Make the stack ready for an update. Raises `Problem` while another one is really running."""
    project = backend.project_name(directory / "Pulumi.yaml")
    remove_stale_locks(backend.lock_folder(project, stack))
    file = backend.state_file(project, stack)
    if not file.exists():
        return
    if not _is_whole(file):
        progress("restoring the state from its last copy")
        _restore(file, backend.copies(project, stack))
        Journal(environment).reopen()
    _keep(file, backend.kept_copy(project, stack))
    if '"pending_operations"' not in file.read_text():
        return
    progress("completing the interrupted update")
    exported = json.loads(quietly(["stack", "export", "--stack", stack], environment, directory))
    looked_up = settle(exported["deployment"])
    # Not beside the state: whatever lies there is a stack to the engine, also what a killed run has left.
    settled = backend.folder() / f"settled-{project}-{stack}.json"
    files.write(settled, json.dumps(exported), mode=0o600)
    quietly(["stack", "import", "--stack", stack, "--file", str(settled)], environment, directory)
    settled.unlink()
    if looked_up:
        targets = [f"--target={urn}" for urn in looked_up]
        arguments = ["refresh", "--yes", "--skip-preview", "--stack", stack, *targets]
        quietly(arguments, environment, directory)


def _is_whole(file: Path) -> bool:
    try:
        return "checkpoint" in json.loads(file.read_text())
    except ValueError:
        return False


def _restore(file: Path, copies: Sequence[Path]) -> None:
    """A machine that was switched off may have kept a file's name and not its content."""
    for copy in copies:
        if _is_whole(copy):
            files.write(file, copy.read_text(), mode=0o600)
            return
    raise Problem(
        f"The state {file} is damaged, and none of the engine's copies of it is whole.",
        "Start anew with `make down` and `make up`.",
    )


def _keep(file: Path, copy: Path) -> None:
    """Keep the state apart while an update runs: on a full disk the engine's file backend cuts it short, copies too."""
    wanted = _WRITTEN_AGAIN * file.stat().st_size + _MARGIN
    if (free := shutil.disk_usage(file.parent).free) < wanted:
        raise Problem(
            f"There is no room for the state: {free >> 10} KiB are free on the disk of {file.parent}, "
            f"and an update may need {wanted >> 10}.",
            "Make room on that disk and run the same command again.",
        )
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write(copy, file.read_bytes(), mode=0o600)


def settle(deployment: dict[str, Any]) -> list[str]:
    """Take the pending operations out of a state; gives the URNs that were added and must be looked up."""
    resources: list[dict[str, Any]] = deployment.setdefault("resources", [])
    added = []
    for operation in deployment.pop("pending_operations", None) or ():
        resource = operation["resource"]
        identity = _identity(resource)
        known = {(other["urn"], other.get("id")) for other in resources}
        if operation["type"] != "creating" or identity is None or (resource["urn"], identity) in known:
            continue
        # Its predecessor, which it was to replace, is still there: the next update makes another successor.
        superseded = any(other["urn"] == resource["urn"] for other in resources)
        resources.append({**resource, "id": identity, "outputs": {}, **({"delete": True} if superseded else {})})
        added.append(resource["urn"])
    return added


def _identity(resource: Mapping[str, Any]) -> str | None:
    """The id that the provider would have given: a Kubernetes object's is `namespace/name`."""
    if not str(resource["type"]).startswith(_ADOPTED):
        return None
    metadata = (resource.get("inputs") or {}).get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str):
        return None
    return f"{namespace}/{name}" if isinstance(namespace, str) else name


def remove_stale_locks(folder: Path) -> None:
    """Remove the locks of processes that are no more. Raises `Problem` for one that runs."""
    for file in folder.glob("*.json"):
        if lock := held(file):
            raise Problem(
                f"Another update of this stack is running: process {lock['pid']}, since {lock['timestamp']}.",
                "Wait until it is done, or stop it with Ctrl-C where it runs.",
            )
        file.unlink(missing_ok=True)
        file.with_name(f"{file.name}.attrs").unlink(missing_ok=True)


def held(file: Path) -> Mapping[str, Any] | None:
    """What a lock says of its process, if that still runs."""
    try:
        lock: dict[str, Any] = json.loads(file.read_text())
        alive = _runs(lock["pid"], lock["hostname"], datetime.fromisoformat(lock["timestamp"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return lock if alive else None


def _runs(pid: int, host: str, since: datetime) -> bool:
    """Whether a lock's process still runs: not one that was given its number later, or on a machine that was."""
    if host != socket.gethostname():
        return False
    process = Process.of(pid)
    return name_of(str(pid)) == "pulumi" and process is not None and process.started() <= since.timestamp() + _CLOCKS
