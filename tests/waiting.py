"""Waiting for what happens beside a test: in another process, in a pod, on a server."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(condition: Callable[[], Value | None], what: str, patience: float = 120, every: float = 0.05) -> Value:
    """Ask until there is an answer that is true, and give it. patience, every: seconds."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain for {what}"
        time.sleep(every)
    return value
