"""What the words of every action share: the environment they name, what they say, and whom they ask."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target
from operations.problem import Problem

# The name that the local cloud gives its cluster (docs/local-cloud.md).
_LOCAL: Final = "vision-week"

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]

console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


def target_of(context: typer.Context) -> Target:
    """The environment that the command line names. In a shell that isn't set up for Pulumi, a stack of the local cloud
    is worked on in the local cloud's environment."""
    target = Target.named(context.obj)
    if target.context == _LOCAL and "PULUMI_BACKEND_URL" not in os.environ:
        again = [sys.executable, "-m", "localcloud", "run", "--", sys.executable, "-m", "operations.delivery"]
        os.execv(sys.executable, [*again, *sys.argv[1:]])  # noqa: S606  a list of words, and no shell
    return target


def say(text: str) -> None:
    """A step, on stderr: what is piped on is the result."""
    errors.print(f"[bold]{escape(text)}[/bold]", soft_wrap=True)


def confirmed() -> bool:
    """Whether the person agrees."""
    if not sys.stdin.isatty():
        raise DeliveryError("There is nobody to ask.", "say --yes where you are sure")
    return typer.confirm("Go on?")


def ask_for_name(stack: str, what: str) -> None:
    """Have the person write the stack's name. Raises `DeliveryError` where that isn't what comes."""
    if not sys.stdin.isatty():
        raise DeliveryError("There is nobody to ask.", "say --yes where you are sure")
    if typer.prompt(f"{what}. Write its name") != stack:
        raise DeliveryError("That isn't its name; nothing was changed.", "write it as it is")


def run(app: Callable[..., Any], name: str, interrupted: str, *signals: int) -> None:
    """Run a command by its words. What a person can mend becomes a message with the way out, and the documented exit
    code; so does an interrupt, which is what each of the signals is taken for.

    interrupted: what is said then.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, interrupt)
    try:
        app(prog_name=name)
    except Problem as problem:
        problem.tell()
        sys.exit(problem.code if isinstance(problem, DeliveryError) else Exit.REFUSED)
    except KeyboardInterrupt:
        errors.print(interrupted)
        sys.exit(Exit.INTERRUPTED)
