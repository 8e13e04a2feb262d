"""Edited files go into the running pods in less than two seconds: `make dev` (S10.1, docs/development.md)."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from components.settings import ExistingCluster
from operations.problem import Problem
from operations.reload.checkout import Checkout
from operations.reload.pods import Cluster, ReloadError
from operations.reload.session import Session
from operations.stacks import settings_of

_PROGRAM = Path(__file__).resolve().parent.parent
_INTERRUPTED = 130  # 128 and SIGINT, as shells have it

_HELP = """
Send every edited file of the application into its running pods, until Ctrl-C.

PHP files, migrations, what nginx serves and a Flutter build (`frontend/build/web`) are sent; pods that come later get
what differs from their image.

Examples:

  make dev

  make dev STACK=mine

  python -m operations.dev --file Pulumi.mine.yaml
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, emoji=False)


@app.command(help=_HELP)
def main(
    stack: Annotated[str, typer.Option(help="The stack whose pods they are.")] = "development",
    file: Annotated[Path | None, typer.Option(help="Its file, where that isn't Pulumi.STACK.yaml.")] = None,
) -> None:
    try:
        session = _session(file or _PROGRAM / f"Pulumi.{stack}.yaml")
        session.run()
    except Problem as error:
        error.tell()
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say("Ended. Pods keep what they were sent until others take their place.")
        raise typer.Exit(_INTERRUPTED) from None


def _session(file: Path) -> Session:
    settings = settings_of(file)
    cluster = settings.cluster
    if not isinstance(cluster, ExistingCluster):
        raise ReloadError(f"{file.name} is for a cluster of Google's.", "edited files go to a workbench alone")
    if not settings.app.hot_reload:
        raise ReloadError(
            f"app.hot_reload is off in {file.name}.",
            "`pulumi config set --path vision-week:app.hot_reload true`, then `pulumi up`",
        )
    if settings.source.git:
        raise ReloadError(
            f"{file.name} takes the application from {settings.source.git}.",
            "clone it, and name the folder as source.path instead",
        )
    source = (_PROGRAM / (settings.source.path or "app")).resolve()
    if not source.is_dir():
        raise ReloadError(f"There is no folder {source}.", "correct source.path")
    return Session(
        checkout=Checkout(source, settings.source.document_root),
        cluster=Cluster(cluster.context, cluster.kubeconfig, f"{settings.namespace_prefix}-app"),
        say=_say,
    )


def _say(text: str) -> None:
    console.print(f"[dim]{datetime.now():%H:%M:%S}[/dim] {escape(text)}", soft_wrap=True)


if __name__ == "__main__":
    app()
