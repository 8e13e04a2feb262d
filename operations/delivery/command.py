"""`./scripts/deploy.sh ENV ACTION`: the words of the command line. What the actions do stands in the modules beside."""

import os
import re
import signal
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from components.levels import LEVELS
from operations.cost.estimate import estimate, is_google
from operations.cost.report import summary as cost_summary
from operations.delivery import checks
from operations.delivery import comment as comments
from operations.delivery import deploy as delivery
from operations.delivery import load as loading
from operations.delivery import logs as pods_logs
from operations.delivery import render as rendering
from operations.delivery import restore as restoring
from operations.delivery.history import Update, history, last_good, last_of_all
from operations.delivery.lock import locked
from operations.delivery.preview import SIGNS, Preview
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.release import released
from operations.delivery.target import Target, environments
from operations.problem import Problem

if TYPE_CHECKING:
    from operations.delivery.uploads import Plan

# The name that the local cloud gives its cluster (docs/local-cloud.md).
_LOCAL: Final = "vision-week"

_HELP: Final = """
Deliver releases of one environment: `development`, `staging`, `production`, or any other that has a stack's file.

Exit codes: 0 done; 1 something is in the way, nothing was changed; 2 wrong words; 3 somebody else delivers to this
environment; 4 the release failed and the last good one runs again; 5 something failed half-way and was not taken back;
6 a test failed; 130 interrupted.

Examples:

  ./scripts/deploy.sh staging deploy --tag v2.0.0

  ./scripts/deploy.sh production status

  ./scripts/deploy.sh production logs --service app --level error --follow
"""

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Stateful = Annotated[bool, typer.Option("--stateful", help="Agree that data may be lost, too.")]

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


@app.callback()
def environment(
    context: typer.Context,
    env: Annotated[
        str,
        typer.Argument(
            metavar="ENV", help="The environment: a Pulumi.ENV.yaml of the checkout.", autocompletion=environments
        ),
    ],
) -> None:
    context.obj = env


def target_of(context: typer.Context) -> Target:
    """The environment that the command line names. In a shell that isn't set up for Pulumi, a stack of the local cloud
    is worked on in the local cloud's environment."""
    target = Target.named(context.obj)
    if target.context == _LOCAL and "PULUMI_BACKEND_URL" not in os.environ:
        again = [sys.executable, "-m", "localcloud", "run", "--", sys.executable, "-m", "operations.delivery"]
        os.execv(sys.executable, [*again, *sys.argv[1:]])  # noqa: S606  a list of words, and no shell
    return target


_LOGS: Final = """
Show what the pods have logged: coloured lines in a terminal, JSON where they are piped. A stack that keeps logs
(monitoring.logs) has those of pods that are gone, too.

Examples:

  ./scripts/deploy.sh staging logs --since 1h --level warning

  ./scripts/deploy.sh production logs --service app --grep 'request_id.*4bf92f' --follow

  ./scripts/deploy.sh production logs | jq .message
"""


