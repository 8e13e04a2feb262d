"""What the rules take for a stack's resources: each looked at by itself, and all of them together. Without the engine,
which asks for one after the other as the program makes them."""

import datetime
import statistics
import sys
import time
from collections.abc import Iterator

from policies.analyzer import findings, findings_together, remedies
from policies.exemptions import STRICT
from tests.policies.seen import resources_of
from tests.unit.recording import run_stack
from tests.unit.stacks import STACKS, buildable

_DAY = datetime.date(2026, 12, 1)


def measure(runs: int) -> Iterator[tuple[str, float, str]]:
    """What is measured, its seconds, the target."""
    for stack in STACKS:
        recorded = run_stack(buildable(stack))
        resources = resources_of(recorded)
        taken = []
        for _ in range(runs):
            started = time.perf_counter()
            for one, made in zip(resources, recorded.made, strict=True):
                list(remedies(one, made.sent, STRICT, _DAY))
                list(findings(one, STRICT, _DAY))
            list(findings_together(resources, STRICT, _DAY))
            taken.append((time.perf_counter() - started) * 100 / len(resources))
        yield f"rules on 100 of the {len(resources)} resources of {stack}", statistics.median(taken), "1 s"


if __name__ == "__main__":
    for what, seconds, target in measure(5):
        sys.stdout.write(f"{what}: {seconds * 1000:.0f} ms, target {target}\n")
