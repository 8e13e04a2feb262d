"""`make rotate STACK=staging`: the next generation of passwords, written into the stack's file (S7.3).

Nothing is deployed and nobody signs in: what is written is reviewed, and takes effect with the next delivery
(docs/secrets.md). The file keeps its comments: one number in it changes.
"""

import re
import sys
from pathlib import Path

from operations.problem import Problem
from operations.stacks import settings_in, text_of

_CHECKOUT = Path(__file__).resolve().parents[1]
_LINE = re.compile(r"^(  vision-week:secrets: \{ generation: )(\d+)( \})", re.MULTILINE)


def main() -> int:
    match sys.argv[1:]:
        case [stack]:
            pass
        case _:
            print("usage: python -m operations.rotate STACK; for example: make rotate STACK=staging", file=sys.stderr)  # noqa: T201
            return 2
    file = _CHECKOUT / f"Pulumi.{stack}.yaml"
    try:
        generation = rotate(file)
    except Problem as problem:
        problem.tell()
        return 1
    print(f"{file.name}: secrets.generation is {generation} now; review it, commit it, deliver it.")  # noqa: T201
    return 0


def rotate(file: Path) -> int:
    """Write one more, and give it. Raises `Problem` where the file is none of a stack, or has the number in no line of
    its own."""
    text = text_of(file)
    before = settings_in(file, text).secrets.generation
    if not _LINE.search(text):
        raise Problem(
            f"{file.name} has no line with the generation of its passwords.",
            f"write `  vision-week:secrets: {{ generation: {before} }}` into it, and run the same command again",
        )
    file.write_text(_LINE.sub(lambda found: f"{found[1]}{before + 1}{found[3]}", text))
    return before + 1


if __name__ == "__main__":
    sys.exit(main())
