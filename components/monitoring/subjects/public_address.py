"""The public address, by what somebody hears who asks for it as visitors do (`probes.py`)."""

from collections.abc import Iterator

from components.monitoring.rules import Alert
from components.settings import Alerts
from components.settings.monitoring import Severity

# Seconds before its end within which a certificate should have been renewed: Google's, Let's Encrypt's and the stack's
# own are a month before it.
ENDING = 14 * 24 * 3600
# In which somebody should leave other work for it.
_ENDING_SOON = 3 * 24 * 3600


def alerts(thresholds: Alerts) -> Iterator[Alert]:
    """Every alert."""
    yield Alert(
        name="PublicUrlFails",
        expr="max by (url) (probe_success) == 0",
        minutes=thresholds.target_down_minutes,
        severity="critical",
        team="platform",
        summary="{{ $labels.url }} does not answer visitors",
        description="Its name, its certificate, the edge or the application fails them all.",
    )
    levels: tuple[tuple[int, Severity], ...] = ((ENDING, "warning"), (_ENDING_SOON, "critical"))
    for seconds, severity in levels:
        yield Alert(
            name="CertificateExpires",
            expr=f"min by (url) (probe_ssl_earliest_cert_expiry) - time() < {seconds}",
            minutes=15,
            severity=severity,
            team="platform",
            summary="The certificate of {{ $labels.url }} is over in {{ $value | humanizeDuration }}",
            description="It should have been renewed by now; when it is over browsers let nobody through.",
        )
