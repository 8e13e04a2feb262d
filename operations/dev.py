"""Edited files go into the running pods in less than two seconds: `make dev` (S10.1, docs/development.md)."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from components.configuration import SettingsError, decoded, parse
from components.settings import ExistingCluster, Settings
from components.stack_file import StackFile, own
from operations.reload.checkout import Checkout
from operations.reload.pods import Cluster, ReloadError
from operations.reload.session import Session

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
    except ReloadError as error:
        errors = Console(stderr=True, highlight=False, emoji=False)
        errors.print(f"[red]{escape(error.what)}[/red]", soft_wrap=True)
        errors.print(f"[bold]What to do:[/bold] {escape(error.hint)}", soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say("Ended. Pods keep what they were sent until others take their place.")
        raise typer.Exit(_INTERRUPTED) from None


def _session(file: Path) -> Session:
    settings = _settings(file)
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


def _settings(file: Path) -> Settings:
    try:
        text = file.read_text()
        config: Mapping[str, Any] = yaml.safe_load(text)["config"]
    except OSError as error:
        raise ReloadError(f"{file} can't be read: {error.strerror}.", "name the stack: --stack, or --file") from None
    except (yaml.YAMLError, KeyError, TypeError):
        raise ReloadError(f"{file} is no stack's file.", "compare it with Pulumi.development.yaml") from None
    try:
        values = {name: value for key, value in config.items() if (name := own(key))}
        # What `pulumi config set` writes is text, be it a number.
        typed = {name: decoded(name, value) if isinstance(value, str) else value for name, value in values.items()}
        return parse(typed, file=StackFile(file.name, text))
    except SettingsError as error:
        raise ReloadError(error.message(), "mend what is named above") from None


def _say(text: str) -> None:
    console.print(f"[dim]{datetime.now():%H:%M:%S}[/dim] {escape(text)}", soft_wrap=True)


if __name__ == "__main__":
    app()
