"""Deliveries and drift, by the moments that whoever delivers and looks has told of (`moments.py`)."""

from collections.abc import Iterator, Sequence

from components.moments import CHECKED, DELIVERED, UNCHANGED
from components.monitoring.pages import Panel
from components.monitoring.rules import Alert

_HOUR = 3600
_DAY = 24 * _HOUR
# An update renews certificates in the last 30 days before their end (`certificates.py`): five are left to make one.
_OVERDUE = 25 * _DAY
# It is looked for each night: one that was left out, and half a day.
_UNCHECKED = 36 * _HOUR


def _when(moment: str, told: str = "") -> str:
    """The second in which it was last; nothing where it never was. told: when that was known, `offset 1h`."""
    return f'max by (namespace) (kube_lease_renew_time{{lease="{moment}"}}{told})'


_AGE = f"time() - {_when(DELIVERED)}"
_UNSEEN = f"time() - {_when(CHECKED)}"
# Both are of the same second where nothing has drifted. Where the first look found some, there is but one.
_DRIFTED = f"{_when(CHECKED)} - {_when(UNCHANGED)} > 0 or ({_when(CHECKED)} unless {_when(UNCHANGED)})"


def alerts() -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="DeliveryOverdue",
        expr=f"{_AGE} > {_OVERDUE}",
        minutes=0,
        severity="warning",
        team="application",
        summary="Nothing has been delivered for {{ $value | humanizeDuration }}",
        description="Certificates are renewed by a delivery of the last 30 days before their end, and what is known"
        " of the images' weaknesses is mended by none but a new one.",
    )
    yield Alert(
        name="DriftFound",
        expr=_DRIFTED,
        # The two are renewed one after the other.
        minutes=5,
        severity="warning",
        team="platform",
        summary="The stack is not as its program has it",
        description="The last look for drift found some. The next update that looks first puts it right.",
    )
    yield Alert(
        name="DriftUnchecked",
        # Where nobody has ever looked: as long after a delivery.
        expr=f"{_UNSEEN} > {_UNCHECKED} or ({_when(DELIVERED, f' offset {_UNCHECKED}s')} unless {_when(CHECKED)})",
        minutes=0,
        severity="warning",
        team="platform",
        summary="Nobody has looked for drift for more than a day and a half",
        description="The check at night did not run, did not come to an end, or may not say that it did.",
    )


def panels() -> Sequence[Panel]:
    """A row of the page on the cluster."""
    return (
        Panel(title="Since the last delivery", questions={"": _AGE}, unit="s", limit=_OVERDUE),
        Panel(title="Since somebody looked for drift", questions={"": _UNSEEN}, unit="s", limit=_UNCHECKED),
        Panel(
            title="From the last look without drift to the last look",
            questions={"": f"{_when(CHECKED)} - {_when(UNCHANGED)}"},
            unit="s",
            limit=1,
        ),
    )
