"""A backup of the database at once, before a release that migrates it."""

from collections.abc import Callable
from typing import Final

from components import pgbackrest
from operations.delivery import jobs
from operations.delivery.problem import Exit
from operations.delivery.target import Target

NAME: Final = f"{pgbackrest.JOBS}-before-release"
# What has changed since the last one, so that a large database takes minutes; the first of all is a full one.
_LIKE: Final = "incr"


def before_release(target: Target, say: Callable[[str], None]) -> None:
    """Take it, and wait for its end. Raises `DeliveryError` where it fails: nothing of the release is there yet."""
    kept = {each["metadata"]["name"] for each in target.listed("data", "cronjobs")}
    if f"{pgbackrest.JOBS}-{_LIKE}" not in kept:
        say("The database is not backed up before: this environment has no backups.")
        return
    # One that an interrupted delivery left says nothing of now.
    target.kubectl("-n", target.namespaces["data"], "delete", "job", NAME, "--ignore-not-found")
    jobs.begin(target, NAME, _LIKE)
    say("Backing the database up …")
    seconds = jobs.wait(
        target,
        NAME,
        lambda status: jobs.has(status, "Complete"),
        "The database could not be backed up, so the release was not begun",
        Exit.REFUSED,
    )
    jobs.remove(target, NAME)
    say(f"Backed up after {seconds:.0f} s: `restore` brings any second until the update back.")
