"""The history of a stack as a self-managed backend keeps it: two files for each update, plain or compressed.

`<stack>-<nanoseconds>.history.json` says what was asked for and how it ended, `….checkpoint.json` is the state
afterwards. They are read one after the other, so that thousands take no more memory than two. Most resources are in one
state as they were in the one before, to the letter: those are not read again.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from operations.problem import Problem
from policies.rules import mapped

_FILE: Final = re.compile(r"(?P<stack>.+)-(?P<id>\d{1,19})\.history\.json(\.gz)?")
Json = Mapping[str, Any]
Seconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # since 1970, until the year 9999


class History(TypedDict, total=False):
    """What the reader uses of a history file; more is in it."""

    kind: str
    startTime: Seconds
    endTime: Seconds
    message: str
    environment: dict[str, str] | None
    config: dict[str, Any] | None
    result: str
    resourceChanges: dict[str, int] | None


class Kept(Struct):
    """A checkpoint file. checkpoint: as text, for what is in it depends on the version."""

    version: int = 0
    checkpoint: Raw = Raw(b"{}")


class State(Struct):
    """The state of version 3. resources, pending_operations: each as text."""

    resources: list[Raw] | None = None
    pending_operations: list[Raw] | None = None


class Checkpoint(Struct):
    """Around it."""

    latest: State | None = None


_HISTORY: Final = Decoder(History)
_KEPT: Final = Decoder(Kept)
_STATE: Final = Decoder(Checkpoint)
_ANY: Final = Decoder()
_VERSION: Final = 3
_PARTS: Final = 3  # `::` in a URN: stack, project, types and name are between them
_UNREADABLE: Final = (OSError, EOFError, ValueError, RecursionError, zlib.error)


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
    return entries(reversed(files(folder, stack)))


def _of(file: Path, stack: str) -> re.Match[str] | None:
    match = _FILE.fullmatch(file.name)
    return match if match and match["stack"] == stack else None


def entries(found: Iterable[Path]) -> Iterator[Entry]:
    """One update after the other, by their history files. What can't be read is among their faults."""
    known: dict[bytes, Any] = {}
    for file in found:
        entry, known = _entry(file, known)
        yield entry


def _entry(file: Path, known: Mapping[bytes, Any]) -> tuple[Entry, dict[bytes, Any]]:
    """An update, and its resources by their text. known: those of the one before."""
    faults: list[str] = []
    digests: dict[str, str] = {}
    told: Json = _decoded(file, "history", _HISTORY, digests, faults) or {}
    name = file.name.replace(".history.json", ".checkpoint.json").removesuffix(".gz")
    beside = next((one for one in (file.with_name(name), file.with_name(f"{name}.gz")) if one.exists()), None)
    if beside is None:
        faults.append(f"{name} is missing: the state after this update is not known")
    kept = _decoded(beside, "checkpoint", _KEPT, digests, faults) if beside else None
    if kept and kept.version != _VERSION:
        faults.append(f"{name} is of version {kept.version}, and {_VERSION} is known")
        kept = None
    latest, resources, texts = State(), None, dict(known)
    if kept:
        try:
            latest = _STATE.decode(kept.checkpoint).latest or latest
            texts = {text: known.get(text) or _ANY.decode(text) for text in map(bytes, latest.resources or ())}
            resources, nameless = _by_urn(texts.values())
            if nameless:
                faults.append(f"{name} has {nameless} resources without a name that is known: they are left out")
        except _UNREADABLE as error:
            faults.append(f"{name} can't be read: {error}")
    stacks = (one.get("outputs") for one in (resources or {}).values() if one.get("type") == "pulumi:pulumi:Stack")
    entry = Entry(
        id=file.name.partition(".history.json")[0].rpartition("-")[2],
        told=told,
        resources=resources,
        outputs=mapped(next(stacks, None)),
        pending=len(latest.pending_operations or ()),
        digests=digests,
        faults=tuple(faults),
    )
    return entry, texts


def _by_urn(found: Iterable[Any]) -> tuple[dict[str, Json], int]:
    """The resources by their names, but for what is about to be deleted; and how many have none."""
    resources: dict[str, Json] = {}
    nameless = 0
    for one in found:
        if not isinstance(one, dict) or str(one.get("urn")).count("::") < _PARTS:
            nameless += 1
        elif not one.get("delete"):
            resources[one["urn"]] = one
    return resources, nameless


def _decoded(file: Path, what: str, decoder: Decoder[Any], digests: dict[str, str], faults: list[str]) -> Any:
    """What is in a file, None where that can't be read; its digest and its faults are added to what is known."""
    try:
        raw = file.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        digests[what] = hashlib.sha256(text).hexdigest()
        return decoder.decode(text)
    except _UNREADABLE as error:
        faults.append(f"{file.name} can't be read: {error}")
        return None
