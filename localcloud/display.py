"""Steps on the screen: what is done now, how long it took, and what to do where it fails."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from localcloud.problem import Problem

console = Console(stderr=True, highlight=False, emoji=False)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Show a step while it runs. Yields a function that says what the step does right now.

    On a terminal the line moves; elsewhere (CI, a file) one line is written when the step ends.
    """
    started = time.monotonic()
    with console.status(f"{escape(title)} …") as status:

        def progress(text: str) -> None:
            seconds = time.monotonic() - started
            status.update(f"{escape(title)} [dim]{seconds:4.0f} s  {escape(text)}[/dim]")

        try:
            yield progress
        except BaseException:
            console.print(f"[red]✗[/red] {escape(title)} [dim]{time.monotonic() - started:.1f} s[/dim]")
            raise
    console.print(f"[green]✓[/green] {escape(title)} [dim]{time.monotonic() - started:.1f} s[/dim]")


def say(text: str) -> None:
    """Write a line to stderr as it is: paths and commands in it are copied, so none is broken where a window ends."""
    console.print(text, markup=False, soft_wrap=True)


def explain(problem: Problem) -> None:
    """Write a problem and the way out to stderr."""
    console.print(f"\n[red]{escape(problem.what)}[/red]", soft_wrap=True)
    console.print(f"[bold]What to do:[/bold] {escape(problem.hint)}", soft_wrap=True)
