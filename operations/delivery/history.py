"""The stack's history, as the backend keeps it: every update, which of them were found good, and what those were.

An update is good when its pods were healthy and its tests passed. That is written into the history itself: a second
entry, a refresh of nothing, has the proof and all that a roll-back needs in its message. So every backend keeps it,
whoever may read the history may take a release back, and nothing is kept beside.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from operations.delivery.target import Target

# What the messages of a delivery's updates begin with.
GOOD: Final = "good: "
BEGUN: Final = "deploy: "
BUILT: Final = "build: "
ROLLBACK: Final = "rollback to "


@dataclass(frozen=True, kw_only=True)
class Good:
    """What ran when all was well.

    program: the commit. images: name -> reference, by digest.
    """

    release: str
    program: str
    images: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Update:
    """One entry of the history.

    number: the oldest has 1. settings: as they were, those aside that are secret. program: the commit, where a
    delivery made it. good: what it found, if it did.
    """

    number: int
    kind: str
    started: str
    result: str
    message: str
    changes: Mapping[str, int]
    settings: Mapping[str, Any]
    program: str | None = None
    good: Good | None = None

    @property
    def release(self) -> str:
        return str(self.settings.get("vision-week:release", ""))

    @property
    def changed(self) -> str:
        """`3 created, 1 updated`, as people say it."""
        words = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced"}
        told = [f"{count} {words[what]}" for what, count in self.changes.items() if what in words and count]
        return ", ".join(told) or "nothing"


def history(target: Target) -> list[Update]:
    """Every entry, the newest first."""
    entries = json.loads(target.pulumi("stack", "history", "--json", "--page-size", "0"))
    return parsed(entries)


def parsed(entries: Sequence[Mapping[str, Any]]) -> list[Update]:
    """The entries that `pulumi stack history --json` gives. It numbers none of a backend of files."""
    return [
        Update(
            number=len(entries) - index,
            kind=entry["kind"],
            started=entry["startTime"],
            result=entry.get("result", "unknown"),
            message=entry.get("message", ""),
            changes=entry.get("resourceChanges") or {},
            settings=_settings(entry.get("config") or {}),
            program=_told(entry, BEGUN).get("program") or _told(entry, GOOD).get("program"),
            good=_good(entry),
        )
        for index, entry in enumerate(entries)
    ]


def message_of(good: Good) -> str:
    """What the entry that proves it says."""
    return GOOD + json.dumps(asdict(good), sort_keys=True)


def message_of_start(release: str, program: str) -> str:
    """What the update says that brings a release."""
    return BEGUN + json.dumps({"release": release, "program": program})


def last_of_all(updates: Sequence[Update]) -> Update | None:
    """The newest update of what runs: building a release changes nothing of that."""
    return next((each for each in updates if not each.message.startswith(BUILT)), None)


def last_good(updates: Sequence[Update], before: int | None = None) -> Update | None:
    """The newest update that was found good, or the newest of those older than a number."""
    return next((each for each in updates if each.good and (before is None or each.number < before)), None)


def _good(entry: Mapping[str, Any]) -> Good | None:
    told = _told(entry, GOOD)
    if entry.get("result") != "succeeded" or told.keys() != {"release", "program", "images"}:
        return None
    return Good(**told)


def _told(entry: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What a message of ours holds; nothing, where it is somebody else's."""
    message = entry.get("message", "")
    try:
        told = json.loads(message.removeprefix(prefix)) if message.startswith(prefix) else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _settings(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        key: value.get("objectValue", value.get("value")) for key, value in config.items() if not value.get("secret")
    }
