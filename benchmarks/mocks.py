"""What the program itself costs, without an engine: loading and checking settings, and evaluating each stack by mocks.

Every run is a process of its own, because that is how people meet it. The libraries' loading is not in it; that of our
models is, because they are built when they are loaded.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator

import pulumi_kubernetes  # noqa: F401  the libraries are loaded before anything is measured
from pydantic import BaseModel  # noqa: F401

from benchmarks.commands import run
from tests.unit.recording import record, run_stack, stack_config
from tests.unit.stacks import STACKS


def measure(runs: int) -> Iterator[tuple[str, float, str]]:
    """What is measured, its seconds, the target."""
    for stack in STACKS:
        told = [json.loads(run([sys.executable, "-m", "benchmarks.mocks", stack])) for _ in range(runs)]
        yield f"load and check the settings of {stack}", statistics.median(each["load"] for each in told), "100 ms"
        yield f"evaluate {stack} by mocks", statistics.median(each["evaluate"] for each in told), ""


def _once(stack: str) -> dict[str, float]:
    started = time.perf_counter()
    from components.configuration import load  # noqa: PLC0415  it is what is measured

    record(load, config=stack_config(stack))
    loaded = time.perf_counter()
    from tests.unit.stacks import buildable  # noqa: PLC0415

    run_stack(buildable(stack))
    return {"load": loaded - started, "evaluate": time.perf_counter() - loaded}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_once(sys.argv[1])))
