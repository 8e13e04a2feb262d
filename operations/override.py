"""A setting that a stack has otherwise than a file of the checkout says: where it is rehearsed, or made to verify.

It knows nothing of the program, so that the local cloud may use it.
"""

from dataclasses import dataclass
from typing import Any, Final

PROGRAM: Final = "vision-week"


@dataclass(frozen=True)
class Override:
    """path: of the setting. value: another one; None, and it is left out. why: it can't be as the file has it."""

    path: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{PROGRAM}:{self.path} = {'left out' if self.value is None else self.value}: {self.why}"
