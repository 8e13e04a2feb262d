"""What stands before PostgreSQL and Redis, and how quickly a backup is restored, beside the same programs bare (S5).

One member of each as production has it, without replicas, archive and exporter, beside the same program in one
container, as it comes and with the same limits. Both have their data on this machine's disk. Ours are asked as the
application asks: PostgreSQL by TLS and a password, Redis by TLS and its user. The contenders take turns, so that a busy
moment of the machine meets all of them.
"""

import json
import re
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.commands import CHECKOUT
from benchmarks.containers import MIRROR, cores, credentials, limit, started, tell
from components import haproxy, patroni, pgbackrest, pooler, redis
from components.logins import verifier
from components.postgres import APP, DATABASE
from components.settings import Backups, Postgres, Redis
from localcloud.cluster import registry_up
from localcloud.images import buildkit, registry, stand_ins_up
from operations.conformance.bench import BenchError, Container, docker, until

_POSTGRES: Final = f"{registry.ADDRESS}/vision-week/postgres:bench"
_REDIS: Final = f"{MIRROR}/library/redis:7.4-bookworm"
_HAPROXY: Final = f"{MIRROR}/library/haproxy:3.2-bookworm"
_CLIENTS: Final = 16
_ROUNDS: Final = 3
_SCALE: Final = 20  # pgbench's: 100,000 rows each, 300 MB in all
_LOGIN: Final = f"{APP}_a"
_FILES: Final = "/bench"
_VOLUME: Final = f"--volume={patroni.DATA}"
# The platform's own parameters and rules of access come as files; what is bare has PostgreSQL's, and lets everybody in
# who has a password.
_START: Final = f"""
set -e
initdb --username=postgres --pgdata="$PGDATA" --data-checksums --encoding=UTF8 --locale=C.UTF-8 > /dev/null
if [ -e {_FILES}/postgresql.conf ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=postgres \
        -keyout {patroni.TLS}/tls.key -out {patroni.TLS}/tls.crt 2> /dev/null
    cat {_FILES}/postgresql.conf >> "$PGDATA/postgresql.conf"
    cp {_FILES}/pg_hba.conf {_FILES}/pg_ident.conf "$PGDATA"
else
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories={pooler.SOCKETS}
"""
# A certificate that signs itself, for the name by which HAProxy knows a member.
_SIGNED: Final = f"""
cd {redis.SECRETS}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=redis \
    -addext subjectAltName=DNS:redis -keyout tls.key -out tls.crt 2> /dev/null
cp tls.crt ca.crt
chmod 644 tls.key
"""


@dataclass(frozen=True)
class Asked:
    """What one contender made of one kind of work; latencies in milliseconds."""

    per_second: float
    latency: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s; {self.latency:.2f} ms"


def measure() -> Iterator[tuple[str, str, str]]:
    """What is measured, what came of it, the target."""
    with ExitStack() as cleanup:
        cleanup.enter_context(credentials())
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="vision-week-bench-")))
        folder.chmod(0o755)
        _images(cleanup)
        yield from _postgres(folder)
        yield from _redis(folder)
        yield from _restores(folder)


def _images(cleanup: ExitStack) -> None:
    """PostgreSQL's own image, on this machine's Docker engine."""
    registry_up(tell)
    contexts = stand_ins_up(tell)
    buildkit.buildkit_up(tell)
    file = CHECKOUT / "images/postgres/Dockerfile"
    buildkit.build(buildkit.Build(dockerfile=file, contexts=contexts, names=[_POSTGRES]), tell)
    docker("pull", "--quiet", _POSTGRES)
    cleanup.callback(docker, "image", "rm", "--force", _POSTGRES)


def _compare(
    what: str, contenders: Mapping[str, Callable[[], Asked]], bare: str = "bare"
) -> Iterator[tuple[str, str, str]]:
    """Rows of what each makes of it, the medians of its rounds, and how the first one stands beside the bare one."""
    rounds: dict[str, list[Asked]] = {name: [] for name in contenders}
    for _ in range(_ROUNDS):
        for name, ask in contenders.items():
            tell(f"asking {name}: {what}")
            rounds[name].append(ask())
    medians = {
        name: Asked(statistics.median(one.per_second for one in made), statistics.median(one.latency for one in made))
        for name, made in rounds.items()
    }
    for name, asked in medians.items():
        yield f"{what}, {name}", str(asked), ""
    ours = next(iter(medians.values()))
    yield "  beside bare", f"{ours.per_second / medians[bare].per_second:.2f} x", ""


