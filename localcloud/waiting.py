"""Waiting for what comes by itself, for so long and no longer."""

import time
from collections.abc import Callable

LOOK_AGAIN = 5  # seconds until the next look whether there is hope, which costs more than asking


def wait(condition: Callable[[], object], seconds: float, hopeless: Callable[[], bool] = lambda: False) -> bool:
    """Ask until the answer is true, and say whether it came in time; `hopeless` ends the waiting before that."""
    now = time.monotonic()
    deadline, next_look = now + seconds, now + LOOK_AGAIN
    while not condition():
        now = time.monotonic()
        if now > next_look:
            if hopeless():
                return False
            next_look = now + LOOK_AGAIN
        if now > deadline:
            return False
        time.sleep(0.2)
    return True
