"""The connection to PostgreSQL that a request begins with."""

from pathlib import Path

from tests.app.relay import Relay
from tests.app.servers import Postgres, Redis
from tests.app.site import Site


def test_a_connection_that_does_not_come_about_is_tried_again_and_nobody_notices(
    folder: Path, postgres: Postgres, redis: Redis, site: Site
) -> None:
    """A pooler or a PostgreSQL that stands still for a moment costs a few seconds, and no request."""
    assert site.uploads.is_dir()  # it made the schema
    relay = Relay(postgres, silent=1)
    changed = {"PHP_FPM_WORKERS": "1", "DATABASE_PORT": str(relay.port)}
    patient = Site(folder / "tried-again", postgres, redis, environment=changed)
    patient.start()
    try:
        with patient.client() as client:
            answer = client.get("/api/exhibits?limit=19")  # which no other test has had kept
    finally:
        patient.stop()
        relay.stop()
    assert answer.status_code == 200
    assert len(relay.came) == 2
