"""One at a time: a lock that other runs on this machine wait for.

It is held by an open file and goes with the process that opened it, however that ends: nobody is locked out by a run
that was killed. The file itself stays, as whoever waits for the lock has it open.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(lock: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock; `waiting` is called first if another run has it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
