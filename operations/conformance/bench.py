"""One image as the platform runs it, on this machine's Docker engine, beside a PostgreSQL and a Redis of its own.

The commands, the user, what is writable and where secrets are come from docs/your-application.md. Everything that is
started here carries a name of its own and is gone afterwards.
"""

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components import app, postgres

CHECKOUT: Final = Path(__file__).resolve().parents[2]
ROLES: Final = CHECKOUT / "components" / "files" / "roles.sql"
LOGINS: Final = CHECKOUT / "compose" / "postgres" / "logins.sql"
NGINX: Final = ("nginx", "-c", "/etc/vision-week/nginx.conf", "-g", "daemon off;")
PHP: Final = ("php-fpm", "--nodaemonize", "--fpm-config", "/etc/vision-week/php-fpm.conf")
MIGRATE: Final = ("php", "/var/www/html/bin/migrate.php")
SECRETS: Final = "/etc/vision-week/secrets"
# Seconds that a container has to answer in for the first time; a busy machine takes some.
PATIENCE: Final = 60
# What a pod allows its containers (S7.2).
_CONFINED: Final = ("--read-only", "--user=1000:1000", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_INITDB: Final = """
set -e
initdb --pgdata=/tmp/data --username=postgres --auth-local=trust --auth-host=scram-sha-256 --no-sync \
    --encoding=UTF8 --locale=C
echo "host all all all scram-sha-256" >> /tmp/data/pg_hba.conf
exec postgres -D /tmp/data -c listen_addresses='*' -c fsync=off -c unix_socket_directories=/tmp
"""


class BenchError(Exception):
    """The image can't be tried; nothing is said about it."""


def docker(*arguments: str, stdin: str | None = None) -> str:
    """Run one docker command and give what it printed."""
    done = subprocess.run(["docker", *arguments], input=stdin, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"`docker {arguments[0]}` failed: {done.stderr.strip() or 'it said nothing'}")
    return done.stdout.strip()


def have(reference: str) -> str:
    """The image on this machine, pulled where it isn't there yet."""
    try:
        docker("image", "inspect", reference)
    except BenchError:
        docker("pull", "--quiet", reference)
    return reference


@dataclass(frozen=True)
class Container:
    """A container that was started for the check."""

    id: str

    @property
    def address(self) -> str:
        return docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.id)

    @property
    def running(self) -> bool:
        return docker("inspect", "--format", "{{.State.Running}}", self.id) == "true"

    @property
    def exit_code(self) -> int:
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", self.id))

    def logs(self) -> tuple[list[str], list[str]]:
        """What it wrote to standard output, and to standard error."""
        done = subprocess.run(["docker", "logs", self.id], text=True, capture_output=True, check=True)
        return done.stdout.splitlines(), done.stderr.splitlines()

    def last_words(self) -> str:
        output, error = self.logs()
        return " / ".join((error or output)[-2:]) or "it said nothing"


