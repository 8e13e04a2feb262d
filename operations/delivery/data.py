"""The words of the actions on data: what brings the database's and the uploads' back, and what takes all of them."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Column, Table

from operations.delivery import restore as restoring
from operations.delivery.front import Yes, ask_for_name, confirmed, console, say, target_of
from operations.delivery.lock import locked
from operations.delivery.problem import DeliveryError, Exit

if TYPE_CHECKING:
    from operations.delivery.uploads import Plan

app = typer.Typer()

_RESTORE: Final = """
Restore the database beside, to a moment, from a backup, or to the latest there is. The database itself is left as it
is: what is restored is served by a pod of its own, until it is removed. With --in-place it then takes the database's
place; what was there is kept under another name.

Examples:

  ./scripts/deploy.sh production restore --to 2026-11-01T12:00:00Z

  ./scripts/deploy.sh staging restore --latest

  ./scripts/deploy.sh staging restore --backup 20261101-020000F --in-place
"""


@app.command(help=_RESTORE)
def restore(
    context: typer.Context,
    *,
    to: Annotated[str | None, typer.Option(help="A moment, with its time zone.")] = None,
    latest: Annotated[bool, typer.Option("--latest", help="All that was archived.")] = False,
    backup: Annotated[str | None, typer.Option(help="A backup, as it was when it ended.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Put it in the database's place.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the environment's name.")] = False,
) -> None:
    if sum((to is not None, latest, backup is not None)) != 1:
        raise DeliveryError("It takes one of --to, --latest and --backup.", "say which")
    point = restoring.Point(restoring.moment(to) if to else None, backup)
    target = target_of(context)

    def confirm() -> None:
        if target.settings.purpose == "live" and not yes:
            done = "takes the place of the database" if in_place else "is made beside it"
            ask_for_name(target.stack, f"A copy of all data of {target.stack}, as they were then, {done}")

    restoring.beside(target, point, confirm=confirm, say=say)
    if not in_place:
        restoring.tell(target, say)
        return
    # Only here: no other action waits for Pulumi's library to load.
    from operations.delivery import place  # noqa: PLC0415

    place.in_place(target, say)


_RESTORE_UPLOADS: Final = """
Bring back the files that people had uploaded at some time, from the versions that their bucket keeps. Nothing is
deleted: what came after that time stays, and what is written over is kept as a former version.

Examples:

  ./scripts/deploy.sh production restore-uploads --to 2026-03-01T12:00:00Z --dry-run

  ./scripts/deploy.sh production restore-uploads --to 2026-03-01T12:00:00Z
"""


@app.command(name="restore-uploads", help=_RESTORE_UPLOADS)
def restore_uploads(
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option(help="A time with its zone: 2026-03-01T12:00:00Z.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    yes: Yes = False,
) -> None:
    try:
        moment = datetime.fromisoformat(to)
    except ValueError:
        raise DeliveryError(f"--to {to} is no time.", "write it like 2026-03-01T12:00:00Z") from None
    if moment.tzinfo is None:
        raise DeliveryError(f"--to {to} has no zone.", "end it with Z for UTC, or with an offset like +02:00")
    # Only here: no other action waits for Google's library to load.
    from operations.delivery.uploads import restore  # noqa: PLC0415

    restore(target_of(context), moment, partial(_agree_to_uploads, dry_run=dry_run, yes=yes), say)


def _agree_to_uploads(plan: "Plan", *, dry_run: bool, yes: bool) -> bool:
    """Whether the person agrees to what would come back."""
    table = Table("file", Column("bytes", justify="right"), "of", "instead of", box=None)
    for each in plan.returns[:20]:
        version, current = each.version, each.instead_of
        over = f"one of {current.begun.isoformat(timespec='seconds')}" if current else "nothing"
        table.add_row(version.name, str(version.size), version.begun.isoformat(timespec="seconds"), over)
    if plan.returns:
        console.print(table)
    if len(plan.returns) > 20:
        console.print(f"and {len(plan.returns) - 20} more")
    console.print(
        f"{len(plan.returns)} come back ({plan.size} bytes), {plan.same} are as they were, "
        f"{len(plan.newer)} came after that and stay"
    )
    if dry_run or not plan.returns:
        return False
    return yes or confirmed()


_DESTROY: Final = """
Remove the environment with all that is in it. What is protected stays until the setting `protect` is taken away.

Examples:

  ./scripts/deploy.sh development destroy
"""


@app.command(help=_DESTROY)
def destroy(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for its name.")] = False,
) -> None:
    target = target_of(context)
    if dry_run:
        raise typer.Exit(target.shown("destroy", "--preview-only"))
    if not yes:
        ask_for_name(target.stack, f"All data of {target.stack} will be gone")
    with locked(target):
        if target.shown("destroy", "--yes", "--skip-preview") != 0:
            raise DeliveryError("Not all could be removed: see above.", "mend what it names", Exit.BROKEN)
