"""How an action ends: the exit codes that scripts and workflows read, and the error that carries one."""

from enum import IntEnum

from operations.problem import Problem


class Exit(IntEnum):
    """Documented in docs/delivery.md and in `--help`. 2 is a wrong word on the command line."""

    DONE = 0
    REFUSED = 1  # something is in the way, and nothing was changed
    LOCKED = 3  # somebody else delivers to this stack
    RESTORED = 4  # the release failed, and the last good one runs again
    BROKEN = 5  # something failed after changes were made, and they were not taken back
    TESTS = 6  # a test of what runs failed
    INTERRUPTED = 130  # 128 and SIGINT, as shells have it


class DeliveryError(Problem):
    """An action that ends with another code than 0."""

    def __init__(self, what: str, hint: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(what, hint)
        self.code = code
