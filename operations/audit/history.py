"""The history of a stack as a self-managed backend keeps it: two files for each update, plain or compressed.

`<stack>-<nanoseconds>.history.json` says what was asked for and how it ended, `….checkpoint.json` is the state
afterwards. They are read one after the other, so that thousands take no more memory than two.
"""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from operations.problem import Problem

_FILE: Final = re.compile(r"(?P<stack>.+)-(?P<id>\d+)\.history\.json(\.gz)?")
Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One update.

    id: nanoseconds since 1970, by which the backend names it. told: the history file; empty where that can't be read.
    resources: URN -> resource of the state afterwards; None where that can't be read. outputs: the stack's. pending:
    what the engine was doing when it was stopped. digests: SHA-256 of both files' text. faults: what can't be read.
    """

    id: str
    told: Json
    resources: Mapping[str, Json] | None
    outputs: Json
    pending: int
    digests: Mapping[str, str]
    faults: tuple[str, ...]


def files(folder: Path, stack: str) -> list[Path]:
    """The history files of a stack, the oldest first. Raises `Problem` where there are none."""
    try:
        found = {int(match["id"]): file for file in folder.iterdir() if (match := _of(file, stack))}
    except OSError as error:
        raise Problem(f"{folder} can't be read: {error.strerror}.", "name the folder of the history") from None
    if not found:
        raise Problem(
            f"{folder} has no history of the stack {stack}.",
            "name the folder with its files NAME-NUMBER.history.json: .pulumi/history/PROJECT/STACK of the backend",
        )
    return [found[key] for key in sorted(found)]


def backwards(folder: Path, stack: str) -> Iterator[Entry]:
    """The updates of a stack, the newest first; each is read when it is asked for. Raises `Problem` as `files` does."""
    return (read(file) for file in reversed(files(folder, stack)))


def _of(file: Path, stack: str) -> re.Match[str] | None:
    match = _FILE.fullmatch(file.name)
    return match if match and match["stack"] == stack else None


def read(file: Path) -> Entry:
    """One update, by its history file. What can't be read is among its faults."""
    id_ = file.name.partition(".history.json")[0].rpartition("-")[2]
    faults: list[str] = []
    digests: dict[str, str] = {}
    told = _json(file, "history", digests, faults)
    name = file.name.replace(".history.json", ".checkpoint.json").removesuffix(".gz")
    beside = next((one for one in (file.with_name(name), file.with_name(f"{name}.gz")) if one.exists()), None)
    if beside is None:
        faults.append(f"{name} is missing: the state after this update is not known")
    checkpoint = _json(beside, "checkpoint", digests, faults) if beside else {}
    if checkpoint and checkpoint.get("version") != 3:
        faults.append(f"{name} is of version {checkpoint.get('version')}, and 3 is known")
        checkpoint = {}
    latest = (checkpoint.get("checkpoint") or {}).get("latest") or {}
    listed = [one for one in latest.get("resources") or [] if isinstance(one, dict) and not one.get("delete")]
    outputs = next((one.get("outputs") for one in listed if one.get("type") == "pulumi:pulumi:Stack"), None)
    return Entry(
        id=id_,
        told=told,
        resources={one["urn"]: one for one in listed} if checkpoint else None,
        outputs=outputs or {},
        pending=len(latest.get("pending_operations") or []),
        digests=digests,
        faults=tuple(faults),
    )


def _json(file: Path, what: str, digests: dict[str, str], faults: list[str]) -> Json:
    """An object of JSON; its digest and its faults are added to what is known."""
    try:
        raw = file.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        digests[what] = hashlib.sha256(text).hexdigest()
        found = from_json(text)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except (OSError, EOFError, ValueError) as error:
        faults.append(f"{file.name} can't be read: {error}")
        return {}
    return found