# --- PostgreSQL


def _postgres(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The built-in transactions of pgbench, by connections that stay and by a new one for each, as PHP does it."""
    password = secrets.token_hex(16)
    (folder / "pgpass").write_text(f"*:*:*:{_LOGIN}:{password}\n")
    (folder / "pgpass").chmod(0o600)
    with ExitStack() as cleanup:
        ours = _member(cleanup, folder / "ours", password, Postgres(members=1, backups=Backups(enabled=False)))
        docker("exec", "--detach", ours.id, "pgbouncer", f"{_FILES}/pgbouncer.ini")
        bare = _bare(cleanup, password)
        asking = started(
            cleanup,
            _POSTGRES,
            *("sleep", "infinity"),
            options=(
                "--user=0",
                f"--cpuset-cpus={cores(1)}",
                f"--volume={folder}:/asked:ro",
                "--env=PGPASSFILE=/asked/pgpass",
            ),
        )
        contenders = {
            "through the pooler": (ours, patroni.POOLED_PORT, "require"),
            "the same without it": (ours, patroni.PORT, "require"),
            "bare": (bare, patroni.PORT, "disable"),
        }
        kept, each = "kept connections", "a connection each"
        for kind, script, connections, options in (
            ("read", "select-only", kept, ["--transactions=2000"]),
            ("read", "select-only", each, ["--transactions=50", "--connect"]),
            ("write", "simple-update", kept, ["--transactions=200"]),
            ("write", "simple-update", each, ["--transactions=50", "--connect"]),
        ):
            yield from _compare(
                f"pgbench {kind}, {connections}",
                {
                    name: partial(_pgbench, asking, *where, f"--builtin={script}", *options)
                    for name, where in contenders.items()
                },
            )


def _member(cleanup: ExitStack, folder: Path, password: str, settings: Postgres) -> Container:
    """PostgreSQL as a member has it, with the room of the pooler that is to run beside it, and pgbench's tables."""
    configuration = json.loads(patroni.member())["postgresql"]
    shared = json.loads(patroni.shared(settings))["postgresql"]
    parameters = {**shared["parameters"], **configuration["parameters"]}
    files = {
        "postgresql.conf": "".join(f"{name} = '{value}'\n" for name, value in parameters.items()),
        "pg_hba.conf": "".join(f"{line}\n" for line in configuration["pg_hba"]),
        "pg_ident.conf": "".join(f"{line}\n" for line in configuration["pg_ident"]),
        **_backups(settings),
        "pgbouncer.ini": pooler.configuration(DATABASE, settings, 30),
        "users.txt": f'"{_LOGIN}" "{verifier(_LOGIN, password)}"\n',
        "roles.sql": (CHECKOUT / "components/files/roles.sql").read_text(),
    }
    (folder / "conf.d").mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    member = started(
        cleanup,
        _POSTGRES,
        *("sh", "-c", _START),
        options=(
            _VOLUME,
            f"--volume={folder}:{_FILES}:ro",
            f"--volume={folder / 'users.txt'}:{pooler.USERS}:ro",
            f"--tmpfs={patroni.TLS}:uid=1000,gid=1000",
            f"--volume={pgbackrest.VOLUME}",
            f"--env=PGBACKREST_CONFIG={_FILES}/pgbackrest.conf",
            f"--env=PGBACKREST_CONFIG_INCLUDE_PATH={_FILES}/conf.d",
        ),
    )
    limit(member, settings.resources, settings.pooler_resources)
    _filled(member, f"\\i {_FILES}/roles.sql\nCREATE ROLE {_LOGIN} LOGIN IN ROLE {APP}", password)
    return member


def _backups(settings: Postgres) -> Mapping[str, str]:
    """The repository's files and a restore's, for a member that has the repository in its own container."""
    text = pgbackrest.repository(settings, "members", None)
    return {
        "pgbackrest.conf": re.sub(r"^(pg1-host|tls-server).*\n", "", text, flags=re.MULTILINE),
        "restore.conf": pgbackrest.restoring(None),
        "conf.d/passphrase.conf": pgbackrest.passphrase(secrets.token_hex(16)),
    }


def _bare(cleanup: ExitStack, password: str) -> Container:
    """PostgreSQL as it comes."""
    settings = Postgres()
    bare = started(cleanup, _POSTGRES, "sh", "-c", _START, options=(_VOLUME,))
    limit(bare, settings.resources, settings.pooler_resources)
    _filled(
        bare, f"CREATE ROLE {APP};\nCREATE ROLE {_LOGIN} LOGIN IN ROLE {APP};\nCREATE DATABASE {DATABASE}", password
    )
    return bare


def _filled(server: Container, roles: str, password: str) -> None:
    """Whoever asks may log in, and pgbench's tables are there."""
    _until(partial(docker, "exec", server.id, "pg_isready"), server)
    tell("filling a database")
    told = f"{roles};\nALTER ROLE {_LOGIN} PASSWORD '{verifier(_LOGIN, password)}';\n"
    _psql(server, told, "postgres")
    docker("exec", server.id, "pgbench", "--initialize", "--quiet", f"--scale={_SCALE}", DATABASE)
    _psql(
        server,
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP};\nGRANT USAGE ON SCHEMA public TO {APP};\nCHECKPOINT;\n",
    )


