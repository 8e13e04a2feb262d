"""Takes the stack away with all that came of it, however far it had come, and looks what is left.

What can't be deleted at Google is not called left: keys, whose versions are destroyed after thirty days; APIs that are
enabled (docs/google-cloud.md, "Taking it down").
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import sleep
from typing import Any, Final

from operations.delivery.problem import DeliveryError, Exit
from operations.verify_cloud.place import Place
from operations.verify_cloud.report import Left, Report

# Google takes a balancer down a while after its Gateway is gone; until then it refuses what the balancer uses.
_TRIES: Final = 4
_PAUSE: Final = 120  # seconds
# The listing knows of a removal some time later.
_LOOKS: Final = 10
_LATER: Final = 30  # seconds
# Kinds that Google keeps for ever, or that go with what they are versions of.
_STAY: Final = ("cloudkms.googleapis.com/",)
_COMMANDS: Final = {
    "storage.googleapis.com/Bucket": "gcloud storage rm --recursive gs://{name}",
    "compute.googleapis.com/Disk": "gcloud compute disks delete {name} --project={project}",
    "compute.googleapis.com/Network": "gcloud compute networks delete {name} --project={project}",
    "container.googleapis.com/Cluster": "gcloud container clusters delete {name} --project={project} --region={region}",
}

Say = Callable[[str], None]


def remove(place: Place, report: Report, say: Say) -> None:
    """All of it. Raises `DeliveryError` where something is left; the stack's state is kept then."""
    try:
        _remove(place, report, say)
        report.gone = True
    except BaseException:  # an interrupt as well
        say(f"{place.site.name} may cost on. Its state is kept in {place.folder}; carry on with: {place.to_remove}")
        raise


def _remove(place: Place, report: Report, say: Say) -> None:
    disks = _disks(place)
    with report.step("destroy"):
        for attempt in range(_TRIES):
            if attempt:
                say(f"Not all could be removed yet; once more in {_PAUSE} s …")
                sleep(_PAUSE)
            _empty(place, say)
            gone = place.target.shown("destroy", "--yes", "--skip-preview") == 0
            if gone and _released(place):
                break
        else:
            report.left.append(Left(f"what the stack {place.site.name} has made", place.to_remove))
            raise DeliveryError(
                f"Not all of {place.site.name} could be removed: see above. It costs on.",
                f"mend what it names, then {place.to_remove}",
                Exit.BROKEN,
            )
    with report.step("nothing is left"):
        _delete(place, disks)
        say("Looking whether anything is left …")
        report.left += _left(place, disks)
        if report.left:
            raise DeliveryError(
                "Something is left at Google: " + ", ".join(each.what for each in report.left),
                "; ".join(each.command for each in report.left),
                Exit.BROKEN,
            )


def _disks(place: Place) -> list[str]:
    """Names of the volumes' disks, which have no label of the stack's; kept, as the cluster goes before them."""
    kept = place.folder / "disks.json"
    names: set[str] = set(json.loads(kept.read_text())) if kept.exists() else set()
    with suppress(DeliveryError):  # there is no cluster yet, or no longer
        place.reach_cluster()
        handles = [each["spec"].get("csi", {}).get("volumeHandle", "") for each in place.objects("pv")]
        names |= {each.rpartition("/")[2] for each in handles if "/disks/" in each}
    kept.write_text(json.dumps(sorted(names)))
    return sorted(names)


def _empty(place: Place, say: Say) -> None:
    """Snapshots, without which Google doesn't let their plan go. What isn't there, or not yet, is no reason to stop."""
    say("Removing snapshots …")
    where = (f"--location={place.site.region}", f"--backup-plan={place.site.name}-snapshots")
    words = ("container", "backup-restore", "backups")
    with suppress(DeliveryError):
        for each in place.gcloud(*words, "list", *where) or ():
            place.gcloud(*words, "delete", each["name"].rpartition("/")[2], *where)


def _released(place: Place) -> bool:
    """Whether the address that was reserved is given back."""
    listed = place.gcloud("compute", "addresses", "list", "--global", f"--filter=name={place.site.name}")
    with suppress(DeliveryError):
        for each in listed or ():
            place.gcloud("compute", "addresses", "delete", each["name"], "--global")
        return True
    return False


def _delete(place: Place, disks: list[str]) -> None:
    """Disks whose driver had gone with the cluster before it could remove them."""
    for name in disks:
        with suppress(DeliveryError):  # it could
            place.gcloud("compute", "disks", "delete", name, f"--region={place.site.region}")


def _left(place: Place, disks: list[str]) -> list[Left]:
    found: list[Left] = []
    for look in range(_LOOKS):
        if look:
            sleep(_LATER)
        found = [*_labelled(place), *_of_volumes(place, disks), *_of_balancer(place)]
        if not found:
            break
    return found


def _labelled(place: Place) -> Iterator[Left]:
    scope = f"--scope=projects/{place.site.project}"
    for each in place.gcloud("asset", "search-all-resources", scope, f"--query=labels.stack={place.site.name}") or ():
        kind, name = str(each["assetType"]), str(each["name"]).rpartition("/")[2]
        if not kind.startswith(_STAY):
            yield Left(f"{kind} {name}", _command(place, kind, name))


def _of_volumes(place: Place, disks: list[str]) -> Iterator[Left]:
    if disks:
        for each in place.gcloud("compute", "disks", "list", f"--filter=name=({' '.join(disks)})") or ():
            kind = "compute.googleapis.com/Disk"
            area = str(each.get("region") or each.get("zone")).rpartition("/")[2]
            where = f" --{'region' if each.get('region') else 'zone'}={area}"
            yield Left(f"{kind} {each['name']}", _command(place, kind, str(each["name"])) + where)


def _of_balancer(place: Place) -> Iterator[Left]:
    """Rules that the Gateway's controller has made have no label of ours, and cost."""
    rules: list[dict[str, Any]] = (
        place.gcloud("compute", "forwarding-rules", "list", "--global", f"--filter=IPAddress={place.edge.address}")
        or []
    )
    for each in rules:
        command = f"gcloud compute forwarding-rules delete {each['name']} --global --project={place.site.project}"
        yield Left(f"compute.googleapis.com/ForwardingRule {each['name']}", command)


def _command(place: Place, kind: str, name: str) -> str:
    console = f"see https://console.cloud.google.com/home/dashboard?project={place.site.project}, and remove it there"
    return _COMMANDS.get(kind, console).format(name=name, project=place.site.project, region=place.site.region)
