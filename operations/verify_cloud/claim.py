"""A claim of the documents, and how it is looked at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, sleep
from typing import Any, Final

import httpx

from operations.preflight import RefusedError
from operations.problem import Problem
from operations.verify_cloud.place import Place
from operations.verify_cloud.report import Result, Verdict

_EVERY: Final = 5  # seconds between two looks


class Needs(StrEnum):
    """What a claim is looked at in. A simulated Google Cloud has the first two, and of the second no nodes."""

    PROGRAM = "the program"
    API_SERVER = "an API server"
    NODES = "GKE's nodes"
    GOOGLE = "Google's APIs"
    BALANCER = "Google's balancer"


class RefutedError(Exception):
    """What was seen instead."""


@dataclass(frozen=True)
class Claim:
    """told: where the documents say it. look: gives what it saw; raises `RefutedError`.

    patience: seconds until what is refuted counts: Google takes its time.
    """

    what: str
    told: str
    needs: Needs
    look: Callable[[Place], str]
    patience: float = 0

    def judged(self, place: Place, within: frozenset[Needs]) -> Result:
        """within: what there is to look in."""
        if self.needs not in within:
            return self._result(Verdict.NOT_TRIED, f"needs {self.needs}")
        began = monotonic()
        while True:
            try:
                return self._result(Verdict.VERIFIED, self.look(place))
            except RefutedError as refuted:
                found = self._result(Verdict.REFUTED, str(refuted))
            except (Problem, RefusedError, httpx.HTTPError, OSError) as error:
                found = self._result(Verdict.NO_ANSWER, str(error))
            except (LookupError, TypeError, ValueError) as error:
                # What was answered has another form than it is documented to have.
                found = self._result(Verdict.NO_ANSWER, f"the answer can't be read: {type(error).__name__}: {error}")
            if monotonic() - began >= self.patience:
                return found
            sleep(_EVERY)

    def _result(self, verdict: Verdict, seen: str) -> Result:
        return Result(self.what, self.told, verdict, seen)


class _Something:
    """Any value but none at all."""

    def __repr__(self) -> str:
        return "something"


SOMETHING: Final = _Something()


def agree(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises `RefutedError` with every field that is another. Google leaves out what is false, or nothing."""
    wrong = []
    for path, value in wanted.items():
        there: Any = found
        for part in path.split("."):
            there = there.get(part) if isinstance(there, Mapping) else None
        if not (bool(there) if value is SOMETHING else (there or None) == (value or None)):
            wrong.append(f"{path} of {name} is {there!r}, not {value!r}")
    if wrong:
        raise RefutedError("; ".join(wrong))


def require(seen: object, otherwise: str) -> None:
    """Raises `RefutedError` where there is nothing."""
    if not seen:
        raise RefutedError(otherwise)
