"""What a review of some months looks at, in one archive: for each stack what was changed, by whom and with which
evidence, who may do what, how old certificates and secrets are, which rules have exemptions, which images run, what
they are made of and what a scan has found in them.

Everything but what a scan has left is read from the history. Backups, drills and alerts are what Prometheus remembers,
where somebody gives its address. What could not be had is named in the archive's first page, never left out in silence.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from operations.audit.access import resources_of, tables
from operations.audit.history import Entry, Json
from operations.audit.page import as_html
from operations.audit.picture import picture
from operations.audit.remembered import remembered
from operations.audit.report import Signed, as_csv, harmless
from operations.audit.scans import HEAD, Scan
from operations.audit.updates import Update
from policies.rules import mapped

_CERTIFICATES: Final = ("tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert")
_RENEWED: Final = "gcp:certificatemanager/certificate:Certificate"
_SECRETS: Final = ("random:index/randomPassword:RandomPassword", "tls:index/privateKey:PrivateKey")
_POLICIES: Final = "vision-week:policies"
_GENERATION: Final = "vision-week:secrets"
_USER: Final = re.compile(r"//[^/@]*@")  # in an address: who asks, and with which password


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """A stack. updates: those that began at `since` or later. newest: of all, the last whose state can be read.

    signed: the updates with good evidence; None where nobody looked. faults: what is wrong with the evidence.
    scan: of its images, where somebody gave one.
    """

    stack: str
    updates: Sequence[Update]
    newest: Entry | None
    signed: Signed
    faults: Sequence[str]
    since: datetime
    scan: Scan | None = None


def write(archive: Path, stacks: Sequence[Reviewed], prometheus: str | None, now: datetime) -> Sequence[str]:
    """Write the archive; gives the lines of its first page. Raises `FileExistsError`: nothing is written over."""
    told = [f"Review of {now:%Y-%m-%d}."]
    with ZipFile(archive, "x", ZIP_DEFLATED) as pack:
        for one in stacks:
            for name, content in _parts(one, now):
                pack.writestr(f"{one.stack}/{name}", content)
            told += _summary(one, now)
        if prometheus:
            told += ["", f"## What {_USER.sub('//', prometheus)} remembers, of the one stack that it watches", ""]
            for table in remembered(prometheus, min(one.since for one in stacks), now):
                if table.rows is not None:
                    pack.writestr(table.name, _table(table.head, table.rows))
                told += [f"- {table.name}: {line}" for line in table.lines]
        told += [
            "",
            "Not in this archive: who called which of Google's APIs (its audit logs); what Artifact Registry's own "
            "scan finds; alerts and backups of before Prometheus's retention, and of other stacks than the one that it "
            "watches" + ("." if prometheus else "; backups, drills and alerts, as no --prometheus was given."),
        ]
        pack.writestr("README.md", "\n".join(told) + "\n")
    return told


def _parts(one: Reviewed, now: datetime) -> Iterator[tuple[str, str | bytes]]:
    for name, form in (("updates.html", as_html), ("updates.csv", as_csv)):
        out = io.StringIO()
        form(one.updates, one.signed, out)
        yield name, out.getvalue()
    if one.scan is not None:
        yield "scan.csv", _table(HEAD, one.scan.rows())
        yield "scan.json", json.dumps(one.scan.told, indent=2)
        for name, content in one.scan.sboms():
            yield f"sboms/{name}", content
    newest = one.newest
    if newest is None:
        return
    resources = newest.resources or {}
    yield "access.md", tables(one.stack, resources_of(resources))
    yield "access.svg", picture(one.stack, resources_of(resources))
    yield "certificates.csv", _table(("certificate", "from", "until", "days left"), certificates(resources, now))
    yield "secrets.csv", _table(("secret", "made", "days old", "generation"), secrets(resources, now))
    yield "exemptions.csv", _table(("rule", "resource", "reason", "owner", "expires"), exemptions(newest.told))
    yield "images.csv", _table(("image", "reference"), sorted(_images(newest).items()))
    if one.signed is not None:
        yield "evidence.txt", "\n".join(one.faults or [f"{len(one.signed)} updates have good evidence."]) + "\n"


def _summary(one: Reviewed, now: datetime) -> Iterator[str]:
    failed = sum(update.result != "succeeded" for update in one.updates)
    yield from ("", f"## {one.stack}, since {one.since:%Y-%m-%d}", "")
    yield f"- {len(one.updates)} updates, {failed} of them not successful, "
    yield f"  {sum(bool(update.faults) for update in one.updates)} with something that doesn't fit"
    yield (
        "- nobody looked at the evidence: no --evidence was given"
        if one.signed is None
        else f"- {len(one.faults)} things are wrong with the evidence"
    )
    if one.scan is None:
        yield "- no scan of its images and no SBOM: no --scans was given, and no good evidence has them"
    else:
        yield from one.scan.summary(_images(one.newest).values() if one.newest else ())
    if (newest := one.newest) is None:
        yield "- no state can be read: nothing is told of access, certificates, secrets, exemptions and images"
        return
    left = [int(row[-1]) for row in certificates(newest.resources or {}, now)]
    old = [int(row[2]) for row in secrets(newest.resources or {}, now)]
    yield f"- {len(left)} certificates; the first ends in {min(left, default=0)} days"
    if renewed := sorted(_name(urn) for urn, of in (newest.resources or {}).items() if of.get("type") == _RENEWED):
        yield f"- Google makes and renews these certificates, and no state has their days: {', '.join(renewed)}"
    yield f"- {len(old)} secrets; the oldest is {max(old, default=0)} days old"
    yield f"- secrets.generation is {_generation(newest.told)}; {_rotations(one.updates)}"
    yield f"- {len(list(exemptions(newest.told)))} exemptions from rules"


def certificates(resources: Mapping[str, Json], now: datetime) -> list[tuple[str, str, str, str]]:
    """Name, from when, until when, days left; the first that ends comes first."""
    found = []
    for urn, one in resources.items():
        outputs = one.get("outputs") or {}
        if one.get("type") in _CERTIFICATES and (until := outputs.get("validityEndTime")):
            left = (_time(until) - now).days
            found.append((_name(urn), str(outputs.get("validityStartTime", "")), str(until), str(left)))
    return sorted(found, key=lambda row: int(row[-1]))


def secrets(resources: Mapping[str, Json], now: datetime) -> list[tuple[str, str, str, str]]:
    """Name of a password or key, when it was made, days since, its generation; the oldest comes first.

    Never what it is. No generation has what a rotation leaves alone, and what was made before there was a second one.
    """
    found = [
        (
            _name(urn),
            str(one["created"]),
            str((now - _time(one["created"])).days),
            str(mapped(mapped(one.get("inputs")).get("keepers")).get("generation", "")),
        )
        for urn, one in resources.items()
        if one.get("type") in _SECRETS and one.get("created")
    ]
    return sorted(found, key=lambda row: -int(row[2]))


def _generation(told: Json) -> int:
    """That of the settings, whose default it is where they don't have it."""
    return int(mapped(mapped(told.get("config")).get(_GENERATION)).get("generation", 1))


def _rotations(updates: Iterable[Update]) -> str:
    """When the passwords were made anew, of what is looked at."""
    raised = [
        update.started[:10]
        for update in updates
        for field in update.settings
        if field.path == f"{_GENERATION}.generation" and field.before is not None
    ]
    return f"it was raised {len(raised)} times, the last on {raised[-1]}" if raised else "it was not raised since then"


def exemptions(told: Json) -> Iterator[tuple[str, ...]]:
    """Those of the settings: rule, resource, reason, owner, day on which it ends."""
    policies = (told.get("config") or {}).get(_POLICIES) or {}
    for one in policies.get("exemptions") or []:
        yield tuple(str(one.get(key, "")) for key in ("rule", "resource", "reason", "owner", "expires"))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([harmless(each) for each in row] for row in rows)
    return out.getvalue()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _images(newest: Entry) -> dict[str, str]:
    return {str(name): str(reference) for name, reference in (newest.outputs.get("images") or {}).items()}


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
