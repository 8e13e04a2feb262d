"""A deployment from its first check to its record, and what happens where it fails on the way.

Until `pulumi up` nothing is changed, and a database that will be migrated is backed up. From then on a failure brings
the last good release back by itself. An interrupt lets what is under way end in good order, and the same command
carries on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from components.moments import DELIVERED
from operations.delivery import backup, checks, moments, prerequisites
from operations.delivery.history import (
    BUILT,
    ROLLBACK,
    Good,
    Update,
    history,
    last_good,
    last_of_all,
    message_of,
    message_of_start,
)
from operations.delivery.lock import keep, locked
from operations.delivery.preview import Preview
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.program import migrations, program_of
from operations.delivery.release import released
from operations.delivery.rollback import Plan, plan, rolled
from operations.delivery.target import Target
from operations.problem import Problem

Say = Callable[[str], None]
Confirm = Callable[[Preview], bool]
_UP: Final = ("up", "--yes", "--skip-preview")
# An entry of the history that changes and asks nothing: the stack itself is all that is looked at, and it has nothing
# outside of the state. It takes a second, where an update that changes nothing runs the program and asks of everything.
_RECORD: Final = ("refresh", "--yes", "--skip-preview", "--target", "**pulumi:pulumi:Stack::**")
# Our images, by their URNs (components/images.py).
_IMAGES: Final = "**$docker-build:index:Image::**"


def ready(target: Target, say: Say) -> None:
    """Commands, cluster and rights are there."""
    say(f"Commands: {prerequisites.check(target)}")
    say(f"Cluster: {prerequisites.check_cluster(target)}")


def deploy(target: Target, tag: str, *, dry_run: bool, confirm: Confirm, say: Say) -> None:
    """Bring a release, and prove that it is good. Raises `DeliveryError`, whose code says what runs now."""
    ready(target, say)
    program = program_of(target, tag)
    if dry_run:
        with released(target, tag) as wanted:
            _agreed(wanted, confirm, *wanted.policies)
        say("Nothing was changed: that was --dry-run.")
        return
    with locked(target), released(target, tag) as wanted:
        updates = history(target)
        new = _new_migrations(wanted, program, last_good(updates))
        if new:
            say(f"Migrates the database: {', '.join(new)}")
        if not _agreed(wanted, confirm, *wanted.policies):
            raise DeliveryError("Nothing was changed.", "run it again when you are sure")
        if new is None or new:
            backup.before_release(target, say)
        say(f"Update: {tag}, program {program[:12]}")
        try:
            _bring(wanted, len(updates), message_of_start(tag, program), *wanted.policies)
            _prove(wanted, program, say)
        except DeliveryError as failed:
            if failed.code in {Exit.REFUSED, Exit.LOCKED}:
                raise
            _take_back(target, failed, say)


def build(target: Target, tag: str, say: Say) -> Mapping[str, str]:
    """Build and push the images of a release, so that they can be looked at before anything runs them.

    Gives what the release would run: name -> reference. The deployment finds them built and builds nothing.
    """
    ready(target, say)
    if target.settings.images.promoted_from:
        raise DeliveryError(
            f"{target.stack} builds no images: it promotes what was built elsewhere.", "build where it promotes from"
        )
    program = program_of(target, tag)
    with locked(target), released(target, tag) as wanted:
        updates = history(target)
        if last_good(updates) is None:
            raise DeliveryError(
                f"{target.stack} has no good release yet: its first deployment makes what images are pushed to.",
                f"deploy it by hand once: ./scripts/deploy.sh {target.stack} deploy --tag {tag}",
            )
        say(f"Images of {tag}, program {program[:12]}")
        _bring(wanted, len(updates), f"{BUILT}{tag}", "--target", _IMAGES)
        found: dict[str, str] = dict(wanted.outputs()["images"])
    return found


def roll_back(target: Target, number: int | None, *, dry_run: bool, confirm: Confirm, say: Say) -> None:
    """Bring back a release that was good; the one that runs, too, and then what was changed by hand is looked for."""
    ready(target, say)
    if dry_run:
        updates = history(target)
        chosen = plan(target, updates, number)
        _tell(chosen, say)
        with rolled(target, chosen) as wanted:
            _agreed(wanted, confirm, *wanted.advice, *_looking(updates, chosen))
        say("Nothing was changed: that was --dry-run.")
        return
    with locked(target):
        updates = history(target)
        chosen = plan(target, updates, number)
        _tell(chosen, say)
        looking = _looking(updates, chosen)
        with rolled(target, chosen) as wanted:
            if not _agreed(wanted, confirm, *wanted.advice, *looking):
                raise DeliveryError("Nothing was changed.", "run it again when you are sure")
            _return(wanted, chosen, say, *looking)


def _looking(updates: Sequence[Update], chosen: Plan) -> list[str]:
    """Looking at everything takes its time and can fail, so it is left out where the state alone says what to do."""
    return ["--refresh"] if chosen.update == last_of_all(updates) else []


def _agreed(wanted: Target, confirm: Confirm, *options: str) -> bool:
    found = Preview.of_stack(wanted, *options)
    if found.errors:
        raise DeliveryError("\n".join(found.errors), "mend what it names; nothing was changed", _code(found.errors))
    return confirm(found)


def _code(errors: object) -> Exit:
    return Exit.LOCKED if "currently locked" in str(errors) else Exit.REFUSED


def _bring(wanted: Target, known: int, message: str, *options: str) -> None:
    """The update. known: how many there were before; one that is not among them afterwards has never begun."""
    keep(wanted)
    if wanted.shown(*_UP, *options, "--message", message) == 0:
        return
    with _after_changes():
        begun = len(history(wanted)) != known
    if not begun:
        raise DeliveryError(
            "The update could not begin, and nothing was changed: see above.",
            "mend what it names. A lock of one that was killed, and that nobody waits for any more, goes by "
            f"`pulumi cancel --stack {wanted.stack}`",
        )
    raise DeliveryError("The update failed: see above.", "mend what it names", Exit.BROKEN)


@contextmanager
def _after_changes() -> Iterator[None]:
    """Whatever fails here, and be it that nothing can be asked any more, something was changed before."""
    try:
        yield
    except Problem as failed:
        if isinstance(failed, DeliveryError) and failed.code != Exit.REFUSED:
            raise
        raise DeliveryError(failed.what, failed.hint, Exit.BROKEN) from None


def _prove(wanted: Target, program: str, say: Say) -> None:
    """What runs is healthy and passes its tests; that is written into the history."""
    with _after_changes():
        say("Tests of what runs")
        results = checks.run(wanted, thorough=False)
        if wrong := [f"{result.name}: {result.problem}" for result in results if result.problem]:
            raise DeliveryError("Tests of what runs failed.\n" + "\n".join(wrong), "mend what they name", Exit.BROKEN)
        say(f"{len(results)} tests passed")
        images: dict[str, str] = dict(wanted.outputs()["images"])
        good = Good(release=wanted.settings.release, program=program, images=images)
        keep(wanted)
        wanted.pulumi(*_RECORD, "--message", message_of(good))
        say(f"{wanted.settings.release} runs, and is on record as good.")
        moments.renew(wanted, say, DELIVERED)


def _take_back(target: Target, failed: DeliveryError, say: Say) -> None:
    """After a failure: the last good release, or the reason why not."""
    try:
        updates = history(target)
        good = last_good(updates)
        if good is not None:
            say(failed.what)
            chosen = plan(target, updates, good.number)
            _tell(chosen, say)
            with rolled(target, chosen) as wanted:
                _return(wanted, chosen, say)
    except Problem as worse:
        raise DeliveryError(
            f"{failed.what}\nIt could not be taken back: {worse.what}", worse.hint, Exit.BROKEN
        ) from None
    if good is None:
        raise DeliveryError(
            f"{failed.what}\nNo release was good before, so nothing was taken back.", failed.hint, Exit.BROKEN
        )
    raise DeliveryError(
        f"{failed.what}\nThe last good release, {good.release} of update {good.number}, runs again.",
        failed.hint,
        Exit.RESTORED,
    )


def _return(wanted: Target, chosen: Plan, say: Say, *options: str) -> None:
    message = f"{ROLLBACK}{chosen.update.number}: {chosen.good.release}"
    _bring(wanted, len(history(wanted)), message, *wanted.advice, *options)
    _prove(wanted, chosen.good.program, say)


def _tell(chosen: Plan, say: Say) -> None:
    say(f"Back to {chosen.good.release} of update {chosen.update.number}, program {chosen.good.program[:12]}")
    for line in chosen.left:
        say(f"  left out: {line}")


def _new_migrations(wanted: Target, program: str, good: Update | None) -> list[str] | None:
    """What the release brings that the last good one hadn't; None where nothing says what that had."""
    if good is None or good.program is None:
        return None
    return sorted(migrations(wanted, program) - migrations(wanted, good.program))
