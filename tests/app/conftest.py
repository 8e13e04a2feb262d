"""One PostgreSQL, one Redis and one site for the tests of the application."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.servers import Postgres, Redis, remove
from tests.app.site import EMAIL, PASSWORD, Site


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Short, because of Unix sockets' names, and open to the users that the programs run as."""
    path = Path(tempfile.mkdtemp(prefix="vw-"))
    path.chmod(0o755)
    yield path
    remove(path)


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(folder: Path) -> Iterator[Redis]:
    server = Redis(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def site(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Site]:
    """The application with its schema and one user."""
    site = Site(folder, postgres, redis)
    migrated = site.run("migrate.php", owner=True)
    assert migrated.returncode == 0, migrated.stderr
    made = site.run("create-user.php", f"--email={EMAIL}", "--name=Ada", "--password-file=-", text=PASSWORD)
    assert made.returncode == 0, made.stderr
    site.start()
    yield site
    site.stop()


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


@pytest.fixture
def member(site: Site) -> Iterator[httpx.Client]:
    client = site.logged_in()
    yield client
    client.close()


@pytest.fixture
def inside(site: Site) -> Iterator[httpx.Client]:
    with site.inside() as client:
        yield client
