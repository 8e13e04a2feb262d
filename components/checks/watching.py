"""What is watched, and by whom."""

from collections.abc import Iterator

from components.checks.fault import Fault
from components.settings import Settings


def traces_have_somebody_to_take_them_in(settings: Settings) -> Iterator[Fault]:
    """An application that tells spans to nobody would wait for them, a moment every ten seconds (S8.3)."""
    watched = settings.monitoring
    if watched.enabled and watched.traces.enabled and not watched.logs:
        yield Fault(
            "monitoring.traces.enabled",
            "is on, and without monitoring.logs there are no collectors, which take traces in",
            "write false, or set monitoring.logs to true",
        )
