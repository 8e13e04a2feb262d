"""Who wrote an object, as the audit log has it: the API server's own file, or Google's Cloud Audit Logs."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from components.settings import GoogleCluster
from operations.delivery.preview import Reference
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

_WRITES: Final = frozenset({"create", "update", "patch", "delete"})
_SCALE: Final = "scale"  # the one subresource by which a field is written that a program writes, too
_DAYS: Final = 30  # that Google's log is read back


@dataclass(frozen=True)
class Write:
    """A request that changed an object.

    program: the client, as it calls itself. manager: of the fields that it wrote, as far as the log has it, or what
    the API server makes of the client's name. door: the subresource, `scale`, or empty.
    """

    when: datetime
    user: str
    verb: str
    program: str
    manager: str
    door: str = ""


class Log(Protocol):
    """An audit log."""

    def writes(self, what: Reference) -> Sequence[Write]:
        """What was done to an object, the newest first. Raises `DeliveryError` where that can't be read."""


def log_of(target: Target, place: Path | None) -> Log | None:
    """The one that is named, or Google's; None where there is neither."""
    if place:
        return FileLog(place)
    cluster = target.settings.cluster
    return GoogleLog(cluster.project) if isinstance(cluster, GoogleCluster) else None


@dataclass(frozen=True)
class FileLog:
    """The API server's (`--audit-log-path`). place: the file, or the folder with its parts."""

    place: Path

    def writes(self, what: Reference) -> Sequence[Write]:
        files = sorted(self.place.glob("*.log")) if self.place.is_dir() else [self.place]
        try:
            return _newest_first(write for file in files for write in _in_file(file, what))
        except OSError as error:
            raise DeliveryError(f"The audit log can't be read: {error}", "name the right one by --audit-log") from None


def _in_file(file: Path, what: Reference) -> Iterator[Write]:
    name = json.dumps(what.name)
    with file.open() as lines:
        for line in lines:
            if name not in line or not line.endswith("}\n"):  # the last one may be half written
                continue
            event = json.loads(line)
            about = event.get("objectRef") or {}
            if (
                event["verb"] in _WRITES
                and (about.get("apiGroup", ""), about.get("resource")) == (what.group, _resource(what.kind))
                and (about.get("namespace", ""), about.get("name")) == (what.namespace, what.name)
                and about.get("subresource", _SCALE) == _SCALE
                and "dryRun=" not in event.get("requestURI", "")
                and 200 <= (event.get("responseStatus") or {}).get("code", 0) < 300
            ):
                who = event.get("impersonatedUser") or event["user"]
                when = datetime.fromisoformat(event["requestReceivedTimestamp"])
                program = _program(event.get("userAgent"))
                manager = parse_qs(urlsplit(event.get("requestURI", "")).query).get("fieldManager", [program])[0]
                yield Write(when, who["username"], event["verb"], program, manager, about.get("subresource", ""))


@dataclass(frozen=True)
class GoogleLog:
    """Google's, to which GKE's API server writes what it calls admin activity."""

    project: str

    def writes(self, what: Reference) -> Sequence[Write]:
        version = what.version if what.group else f"core/{what.version}"
        where = f"namespaces/{what.namespace}/" if what.namespace else ""
        name = f"{version}/{where}{_resource(what.kind)}/{what.name}"
        names = f'protoPayload.resourceName=("{name}" OR "{name}/{_SCALE}")'
        wanted = f'log_id("cloudaudit.googleapis.com/activity") AND {names}'
        words = ["gcloud", "logging", "read", wanted, f"--project={self.project}", f"--freshness={_DAYS}d"]
        try:
            done = subprocess.run(
                [*words, "--format=json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise DeliveryError(f"The audit log can't be read: {error}", "install gcloud") from None
        if done.returncode != 0:
            raise DeliveryError(f"The audit log can't be read: {done.stderr.strip()}", "it takes roles/logging.viewer")
        return _newest_first(filter(None, map(_of_google, json.loads(done.stdout))))


def _of_google(entry: Mapping[str, Any]) -> Write | None:
    told = entry["protoPayload"]
    verb = told["methodName"].rpartition(".")[2]
    if verb not in _WRITES or (told.get("status") or {}).get("code"):
        return None
    who = (told.get("authenticationInfo") or {}).get("principalEmail", "somebody")
    program = _program((told.get("requestMetadata") or {}).get("callerSuppliedUserAgent"))
    door = _SCALE if told["resourceName"].endswith(f"/{_SCALE}") else ""
    return Write(datetime.fromisoformat(entry["timestamp"]), who, verb, program, program, door)


def _newest_first(writes: Iterator[Write]) -> Sequence[Write]:
    return sorted(writes, key=lambda write: write.when, reverse=True)


def _program(agent: str | None) -> str:
    """`kubectl/v1.34.3 (linux/amd64) …`: what is before the version."""
    return (agent or "").partition("/")[0] or "a program without a name"


def _resource(kind: str) -> str:
    """The resource of a kind, as Kubernetes itself guesses it (meta.UnsafeGuessKindToResource)."""
    name = kind.lower()
    if name.endswith("endpoints"):
        return name
    if name.endswith("s"):
        return f"{name}es"
    return re.sub("y$", "ie", name) + "s"
