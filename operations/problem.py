"""What a person can mend, as the commands of this folder say it."""

from rich.console import Console
from rich.markup import escape


class Problem(Exception):
    """What is in the way, and the way out."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def tell(self) -> None:
        """Say it on stderr."""
        errors = Console(stderr=True, highlight=False, emoji=False)
        errors.print(f"[red]{escape(self.what)}[/red]", soft_wrap=True)
        errors.print(f"[bold]What to do:[/bold] {escape(self.hint)}", soft_wrap=True)
