"""The connection to PostgreSQL that a request begins with."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.app.servers import Postgres, Redis
from tests.app.site import Site


@contextmanager
def silent_once(postgres: Postgres) -> Iterator[tuple[int, list[socket.socket]]]:
    """A port where the first connection hears nothing, and the others lead to PostgreSQL; and those that came."""
    came: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            came.append(here)
            if len(came) > 1:
                there = socket.create_connection(("127.0.0.1", postgres.port))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=pass_on, args=(one, other), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)


def pass_on(one: socket.socket, other: socket.socket) -> None:
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)


def test_a_connection_that_does_not_come_about_is_tried_again_and_nobody_notices(
    folder: Path, postgres: Postgres, redis: Redis, site: Site
) -> None:
    """A pooler or a PostgreSQL that stands still for a moment costs a few seconds, and no request."""
    assert site.uploads.is_dir()  # it made the schema
    with silent_once(postgres) as (port, came):
        changed = {"PHP_FPM_WORKERS": "1", "DATABASE_PORT": str(port)}
        patient = Site(folder / "tried-again", postgres, redis, environment=changed)
        patient.start()
        try:
            with patient.client() as client:
                answer = client.get("/api/exhibits?limit=19")  # which no other test has had kept
        finally:
            patient.stop()
    assert answer.status_code == 200
    assert len(came) == 2
