"""`./scripts/deploy.sh ENV ACTION`: the words of the command line. What the actions do stands in the modules beside."""

import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.markup import escape
from rich.table import Column, Table

from components.levels import LEVELS
from components.moments import CHECKED, UNCHANGED
from operations.cost.estimate import estimate, is_google
from operations.cost.report import summary as cost_summary
from operations.delivery import comment as comments
from operations.delivery import data, hands, moments, proof
from operations.delivery import deploy as delivery
from operations.delivery import logs as pods_logs
from operations.delivery import render as rendering
from operations.delivery.audit_log import log_of
from operations.delivery.front import Yes, confirmed, console, run, say, target_of
from operations.delivery.history import Update, history, last_good, last_of_all
from operations.delivery.preview import SIGNS, Preview
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.release import as_it_was_brought, released_or_running
from operations.delivery.rollback import good_before
from operations.delivery.target import Target, environments

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

Stateful = Annotated[bool, typer.Option("--stateful", help="Agree that data may be lost, too.")]

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
app.add_typer(proof.app)
app.add_typer(data.app)


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
    last = last_of_all(updates) or updates[0]
    if last.kind == "destroy" and last.result == "succeeded":
        raise DeliveryError(
            f"{target.stack} isn't up: it was removed by update {last.number} of {last.started[:19]}.",
            f"./scripts/deploy.sh {target.stack} deploy --tag …",
        )
    table = Table(box=None, show_header=False)
    good, before = last_good(updates), good_before(updates)
    table.add_row("release", escape(last.release))
    table.add_row("last update", f"{last.number} of {last.started[:19]}, {last.kind}: {last.result}")
    table.add_row("last good", _numbered(good))
    table.add_row("a roll-back brings", _numbered(before))
    wrong = 0
    for each in target.workloads():
        wanted, ready = each["spec"]["replicas"], each["status"].get("readyReplicas", 0)
        colour = "green" if ready == wanted else "red"
        wrong += ready != wanted
        table.add_row(each["metadata"]["name"], f"[{colour}]{ready} of {wanted} ready[/{colour}]")
    console.print(table)
    if wrong or last.result != "succeeded":
        raise DeliveryError("Not all is well.", f"./scripts/deploy.sh {target.stack} logs --level warning", Exit.TESTS)


def _numbered(update: Update | None) -> str:
    return f"{update.number}: {escape(update.release)}" if update else "none"


_WITHOUT_TAG: Final = "The release; without it the one that runs, and where none does that in the stack's file."
_PREVIEW: Final = """
Show what a deployment would change; what is replaced or deleted comes first. Changes nothing. Without --tag it is of
the release that runs, so that what is shown comes of the checkout's program and settings alone.

Examples:

  ./scripts/deploy.sh staging preview

  ./scripts/deploy.sh production preview --tag v2.0.0

  ./scripts/deploy.sh staging preview --markdown staging.md
"""


@app.command(name="preview", help=_PREVIEW)
def show_preview(
    context: typer.Context,
    tag: Annotated[str | None, typer.Option(help=_WITHOUT_TAG)] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a comment for `comment` here; all of it as `.whole.md`.")
    ] = None,
) -> None:
    with released_or_running(target_of(context), tag) as target:
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
    tag: Annotated[str | None, typer.Option(help=_WITHOUT_TAG)] = None,
) -> None:
    with released_or_running(target_of(context), tag) as target:
        rendered = rendering.render(target, to)
    console.print(f"{len(rendered.objects)} objects in {escape(str(to / 'overlays' / target.stack))}", soft_wrap=True)
    for line in rendered.left_out():
        say(f"left out: {line}")


_DRIFT: Final = """
Look whether all is still as it was deployed, by the program and the settings of then, and show what is not, who changed
it and when, as far as the objects themselves and the audit log know. Changes nothing; exits with 6 where something is
another.

Examples:

  ./scripts/deploy.sh production drift

  ./scripts/deploy.sh development drift --audit-log ~/.local/state/vision-week/cluster/audit
"""


@app.command(help=_DRIFT)
def drift(
    context: typer.Context,
    *,
    audit_log: Annotated[
        Path | None,
        typer.Option(help="The API server's own, a file or a folder, where it isn't Google's.", exists=True),
    ] = None,
) -> None:
    target = target_of(context)
    last = last_of_all(history(target))
    with as_it_was_brought(target, last) as brought:
        found = Preview.of_stack(brought, "--refresh", *brought.advice)
    show(found)
    if found.errors:
        raise DeliveryError("\n".join(found.errors), "mend what it names; nothing was changed")
    moments.renew(target, say, *([] if found.changes else [UNCHANGED]), CHECKED)
    if found.changes:
        for line in hands.report(target, found.changes, log_of(target, audit_log)):
            console.print(escape(line), soft_wrap=True)
        raise DeliveryError(
            f"{target.stack} is not as it was deployed.",
            f"`{_repair(target, last)}` puts it right; docs/drift.md says what counts",
            Exit.TESTS,
        )


def _repair(target: Target, last: Update | None) -> str:
    if last and last.good:
        return f"./scripts/deploy.sh {target.stack} rollback --to {last.number}"
    return f"pulumi up --refresh --stack {target.stack}"


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
    for reference in sorted({*delivery.build(target_of(context), tag, say).values()}):
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
    delivery.deploy(target_of(context), tag, dry_run=dry_run, confirm=agree, say=say)


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
    delivery.roll_back(target_of(context), to, dry_run=dry_run, confirm=agree, say=say)


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
    return yes or confirmed()


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
    for one in found.mended:
        console.print(f"added by a rule, because nothing was said: {escape(one)}", soft_wrap=True)
    console.print(f"{found.summary}; {found.unchanged} stay as they are")
    if is_google(found.after):
        console.print(cost_summary(estimate(found.before), estimate(found.after)))


def main() -> None:
    """Run an action."""
    interrupted = "Interrupted. The same command carries on from here."
    run(app, "deploy.sh", interrupted, signal.SIGTERM)  # as CI cancels