@app.command(help=_LOGS)
def logs(
    context: typer.Context,
    *,
    service: Annotated[str | None, typer.Option(help="Of this service alone: app, nginx, postgres, …")] = None,
    level: Annotated[str, typer.Option(help=f"The least of {', '.join(LEVELS)}.")] = "debug",
    since: Annotated[str, typer.Option(help="Not older than this: 30s, 10m, 2h.")] = "10m",
    grep: Annotated[str | None, typer.Option(help="Lines that match this regular expression.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
) -> None:
    if level not in LEVELS:
        raise DeliveryError(f"There is no level {level}.", f"name one of {', '.join(LEVELS)}")
    if not re.fullmatch(r"\d+[smh]", since):
        raise DeliveryError(f"--since {since} is no time.", "write a number and s, m or h: 30s, 10m, 2h")
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise DeliveryError(f"--grep {grep} is no regular expression: {error}.", "mend it") from None
    wanted = pods_logs.Wanted(service, level, pattern, since)
    target = target_of(context)
    for line in pods_logs.follow(target, wanted) if follow else pods_logs.read(target, wanted):
        if console.is_terminal:
            console.print(line.as_markup(), soft_wrap=True)
        else:
            sys.stdout.write(line.as_json() + "\n")
            sys.stdout.flush()


_HISTORY: Final = """
List the updates of the environment, the newest first, and which of them were found good.

Examples:

  ./scripts/deploy.sh production history

  ./scripts/deploy.sh production history --all
"""


@app.command(name="history", help=_HISTORY)
def show_history(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Not only the last twenty.")] = False,
) -> None:
    updates = history(target_of(context))
    table = Table("no.", Column("when", no_wrap=True), "what", "release", "result", "changed", "said", box=None)
    for update in updates if every else updates[:20]:
        table.add_row(*_row(update))
    console.print(table)


def _row(update: Update) -> list[str]:
    colour = "green" if update.result == "succeeded" else "red"
    said = f"found good, program {update.good.program[:12]}" if update.good else update.message.partition("\n")[0]
    what = [str(update.number), update.started[:19], update.kind, escape(update.release)]
    return [*what, f"[{colour}]{update.result}[/{colour}]", update.changed, escape(said)]


_STATUS: Final = """
Say what runs, how its last update ended, and which release a roll-back would bring back.

Examples:

  ./scripts/deploy.sh staging status
"""


@app.command(help=_STATUS)
def status(context: typer.Context) -> None:
    target = target_of(context)
    updates = history(target)
    if not updates:
        raise DeliveryError(f"{target.stack} was never deployed.", f"./scripts/deploy.sh {target.stack} deploy --tag …")
    table = Table(box=None, show_header=False)
    last, good = last_of_all(updates) or updates[0], last_good(updates)
    table.add_row("release", escape(last.release))
    table.add_row("last update", f"{last.number} of {last.started[:19]}, {last.kind}: {last.result}")
    table.add_row("last good", f"{good.number}: {escape(good.good.release)}" if good and good.good else "none")
    wrong = 0
    for each in target.workloads():
        wanted, ready = each["spec"]["replicas"], each["status"].get("readyReplicas", 0)
        colour = "green" if ready == wanted else "red"
        wrong += ready != wanted
        table.add_row(each["metadata"]["name"], f"[{colour}]{ready} of {wanted} ready[/{colour}]")
    console.print(table)
    if wrong or last.result != "succeeded":
        raise DeliveryError("Not all is well.", f"./scripts/deploy.sh {target.stack} logs --level warning", Exit.TESTS)


_PREVIEW: Final = """
Show what a deployment would change; what is replaced or deleted comes first. Changes nothing.

Examples:

  ./scripts/deploy.sh staging preview

  ./scripts/deploy.sh production preview --tag v2.0.0

  ./scripts/deploy.sh staging preview --markdown staging.md
"""


@app.command(name="preview", help=_PREVIEW)
def show_preview(
    context: typer.Context,
    tag: Annotated[str | None, typer.Option(help="The release; without it the one in the stack's file.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a comment for `comment` here; all of it as `.whole.md`.")
    ] = None,
) -> None:
    with released(target_of(context), tag) as target:
        found = Preview.of_stack(target, *target.policies)
    show(found)
    if markdown:
        markdown.write_text(comments.markdown(target.stack, found))
        markdown.with_suffix(".whole.md").write_text(comments.whole(target.stack, found))
    if found.errors:
        raise DeliveryError("\n".join(found.errors), "mend what it names; nothing was changed")


_RENDER: Final = """
Write the objects that an update would apply as a base and an overlay for Kustomize, for those who apply with Argo CD
or Flux. Secrets are named, never written. Changes nothing in the cluster; what only an update makes must be there.

Examples:

  ./scripts/deploy.sh staging render --to ../gitops

  ./scripts/deploy.sh production render --tag v2.0.0 --to ../gitops
"""


@app.command(name="render", help=_RENDER)
def show_rendered(
    context: typer.Context,
    *,
    to: Annotated[Path, typer.Option(help="The folder that base/ and overlays/ are in.")] = Path("build/render"),
    tag: Annotated[str | None, typer.Option(help="The release; without it the one in the stack's file.")] = None,
) -> None:
    with released(target_of(context), tag) as target:
        rendered = rendering.render(target, to)
    console.print(f"{len(rendered.objects)} objects in {escape(str(to / 'overlays' / target.stack))}", soft_wrap=True)
    for line in rendered.left_out():
        _say(f"left out: {line}")


_DRIFT: Final = """
Look whether all is still as it was deployed, and show what is not. Changes nothing; exits with 6 where something is
another.

Examples:

  ./scripts/deploy.sh production drift
"""


@app.command(help=_DRIFT)
def drift(context: typer.Context) -> None:
    target = target_of(context)
    found = Preview.of_stack(target, "--refresh")
    show(found)
    if found.errors:
        raise DeliveryError("\n".join(found.errors), "mend what it names; nothing was changed")
    if found.changes:
        raise DeliveryError(
            f"{target.stack} is not as this checkout has it.",
            f"`pulumi up --refresh --stack {target.stack}` puts it right; docs/drift.md says what counts",
            Exit.TESTS,
        )


_COMMENT: Final = """
Put what `preview --markdown` wrote on a pull request, in the place of the comment that was there for this environment.
Exits with 1 where data or identities go with the change and the pull request has no label `stateful-change`.
GITHUB_TOKEN and GITHUB_REPOSITORY are those of the workflow.

Examples:

  ./scripts/deploy.sh staging comment staging.md --pull-request 17
"""


@app.command(help=_COMMENT)
def comment(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `preview --markdown` wrote.", exists=True)],
    pull_request: Annotated[int, typer.Option(help="Its number.")],
) -> None:
    text = file.read_text()
    try:
        there = comments.PullRequest(
            os.environ["GITHUB_REPOSITORY"],
            pull_request,
            os.environ["GITHUB_TOKEN"],
            os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        )
        console.print(there.post(text, context.obj))
        agreed = not comments.asks_for_consent(text) or there.consents()
    except KeyError as missing:
        raise DeliveryError(f"There is no {missing.args[0]}.", "set it as GitHub's workflows do") from None
    except httpx.HTTPError as error:
        raise DeliveryError(f"The comment can't be written: {error}", "see the token's permissions") from None
    if not agreed:
        raise DeliveryError(
            f"Data or identities go with this change, and nobody has given it the label {comments.CONSENT}.",
            "give it the label if that is meant, and run this job again",
        )


_BUILD: Final = """
Build and push the images of a release, and change nothing that runs: they can be scanned before they are deployed. The
references of what the release would run are printed, one a line.

Examples:

  ./scripts/deploy.sh staging build --tag v2.0.0
"""


@app.command(help=_BUILD)
def build(
    context: typer.Context,
    *,
    tag: Annotated[str, typer.Option(help="The release: a tag of the repository, and of the images.")],
) -> None:
    for reference in sorted({*delivery.build(target_of(context), tag, _say).values()}):
        console.print(escape(reference), soft_wrap=True)


_DEPLOY: Final = """
Bring a release: checks first, then what would change is shown and agreed on, then the update, then tests of what runs.
A release that fails is taken back by itself.

Examples:

  ./scripts/deploy.sh staging deploy --tag v2.0.0

  ./scripts/deploy.sh production deploy --tag v2.0.0 --dry-run

  ./scripts/deploy.sh staging deploy --tag v2.0.0 --yes
"""


@app.command(help=_DEPLOY)
def deploy(
    context: typer.Context,
    *,
    tag: Annotated[str, typer.Option(help="The release: a tag of the repository, and of the images.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, push nothing.")] = False,
    yes: Yes = False,
    stateful: Stateful = False,
) -> None:
    agree = partial(_agree, dry_run=dry_run, yes=yes, stateful=stateful)
    delivery.deploy(target_of(context), tag, dry_run=dry_run, confirm=agree, say=_say)


_ROLLBACK: Final = """
Bring back the release that was good before, or that of a certain update: its images, its settings and its program.
What stays as it is, is named.

Examples:

  ./scripts/deploy.sh production rollback

  ./scripts/deploy.sh production rollback --to 17

  ./scripts/deploy.sh staging rollback --dry-run
"""


@app.command(help=_ROLLBACK)
def rollback(
    context: typer.Context,
    *,
    to: Annotated[int | None, typer.Option(help="An update that `history` calls good.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    yes: Yes = False,
    stateful: Stateful = False,
) -> None:
    agree = partial(_agree, dry_run=dry_run, yes=yes, stateful=stateful)
    delivery.roll_back(target_of(context), to, dry_run=dry_run, confirm=agree, say=_say)


def _agree(found: Preview, *, dry_run: bool, yes: bool, stateful: bool) -> bool:
    """Whether the person agrees to what would change."""
    show(found)
    if dry_run:
        return False
    lost = [f"{change.kind} {change.name}" for change in found.changes if change.needs_consent]
    if lost and not stateful:
        raise DeliveryError(
            f"Data or identities would go with what is replaced or deleted: {', '.join(lost)}.",
            "if that is meant, say --stateful",
        )
    return yes or _confirmed()


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise DeliveryError("There is nobody to ask.", "say --yes where you are sure")
    return typer.confirm("Go on?")


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
            _ask_for_name(target.stack, f"A copy of all data of {target.stack}, as they were then, {done}")

    restoring.beside(target, point, confirm=confirm, say=_say)
    if not in_place:
        restoring.tell(target, _say)
        return
    # Only here: no other action waits for Pulumi's library to load.
    from operations.delivery import place  # noqa: PLC0415

    place.in_place(target, _say)


_TEST: Final = """
Test what runs: pods, TLS, routes, security headers, WebSocket and the rate limit; that replicas have what is written,
backups are young and no critical alert is raised. It may be run on an environment with users in it.

Examples:

  ./scripts/deploy.sh production test

  ./scripts/deploy.sh staging test --junit report.xml
"""


@app.command(name="test", help=_TEST)
def show_tests(
    context: typer.Context,
    junit: Annotated[Path | None, typer.Option(help="Write a report for CI here, too.")] = None,
) -> None:
    target = target_of(context)
    results = checks.run(target, thorough=True, patience=0)
    table = Table("", "test", "seconds", "seen instead", box=None)
    for result in results:
        mark = "[red]✗[/red]" if result.problem else "[green]✓[/green]"
        table.add_row(mark, escape(result.name), f"{result.seconds:.1f}", escape(result.problem or ""))
    console.print(table)
    if junit:
        checks.junit(results, target.stack, junit)
    failed = sum(result.problem is not None for result in results)
    if failed:
        raise DeliveryError(
            f"{failed} of {len(results)} tests failed.",
            f"./scripts/deploy.sh {target.stack} logs --level warning",
            Exit.TESTS,
        )


_LOAD: Final = """
See whether the service levels hold under load: 95 % of answers within 500 ms, 99.9 % of them good. It asks for the page
as often as it is told, and the API nearly as often as one address may. Not for an environment with users in it.

Examples:

  ./scripts/deploy.sh staging load

  ./scripts/deploy.sh development load --seconds 20 --pages 20
"""


@app.command(name="load", help=_LOAD)
def show_load(
    context: typer.Context,
    *,
    seconds: Annotated[int, typer.Option(help="How long.", min=5, max=3600)] = 120,
    pages: Annotated[int, typer.Option(help="How many pages a second.", min=1, max=2000)] = 50,
) -> None:
    target = target_of(context)
    if target.settings.purpose == "live":
        raise DeliveryError(f"{target.stack} has users in it.", "put load on an environment that has none: staging")
    found = loading.load(target, seconds=seconds, pages=pages)
    table = Table("", *(Column(each, justify="right") for each in ("requests", "95 % within", "failed")), box=None)
    for each in found.measured:
        table.add_row(each.name, str(each.count), f"{each.p95:.0f} ms", f"{each.failed:.2%}")
    console.print(table)
    if not found.held:
        raise DeliveryError(
            f"The service levels don't hold, and {found.never} requests came too late to be made.",
            f"./scripts/deploy.sh {target.stack} logs --level warning; the dashboards say what is scarce",
            Exit.TESTS,
        )


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

    restore(target_of(context), moment, partial(_agree_to_uploads, dry_run=dry_run, yes=yes), _say)


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
    return yes or _confirmed()


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
        _ask_for_name(target.stack, f"All data of {target.stack} will be gone")
    with locked(target):
        if target.shown("destroy", "--yes", "--skip-preview") != 0:
            raise DeliveryError("Not all could be removed: see above.", "mend what it names", Exit.BROKEN)


def _ask_for_name(stack: str, what: str) -> None:
    if not sys.stdin.isatty():
        raise DeliveryError("There is nobody to ask.", "say --yes where you are sure")
    if typer.prompt(f"{what}. Write its name") != stack:
        raise DeliveryError("That isn't its name; nothing was changed.", "write it as it is")


def _say(text: str) -> None:
    """A step, on stderr: what is piped on is the result."""
    errors.print(f"[bold]{escape(text)}[/bold]", soft_wrap=True)


def show(found: Preview) -> None:
    """The preview for a terminal: one line a resource."""
    table = Table("", "component", "kind", "name", "fields", box=None)
    for change in found.changes:
        colour = "red" if change.grave else "green" if change.operation == "create" else "yellow"
        weight = "bold " if change.needs_consent else ""
        fields = ", ".join(change.because or [each.path for each in change.differences])
        table.add_row(
            f"[{weight}{colour}]{SIGNS.get(change.operation, '?')}[/{weight}{colour}]",
            *(escape(text) for text in (change.component, change.kind, change.name, fields)),
        )
    if found.changes:
        console.print(table)
    console.print(f"{found.summary}; {found.unchanged} stay as they are")
    if is_google(found.after):
        console.print(cost_summary(estimate(found.before), estimate(found.after)))


def main() -> None:
    """Run an action. What a person can mend becomes a message with the way out, and the documented exit code."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)  # as CI cancels
    try:
        app(prog_name="deploy.sh")
    except Problem as problem:
        problem.tell()
        sys.exit(problem.code if isinstance(problem, DeliveryError) else Exit.REFUSED)
    except KeyboardInterrupt:
        errors.print("Interrupted. The same command carries on from here.")
        sys.exit(Exit.INTERRUPTED)
