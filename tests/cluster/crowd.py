"""Everybody who is there while something happens to the platform: who reads, who writes, who talks."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.cluster.visitors import Conversation, Visits

# The service goes, or restarts: connect again (RFC 6455, 7.4.1, and IANA's registry of close codes).
TOLD_TO_GO = {1001, 1012}
# No goodbye: nginx can't say it in another's protocol to those who are still there 70 s after it was told to end.
CUT_OFF = 1006


@dataclass(frozen=True)
class Crowd:
    """Everybody who is there."""

    visits: Visits
    additions: Visits
    talks: tuple[Conversation, ...]

    def noticed_nothing(self, ends: Collection[int] = TOLD_TO_GO) -> None:
        """Every request was answered well; whose connection was ended could connect again, and missed no message."""
        assert self.visits.bad == [], self.visits.bad
        assert self.additions.bad == [], self.additions.bad
        assert self.visits.good > 0
        assert self.additions.good > 0
        said = {text for talk in self.talks for text in talk.said}
        assert said
        for talk in self.talks:
            assert talk.refused == []
            assert set(talk.codes) <= set(ends)
            assert said - talk.heard == set()


Gather = Callable[[], AbstractContextManager[Crowd]]
