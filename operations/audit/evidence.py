"""Evidence: a record of each update that the pipeline made, chained by hash and signed with a key that only it has.

A record names the update and has the digests of its history file and its state, and of what a scan of its images has
left: that lies beside the records, the SBOMs among it. Each has the hash of the one before, so that none can be
altered, taken out, put in or moved without all that follow being signed anew. That the newest were cut off is seen by
the newest hash, which is kept elsewhere: the auditor brings it as the anchor.
"""

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from operations.audit.history import Entry
from operations.audit.scans import Scan, keep, kept, wrong
from operations.audit.signing import Signer

_FILES: Final = "[0-9][0-9][0-9][0-9][0-9][0-9].json"
_FIRST: Final = "0" * 64
_HASH: Final = re.compile("[0-9a-f]{64}")
SCANS: Final = "scans"  # beside the records


@dataclass(frozen=True)
class Verified:
    """good: the updates that have good evidence. faults: what is wrong, a sentence for each thing. scan: the newest
    that a good record names; None where there is none, or it is no more what it was."""

    good: set[str]
    faults: list[str]
    scan: Scan | None


def record(folder: Path, stack: str, made: Iterable[Entry], sign: Signer, scan: Scan | None = None) -> str:
    """Write the records of updates behind those that are there; gives the newest hash. Nothing is overwritten.

    scan: of the images that these updates brought.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chain = sorted(folder.glob(_FILES))
    number = int(chain[-1].stem) if chain else 0
    known = [_loaded(file) for file in chain]
    newest = str(known[-1].get("hash")) if known else _FIRST
    there = {_update(one) for one in known}
    for entry in made:
        if entry.id in there:
            continue
        told: dict[str, Any] = {"stack": stack, "update": entry.id, "digests": dict(entry.digests), "previous": newest}
        if scan:
            told["scan"] = keep(scan, folder / SCANS)
        newest = _hash(told)
        signature = b64encode(sign(bytes.fromhex(newest))).decode()
        written = json.dumps({"record": told, "hash": newest, "signature": signature}, indent=1, sort_keys=True)
        number += 1
        with (folder / f"{number:06}.json").open("x") as file:
            file.write(f"{written}\n")
        there.add(entry.id)
    return newest


def verified(
    folder: Path, scans: Path, key: Ed25519PublicKey, anchor: str | None, history: Iterable[Entry]
) -> Verified:
    """What the evidence is worth. scans: where what they have left is kept."""
    chain = sorted(folder.glob(_FILES))
    links = [(file.name, _loaded(file)) for file in chain]
    faults = [*_chain(links, key, anchor), *_scans(links, scans)]
    by_update = {_update(link): (name, link) for name, link in links if _of(link)}
    digests = {entry.id: entry.digests for entry in history}
    good = set()
    for id_, (name, link) in by_update.items():
        if id_ not in digests:
            faults.append(f"{name}: update {id_} is no longer in the history")
            continue
        recorded = _of(link).get("digests") or {}
        different = [what for what, digest in digests[id_].items() if recorded.get(what) != digest]
        different += [what for what in recorded if what not in digests[id_]]
        if different:
            faults.append(f"{name}: the {' and the '.join(sorted(different))} of update {id_} was changed afterwards")
        elif _signed(link, key):
            good.add(id_)
    hashes = (_hashes(link) for _, link in reversed(links) if _signed(link, key))
    return Verified(good, faults, kept(next(filter(None, hashes), {}), scans))


def _chain(links: Sequence[tuple[str, Mapping[str, Any]]], key: Ed25519PublicKey, anchor: str | None) -> Iterator[str]:
    """What is wrong with the records themselves."""
    previous = _FIRST
    for number, (name, link) in enumerate(links, start=1):
        if name != f"{number:06}.json":
            yield f"{name}: {number:06}.json should be here: a record was removed"
            break
        told = _of(link)
        if _hash(told) != link.get("hash"):
            yield f"{name}: the record was altered"
        elif not _signed(link, key):
            yield f"{name}: it was not signed by this key"
        if told.get("previous") != previous:
            yield f"{name}: the record before it is another one than when it was written"
        previous = str(link.get("hash"))
    if anchor is not None and anchor not in {_FIRST, *(link.get("hash") for _, link in links)}:
        yield f"no record has the hash {anchor[:12]}… that was kept elsewhere: the newest were cut off, or altered"


def _scans(links: Sequence[tuple[str, Mapping[str, Any]]], place: Path) -> Iterator[str]:
    """What is wrong with what scans have left. Each file is looked at once, though every record of a run names it."""
    known: dict[str, str] = {}
    for name, link in links:
        for what, digest in _hashes(link).items():
            if digest not in known:
                known[digest] = fault = wrong(digest, place) or ""
                if fault:
                    yield f"{name}: {what}, of the scan of its images, {fault}"


def _hashes(link: Mapping[str, Any]) -> Mapping[str, str]:
    """What a scan has left: the hash of each file. One that is no hash can't lead out of the folder."""
    told = _of(link).get("scan")
    found = told if isinstance(told, dict) else {}
    return {str(name): digest for name, digest in found.items() if _HASH.fullmatch(str(digest))}


def _signed(link: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    try:
        key.verify(b64decode(str(link.get("signature")), validate=True), bytes.fromhex(_hash(_of(link))))
    except (InvalidSignature, ValueError):
        return False
    return True


def _hash(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _of(link: Mapping[str, Any]) -> Mapping[str, Any]:
    told = link.get("record")
    return told if isinstance(told, dict) else {}


def _update(link: Mapping[str, Any]) -> str:
    return str(_of(link).get("update"))


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
