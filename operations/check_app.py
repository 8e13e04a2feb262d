"""Runs an image against the contract of docs/your-application.md and says what is missing: `make check-app`.

The image runs as the platform runs it: two containers of one image joined by a socket, as 1000:1000 on a read-only root
without a capability, beside a PostgreSQL and a Redis, on this machine's Docker engine. It needs nothing else, and
leaves nothing behind.
"""

from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.catalogue import CATALOGUE
from operations.conformance.bench import BenchError, bench
from operations.conformance.rules import Finding, check

# What images/postgres is built on.
POSTGRES: Final = "docker.io/library/postgres:15-bookworm"
REDIS: Final = CATALOGUE["redis"].reference

_HELP: Final = """
Say what an image lacks to be run by the platform; exits with 1 when it lacks something.

Examples:

  make check-app IMAGE=registry.example/my-app:v2

  python -m operations.check_app registry.example/my-app:v2

  python -m operations.check_app my-app --mirror localhost:5005/mirror
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def main(
    image: Annotated[str, typer.Argument(help="The image, by any name that Docker knows; it is pulled if need be.")],
    postgres: Annotated[str, typer.Option(help="The image of PostgreSQL that runs beside it.")] = POSTGRES,
    redis: Annotated[str, typer.Option(help="The image of Redis that runs beside it.")] = REDIS,
    mirror: Annotated[str, typer.Option(help="Where those two are pulled from instead, as host/path.")] = "",
) -> None:
    console = Console()
    table = Table("rule", "", "seen", "what to do", title=f"{image} and docs/your-application.md")
    prefix = f"{mirror}/" if mirror else ""
    try:
        with (
            console.status(f"Trying {escape(image)} …"),
            bench(image, database=f"{prefix}{postgres}", store=f"{prefix}{redis}") as made,
        ):
            findings = list(check(made))
    except BenchError as error:
        Console(stderr=True).print(f"[red]{escape(image)} can't be tried: {escape(str(error))}[/red]", soft_wrap=True)
        raise typer.Exit(2) from None
    for finding in findings:
        _add(table, finding)
    console.print(table)
    missing = sum(not finding.met for finding in findings)
    console.print(f"{len(findings)} rules, {missing} not met" if missing else f"{len(findings)} rules, all met")
    raise typer.Exit(1 if missing else 0)


def _add(table: Table, finding: Finding) -> None:
    told = "[green]met[/green]" if finding.met else "[red]not met[/red]"
    table.add_row(finding.rule, told, escape(finding.seen), "" if finding.met else escape(finding.todo))


if __name__ == "__main__":
    app()
