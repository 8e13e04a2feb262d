"""What is watched: one file for each subject, with its alerts and its page together.

They ask the same numbers and know the same limits, so a reader has both before him, and a line on the page is where the
alert is. What an alert and a page are, `rules.py` and `pages.py` say.
"""

from collections.abc import Iterator, Sequence

from components.monitoring import collector
from components.monitoring.pages import Dashboard
from components.monitoring.rules import Alert, Record
from components.monitoring.subjects import (
    application,
    claims,
    containers,
    deliveries,
    edge,
    monitoring,
    nodes,
    objects,
    postgres,
    public_address,
    redis,
    service_levels,
    visitors,
)
from components.settings import Alerts


def records(thresholds: Alerts) -> Iterator[Record]:
    """Every series that is computed once, for many to read."""
    yield from service_levels.records(thresholds)


def alerts(thresholds: Alerts, services: Sequence[str], archived: int | None) -> Iterator[Alert]:
    """Every alert; `services` are those whose numbers must be there.

    archived: seconds within which WAL must be with the backups; None where there are none.
    """
    yield from monitoring.of_targets(thresholds, services)
    yield from public_address.alerts(thresholds)
    yield from edge.alerts()
    if collector.NAME in services:
        yield from edge.of_answers(thresholds)
    yield from application.alerts(thresholds)
    yield from postgres.alerts(archived, thresholds)
    yield from redis.alerts()
    if collector.NAME in services:
        yield from containers.alerts(thresholds)
        yield from claims.alerts()
    yield from nodes.alerts(thresholds)
    yield from objects.alerts()
    yield from deliveries.alerts()
    yield from monitoring.alerts()


def pages(thresholds: Alerts) -> Iterator[Dashboard]:
    """Every page that there is, but for that of logs (`log_page.py`)."""
    yield service_levels.page(thresholds)
    yield application.page(thresholds)
    yield visitors.page()
    yield edge.page(thresholds)
    yield postgres.page(thresholds)
    yield redis.page()
    yield containers.page(thresholds)
    yield nodes.page(thresholds)
    yield objects.page()
    yield monitoring.page()
