"""The words of `python -m operations.cost`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from operations.audit.access import resources_of as resources_of_state
from operations.cost.estimate import estimate, is_google
from operations.cost.report import report
from operations.delivery.preview import resources_after
from operations.delivery.target import Target
from operations.problem import Problem
from policies.rules import Resource

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def cost(
    stack: Annotated[str, typer.Argument(help="staging, production, or any other on Google Cloud.")],
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--of",
            help="What `pulumi preview --json --show-sames` or `pulumi stack export` wrote; without it this checkout's "
            "program is run on mocks, which needs no project.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Say what a stack costs in a month, line by line, and what of it has no price here. Changes and asks nothing."""
    resources = _in_file(file) if file else _of_program(stack)
    if not is_google(resources):
        raise Problem(
            f"{stack} is not on Google Cloud, which bills nothing for it.", "name a stack that is: production"
        )
    sys.stdout.write(report(stack, estimate(resources)))


def main() -> None:
    """Run it; a problem is told in words."""
    try:
        app()
    except Problem as problem:
        problem.tell()
        sys.exit(1)


def _of_program(stack: str) -> Sequence[Resource]:
    settings = Target.named(stack).settings
    # Only here: what is in a file needs no program.
    from operations.cost.program import resources_of  # noqa: PLC0415

    return resources_of(settings)


def _in_file(file: Path) -> Sequence[Resource]:
    try:
        told: dict[str, Any] = json.loads(file.read_text())
        if "steps" in told:
            return resources_after(told["steps"])
        return resources_of_state({one["urn"]: one for one in told["deployment"]["resources"]})
    except (ValueError, KeyError, TypeError):
        raise Problem(
            f"{file} is neither a preview nor a state.",
            "write it by `pulumi preview --json --show-sames`, or by `pulumi stack export`",
        ) from None
