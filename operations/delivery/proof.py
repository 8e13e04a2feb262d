"""The words of the actions that try what runs: its tests, and load."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Column, Table

from operations.delivery import checks
from operations.delivery import load as loading
from operations.delivery.front import console, target_of
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.release import released_or_running

app = typer.Typer()

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
    with released_or_running(target, None) as running:
        results = checks.run(running, thorough=True, patience=0)
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
