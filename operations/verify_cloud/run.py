"""The order of it: what must be so, what it costs, consent, up, the claims, and away with it, whatever happened."""

import shutil
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from typing import Final

from operations.cost.estimate import estimate
from operations.cost.prices import CURRENCY, HOURS
from operations.delivery.problem import DeliveryError, Exit
from operations.preflight import Finding, Google
from operations.problem import Problem
from operations.verify_cloud import removal
from operations.verify_cloud.before import looked_at
from operations.verify_cloud.claim import Claim, Needs
from operations.verify_cloud.claims import CLAIMS, LEFT_OUT
from operations.verify_cloud.place import Place
from operations.verify_cloud.report import Report, Result, Verdict
from operations.verify_cloud.settings import Site, overrides, refuse_somebody_s

# For the listing of what is left; the program enables the others.
_LISTING: Final = "cloudasset.googleapis.com"
ALL: Final = frozenset(Needs)

Say = Callable[[str], None]


def verify(
    site: Site,
    google: Google,
    *,
    show: Callable[[Sequence[Finding]], None],
    consent: Callable[[], None],
    say: Say,
    keep: bool = False,
    claims: Collection[Claim] = CLAIMS,
    within: frozenset[Needs] = ALL,
) -> Report:
    """Make the stack, look at the claims, remove the stack. Raises `Problem` where it could not, with the report
    written.

    show: what was looked at before. consent: raises where the person doesn't agree.
    within: what there is to look at claims in.
    """
    refuse_somebody_s(site.project)
    place = Place.begun(site, google)
    report = Report(site.name, site.project, [str(each) for each in overrides(site, "reserved for it")], kept=keep)
    try:
        say(f"The stack {site.name}: the program and Pulumi.staging.yaml as they are, but for")
        for each in report.changed:
            say(f"  {each}")
        _before(place, show)
        say(_price(place))
        consent()
        place.begin()
    except BaseException:  # nothing was made, so nothing is to be kept
        shutil.rmtree(place.folder)
        raise
    try:
        with ExitStack() as here:
            if not keep:
                here.callback(lambda: removal.remove(place.as_written(), report, say))
            _examine(_made(place, report, say), report, claims, within, say)
    finally:
        untried = [each for each in claims if each.what not in {one.claim for one in report.results}]
        report.results += [Result(each.what, each.told, Verdict.NOT_TRIED, "it did not come to it") for each in untried]
        report.results += [Result(what, told, Verdict.NOT_TRIED, why) for what, (told, why) in LEFT_OUT.items()]
        report.write(place.folder / "report.md")
        if report.gone:
            _forget(place)
    return report


def remove(name: str, google: Google, say: Say) -> Report:
    """Remove a stack that an earlier run has left, or kept. Raises `Problem` where something is left."""
    place = Place.found(name, google)
    report = Report(name, place.site.project, [])
    # One that was killed has left its lock.
    place.target.pulumi("cancel", "--yes")
    removal.remove(place, report, say)
    _forget(place)
    return report


def _before(place: Place, show: Callable[[Sequence[Finding]], None]) -> None:
    found = list(looked_at(place))
    show(found)
    if missing := sum(one.problem is not None for one in found):
        raise Problem(f"{missing} of {len(found)} things are missing; nothing was made.", "mend what is named above")


def _price(place: Place) -> str:
    hour = estimate(place.resources).least / HOURS
    return (
        f"It costs {hour:.2f} {CURRENCY} an hour by Google's list prices, and what is used besides: images, snapshots, "
        "traffic. An hour and a half is assumed, half of it for GKE's work; what it takes is not known yet."
    )


def _made(place: Place, report: Report, say: Say) -> Place:
    with report.step("an address, and a listing of what there is"):
        say("Reserving an address …")
        place.gcloud("services", "enable", _LISTING)
        place.gcloud("compute", "addresses", "create", place.site.name, "--global")
        found = place.gcloud("compute", "addresses", "describe", place.site.name, "--global")
        place = place.addressed(str(found["address"]))
    with report.step("up, from an empty project"):
        if place.target.shown("up", "--yes", "--skip-preview", *place.target.policies) != 0:
            raise DeliveryError(
                "The stack could not be made: see above.", "mend what it names, and begin again", Exit.BROKEN
            )
    with report.step("a way into the cluster"):
        place.reach_cluster()
    return place


def _examine(place: Place, report: Report, claims: Collection[Claim], within: frozenset[Needs], say: Say) -> None:
    for claim in claims:
        result = claim.judged(place, within)
        report.results.append(result)
        say(f"{result.verdict}: {result.claim}: {result.seen}")


def _forget(place: Place) -> None:
    """Of a stack that is gone the report alone is kept."""
    for each in place.folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != "report.md":
            each.unlink()