class Bench:
    """The image's containers and what they need."""

    def __init__(self, image: str, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.passwords = {name: secrets.token_hex(16) for name in ("owner", "app", "redis")}
        self._started: list[str] = []
        self._run = folder / "run"
        self._run.mkdir()
        _give(self._run)

    # --- what the application needs

    def start_database(self, image: str) -> None:
        folder = self._files({"owner-password": self.passwords["owner"], "app-password": self.passwords["app"]}, "sql")
        sql = (f"--volume={ROLES}:/roles.sql:ro", f"--volume={LOGINS}:/logins.sql:ro")
        mounts = (f"--volume={folder}:{SECRETS}:ro", *sql)
        options = ("--user=postgres", "--entrypoint=sh", *mounts)
        self.database = self.run(image, "-c", _INITDB, options=options)
        if not until(lambda: _succeeds("exec", self.database.id, "pg_isready", "--host=/tmp"), self.database):
            raise BenchError(f"PostgreSQL ({image}) doesn't start: {self.database.last_words()}")
        psql = ("psql", "--host=/tmp", "--username=postgres", "--quiet", "--set=ON_ERROR_STOP=1")
        docker("exec", self.database.id, *psql, "--file=/roles.sql", "--file=/logins.sql")

    def start_store(self, image: str) -> None:
        settings = f'requirepass {self.passwords["redis"]}\nprotected-mode no\nsave ""\n'
        folder = self._files({"redis.conf": settings}, "redis")
        options = (*_CONFINED, "--entrypoint=redis-server", f"--volume={folder}:/etc/redis:ro")
        self.store = self.run(image, "/etc/redis/redis.conf", options=options)

    # --- the application

    def migrate(self) -> Container:
        """Run the migrations to their end."""
        folder = self._files({"database-password": self.passwords["owner"]}, "owner")
        mounts = ("--tmpfs=/tmp:mode=1777", f"--volume={folder}:{SECRETS}:ro")
        options = (*_CONFINED, *mounts, f"--entrypoint={MIGRATE[0]}", *_options(self.variables("owner")))
        container = self.run(self.image, *MIGRATE[1:], options=options)
        docker("wait", container.id)
        return container

    def start(self, variables: Mapping[str, str] | None = None, *, fpm: Sequence[str] = ()) -> None:
        """Both containers of a pod.

        variables: those that are to be otherwise than here. fpm: further arguments of PHP-FPM.
        """
        files = {"database-password": self.passwords["app"], "redis-password": self.passwords["redis"]}
        self.secrets = self._files(files, "app")
        shared = (*_CONFINED, f"--volume={self._run}:/run/vision-week", "--tmpfs=/tmp:mode=1777")
        uploads = "--tmpfs=/var/www/html/storage/uploads:uid=1000,gid=1000"
        mounts = (uploads, f"--volume={self.secrets}:{SECRETS}:ro")
        self.php = self.run(
            self.image,
            *PHP[1:],
            *fpm,
            options=(
                *shared,
                *mounts,
                f"--entrypoint={PHP[0]}",
                *_options({**self.variables("app"), **(variables or {})}),
            ),
        )
        self.nginx = self.run(self.image, *NGINX[1:], options=(*shared, f"--entrypoint={NGINX[0]}"))

    @property
    def public(self) -> str:
        return f"http://{self.nginx.address}:{app.PORT}"

    @property
    def internal(self) -> str:
        return f"http://{self.nginx.address}:{app.INTERNAL_PORT}"

    def rotate(self) -> None:
        """Give the application another password of Redis, in the file alone. Connections that it kept are gone."""
        before, after = self.passwords["redis"], secrets.token_hex(16)
        commands = f"AUTH {before}\nCONFIG SET requirepass {after}\nCLIENT KILL TYPE normal\n"
        docker("exec", "--interactive", self.store.id, "redis-cli", stdin=commands)
        self.passwords["redis"] = after
        (self.secrets / "redis-password").write_text(after)

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """PostgreSQL's machine is frozen meanwhile: it accepts connections and answers nothing."""
        docker("pause", self.database.id)
        try:
            yield
        finally:
            docker("unpause", self.database.id)

    def close(self) -> None:
        if self._started:
            docker("rm", "--force", "--volumes", *self._started)

    def variables(self, role: str) -> dict[str, str]:
        """The environment of a container that connects as `owner` or as `app`."""
        variables = {
            "APP_ENV": "staging",
            "DATABASE_HOST": self.database.address,
            "DATABASE_PORT": "5432",
            "DATABASE_NAME": postgres.DATABASE,
            "DATABASE_USER": postgres.OWNER if role == "owner" else postgres.APP,
            "DATABASE_PASSWORD_FILE": f"{SECRETS}/database-password",
            "DATABASE_SSLMODE": "disable",
        }
        if role == "app":
            variables |= {
                "APP_VERSION": "conformance",
                "LOG_LEVEL": "debug",
                "REDIS_HOST": self.store.address,
                "REDIS_PORT": "6379",
                "REDIS_PASSWORD_FILE": f"{SECRETS}/redis-password",
                "UPLOADS_PATH": "/var/www/html/storage/uploads",
                "SESSION_LIFETIME": "3600",
                "LOGINS_PER_MINUTE": "5",
                "UPLOAD_LIMIT": "10000000",
                "WEBSOCKET_PATH": "/ws",
                "PHP_BODY_LIMIT": "11M",
                "PHP_FPM_WORKERS": "4",
                "PHP_MEMORY_LIMIT": "64M",
                "PHP_REQUEST_TIMEOUT": "60",
                "PHP_STOP_TIMEOUT": "65",
                "PGOPTIONS": "-c statement_timeout=30s",
            }
        return variables

    def run(self, image: str, *command: str, options: tuple[str, ...]) -> Container:
        """Start a container that goes with the rest."""
        container = Container(docker("run", "--detach", *options, image, *command))
        self._started.append(container.id)
        return container

    def _files(self, contents: Mapping[str, str], name: str) -> Path:
        """A folder of files that the containers' user can read, whoever we are."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for file, text in contents.items():
            (folder / file).write_text(text)
            (folder / file).chmod(0o644)
        return folder


@contextmanager
def bench(image: str, *, database: str, store: str) -> Iterator[Bench]:
    """The image with PostgreSQL and Redis beside it; migrations and pod are not started yet."""
    with tempfile.TemporaryDirectory(prefix="vision-week-check-") as name:
        Path(name).chmod(0o755)
        made = Bench(have(image), Path(name))
        try:
            made.start_database(have(database))
            made.start_store(have(store))
            yield made
        finally:
            made.close()


def until(condition: Callable[[], bool], *containers: Container, patience: float = PATIENCE) -> bool:
    """Ask until the answer is true; false where a container ended, or time did. patience: seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline or not all(container.running for container in containers):
            return False
        time.sleep(0.1)
    return True


def _options(variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"--env={name}={value}" for name, value in variables.items())


def _give(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, 1000, 1000)
    else:
        folder.chmod(0o777)


def _succeeds(*arguments: str) -> bool:
    try:
        docker(*arguments)
    except BenchError:
        return False
    return True