def _psql(server: Container, text: str, database: str = DATABASE) -> str:
    command = ("psql", "--no-psqlrc", "--quiet", "-At", "--set=ON_ERROR_STOP=1", f"--dbname={database}")
    return docker("exec", "--interactive", server.id, *command, stdin=text)


def _pgbench(asking: Container, server: Container, port: int, sslmode: str, *options: str) -> Asked:
    told = docker(
        *("exec", f"--env=PGSSLMODE={sslmode}", asking.id, "pgbench", "--no-vacuum", f"--client={_CLIENTS}"),
        *(f"--host={server.address}", f"--port={port}", f"--username={_LOGIN}", *options),
        DATABASE,
    )
    if "number of failed transactions: 0 " not in told:
        raise BenchError(f"Transactions failed, so the numbers would mean nothing:\n{told}")
    return Asked(float(_found(r"^tps = ([\d.]+)", told)), float(_found(r"^latency average = ([\d.]+) ms", told)))


# --- Redis


def _redis(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Sessions' commands as the application gives them: by its user, through HAProxy."""
    settings = Redis(members=1)
    app, checks = secrets.token_hex(16), secrets.token_hex(16)
    with ExitStack() as cleanup:
        files = folder / "redis"
        files.mkdir()
        users = {"app": app, haproxy.USER: checks}
        lines = "".join(f"user {name} on >{password} {redis.RIGHTS[name]}\n" for name, password in users.items())
        (files / "redis.conf").write_text(f"{redis.redis_conf(settings)}{lines}requirepass {secrets.token_hex(16)}\n")
        docker("run", "--rm", "--user=0", f"--volume={files}:{redis.SECRETS}", _POSTGRES, "sh", "-ec", _SIGNED)
        mount = f"--volume={files}:{_FILES}:ro"
        signed = f"--volume={files}:{redis.SECRETS}:ro"
        stored = ("--user=0", "--volume=/data")
        member = started(cleanup, _REDIS, "redis-server", f"{_FILES}/redis.conf", options=(mount, signed, *stored))
        (files / "haproxy.cfg").write_text(
            haproxy.configuration(
                {"redis-0": member.address}, port=redis.MEMBER_PORT, shown="redis", password=checks, connections=1000
            )
        )
        authority = f"--volume={files / 'ca.crt'}:/etc/haproxy/ca.crt:ro"
        before = started(
            cleanup,
            _HAPROXY,
            *("haproxy", "-db", "-f", f"{_FILES}/haproxy.cfg"),
            options=(mount, authority, "--user=1000:1000"),
        )
        bare = started(cleanup, _REDIS, "redis-server", "--protected-mode", "no", "--dir", "/data", options=stored)
        limit(member, settings.resources)
        limit(before, settings.haproxy_resources)
        limit(bare, settings.resources)
        as_app = ("--tls", "--cacert", f"{redis.SECRETS}/ca.crt", "--user", "app", "-a", app)
        asking = started(cleanup, _REDIS, "sleep", "infinity", options=(f"--cpuset-cpus={cores(1)}", signed))
        contenders = {
            "through HAProxy": (before, haproxy.PORT, as_app),
            "the same without it": (member, redis.MEMBER_PORT, as_app),
            "bare": (bare, 6379, ()),
        }
        for contender in contenders.values():
            _until(partial(_redis_cli, asking, *contender, "ping"), contender[0])
        for kind, words in (
            ("SET", ("SET", "vision-week:__rand_int__", "x" * 300)),
            ("GET", ("GET", "vision-week:__rand_int__")),
        ):
            yield from _compare(
                f"redis-benchmark {kind}",
                {name: partial(_redis_benchmark, asking, *where, words) for name, where in contenders.items()},
            )


def _redis_cli(asking: Container, server: Container, port: int, login: tuple[str, ...], *words: str) -> str:
    return docker("exec", asking.id, "redis-cli", "-h", server.address, "-p", str(port), *login, *words)


def _redis_benchmark(
    asking: Container, server: Container, port: int, login: tuple[str, ...], words: tuple[str, ...]
) -> Asked:
    told = docker(
        *("exec", asking.id, "redis-benchmark", "-h", server.address, "-p", str(port), *login, "--csv"),
        *("-c", str(_CLIENTS), "-n", "100000", "-r", "100000", *words),
    )
    numbers = told.splitlines()[-1].rsplit('","', 7)
    return Asked(float(numbers[1]), float(numbers[2]))


# --- restores


def _restores(folder: Path) -> Iterator[tuple[str, str, str]]:
    """A backup until it is served, and a dump of the same data until it is loaded into a server that runs."""
    with ExitStack() as cleanup:
        member = _member(cleanup, folder / "archived", secrets.token_hex(16), Postgres(members=1))
        megabytes = int(_psql(member, f"SELECT pg_database_size('{DATABASE}')")) / 1e6
        for step in ("stanza-create", "backup"):
            tell(f"pgbackrest {step}")
            docker("exec", member.id, "pgbackrest", f"--stanza={patroni.STANZA}", step)
        docker("exec", member.id, "pg_dump", "--format=custom", f"--file={_DUMP}", DATABASE)
        own, job = Postgres().resources, Backups().resources
        for what, steps, resources in (
            ("pgBackRest", _BACKUP, own),
            ("pgBackRest with the processor of the job that restores", _BACKUP, job),
            ("pg_restore", _LOADED, own),
        ):
            limit(member, own.model_copy(update={"cpu_limit": resources.cpu_limit}))
            taken = statistics.median(_restored(member, what, steps) for _ in range(_ROUNDS))
            yield f"restore of {megabytes:,.0f} MB, {what}", f"{megabytes / taken:.0f} MB/s; {taken:.1f} s", ""


def _restored(member: Container, what: str, steps: tuple[str, str]) -> float:
    """Seconds that the first step takes; the second one undoes it."""
    tell(f"restoring by {what}")
    began = time.monotonic()
    docker("exec", member.id, "sh", "-ec", steps[0])
    taken = time.monotonic() - began
    docker("exec", member.id, "sh", "-ec", steps[1])
    return taken


_DUMP: Final = f"{patroni.DATA}/dump"
_BESIDE: Final = f"{patroni.DATA}/beside"
_BACKUP: Final = (
    f"""
    export PGBACKREST_CONFIG={_FILES}/restore.conf
    mkdir -m 0700 {_BESIDE}
    pgbackrest --stanza={patroni.STANZA} --pg1-path={_BESIDE} restore > /dev/null
    pg_ctl --pgdata={_BESIDE} --wait --timeout=600 --log=/tmp/beside.log start > /dev/null \
        --options='-c port=5433 -c listen_addresses= -c archive_mode=off -c hot_standby=off'
    """,
    f"pg_ctl --pgdata={_BESIDE} --mode=immediate stop > /dev/null; rm -r {_BESIDE}",
)
_LOADED: Final = (
    f"createdb loaded; pg_restore --exit-on-error --dbname=loaded {_DUMP}",
    "dropdb loaded; psql --dbname=postgres --quiet --command=CHECKPOINT",
)


def _until(condition: Callable[[], object], container: Container) -> None:
    """End where a container doesn't get there."""

    def there() -> bool:
        try:
            return bool(condition())
        except BenchError:
            return False

    if not until(there, container):
        raise BenchError(f"A container doesn't start: {container.last_words()}")


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise BenchError(f"{pattern} isn't in this:\n{text}")
    return found[1]
