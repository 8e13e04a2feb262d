"""The words of `python -m operations.verify_cloud`."""

import re
import secrets
import signal
import sys
from typing import Annotated, Final

import httpx
import typer

from operations.delivery import front
from operations.delivery.front import ask_for_name, say
from operations.preflight import Google, tell, token
from operations.problem import Problem
from operations.verify_cloud.place import folders
from operations.verify_cloud.report import Report
from operations.verify_cloud.settings import Site

_HELP: Final = """
Try in a project of Google Cloud what could not be tried without one: make a stack of its own there by the program as it
is, look at each claim of the documents, and remove it, however it went. It costs money, which is told before. The
project must be empty, and nobody's: name none that staging or production is in.

Exit codes: 0 all that was tried is so; 1 something is in the way, nothing was made; 2 wrong words; 5 a step failed, or
something is left at Google; 6 a claim is refuted, or gave no answer; 130 interrupted, and removed.

Examples:

  make verify-cloud PROJECT=my-empty-project

  make verify-cloud PROJECT=my-empty-project ARGUMENTS="--region europe-west4 --yes"

  make verify-cloud PROJECT=my-empty-project ARGUMENTS="--remove verify-1a2b3c4d"
"""

_PROJECT: Final = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")


def _project(given: str) -> str:
    if not _PROJECT.fullmatch(given):
        raise typer.BadParameter("give a project's id: make verify-cloud PROJECT=my-empty-project")
    return given


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def verify_cloud(
    *,
    project: Annotated[str, typer.Option(callback=_project, help="Id of the Google Cloud project.")],
    region: Annotated[str, typer.Option(help="With three zones.")] = "europe-west1",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether it may cost that.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack there, to be looked at; it costs on.")] = False,
    remove: Annotated[str | None, typer.Option(help="Remove a stack that was kept or left: verify-1a2b3c4d.")] = None,
) -> None:
    # Only here: saying what the command is for needs no Pulumi.
    from operations.verify_cloud import run  # noqa: PLC0415
    from operations.verify_cloud.before import number_of  # noqa: PLC0415

    google = Google(token())
    try:
        if remove:
            _end(run.remove(remove, google, say))
        site = Site(
            name=f"verify-{secrets.token_hex(4)}",
            project=project,
            number=number_of(project, google),
            region=region,
        )
        _end(run.verify(site, google, show=tell, consent=lambda: _consent(site, yes=yes), say=say, keep=keep))
    except httpx.HTTPError as error:
        raise Problem(f"Google can't be reached: {error}", "mend the way there, and run it again") from None


def _consent(site: Site, *, yes: bool) -> None:
    if not yes:
        ask_for_name(site.project, f"All of it is made in the project {site.project}, and removed again")


def _end(report: Report) -> None:
    for line in report.summary():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"The report: {folders() / report.stack / 'report.md'}\n")
    raise typer.Exit(report.code)


def main() -> None:
    """Run it."""
    # As CI cancels, and a terminal that is closed.
    front.run(app, "verify-cloud", "Interrupted.", signal.SIGTERM, signal.SIGHUP)
